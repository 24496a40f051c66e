"""
## What it does
A certificate covers a name only by a wildcard directly below a top-level name, such as `*.internal`.

## Why it is bad
Browsers and some TLS libraries refuse a wildcard over a whole top-level name, others take it: the same policy works on
one target and is down on the other.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.internal, certificate: certs/star-internal.pem}
```

## Use instead
A certificate that names the host, or a wildcard one label deeper.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.internal, certificate: certs/app-internal.pem}
```

## Targets
All. On the inner leg those built on OpenSSL refuse it, those on BoringSSL may not.

## References
https://www.rfc-editor.org/rfc/rfc9525#section-7.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import one_dot_wildcard


@rule("wildcard-below-top-level")
def wildcard_below_top_level(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        name = one_dot_wildcard(claim.leaf, claim.host)
        if name:
            yield wildcard_below_top_level.found(
                f"{claim.whose} covers `{claim.host}` by `{name}` only",
                claim.at,
                related=claim.related,
                help=[f"use a certificate that names `{claim.host}`"],
                sites=claim.sites,
                backends=claim.backends,
            )
