"""
## What it does
A backend has the same server twice.

## Why it is bad
It gets twice its share, and when it is down so is its double: it looks as if there were another to turn to.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443, 192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Use instead
The address of the other server; or `weight` where a server should get more.
```yaml
backends:
  app:
    servers: [{address: "192.0.2.10:443", weight: 2}, 192.0.2.11:443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc2782
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Path, Severity, rule
from ...plan import Socket
from .. import Context


@rule("duplicate-server", Severity.WARNING)
def duplicate_server(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        first: dict[Socket, Path] = {}
        for server in backend.servers:
            same = first.setdefault(server.socket, server.path)
            if same != server.path:
                yield duplicate_server.found(
                    f"the backend `{backend.name}` has the server `{server.socket}` twice",
                    server.path,
                    related=[Location(same, "first here")],
                    help=["give the other server's address; `weight` where one should get more"],
                    backends=[backend.name],
                )
