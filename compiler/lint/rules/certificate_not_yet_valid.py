"""
## What it does
A certificate's first day is still to come. This finding depends on today's date (or on `--at`).

## Why it is bad
Until then visitors are shown an error, or the proxy refuses the backend.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-from-tomorrow.pem, key: certs/shop-from-tomorrow.key}
```

## Use instead
Use it from that day on, and check this machine's clock.

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


@rule("certificate-not-yet-valid")
def certificate_not_yet_valid(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if one.certificate.not_before > context.at:
            yield certificate_not_yet_valid.found(
                f"{one.what} is valid only from {one.certificate.not_before:%Y-%m-%d %H:%M} UTC",
                one.at,
                notes=[described(one.certificate), context.as_of],
                help=["use it from that day on"],
                sites=one.sites,
                backends=one.backends,
            )
