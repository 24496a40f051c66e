"""
## What it does
A certificate is signed with SHA-1 or MD5. A root's own signature is not looked at: nobody verifies it.

## Why it is bad
Such signatures can be forged. Browsers refuse the certificate, and so does OpenSSL at the security level that
distributions set: the proxy does not start, or refuses the backend.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-sha1.pem, key: certs/shop-sha1.key}
```

## Use instead
A certificate that is signed with SHA-256 or better.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
```

## Targets
All. Which of them refuse to start depends on the TLS library and its settings.

## References
https://docs.openssl.org/3.0/man3/SSL_CTX_set_security_level/
https://shattered.io/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import described


@rule("weak-signature")
def weak_signature(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if one.certificate.signature_hash in ("md5", "sha1") and not one.certificate.self_issued:
            yield weak_signature.found(
                f"{one.what} is signed with {one.certificate.signature_hash.upper().replace('SHA1', 'SHA-1')}",
                one.at,
                notes=[described(one.certificate)],
                help=["have it issued anew: SHA-256 or better"],
                sites=one.sites,
                backends=one.backends,
            )
