"""
## What it does
A rule names a method that no site which uses its list takes. Sites take GET, HEAD, POST, PUT, PATCH, DELETE and
OPTIONS, and what their `methods` add; names are compared with their case.

## Why it is bad
Other methods get 400 before any rule: the condition never holds. Where the rule would deny them the finding is only an
info, because they are refused all the same.

## Example
```yaml
inspection_rules:
  web:
    - {when: {method: [PROPFIND, MKCOL], path: {prefix: /dav}}, allow: true}
    - {when: {path: {prefix: /dav}}, deny: 403}
```

## Use instead
Let the methods through at the site.
```yaml
inspection_rules:
  web:
    - {when: {method: [PROPFIND, MKCOL], path: {prefix: /dav}}, allow: true}
    - {when: {path: {prefix: /dav}}, deny: 403}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    methods: [PROPFIND, MKCOL]
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-9.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from ...plan import Deny
from .. import Context
from ..walks import written_rule


@rule("method-never-let-through", Severity.WARNING)
def method_never_let_through(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        taken = {method for walk, _ in places for method in walk.universe.methods}
        source = written_rule(context.policy, one)
        denies = any(isinstance(action, Deny) for action in one.actions)
        for key, condition in (("when", source.when), ("unless", source.unless)):
            for index, method in enumerate((condition.method if condition else None) or ()):
                if method in taken:
                    continue
                right = method.upper() if method.upper() in taken else None
                yield method_never_let_through.found(
                    f"`{method}` gets 400 before any rule, at every site that uses this list",
                    (*one.path, key, "method", index),
                    help=[f"methods are case-sensitive: write `{right}`"]
                    if right
                    else ["remove it" if denies and key == "when" else "add it to the site's `methods`, or remove it"],
                    severity=Severity.INFO if denies and key == "when" and not right else None,
                    sites=dict.fromkeys(site.name for walk, _ in places for site in walk.sites),
                )
