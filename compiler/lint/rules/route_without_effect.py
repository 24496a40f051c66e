"""
## What it does
A route leads to the backend that its requests would reach without it.

## Why it is bad
It reads as if these paths were treated in a way of their own; perhaps another backend was meant.

## Example
```yaml
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: app}]
```

## Use instead
The backend that was meant. An exception from a shorter route is not found.
```yaml
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: api}, {path: {prefix: /api/shop}, backend: app}]
backends:
  app: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
  api: {servers: [192.0.2.20:443], tls: {ca: internal, server_name: api.example.internal}}
```

## Targets
All that can route.

## References
https://www.rfc-editor.org/rfc/rfc3986#section-3.3
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...diagnostics import Diagnostic, Location, Path, Severity, rule
from ...plan import Route, Site
from .. import Context
from ..path_language import Undecided, holds_more
from ..walks import route_before


@rule("route-without-effect", Severity.INFO)
def route_without_effect(context: Context) -> Iterator[Diagnostic]:
    for site in context.plan.sites:
        routes = site.groups[0].routes if site.groups else ()
        if len({route.path for route in routes}) < len(context.policy.sites[site.name].routes):
            continue  # one that could not be understood may be the one around
        for index, route in enumerate(routes):
            if route_before(route, routes[:index]):
                continue
            backend, at = _without(site, route, routes[index + 1 :])
            if backend is not None and backend == route.upstream.backend.name:
                yield route_without_effect.found(
                    f"the requests of this route reach `{backend}` anyway",
                    (*route.path, "backend"),
                    related=[Location(at, "leads there")],
                    help=["remove the route, or name the backend that was meant"],
                    sites=[site.name],
                    backends=[backend],
                )


def _without(site: Site, route: Route, others: Sequence[Route]) -> tuple[str | None, Path]:
    """The backend that all requests of a route would reach without it, and where it says so."""
    own = (route.prefix.expression,)
    for other in others:
        theirs = (other.prefix.expression,)
        try:
            if not holds_more((own,), theirs):
                return other.upstream.backend.name, (*other.path, "backend")
            if holds_more(tuple(sorted((own, theirs))), ()):
                return None, ()
        except Undecided:
            return None, ()
    return site.groups[0].upstream.backend.name, (*site.path, "backend")
