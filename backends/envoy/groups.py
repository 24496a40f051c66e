"""Which sites of a listener share a filter chain: those that are alike in all that a chain says once.

They share a certificate, too. In a chain with several, Envoy looks for the SNI as it was sent, capitals and all, among
the certificates' names, and shows the first certificate where it is none of them (1.40.0): who asks for WWW.EXAMPLE.COM
would be shown another site's. A chain is found without regard to capitals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...compiler.features import version_key
from ...compiler.plan import Balance, Site, Upstream
from ...compiler.profiles import profile_name
from .support import TESTED, Settings

_MANY_NAMES = 8
"""Each name of a site is good with each other as SNI and host: with more, these pairs would be too many."""
_CHAIN = 1000
"""About so many sites share a chain at most."""


@dataclass(frozen=True, slots=True)
class Group:
    """Sites that share a chain: one alone under its own name, or several. No name of a policy holds a colon."""

    name: str
    sites: tuple[Site, ...]


def groups(sites: Sequence[Site], settings: Settings) -> tuple[Group, ...]:
    """A listener's sites in groups, in the order in which they come up."""
    if version_key(settings.version) < version_key(TESTED):
        return tuple(Group(site.name, (site,)) for site in sites)
    alike: dict[str, list[Site]] = {}
    for site in sites:
        alike.setdefault(_key(site), []).append(site)
    return tuple(group for key, those in alike.items() for group in _in_chains(key, those))


def _key(site: Site) -> str:
    """The name of the group that a site could be in. It does not depend on other sites."""
    usual = site.decrypt and len(site.hostnames) <= _MANY_NAMES and not any(host.wildcard for host in site.hostnames)
    ways = {_way(upstream) for upstream in _upstreams(site)}
    if not usual or len(ways) != 1 or site.certificate is None:
        return site.name
    digest = hashlib.sha256(ways.pop().encode()).hexdigest()[:8]
    return f"{profile_name(site)}:{site.certificate.name}:{digest}"


def _upstreams(site: Site) -> Iterator[Upstream]:
    for group in site.groups:
        yield group.upstream
        yield from (route.upstream for route in group.routes)


def _way(upstream: Upstream) -> str:
    """What a route says of an upstream, besides its cluster."""
    backend = upstream.backend
    backups = sum(server.backup for server in backend.servers)
    times = backend.timeouts
    return json.dumps(
        [
            backend.host_header,
            backend.balance is Balance.SOURCE_HASH,
            [times.connect, times.response, times.idle],
            len(backend.servers) - backups,
            backups,
        ]
    )


def _in_chains(key: str, sites: Sequence[Site]) -> Iterator[Group]:
    """Sites that are alike, in chains of a bearable size. Which one a site is in depends on its own name, and on how
    many there are only where that doubles: another site changes nothing for the others."""
    count = 1
    while len(sites) > _CHAIN * count:
        count *= 2
    chains: dict[str, list[Site]] = {}
    for site in sites:
        number = int.from_bytes(hashlib.sha256(site.name.encode()).digest()[:4]) % count
        chains.setdefault(f"{key}:{number}" if count > 1 else key, []).append(site)
    for name, those in chains.items():
        yield Group(name if len(those) > 1 else those[0].name, tuple(those))
