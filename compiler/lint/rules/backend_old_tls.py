"""
## What it does
`min_version` lets the proxy speak TLS 1.0 or 1.1 to a backend.

## Why it is bad
Both have been withdrawn (RFC 8996): whoever stands between can force the weaker version, and TLS libraries of today do
not speak it without being told, so that it may not even work.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, min_version: "1.0"}
```

## Use instead
TLS 1.2, the default. For a server that cannot: accept the finding for this backend, with the reason.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, min_version: "1.2"}
```

## Targets
All that can.

## References
https://www.rfc-editor.org/rfc/rfc8996
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("backend-old-tls", Severity.WARNING, per_backend=True)
def backend_old_tls(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        if backend.tls and backend.tls.min_version in ("1.0", "1.1"):
            yield backend_old_tls.found(
                f"TLS {backend.tls.min_version} is spoken to the backend `{backend.name}`, which was withdrawn",
                (*backend.tls.path, "min_version"),
                help=["use 1.2; or accept this for the backend, with the reason"],
                backends=[backend.name],
            )
