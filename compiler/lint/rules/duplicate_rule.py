"""
## What it does
A rule that lets the walk go on stands twice in a list: the same conditions, the same actions.

## Why it is bad
A header is added twice, a request counted twice; or one of the two should have been another.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /login}}, rate_limit: {rate: 5/s}}
    - {when: {path: {prefix: /login}}, rate_limit: {rate: 5/s}}
```

## Use instead
One of them. One that ends the walk and stands twice is an `unreachable-rule`.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /login}}, rate_limit: {rate: 5/s}}
    - {when: {path: {prefix: /signup}}, rate_limit: {rate: 5/s}}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-5.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Path, Severity, rule
from .. import Context
from ..walks import ends_walk


@rule("duplicate-rule", Severity.WARNING)
def duplicate_rule(context: Context) -> Iterator[Diagnostic]:
    told: set[Path] = set()
    for rule_list in context.plan.rule_lists:
        first: dict[object, Path] = {}
        for one in rule_list.rules:
            if ends_walk(one):
                continue
            same = first.setdefault((one.when, one.unless, one.actions), one.path)
            if same != one.path and one.path not in told:
                told.add(one.path)
                yield duplicate_rule.found(
                    "the same rule stands in this list already",
                    one.path,
                    related=[Location(same, "first here")],
                    help=["remove one of the two, or correct it"],
                )
