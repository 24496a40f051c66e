"""
## What it does
`tls: false`: decrypted requests travel to the backend in clear, and not on the edge's own machine.

## Why it is bad
Whoever can listen between the edge and the backend reads them. The finding can be accepted for named backends only.

## Example
```yaml
backend_cas: {}
backends:
  app: {servers: [192.0.2.10:8080], tls: false}
```

## Use instead
TLS with the internal CA; or accept the finding for this backend, with the reason.
```yaml
backend_cas: {}
backends:
  app: {servers: [127.0.0.1:8080], tls: false}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9325
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("plaintext-backend", Severity.WARNING, per_backend=True)
def plaintext_backend(context: Context) -> Iterator[Diagnostic]:
    reached = {
        upstream.backend.name
        for site in context.plan.sites
        if site.decrypt
        for group in site.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    }
    for backend in context.plan.backends:
        said = context.policy.backends[backend.name].tls is False
        if not said or backend.name not in reached:
            continue
        if all(server.socket.address.is_loopback for server in backend.servers):
            continue
        yield plaintext_backend.found(
            f"requests travel to the backend `{backend.name}` in clear",
            (*backend.path, "tls"),
            help=[f"use TLS, or accept this for `backends: [{backend.name}]` with the reason"],
            backends=[backend.name],
        )
