"""
## What it does
The certificate that a backend is known to present does not carry the name that is verified. That is `server_name`, or,
without it, each hostname that visitors ask for.

## Why it is bad
Proxies refuse the backend, and visitors get 502 or 503.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, certificate: certs/app.pem}
```

## Use instead
Set `server_name` to a name that the certificate carries, or issue one with that name in the SAN.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9525
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, rule
from .. import Context
from ..certificates import carries, names_of, partial_wildcard


@rule("backend-certificate-without-name")
def backend_certificate_without_name(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        leaf, host = claim.leaf, claim.host
        if not claim.backend or carries(leaf, host) or partial_wildcard(leaf, host):
            continue
        if not leaf.has_san or leaf.common_name == str(host):
            continue  # rules of their own
        fixed = context.policy.backends[claim.backend].tls
        yield backend_certificate_without_name.found(
            f"{claim.whose} does not carry `{host}`",
            claim.at,
            related=[Location((*claim.at[:-2], "server_name"), "the name that is verified")]
            if fixed and fixed.server_name
            else [],
            notes=[f"it carries {names_of(leaf)}"]
            + ([] if fixed and fixed.server_name else ["without `server_name` the name is the one visitors ask for"]),
            help=["set `server_name` to a name that it carries, or issue one with this name"],
            backends=claim.backends,
        )
