"""
## What it does
A regular expression for the path matches none. Paths begin with `/`, and hold no `?`.

## Why it is bad
The condition never holds, and what the rule was meant to stop passes.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {regex: "^admin/.*"}}, deny: 403}
```

## Use instead
The slash that paths begin with.
```yaml
inspection_rules:
  web:
    - {when: {path: {regex: "^/admin/.*"}}, deny: 403}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9112#section-3.2.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context
from ..path_language import Undecided, holds_more
from ..walks import path_regexes


@rule("regex-matches-no-path", Severity.WARNING)
def regex_matches_no_path(context: Context) -> Iterator[Diagnostic]:
    for path, matcher in path_regexes(context.plan):
        try:
            some_do = holds_more(((matcher.expression,),), ())
        except Undecided:
            continue
        if not some_do:
            yield regex_matches_no_path.found(
                f"`{matcher.text}` matches no path: every path begins with `/`",
                (*path, "path"),
                help=["write the slash, or leave out the `^`"],
            )
