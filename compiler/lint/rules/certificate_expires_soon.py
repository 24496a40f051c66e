"""
## What it does
A certificate expires within 30 days. This finding depends on today's date (or on `--at`).

## Why it is bad
It is time to renew it: after that day visitors are shown an error, or the proxy refuses the backend. Where
certificates live for less than 30 days, accept the finding.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-20-days-left.pem, key: certs/shop-20-days-left.key}
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
https://letsencrypt.org/docs/integration-guide/#when-to-renew
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context

_SOON = timedelta(days=30)


@rule("certificate-expires-soon", Severity.WARNING)
def certificate_expires_soon(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        left = one.certificate.not_after - context.at
        if timedelta(0) <= left < _SOON:
            days = f"in {left.days} days" if left.days != 1 else "tomorrow"
            yield certificate_expires_soon.found(
                f"{one.what} expires {days if left.days else 'today'}, on {one.certificate.not_after:%Y-%m-%d}",
                one.at,
                notes=[context.as_of],
                help=["renew it"],
                sites=one.sites,
                backends=one.backends,
            )
