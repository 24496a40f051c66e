"""Which sites of a listener share a filter chain: those that are alike in all that a chain says once.

They share a certificate, too, unless `shared_chains` is set. In a chain with several, Envoy looks for the SNI as it
was sent, capitals and all, among the certificates' names, and shows the first certificate where it is none of them
(1.40.0): who asks for WWW.EXAMPLE.COM is shown another site's. A chain is found without regard to capitals.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...compiler.features import version_key
from ...compiler.plan import Balance, PublicCertificate, Site, Upstream
from ...compiler.profiles import profile_name
from .support import TESTED, Settings

_DIGITS = 32
"""Of a digest: sites with the same one share a chain, so that nobody must find another way with it (`profiles.py`)."""
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
    kinds = {site.name: _kind(site) for site in sites}
    pools = _pools(sites, kinds) if settings.shared_chains else {}
    alike: dict[str, list[Site]] = {}
    for site in sites:
        alike.setdefault(pools.get(site.name) or _key(site, kinds[site.name]), []).append(site)
    pooled = set(pools.values())
    return tuple(
        group
        for key, those in alike.items()
        for group in _in_chains(key, those, _certificate_name if key in pooled else _name)
    )


def certificates_of(group: Group) -> tuple[PublicCertificate, ...]:
    """The certificates of a group's sites, each once."""
    by_name = {site.certificate.name: site.certificate for site in group.sites if site.certificate is not None}
    return tuple(by_name.values())


def _kind(site: Site) -> tuple[str, str] | None:
    """What sites of a chain have in common besides their certificates. None: it has a chain of its own."""
    usual = site.decrypt and len(site.hostnames) <= _MANY_NAMES and not any(host.wildcard for host in site.hostnames)
    ways = {_way(upstream) for upstream in _upstreams(site)}
    if not usual or len(ways) != 1 or site.certificate is None:
        return None
    return profile_name(site), hashlib.sha256(ways.pop().encode()).hexdigest()[:_DIGITS]


def _key(site: Site, kind: tuple[str, str] | None) -> str:
    """The name of the group that a site could be in. It does not depend on other sites."""
    if kind is None or site.certificate is None:
        return site.name
    profile, digest = kind
    return f"{profile}:{site.certificate.name}:{digest}"


# --- chains with several certificates -------------------------------------------------------------------------


def _pools(sites: Sequence[Site], kinds: dict[str, tuple[str, str] | None]) -> dict[str, str]:
    """For each site that may share a chain with other certificates, the name of the group that it could be in."""
    sizes = Counter(_certificate_name(site) for site in sites)
    pools: dict[str, list[Site]] = {}
    for site in sites:
        kind, certificate = kinds[site.name], site.certificate
        # So many sites of one certificate fill chains of their own.
        if kind and certificate and sizes[certificate.name] <= _CHAIN and _may_stand_with_others(certificate):
            # Envoy weighs what keys a visitor can do before names: in a chain all are alike.
            key = f"{certificate.leaf.key_type}-{certificate.leaf.key_bits}"
            pools.setdefault(f"{kind[0]}::{key}:{kind[1]}", []).append(site)
    return {site.name: name for name, those in pools.items() for site in _with_a_certificate_of_their_own(those)}


def _may_stand_with_others(certificate: PublicCertificate) -> bool:
    """Whether Envoy finds a certificate by its names, which it takes as they are written, in capitals as well."""
    leaf = certificate.leaf
    if leaf.must_staple:
        return False
    from ssl import PEM_cert_to_DER_cert  # most policies need none of it

    der = PEM_cert_to_DER_cert(leaf.pem)
    # In a SAN a DNS name stands behind its tag and its length (RFC 5280, 4.2.1.6).
    return all(
        len(name) < 128 and name.isascii() and bytes([0x82, len(name)]) + name.encode() in der
        for name in leaf.dns_names
    )


def _with_a_certificate_of_their_own(sites: Iterable[Site]) -> Iterator[Site]:
    """Those for each of whose names Envoy finds their certificate and no other, whichever of these share a chain."""
    found = [(site, site.certificate) for site in sites if site.certificate is not None]
    carriers: dict[str, set[str]] = defaultdict(set)
    for certificate in {one.name: one for _, one in found}.values():
        for name in certificate.leaf.dns_names:
            carriers[name].add(certificate.name)
    for site, certificate in found:
        names = (host.name for host in site.hostnames)
        # The whole name first, then the wildcard.
        if all((carriers.get(name) or carriers.get(_wildcard(name))) == {certificate.name} for name in names):
            yield site


def _wildcard(name: str) -> str:
    return f"*.{name.partition('.')[2]}"


# --- what is alike --------------------------------------------------------------------------------------------


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


def _name(site: Site) -> str:
    return site.name


def _certificate_name(site: Site) -> str:
    return site.certificate.name if site.certificate is not None else ""


def _in_chains(key: str, sites: Sequence[Site], by: Callable[[Site], str]) -> Iterator[Group]:
    """Sites that are alike, in chains of a bearable size. Which one a site is in depends on its own name or that of its
    certificate, and on how many there are only where that doubles: another site changes nothing for the others."""
    count = 1
    while len(sites) > _CHAIN * count:
        count *= 2
    chains: dict[str, list[Site]] = {}
    for site in sites:
        number = int.from_bytes(hashlib.sha256(by(site).encode()).digest()[:4]) % count
        chains.setdefault(f"{key}:{number}" if count > 1 else key, []).append(site)
    for name, those in chains.items():
        yield Group(name if len(those) > 1 else those[0].name, tuple(those))
