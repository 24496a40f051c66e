"""
## What it does
The policy has no site, so every target refuses every connection.

## Why it is bad
An output for nobody takes the place of one that worked.

## Example
```yaml
public_certificates: {}
backend_cas: {}
backends: {}
inspection_rules: {}
sites: {}
```

## Use instead
Add a site.
```yaml
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc6066#section-3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("policy-without-site", Severity.WARNING)
def policy_without_site(context: Context) -> Iterator[Diagnostic]:
    if not context.policy.sites:
        yield policy_without_site.found(
            "there is no site: every connection is refused", Location(("sites",), of="key"), help=["add a site"]
        )
