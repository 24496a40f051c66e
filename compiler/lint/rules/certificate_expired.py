"""
## What it does
A certificate's last day is over. This finding depends on today's date (or on `--at`).

## Why it is bad
Visitors are shown an error; or the proxy refuses the backend and answers 502 or 503; or the backend refuses the proxy.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-expired.pem, key: certs/shop-expired.key}
```

## Use instead
Renew it.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import described


@rule("certificate-expired")
def certificate_expired(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if one.certificate.not_after < context.at:
            yield certificate_expired.found(
                f"{one.what} expired on {one.certificate.not_after:%Y-%m-%d}",
                one.at,
                notes=[described(one.certificate), context.as_of],
                help=["renew it"],
                sites=one.sites,
                backends=one.backends,
            )
