"""
## What it does
A listener speaks TLS 1.0 or 1.1 to visitors, by `profile: old` or by `min_version`.

## Why it is bad
Both have been withdrawn (RFC 8996), and PCI DSS does not allow them; the profile also has suites without forward
secrecy. No browser of the last ten years needs them.

## Example
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"], tls: {profile: old}}
```

## Use instead
`intermediate`, the default. For devices that can do no better: a listener of their own, and accept the finding.
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"], tls: {profile: intermediate}}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc8996
https://wiki.mozilla.org/Security/Server_Side_TLS
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context


@rule("old-tls-towards-visitors", Severity.WARNING)
def old_tls_towards_visitors(context: Context) -> Iterator[Diagnostic]:
    for listener in context.plan.listeners:
        if listener.tls.min_version not in ("1.0", "1.1"):
            continue
        written = context.policy.listeners[listener.name].tls
        key = "min_version" if written.min_version else "profile"
        yield old_tls_towards_visitors.found(
            f"the listener `{listener.name}` speaks TLS {listener.tls.min_version}, which was withdrawn",
            (*listener.path, "tls", key),
            help=["use the profile `intermediate`; or a listener of their own for the devices that need it"],
            sites=[site.name for site in listener.sites],
        )
