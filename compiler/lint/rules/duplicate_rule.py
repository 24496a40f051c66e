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


@rule("duplicate-rule", Severity.WARNING)
def duplicate_rule(context: Context) -> Iterator[Diagnostic]:
    for name, rules in context.policy.inspection_rules.items():
        first: dict[str, Path] = {}
        for index, one in enumerate(rules):
            if one.allow or one.deny is not None or one.redirect is not None:
                continue
            path: Path = ("inspection_rules", name, index)
            same = first.setdefault(repr(one.model_copy(update={"name": None})), path)
            if same != path:
                yield duplicate_rule.found(
                    "the same rule stands in this list already",
                    path,
                    related=[Location(same, "first here")],
                    help=["remove one of the two, or correct it"],
                )
