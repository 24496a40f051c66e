"""
## What it does
A redirect leads to a URL of the same edge that is redirected again, and so on, back to a URL that was there already.
Each step is decided as the edge would, for a visitor without special headers.

## Why it is bad
Browsers give up with "too many redirects": what was behind the redirect cannot be reached.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /shop}}, redirect: {to: /shop/en}}
```

## Use instead
Except the redirect's own target.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /shop}}, unless: {path: {prefix: /shop/en}}, redirect: {to: /shop/en}}
```

## Targets
All that can redirect.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-15.4
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Path, rule
from .. import Context
from ..redirects import Redirects


@rule("redirect-loop")
def redirect_loop(context: Context) -> Iterator[Diagnostic]:
    told: set[Path] = set()
    redirects = Redirects(context.plan, context.walks)
    for hop in redirects.hops():
        stops = redirects.follow(hop)
        if not stops:
            continue
        last = stops[-1][0]
        start = next(index for index, (stop, _) in enumerate(stops) if stop == last)
        circle = [(stop, redirected) for stop, redirected in stops[start:-1]]
        paths = sorted({redirected.rule.path for _, redirected in circle}, key=repr)
        if told & set(paths):
            continue
        told.update(paths)
        first, *others = paths
        round_trip = " → ".join(f"{stop.host}{stop.target}" for stop, _ in (*circle, circle[0]))
        yield redirect_loop.found(
            "this redirect never ends",
            (*first, "redirect"),
            related=[Location((*path, "redirect"), "leads back") for path in others],
            notes=[round_trip],
            help=["except the redirect's own target with `unless`"],
            sites=[hop.site.name],
        )
