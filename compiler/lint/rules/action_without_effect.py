"""
## What it does
A rule that denies or redirects also limits the rate or the body of the request, or edits its headers.

## Why it is bad
A request that is refused or redirected is not counted and goes nowhere: the action does nothing. Above all
`rate_limit` beside `deny` reads as "deny when over the rate", and denies all.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /login}}, rate_limit: {rate: 5/s}, deny: 429}
```

## Use instead
`rate_limit` alone: what is over the rate gets 429.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /login}}, rate_limit: {rate: 5/s}}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc6585#section-4
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import Deny, EditHeaders, LimitBody, RateLimit
from .. import Context
from ..walks import refuses


@rule("action-without-effect", Severity.WARNING)
def action_without_effect(context: Context) -> Iterator[Diagnostic]:
    for rule_list in context.plan.lists_as_written():
        for one in rule_list.rules:
            if not refuses(one):
                continue
            ending = "deny" if any(isinstance(action, Deny) for action in one.actions) else "redirect"
            for action in one.actions:
                match action:
                    case RateLimit():
                        key = "rate_limit"
                    case LimitBody():
                        key = "limit_body"
                    case EditHeaders(response=False):
                        key = "request_headers"
                    case _:
                        continue
                yield action_without_effect.found(
                    f"`{key}` does nothing beside `{ending}`: every request that the rule applies to ends here",
                    Location((*one.path, key), of="key"),
                    related=[Location((*one.path, ending), "ends the walk", of="key")],
                    help=[
                        f"remove `{ending}`: what is over the limit is refused anyway"
                        if key != "request_headers"
                        else "remove it"
                    ],
                )
