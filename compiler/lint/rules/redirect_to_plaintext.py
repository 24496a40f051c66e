"""
## What it does
A redirect leads from TLS to a URL that begins with `http://`.

## Why it is bad
The next request travels in clear, with its cookies, and whoever is between can answer it in the site's place.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /old}}, redirect: {to: "http://shop.example.net/"}}
```

## Use instead
An `https://` URL, or a path.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /old}}, redirect: {to: "https://shop.example.net/"}}
```

## Targets
All that can redirect.

## References
https://www.rfc-editor.org/rfc/rfc6797#section-2.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from ...plan import Redirect
from .. import Context


@rule("redirect-to-plaintext", Severity.WARNING)
def redirect_to_plaintext(context: Context) -> Iterator[Diagnostic]:
    for rule_list in context.plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, Redirect) and action.to.lower().startswith("http://"):
                    yield redirect_to_plaintext.found(
                        "this redirect leaves TLS",
                        (*one.path, "redirect", "to"),
                        help=["use `https://`, or a path of this site"],
                    )
