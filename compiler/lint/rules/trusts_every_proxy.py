"""
## What it does
`trusted_proxies` holds all IPv4 or all IPv6 addresses.

## Why it is bad
Every visitor is then a proxy that is believed, and writes the address that rules on `source` see, that rate limits
count, and that the backend is told.

## Example
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"], trusted_proxies: [0.0.0.0/0]}
```

## Use instead
The addresses of the proxies in front.
```yaml
listeners:
  public: {bind: ["0.0.0.0:443"], trusted_proxies: [192.0.2.0/28]}
```

## Targets
All that take the source from X-Forwarded-For.

## References
https://www.rfc-editor.org/rfc/rfc7239#section-8.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context

_WIDEST = 1
"""Two halves are all; nobody has half of all addresses in front."""


@rule("trusts-every-proxy")
def trusts_every_proxy(context: Context) -> Iterator[Diagnostic]:
    for listener in context.plan.listeners:
        for index, network in enumerate(listener.trusted_proxies):
            if network.prefixlen <= _WIDEST:
                yield trusts_every_proxy.found(
                    f"the listener `{listener.name}` believes the X-Forwarded-For of everybody in {network}",
                    (*listener.path, "trusted_proxies", index),
                    help=["name the addresses of the proxies in front"],
                    sites=[site.name for site in listener.sites],
                )
