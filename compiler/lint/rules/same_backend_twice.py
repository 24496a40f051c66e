"""
## What it does
Two backends have the same servers and the same settings.

## Why it is bad
A server that is added to one is missing in the other, and its health is checked twice.

## Example
```yaml
backends:
  app: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
  api: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: api}]
```

## Use instead
One backend.
```yaml
backends:
  app: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
  api: {servers: [192.0.2.10:8443], tls: {ca: internal, server_name: app.example.internal}}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: api}]
```

## Targets
All.

## References
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/health_checking
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("same-backend-twice", Severity.INFO)
def same_backend_twice(context: Context) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    for name, backend in context.policy.backends.items():
        same = first.setdefault(repr(backend), name)
        if same != name:
            yield same_backend_twice.found(
                f"the backend `{name}` is the same as `{same}`",
                Location(("backends", name), of="key"),
                related=[Location(("backends", same), "the other one", of="key")],
                help=[f"use `{same}` for both, and remove `{name}`"],
                backends=[name],
            )
