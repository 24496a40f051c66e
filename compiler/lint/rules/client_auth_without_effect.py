"""
## What it does
A site asks visitors for a certificate (`mode: optional`), and nobody is told about it.

## Why it is bad
Visitors without a certificate pass, rules cannot look at it, and the backend does not learn of it: nothing is
protected, while browsers ask their users for a certificate.

## Example
```yaml
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    client_auth: {ca: internal, mode: optional}
```

## Use instead
`mode: require`; or `forward_subject`, so that the backend can decide.
```yaml
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    client_auth: {ca: internal, mode: optional, forward_subject: X-Client-DN}
```

## Targets
All that can ask for certificates.

## References
https://www.rfc-editor.org/rfc/rfc8446#section-4.3.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("client-auth-without-effect", Severity.WARNING)
def client_auth_without_effect(context: Context) -> Iterator[Diagnostic]:
    for site in context.plan.sites:
        if site.client_auth and not site.client_auth.required and site.client_auth.forward_subject is None:
            yield client_auth_without_effect.found(
                f"the site `{site.name}` asks for certificates, and it makes no difference",
                Location((*site.client_auth.path, "mode")),
                help=["use `mode: require`, or tell the backend with `forward_subject: X-Client-DN`"],
                sites=[site.name],
            )
