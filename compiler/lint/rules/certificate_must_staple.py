"""
## What it does
A public certificate tells clients to insist on a stapled OCSP answer (the TLS feature `status_request`).

## Why it is bad
No output of policyc staples one, so clients that heed it, such as Firefox, refuse every connection.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-must-staple.pem, key: certs/shop-must-staple.key}
```

## Use instead
A certificate without it.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc7633
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("certificate-must-staple", Severity.WARNING)
def certificate_must_staple(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if one.role == "public" and one.certificate.must_staple:
            yield certificate_must_staple.found(
                f"{one.what} demands a stapled OCSP answer, and none is sent",
                one.at,
                help=["have it issued without `must-staple`"],
                sites=one.sites,
            )
