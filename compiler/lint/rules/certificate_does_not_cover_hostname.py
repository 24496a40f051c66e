"""
## What it does
A site's hostname is not among the DNS names of the certificate that its visitors are shown.

## Why it is bad
Browsers refuse the connection. The common name does not count (RFC 9525), and a wildcard covers one label.

## Example
```yaml
sites:
  shop: {hostnames: [shop.example.com, shop.example.org], public_certificate: shop, backend: app, inspect: [web]}
```

## Use instead
A certificate with that name, or remove the hostname from the site.
```yaml
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
```

## Targets
All: what visitors are shown is the same everywhere.

## References
https://www.rfc-editor.org/rfc/rfc9525
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import carries, one_dot_wildcard, partial_wildcard


@rule("certificate-does-not-cover-hostname")
def certificate_does_not_cover_hostname(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        leaf, host = claim.leaf, claim.host
        if claim.backend or carries(leaf, host) or one_dot_wildcard(leaf, host) or partial_wildcard(leaf, host):
            continue
        by_common_name = not host.wildcard and leaf.common_name == host.name
        yield certificate_does_not_cover_hostname.found(
            f"{claim.whose} does not cover `{host}`",
            claim.at,
            related=claim.related,
            notes=["its common name is this one, and does not count"] if by_common_name else [],
            help=["use a certificate with this name, or remove the hostname"],
            sites=claim.sites,
        )
