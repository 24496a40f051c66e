"""
## What it does
A rate or body limit is larger than the one of an earlier rule that applies to the same requests, and more.

## Why it is bad
Limits add up, and the smallest decides: an upload that the larger one was written for is refused.

## Example
```yaml
inspection_rules:
  web:
    - {limit_body: 1MiB}
    - {when: {path: {prefix: /upload}}, limit_body: 100MiB}
```

## Use instead
Except the special case from the general limit.
```yaml
inspection_rules:
  web:
    - {unless: {path: {prefix: /upload}}, limit_body: 1MiB}
    - {when: {path: {prefix: /upload}}, limit_body: 100MiB}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-15.5.14
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import LimitBody, RateLimit, Rule
from .. import Context
from ..walks import Places


@rule("limit-without-effect", Severity.WARNING)
def limit_without_effect(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        for kind, key in ((LimitBody, "limit_body"), (RateLimit, "rate_limit")):
            smaller = _smaller(one, places, kind)
            if smaller is not None:
                yield limit_without_effect.found(
                    f"this `{key}` never counts: an earlier rule has a smaller one for the same requests",
                    Location((*one.path, key), of="key"),
                    related=[Location((*smaller.path, key), "decides first", of="key")],
                    help=["except these requests from the smaller limit with `unless`"],
                    sites=dict.fromkeys(site.name for walk, _ in places for site in walk.sites),
                )


def _smaller(one: Rule, places: Places, kind: type[LimitBody | RateLimit]) -> Rule | None:
    """The rule whose limit counts instead, at every place."""
    own = next((action for action in one.actions if isinstance(action, kind)), None)
    if own is None:
        return None
    found: Rule | None = None
    for walk, index in places:
        found = next(
            (
                earlier.rule
                for earlier in walk.steps[:index]
                for action in earlier.rule.actions
                if isinstance(action, kind) and _larger(own, action) and walk.within(walk.steps[index], earlier)
            ),
            None,
        )
        if found is None:
            return None
    return found


def _larger(one: LimitBody | RateLimit, other: LimitBody | RateLimit) -> bool:
    match one, other:
        case LimitBody(), LimitBody():
            return one.size > other.size
        case RateLimit(), RateLimit():
            # As events in the same time: one period may be a minute and the other a second.
            rate, least = one.count * other.period, other.count * one.period
            return rate >= least and one.burst >= other.burst and (rate, one.burst) != (least, other.burst)
        case _:
            return False
