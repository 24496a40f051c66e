"""
## What it does
A regular expression for the path matches every path, as `/*` does: no slash, or more of them, anywhere.

## Why it is bad
The condition decides nothing: what should apply to some requests applies to all. Often it was meant as a pattern of
another kind, where `*` stands for any text.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {regex: "/*"}, method: [DELETE]}, deny: 403}
```

## Use instead
An expression that some path does not match, or no `path` at all.
```yaml
inspection_rules:
  web:
    - {when: {path: {regex: "^/orders/[0-9]+$"}, method: [DELETE]}, deny: 403}
```

## Targets
All.

## References
https://github.com/google/re2/wiki/Syntax
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context
from ..path_language import Undecided, holds_more
from ..walks import path_regexes


@rule("regex-matches-every-path", Severity.WARNING)
def regex_matches_every_path(context: Context) -> Iterator[Diagnostic]:
    for path, matcher in path_regexes(context.plan):
        try:
            some_do_not = holds_more((), (matcher.expression,))
        except Undecided:
            continue
        if not some_do_not:
            yield regex_matches_every_path.found(
                f"`{matcher.text}` matches every path",
                (*path, "path"),
                help=["in RE2 `*` repeats what stands before it; `.*` is any text. Or leave `path` out"],
            )
