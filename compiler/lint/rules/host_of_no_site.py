"""
## What it does
A rule names a host that none of the sites which use its list has.

## Why it is bad
Requests for another host of the edge get 421, so this one is never seen here: the condition never holds, or the
exception is none.

## Example
```yaml
inspection_rules:
  web:
    - {when: {host: [shop.example.org], path: {prefix: /admin}}, deny: 403}
```

## Use instead
A hostname of the site, or use the list for the site that was meant.
```yaml
inspection_rules:
  web:
    - {when: {host: [shop.example.com], path: {prefix: /admin}}, deny: 403}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-15.5.20
"""

from __future__ import annotations

from collections.abc import Iterator

from ...conditions import hostname
from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import Hostname
from .. import Context
from ..walks import written_rule


@rule("host-of-no-site", Severity.WARNING)
def host_of_no_site(context: Context) -> Iterator[Diagnostic]:
    for one, places in context.walks.rules():
        sites = [site for walk, _ in places for site in walk.sites]
        source = written_rule(context.policy, one)
        for key, condition in (("when", source.when), ("unless", source.unless)):
            for index, text in enumerate((condition.host if condition else None) or ()):
                if any(_meet(hostname(text), host) for site in sites for host in site.hostnames):
                    continue
                yield host_of_no_site.found(
                    f"no site that uses this list has the host `{text}`",
                    (*one.path, key, "host", index),
                    related=[Location((*site.path, "hostnames"), f"has {site.hostnames[0]}") for site in sites[:3]],
                    help=["name a hostname of these sites, or use the list for the site that was meant"],
                    sites=dict.fromkeys(site.name for site in sites),
                )


def _meet(one: Hostname, other: Hostname) -> bool:
    return one == other or one.covers(str(other)) or other.covers(str(one))
