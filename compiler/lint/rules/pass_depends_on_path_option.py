"""
## What it does
A site lets ambiguous paths through (`paths`), and one of its rules lets requests pass by their path: an `allow`
with a path, or an `unless` with one.

## Why it is bad
With `encoded_slash`, `/public%2Fx` is one segment to one server and two to the next. A rule that refuses matches
either reading, which is the safe side; a rule that lets pass would do so, too, and then lets a request through that
the server reads as another path.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /public}}, allow: true}
    - deny: 403
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    paths: {encoded_slash: true}
```

## Use instead
Deny what must not be reached, by its path; or give the ambiguous paths a site of their own.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, deny: 403}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    paths: {encoded_slash: true}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc3986#section-2.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, rule
from ...plan import Allow
from .. import Context

_AMBIGUOUS = ("encoded_slash", "encoded_reserved", "path_params", "empty_segments")


@rule("pass-depends-on-path-option")
def pass_depends_on_path_option(context: Context) -> Iterator[Diagnostic]:
    for site in context.plan.sites:
        options = [name for name in site.path_options.names if name in _AMBIGUOUS]
        if not options:
            continue
        for one in (one for rule_list in site.rule_lists for one in rule_list.rules):
            passes = any(isinstance(action, Allow) for action in one.actions)
            condition, key = (one.when, "when") if passes else (one.unless, "unless")
            if condition is not None and condition.paths:
                yield pass_depends_on_path_option.found(
                    f"requests pass by their path, and `{site.name}` takes paths that servers read in several ways",
                    (*one.path, key, "path"),
                    related=[Location((*site.path, "paths", options[0]), "here")],
                    help=["deny by path instead, or give these paths a site of their own"],
                    sites=[site.name],
                )
