"""
## What it does
A site has a hostname that a wildcard of the same site covers, and the two are treated alike: the same listeners, rules,
certificate and backends.

## Why it is bad
It reads as if the name were treated in a way of its own, and some targets need one more entry for it.

## Example
```yaml
public_certificates:
  shop: {cert: certs/star-example-com.pem, key: certs/star-example-com.key}
sites:
  shop: {hostnames: ["*.example.com", shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
```

## Use instead
The wildcard alone. A name that rules tell apart (`when: {host: …}`), or that a backend is verified for, is not found.
```yaml
public_certificates:
  shop: {cert: certs/star-example-com.pem, key: certs/star-example-com.key}
sites:
  shop: {hostnames: ["*.example.com"], public_certificate: shop, backend: app, inspect: [web]}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9525#section-6.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context


@rule("hostname-already-covered", Severity.INFO)
def hostname_already_covered(context: Context) -> Iterator[Diagnostic]:
    for site in context.plan.sites:
        wildcards = [host for host in site.hostnames if host.wildcard]
        if not wildcards:
            continue
        places = {host: index for index, host in enumerate(context.policy.sites[site.name].hostnames)}
        told_apart = any(
            condition.hosts
            for rule_list in site.rule_lists
            for one in rule_list.rules
            for condition in (one.when, one.unless)
            if condition
        )
        if told_apart:
            continue
        for group in site.groups:
            for host in group.hostnames:
                over = next((one for one in wildcards if one is not host and one.covers(host.name)), None)
                if over is None or host.wildcard or over not in group.hostnames:
                    continue
                yield hostname_already_covered.found(
                    f"`{host}` is covered by `{over}` of the same site",
                    (*site.path, "hostnames", places[str(host)]),
                    related=[Location((*site.path, "hostnames", places[str(over)]), "covers it")],
                    help=["remove it"],
                    sites=[site.name],
                )
