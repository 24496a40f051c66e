"""
## What it does
`verify: chain`: the backend's certificate must come from the CA, but may carry any name.

## Why it is bad
Every holder of any certificate from that CA can play the backend. The finding can be accepted for named backends only.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, verify: chain}
```

## Use instead
`verify: full` and the name that the certificate carries as `server_name`.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
```

## Targets
All.

## References
https://github.com/envoyproxy/envoy/issues/6763
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from ...plan import Verify
from .. import Context


@rule("backend-name-not-verified", per_backend=True)
def backend_name_not_verified(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        if backend.tls and backend.tls.verify is Verify.CHAIN:
            yield backend_name_not_verified.found(
                f"the name in the certificate of the backend `{backend.name}` is not verified",
                (*backend.tls.path, "verify"),
                help=["use `verify: full`, with the name that the certificate carries as `server_name`"],
                backends=[backend.name],
            )
