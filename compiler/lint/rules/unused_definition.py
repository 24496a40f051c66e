"""
## What it does
A certificate, CA, backend or rule list is defined and nothing refers to it.

## Why it is bad
It looks as if it protected something.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, deny: 403}
  uploads:
    - {limit_body: 10MiB}
```

## Use instead
Refer to it, or remove it.
```yaml
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, deny: 403}
```

## Targets
All.

## References
https://github.com/DNSControl/dnscontrol/issues/2973
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("unused-definition", Severity.WARNING)
def unused_definition(context: Context) -> Iterator[Diagnostic]:
    policy = context.policy
    used: dict[str, set[str]] = {
        "public_certificates": set(),
        "backend_cas": set(),
        "backends": set(),
        "inspection_rules": set(),
    }
    for site in policy.sites.values():
        used["public_certificates"].add(site.public_certificate or "")
        used["backends"] |= {site.backend, *(route.backend for route in site.routes)}
        used["inspection_rules"] |= set(site.inspect)
        used["backend_cas"].add(site.client_auth.ca if site.client_auth else "")
    for backend in policy.backends.values():
        used["backend_cas"].add((backend.tls.ca or "") if backend.tls else "")
    for section, names in used.items():
        defined = getattr(policy, section)
        if names - {"", "system"} - set(defined):
            continue  # a name that is not known was told already; what it meant may be one of these
        for name in defined:
            if name not in names:
                yield unused_definition.found(
                    f"`{name}` of `{section}` is used nowhere",
                    Location((section, name), of="key"),
                    help=["refer to it, or remove it"],
                )
