"""
## What it does
A certificate has an RSA key of less than 2048 bits, an elliptic curve of less than 224, or a DSA key.

## Why it is bad
Browsers refuse such a certificate, and OpenSSL at the security level that distributions set does not load it: a proxy
does not start, for all sites, because of one.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-rsa-1024.pem, key: certs/shop-rsa-1024.key}
```

## Use instead
ECDSA P-256, or RSA from 2048 bits on.
```yaml
public_certificates:
  shop: {cert: certs/shop-rsa-2048.pem, key: certs/shop-rsa-2048.key}
```

## Targets
All. Which of them refuse to start depends on the TLS library and its settings.

## References
https://docs.openssl.org/3.0/man3/SSL_CTX_set_security_level/
https://cabforum.org/working-groups/server/baseline-requirements/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from ...plan import Certificate
from .. import Context
from ..certificates import described

_LEAST = {"RSA": 2048, "EC": 224, "DSA": 1 << 30}


@rule("weak-key")
def weak_key(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if _weak(one.certificate):
            yield weak_key.found(
                f"{one.what} has a key that is too weak: {one.certificate.key_type}, {one.certificate.key_bits} bits",
                one.at,
                notes=[described(one.certificate)],
                help=["have it issued for an ECDSA P-256 key, or RSA with 2048 bits or more"],
                sites=one.sites,
                backends=one.backends,
            )


def _weak(certificate: Certificate) -> bool:
    return certificate.key_bits < _LEAST.get(certificate.key_type, 0)
