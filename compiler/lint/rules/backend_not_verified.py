"""
## What it does
`verify: none`: the proxy takes whatever certificate the backend presents.

## Why it is bad
Whoever can answer at the backend's address reads and changes all traffic, with TLS or without. The finding can be
accepted for named backends only.

## Example
```yaml
backend_cas: {}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {verify: none}
```

## Use instead
`verify: full` with a `ca`. A self-signed certificate can be its own `ca`.
```yaml
backend_cas:
  app: {ca: certs/self-signed.pem}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: app, server_name: app.example.internal}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9525
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from ...plan import Verify
from .. import Context


@rule("backend-not-verified", per_backend=True)
def backend_not_verified(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        if backend.tls and backend.tls.verify is Verify.NONE:
            yield backend_not_verified.found(
                f"nothing about the certificate of the backend `{backend.name}` is verified",
                (*backend.tls.path, "verify"),
                help=["use `verify: full` with a `ca`; a self-signed certificate can be its own `ca`"],
                backends=[backend.name],
            )
