"""
## What it does
A rule denies a prefix that ends in `/`, and no rule of the list names the path without it.

## Why it is bad
`/admin/` covers what is below, but not `/admin` itself, which many servers answer with the same page.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin/}}, deny: 403}
```

## Use instead
`/admin`: prefixes end at segment borders, so that it covers `/admin/x` and not `/administrator`.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, deny: 403}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc3986#section-3.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Path, Severity, rule
from ...plan import Deny, TextMatch
from .. import Context


@rule("prefix-with-trailing-slash", Severity.INFO)
def prefix_with_trailing_slash(context: Context) -> Iterator[Diagnostic]:
    told: set[tuple[Path, str]] = set()
    for rule_list in context.plan.lists_as_written():
        named = {
            matcher.text
            for one in rule_list.rules
            for condition in (one.when, one.unless)
            for matcher in (condition.paths if condition else ())
            if matcher.kind in (TextMatch.EXACT, TextMatch.PREFIX)
        }
        for one in rule_list.rules:
            if not any(isinstance(action, Deny) for action in one.actions):
                continue
            for matcher in one.when.paths:
                text = matcher.text.removesuffix("/")
                if matcher.kind is not TextMatch.PREFIX or text in ("", matcher.text) or text in named:
                    continue
                if (one.path, text) not in told:
                    told.add((one.path, text))
                    yield prefix_with_trailing_slash.found(
                        f"`{matcher.text}` covers what is below, and not `{text}` itself",
                        (*one.path, "when", "path"),
                        help=[f"write `{text}`: it covers both, and not `{text}x`"],
                    )
