"""
## What it does
`limit_body: 0`.

## Why it is bad
Every request with a body gets 413. In the configuration of some proxies 0 means "no limit", and here it does not.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /upload}}, limit_body: 0}
```

## Use instead
No `limit_body` where there should be none; `deny` with `method` where nothing should be sent.
```yaml
inspection_rules:
  web:
    - {unless: {path: {prefix: /upload}}, limit_body: 1MiB}
```

## Targets
All that can limit bodies.

## References
https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("limit-body-zero", Severity.WARNING)
def limit_body_zero(context: Context) -> Iterator[Diagnostic]:
    for name, rules in context.policy.inspection_rules.items():
        for index, one in enumerate(rules):
            if one.limit_body == 0:
                yield limit_body_zero.found(
                    "every request with a body gets 413: 0 is a limit, and not its absence",
                    ("inspection_rules", name, index, "limit_body"),
                    help=["remove it where there should be no limit"],
                )
