"""
## What it does
A redirect leads to a text that is neither a URL nor a path that begins with `/`.

## Why it is bad
Browsers read it relative to the page that was asked for: `www.example.com` leads from `/shop/cart` to
`/shop/www.example.com`.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /old}}, redirect: {to: www.example.com}}
```

## Use instead
A whole URL, or a path.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /old}}, redirect: {to: "https://www.example.com/"}}
```

## Targets
All that can redirect.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from ...plan import Redirect
from .. import Context

_ABSOLUTE = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:")


@rule("redirect-to-relative-place")
def redirect_to_relative_place(context: Context) -> Iterator[Diagnostic]:
    for rule_list in context.plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, Redirect) and not _ABSOLUTE.match(action.to):
                    yield redirect_to_relative_place.found(
                        f"`{action.to}` is neither a URL nor a path that begins with `/`",
                        (*one.path, "redirect", "to"),
                        help=[f"write `https://{action.to}`, or `/{action.to}`"],
                    )
