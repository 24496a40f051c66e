"""
## What it does
A public certificate has a key of a kind that browsers do not take: Ed25519, Ed448, or an elliptic curve other than
P-256 and P-384.

## Why it is bad
The handshake fails in browsers. Tests with curl or openssl work, because OpenSSL takes these keys.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-ed25519.pem, key: certs/shop-ed25519.key}
```

## Use instead
ECDSA P-256 or P-384, or RSA.
```yaml
public_certificates:
  shop: {cert: certs/shop-p384.pem, key: certs/shop-p384.key}
```

## Targets
All. Sites for programs of your own may accept the finding.

## References
https://cabforum.org/working-groups/server/baseline-requirements/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context

_CURVES = (256, 384)


@rule("key-type-refused-by-browsers", Severity.WARNING)
def key_type_refused_by_browsers(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        key, bits = one.certificate.key_type, one.certificate.key_bits
        if one.role != "public" or key in ("RSA", "DSA") or (key == "EC" and (bits in _CURVES or bits < 224)):
            continue
        yield key_type_refused_by_browsers.found(
            f"{one.what} has a key that browsers do not take: {key}{f' with {bits} bits' if key == 'EC' else ''}",
            one.at,
            help=["use ECDSA P-256 or P-384, or RSA"],
            sites=one.sites,
        )
