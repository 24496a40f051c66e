"""
## What it does
A certificate covers a name only by a wildcard that is a part of a label, such as `shop*.example.com`.

## Why it is bad
Such a wildcard counts no longer (RFC 9525). Browsers refuse it; some TLS libraries still take it, so that the same
policy works on one target and is down on the other.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-partial-wildcard.pem, key: certs/shop-partial-wildcard.key}
```

## Use instead
A certificate with the whole name, or a wildcard for the whole label.
```yaml
public_certificates:
  shop: {cert: certs/star-example-com.pem, key: certs/star-example-com.key}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9525#section-6.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import partial_wildcard as partial


@rule("partial-wildcard")
def partial_wildcard(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        name = partial(claim.leaf, claim.host)
        if name:
            yield partial_wildcard.found(
                f"{claim.whose} covers `{claim.host}` by `{name}` only",
                claim.at,
                related=claim.related,
                help=["use a certificate with the whole name, or a wildcard for the whole label"],
                sites=claim.sites,
                backends=claim.backends,
            )
