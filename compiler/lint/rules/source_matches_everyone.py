"""
## What it does
A condition on the source holds a network of all IPv4 or all IPv6 addresses.

## Why it is bad
As an exception it opens the rule for everybody; as a condition it means nobody in particular, and leaves out the
visitors of the other kind of address, which is rarely meant.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, unless: {source: [10.0.0.0/8, "0.0.0.0/0"]}, deny: 403}
```

## Use instead
The networks that are meant, or no `source` at all.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, unless: {source: [10.0.0.0/8, "2001:db8::/32"]}, deny: 403}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc4632#section-3.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("source-matches-everyone", Severity.WARNING)
def source_matches_everyone(context: Context) -> Iterator[Diagnostic]:
    for name, rules in context.policy.inspection_rules.items():
        for index, one in enumerate(rules):
            for key, condition in (("when", one.when), ("unless", one.unless)):
                for position, network in enumerate((condition.source if condition else None) or ()):
                    if network.prefixlen == 0:
                        yield source_matches_everyone.found(
                            f"`{network}` is every visitor with an IPv{network.version} address"
                            + (": the rule applies to none of them" if key == "unless" else ""),
                            ("inspection_rules", name, index, key, "source", position),
                            help=["name the networks that are meant, or leave `source` out"],
                        )
