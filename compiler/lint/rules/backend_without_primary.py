"""
## What it does
All servers of a backend are backups.

## Why it is bad
A backup is used when all the others are down, and there are no others. Some targets do not start with such a backend.

## Example
```yaml
backends:
  app:
    servers: [{address: "192.0.2.10:443", backup: true}]
    tls: {ca: internal, server_name: app.example.internal}
```

## Use instead
At least one server without `backup: true`.
```yaml
backends:
  app:
    servers: [192.0.2.10:443, {address: "192.0.2.11:443", backup: true}]
    tls: {ca: internal, server_name: app.example.internal}
```

## Targets
All.

## References
https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context


@rule("backend-without-primary")
def backend_without_primary(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        if all(server.backup for server in backend.servers):
            yield backend_without_primary.found(
                f"all servers of the backend `{backend.name}` are backups",
                (*backend.path, "servers"),
                help=["remove `backup: true` from those that are used first"],
                backends=[backend.name],
            )
