"""
## What it does
A listener is defined, and no site is reached on it.

## Why it is bad
Its sockets are open and refuse every handshake: whoever opened them believes that something answers there.

## Example
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"]}
  internal: {bind: ["0.0.0.0:8443"]}
sites:
  shop:
    hostnames: [shop.example.com]
    listeners: [public]
    public_certificate: shop
    backend: app
    inspect: [web]
```

## Use instead
Name it in a site's `listeners`, or remove it.
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"]}
  internal: {bind: ["0.0.0.0:8443"]}
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc6066#section-3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("unused-listener", Severity.WARNING)
def unused_listener(context: Context) -> Iterator[Diagnostic]:
    sites = context.policy.sites.values()
    if not sites or any(site.listeners is None for site in sites):
        return
    named = {name for site in sites for name in site.listeners or ()}
    if named - set(context.policy.listeners):
        return  # a name that is not known was told already; what it meant may be one of these
    for name in context.policy.listeners:
        if name not in named:
            yield unused_listener.found(
                f"no site is reached on the listener `{name}`",
                Location(("listeners", name), of="key"),
                help=["name it in a site's `listeners`, or remove it"],
            )
