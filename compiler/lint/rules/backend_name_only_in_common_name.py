"""
## What it does
The certificate that a backend is known to present has the verified name as its common name, and other names in its SAN.

## Why it is bad
Where there is a SAN, the common name does not count (RFC 9525), and most targets refuse the backend: 502 or 503. Some
accept it, so that the same policy behaves differently.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/app-in-common-name.pem}
```

## Use instead
A certificate with this name in its SAN, too; or set `server_name` to a name that is there.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: other.example.internal, certificate: certs/app-in-common-name.pem}
```

## Targets
All.

## References
https://github.com/haproxy/haproxy/issues/3486
https://www.rfc-editor.org/rfc/rfc9525#section-2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import carries, names_of


@rule("backend-name-only-in-common-name")
def backend_name_only_in_common_name(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        leaf = claim.leaf
        if claim.backend and leaf.has_san and leaf.common_name == str(claim.host) and not carries(leaf, claim.host):
            yield backend_name_only_in_common_name.found(
                f"{claim.whose} has `{claim.host}` as its common name only",
                claim.at,
                notes=[f"its SAN holds {names_of(leaf)}; some targets look at the common name all the same"],
                help=["issue one with this name in its SAN, or set `server_name` to a name that is there"],
                backends=claim.backends,
            )
