"""
## What it does
Every request that a rule applies to was allowed, denied or redirected by an earlier one. Paths, methods, sources and
hosts are compared as sets, over all lists that a site inspects, `unless` included; headers and parameters by what one
condition says about another. What cannot be decided is not found.

## Why it is bad
The rule never applies, whatever it was meant to do.

## Example
```yaml
inspection_rules:
  web:
    - {name: no-changes, when: {path: {prefix: /admin}, method: [POST, PUT, PATCH, DELETE]}, deny: 403}
    - name: moved
      when: {path: {prefix: /admin}, method: [GET, HEAD, OPTIONS]}
      redirect: {to: "https://admin.example.com/"}
    - {name: secrets, when: {path: {exact: /admin/secrets}}, deny: 404}
```

## Use instead
The special rule before the general one.
```yaml
inspection_rules:
  web:
    - {name: secrets, when: {path: {exact: /admin/secrets}}, deny: 404}
    - {name: no-changes, when: {path: {prefix: /admin}, method: [POST, PUT, PATCH, DELETE]}, deny: 403}
    - name: moved
      when: {path: {prefix: /admin}, method: [GET, HEAD, OPTIONS]}
      redirect: {to: "https://admin.example.com/"}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-4.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import Allow, Deny, Rule
from .. import Context

_SHOWN = 4


@rule("unreachable-rule", Severity.WARNING)
def unreachable_rule(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        if any(walk.reached(index) for walk, index in places):
            continue
        applying = [(walk, index) for walk, index in places if walk.applies_at_all(index)]
        if not applying:
            continue  # never applies at all, which other rules tell
        walk, index = applying[0]
        earlier = walk.in_the_way(index)
        together = len(earlier) > 1
        yield unreachable_rule.found(
            "this rule is never reached: "
            + ("earlier rules together end the walk" if together else "an earlier one ends the walk")
            + " for every request that it applies to",
            one.path,
            related=[Location(other.path, _does(other)) for other in earlier[:_SHOWN]],
            notes=[f"and {len(earlier) - _SHOWN} more rules"] if len(earlier) > _SHOWN else [],
            help=["put it before " + ("them" if together else "the other") + ", or remove it"],
            sites=dict.fromkeys(site.name for walk, _ in places for site in walk.sites),
        )


def _does(rule: Rule) -> str:
    kinds = {type(action) for action in rule.actions}
    verb = "denies" if Deny in kinds else "allows" if Allow in kinds else "redirects"
    return f"{verb} every request" if rule.when.always and rule.unless is None else verb
