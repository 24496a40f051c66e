"""
## What it does
No request comes to a route: another route takes all of its paths, or the site's rules deny or redirect all of them.

## Why it is bad
The backend that it names gets nothing.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /api}}, unless: {path: {prefix: /api/v2}}, deny: 404}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api/v1}, backend: api}]
backends:
  app: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
  api: {servers: [192.0.2.20:443], tls: {ca: internal, server_name: api.example.internal}}
```

## Use instead
Let the rules pass what the route is for.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /api}}, unless: {path: {prefix: /api/v1}}, deny: 404}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api/v1}, backend: api}]
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

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import Allow, Route
from .. import Context
from ..request_sets import Clause, Option, Wish
from ..walks import Walk, ends_walk, refuses, route_before


@rule("route-never-reached", Severity.WARNING)
def route_never_reached(context: Context) -> Iterator[Diagnostic]:
    walks = {site.name: walk for walk in context.walks for site in walk.sites}
    for site in context.plan.sites:
        routes = site.groups[0].routes if site.groups else ()
        for index, route in enumerate(routes):
            taken = route_before(route, routes[:index])
            if taken is not None:
                why, related = "another route takes all of its paths", [Location(taken.path, "this one")]
            elif _refused(route, walks.get(site.name)):
                why, related = "rules deny or redirect all of its paths", [Location((*site.path, "inspect"))]
            else:
                continue
            yield route_never_reached.found(
                f"no request comes to this route: {why}",
                (*route.path, "path"),
                related=related,
                help=["remove it, or let its requests pass"],
                sites=[site.name],
                backends=[route.upstream.backend.name],
            )


def _refused(route: Route, walk: Walk | None) -> bool:
    if walk is None:
        return False
    clauses: list[Clause] = []
    allowed: list[Option] = []
    for step in walk.steps:
        if refuses(step.rule):
            clauses.append([*step.escaped, *allowed])
        elif ends_walk(step.rule) and any(isinstance(action, Allow) for action in step.rule.actions):
            allowed += step.cases
    return bool(clauses) and not walk.there_is([[Wish("path", (route.prefix.expression,))]], clauses)
