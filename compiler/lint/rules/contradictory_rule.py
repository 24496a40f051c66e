"""
## What it does
A rule's `unless` holds whenever its `when` does.

## Why it is bad
The rule never applies, and what it was meant to stop passes.

## Example
```yaml
inspection_rules:
  web:
    - when: {path: {prefix: /admin/api}, source: [10.1.0.0/16]}
      unless: {path: {prefix: /admin}}
      deny: 403
```

## Use instead
An exception that is smaller than the rule.
```yaml
inspection_rules:
  web:
    - when: {path: {prefix: /admin}, source: [10.1.0.0/16]}
      unless: {path: {prefix: /admin/api}}
      deny: 403
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-4.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context
from ..request_sets import there_is


@rule("contradictory-rule", Severity.WARNING)
def contradictory_rule(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        if one.unless is None or any(walk.applies_at_all(index) for walk, index in places):
            continue
        if not any(there_is(walk.universe, walk.steps[index].when) for walk, index in places):
            continue  # its `when` alone never holds, which other rules tell
        yield contradictory_rule.found(
            "this rule never applies: its `unless` holds "
            + ("for every request" if one.when.always else "whenever its `when` does"),
            Location((*one.path, "unless"), of="key"),
            related=[] if one.when.always else [Location((*one.path, "when"), of="key")],
            help=["make the exception smaller than the rule"],
            sites=dict.fromkeys(site.name for walk, _ in places for site in walk.sites),
        )
