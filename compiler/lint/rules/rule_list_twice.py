"""
## What it does
A site inspects with the same list twice.

## Why it is bad
The second time its rules that end the walk are never reached, its headers are added again, and its limits count again.

## Example
```yaml
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web, web]}
```

## Use instead
Once, or the list that was meant.
```yaml
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-5.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("rule-list-twice", Severity.WARNING)
def rule_list_twice(context: Context) -> Iterator[Diagnostic]:
    for name, site in context.policy.sites.items():
        first: dict[str, int] = {}
        for index, entry in enumerate(site.inspect):
            same = first.setdefault(entry, index)
            if same != index:
                yield rule_list_twice.found(
                    f"the site `{name}` inspects with `{entry}` twice",
                    ("sites", name, "inspect", index),
                    related=[Location(("sites", name, "inspect", same), "first here")],
                    help=["remove one of the two"],
                    sites=[name],
                )
