"""
## What it does
A health check may take as long as the time between two checks, or longer.

## Why it is bad
A server that hangs is found later than `interval` times `fall` says; and some targets start the next check while the
last one still runs, others wait for it.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
    health: {path: /healthz, interval: 1s}
```

## Use instead
A `timeout` below the `interval`. Its default is 2s.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
    health: {path: /healthz, interval: 1s, timeout: 500ms}
```

## Targets
Those with active health checks.

## References
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/health_check.proto
"""

from __future__ import annotations

from collections.abc import Iterator

from ....schemas.values import duration_text
from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("health-timeout-not-below-interval", Severity.WARNING)
def health_timeout_not_below_interval(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        health = backend.health
        if health is None or health.timeout < health.interval:
            continue
        written = context.policy.backends[backend.name].health
        key = "timeout" if written and "timeout" in written.model_fields_set else "interval"
        other = "interval" if key == "timeout" else "timeout"
        yield health_timeout_not_below_interval.found(
            f"a check of the backend `{backend.name}` may take {duration_text(health.timeout)}, and one is made every "
            f"{duration_text(health.interval)}",
            (*health.path, key),
            related=[Location((*health.path, other))] if written and other in written.model_fields_set else [],
            help=["set `timeout` below `interval`"],
            backends=[backend.name],
        )
