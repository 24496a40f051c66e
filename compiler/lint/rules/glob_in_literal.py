"""
## What it does
A path that is compared literally holds a `*` where a pattern would have one: `/api/*`, `*.php`, `/*/edit`.

## Why it is bad
The `*` stands for itself. The rule applies to requests with an asterisk only, which nobody makes, and what it was meant
to stop passes.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin/*}}, deny: 403}
```

## Use instead
`prefix: /admin` covers `/admin` and all below it, `suffix: .php` an ending; between them stands a `regex`.
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

import re
from collections.abc import Iterator, Sequence

from ....schemas.policy import PathMatch
from ...diagnostics import Diagnostic, Path, Severity, rule
from .. import Context

_GLOB = re.compile(r"^/?\*|/\*(/|$)|\*\*|\*$")


@rule("glob-in-literal", Severity.WARNING)
def glob_in_literal(context: Context) -> Iterator[Diagnostic]:
    for path, match in _paths(context):
        for kind, texts in (("exact", match.exact), ("prefix", match.prefix), ("suffix", match.suffix)):
            for index, text in enumerate(texts or ()):
                if _GLOB.search(text):
                    yield glob_in_literal.found(
                        f"the `*` in `{text}` stands for itself, not for any text",
                        (*path, kind, index),
                        help=_instead(text),
                    )


def _paths(context: Context) -> Iterator[tuple[Path, PathMatch]]:
    for name, rules in context.policy.inspection_rules.items():
        for index, one in enumerate(rules):
            for key, condition in (("when", one.when), ("unless", one.unless)):
                matches: Sequence[PathMatch] = (condition.path if condition else None) or ()
                for position, match in enumerate(matches):
                    yield ("inspection_rules", name, index, key, "path", position), match
    for name, site in context.policy.sites.items():
        for index, route in enumerate(site.routes):
            yield ("sites", name, "routes", index, "path"), route.path


def _instead(text: str) -> list[str]:
    begin, end = text.rstrip("*").rstrip("/"), text.lstrip("*")
    if "*" not in begin and begin.startswith("/"):
        return [f"`prefix: {begin}` covers it and all below it"]
    if "*" not in end and text.startswith("*"):
        return [f"`suffix: {end}`"]
    return ["use `prefix`, `suffix`, or a `regex`"]
