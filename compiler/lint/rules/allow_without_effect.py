"""
## What it does
An `allow` with a condition stands where no later rule does anything to the requests that it lets pass.

## Why it is bad
What no rule denies passes: such an `allow` restricts nothing. It reads as if everything else were refused.

## Example
```yaml
inspection_rules:
  web:
    - {when: {source: [10.0.0.0/8], path: {prefix: /admin}}, allow: true}
```

## Use instead
Deny the others behind it, or deny them alone.
```yaml
inspection_rules:
  web:
    - {when: {source: [10.0.0.0/8], path: {prefix: /admin}}, allow: true}
    - {when: {path: {prefix: /admin}}, deny: 403}
```

## Targets
All.

## References
https://cheatsheetseries.owasp.org/cheatsheets/Authorization_Cheat_Sheet.html
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import Allow
from .. import Context
from ..request_sets import Applies


@rule("allow-without-effect", Severity.WARNING)
def allow_without_effect(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        if one.when.always and one.unless is None:
            continue  # says in words what holds anyway: nobody reads it as a restriction
        applies = any(walk.applies_at_all(index) for walk, index in places)
        if not applies or not any(isinstance(action, Allow) for action in one.actions):
            continue
        matters = any(
            walk.overlap(walk.steps[index], later)
            for walk, index in places
            for later in walk.steps[index + 1 :]
            if not _allows_only(later)
        )
        if not matters:
            yield allow_without_effect.found(
                "this `allow` restricts nothing: no later rule would stop or change what it lets pass",
                Location((*one.path, "allow"), of="key"),
                help=["deny the other requests in a rule behind it; what no rule denies passes"],
                sites=dict.fromkeys(site.name for walk, _ in places for site in walk.sites),
            )


def _allows_only(step: Applies) -> bool:
    return all(isinstance(action, Allow) for action in step.rule.actions)
