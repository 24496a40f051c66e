"""
## What it does
A backend is verified by the machine's own CAs (`ca: system`) for a name that no public CA issues certificates for, such
as `app.internal` or `app.corp`.

## Why it is bad
Unless somebody added an internal CA to that store, on every machine of every target, the backend is refused: 502 or
503. And if somebody did, every program there trusts it.

## Example
```yaml
backend_cas: {}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: system, server_name: app.example.internal}
```

## Use instead
The internal CA as one of `backend_cas`.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Targets
All that can use the machine's store.

## References
https://cabforum.org/working-groups/server/baseline-requirements/
https://www.rfc-editor.org/rfc/rfc6762#appendix-G
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context

_NOT_PUBLIC = frozenset(
    {"internal", "local", "localhost", "localdomain", "lan", "home", "corp", "private", "intranet"}
    | {"test", "example", "invalid", "onion", "arpa"}
)
"""Reserved (RFC 2606, 6761, 6762, 7686; ICANN 2018 and 2024), or never delegated because so many use them."""


@rule("system-ca-for-internal-name", Severity.WARNING)
def system_ca_for_internal_name(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        name = backend.server_name
        if backend.tls is None or backend.tls.anchors is None or not backend.tls.anchors.system or name is None:
            continue
        if "." not in name or name.rpartition(".")[2] in _NOT_PUBLIC:
            yield system_ca_for_internal_name.found(
                f"no public CA issues a certificate for `{name}`, and `system` means public CAs",
                (*backend.tls.path, "ca"),
                related=[Location((*backend.tls.path, "server_name"))],
                help=["name the internal CA in `backend_cas`, and use it"],
                backends=[backend.name],
            )
