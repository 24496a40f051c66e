"""
## What it does
The policy names no target, so `policyc lint` checks only what holds for all of them.

## Why it is bad
What a product, or its version, cannot do is found at the build only.

## Example
```yaml
targets: {}
```

## Use instead
Name the targets with their versions: `targets: {NAME: {version: "…"}}`; `policyc targets` lists them.

## Targets
All.

## References
https://semver.org/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("site-without-target", Severity.INFO)
def site_without_target(context: Context) -> Iterator[Diagnostic]:
    if context.policy.sites and not context.policy.targets:
        yield site_without_target.found(
            "no target is named: limits of targets were not checked",
            Location(("targets",), of="key"),
            help=["add `targets` with the product versions, or use --target"],
        )
