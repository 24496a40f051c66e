"""
## What it does
A server of a backend is one of the edge's own sockets: the address and port of a listener, or a loopback address with
the port of a listener that takes all addresses.

## Why it is bad
The edge forwards to itself: each request comes back as a new one, until it runs out of connections.

## Example
```yaml
backends:
  app:
    servers: [127.0.0.1:443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Use instead
The server's own address, or another port.
```yaml
backends:
  app:
    servers: [127.0.0.1:8443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Targets
The proxies.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-7.6.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, rule
from ...plan import Socket
from .. import Context


@rule("backend-is-this-edge")
def backend_is_this_edge(context: Context) -> Iterator[Diagnostic]:
    own = [
        (bound, (*listener.path, key, index))
        for listener in context.plan.listeners
        for key, sockets in (("bind", listener.binds), ("redirect_http", listener.redirect_http))
        for index, bound in enumerate(sockets)
    ]
    by_port: dict[int, list[tuple[Socket, tuple[str | int, ...]]]] = {}
    for bound, path in own:
        by_port.setdefault(bound.port, []).append((bound, path))
    for backend in context.plan.backends:
        for server in backend.servers:
            for bound, path in by_port.get(server.socket.port, ()):
                if _same(server.socket, bound):
                    yield backend_is_this_edge.found(
                        f"`{server.socket}` is the edge itself: requests to the backend `{backend.name}` come back",
                        server.path,
                        related=[Location(path, "bound here")],
                        help=["give the server's own address, or another port"],
                        backends=[backend.name],
                    )
                    break


def _same(server: Socket, bound: Socket) -> bool:
    if bound.address.version != server.address.version:
        return False
    return bound.address == server.address or (bound.address.is_unspecified and server.address.is_loopback)
