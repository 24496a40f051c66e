"""
## What it does
A public certificate is valid for longer than browsers take: 398 days for one that browsers trust by default (it names
a policy of the CA/Browser Forum), 825 days for any other.

## Why it is bad
Browsers refuse it, whoever issued it: Apple's systems hold certificates of private CAs to 825 days as well.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-three-years.pem, key: certs/shop-three-years.key}
```

## Use instead
A shorter one, renewed by a program.
```yaml
public_certificates:
  shop: {cert: certs/shop-two-years.pem, key: certs/shop-two-years.key}
```

## Targets
All: it is the visitors' side that refuses.

## References
https://support.apple.com/en-us/103769
https://support.apple.com/en-us/102028
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context

_PUBLIC, _PRIVATE = 398, 825


@rule("certificate-validity-too-long", Severity.INFO)
def certificate_validity_too_long(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        limit = _PUBLIC if one.certificate.publicly_trusted else _PRIVATE
        days = (one.certificate.not_after - one.certificate.not_before).days
        if one.role == "public" and days > limit:
            yield certificate_validity_too_long.found(
                f"{one.what} is valid for {days} days, and browsers take {limit} at most",
                one.at,
                help=["have a shorter one issued"],
                sites=one.sites,
            )
