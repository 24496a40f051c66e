"""Plan → objects and rules of PAN-OS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from ...compiler.diagnostics import Path
from ...compiler.plan import Address, Hostname, Network, Plan, Rule, Site
from . import naming
from .last_answer import last_answer
from .legs import Destination, Leg, Reading, destinations, legs
from .model import (
    ANY,
    AddressGroup,
    AddressObject,
    Configuration,
    DecryptionProfile,
    DecryptionRule,
    Match,
    NatRule,
    SecurityRule,
    Service,
    Tag,
    UrlCategory,
)
from .naming import TAG, object_name, spelled
from .nat import Translation, translations
from .support import Settings
from .urls import allows, by_category, is_security_rule, urls_of, urls_of_hosts

QUIC = "quic"  # the App-ID; HTTP/3 cannot be decrypted [KB kA10g000000ClarCAC]


class _Tier(IntEnum):
    """The order of decryption rules. The first one that matches decides, so what is more specific comes first."""

    NAMED = 0
    """Exact names that are decrypted, above a wildcard that passes."""
    PASSED = 1
    WILDCARD = 2
    REST = 3
    """Whatever the SNI, or none."""


@last_answer
def lower(plan: Plan, settings: Settings) -> Configuration:
    """Objects and rules for a plan."""
    return _Lowering(plan, settings).configuration()


def per_site(at: Destination, settings: Settings) -> bool:
    """Whether a destination gets a decryption rule for each of the sites or backends that share it."""
    return settings.decryption_rules == "per_site" and len(at.read(Reading.DECRYPTED)) > 1


def places(destinations: Iterable[Destination]) -> dict[Path, list[Destination]]:
    """Where visitors reach each site, by its path."""
    found: dict[Path, list[Destination]] = {}
    for at in destinations:
        for path in dict.fromkeys(leg.path for leg in at.legs):
            found.setdefault(path, []).append(at)
    return found


def alone(site: Site, places: Iterable[Destination]) -> bool:
    """Whether no other site is reached where this one is."""
    return all(leg.path == site.path for at in places for leg in at.legs)


def for_all(rule: Rule, places: Iterable[Destination]) -> bool:
    """Whether every site that is reached there inspects with a rule: then no hostname must tell whom it is for."""
    sites = [site for at in places for site in at.sites]
    return all(any(rule.path == one.path for rules in site.rule_lists for one in rules.rules) for site in sites)


class _Lowering:
    def __init__(self, plan: Plan, settings: Settings) -> None:
        self.plan = plan
        self.settings = settings
        self.destinations = destinations(legs(plan, settings))
        self.addresses: dict[str, tuple[str, list[Path]]] = {}
        self.groups: list[AddressGroup] = []
        self.services: dict[tuple[str, int], list[Path]] = {}
        self.categories: list[UrlCategory] = []
        self.profiles: dict[str, DecryptionProfile] = {}

    def configuration(self) -> Configuration:
        proxies = [(proxy, ("targets", "panos", "proxies")) for proxy in self.settings.proxies]
        source = tuple(self._address(proxy, [path]) for proxy, path in proxies) or ANY
        nat = [rule for at in self.destinations for rule in self._nat(at)]
        decryption = [rule for at in self.destinations for rule in self._decryption(at, source)]
        denied = [*self._quic(), *self._inspected()] if self.settings.edge else []
        allowed = [self._allowed(at, source) for at in self.destinations]
        pairs = [pair for at in self.destinations for pair in at.key_pairs.values()]
        return Configuration(
            settings=self.settings,
            tags=(
                Tag(TAG, ()),
                *(Tag(self._tag(site.name), (site.path,)) for site in self._sites()),
            ),
            addresses=tuple(
                AddressObject(name, value, tuple(paths), self._tags(paths))
                for name, (value, paths) in self.addresses.items()
            ),
            groups=tuple(self.groups),
            services=tuple(
                Service(self._service_name(protocol, port), protocol, port, tuple(paths), self._tags(paths))
                for (protocol, port), paths in self.services.items()
            ),
            categories=tuple(self.categories),
            profiles=tuple(self.profiles.values()),
            nat=tuple(nat),
            decryption=tuple(rule for _, rule in sorted(decryption, key=lambda found: found[0])),
            security=(*denied, *allowed),
            key_pairs=tuple({(pair.name, pair.leaf.sha256): pair for pair in pairs}.values()),
        )

    # --- objects ----------------------------------------------------------------------------------------------

    def _name(self, limit: int, *parts: str) -> str:
        return object_name(limit, self.plan.name, *parts)

    def _sites(self) -> list[Site]:
        return list({site.name: site for at in self.destinations for site in at.sites}.values())

    def _tag(self, site: str) -> str:
        return self._name(naming.TAG_NAME, site)

    def _tags(self, paths: Iterable[Path]) -> tuple[str, ...]:
        """The tag of everything, and one for each site among the places: as many as fit."""
        sites = dict.fromkeys(str(path[1]) for path in paths if path[0] == "sites")
        return (TAG, *map(self._tag, islice(sites, naming.TAGS - 1)))

    def _address(self, value: Address | Network, paths: Sequence[Path]) -> str:
        text = str(value)
        if "/" in text and not isinstance(value, IPv4Address | IPv6Address) and value.num_addresses == 1:
            text = str(value.network_address)
        name = self._name(naming.ADDRESS_NAME, ("net-" if "/" in text else "host-") + spelled(text))
        self.addresses.setdefault(name, (text, []))[1].extend(paths)
        return name

    def _addresses(self, addresses: Iterable[Address], paths: Sequence[Path]) -> tuple[str, ...]:
        return tuple(self._address(address, paths) for address in addresses)

    def _service(self, port: int, paths: Sequence[Path], protocol: str = "tcp") -> str:
        self.services.setdefault((protocol, port), []).extend(paths)
        return self._service_name(protocol, port)

    def _service_name(self, protocol: str, port: int) -> str:
        return self._name(naming.SERVICE_NAME, f"{protocol}-{port}")

    def _category(self, urls: Iterable[str], paths: Sequence[Path], *parts: str) -> str:
        name = self._name(naming.CATEGORY_NAME, *parts)
        self.categories.append(UrlCategory(name, tuple(urls), tuple(paths)))
        return name

    def _profile(self, leg: Leg) -> str | None:
        if leg.profile is None:
            return None
        return self.profiles.setdefault(leg.profile.name, leg.profile).name

    def _match(
        self,
        name: Sequence[str],
        paths: Sequence[Path],
        source: tuple[str, ...],
        destination: tuple[str, ...],
        service: tuple[str, ...],
    ) -> Match:
        return Match(
            name=self._name(naming.RULE_NAME, *name),
            tags=self._tags(paths),
            paths=tuple(paths),
            source=source,
            destination=destination,
            service=service,
        )

    # --- NAT --------------------------------------------------------------------------------------------------

    def _nat(self, at: Destination) -> Iterator[NatRule]:
        if not self.settings.edge or self.settings.nat != "write":
            return
        paths = _paths(at.legs)
        for found in translations(at):
            if not isinstance(found, Translation):
                continue
            servers = tuple(self._address(server, paths) for server in found.servers)
            target = servers[0]
            if len(servers) > 1:
                group = AddressGroup(
                    self._name(naming.ADDRESS_NAME, at.label, "servers"),
                    servers,
                    tuple(paths),
                    self._tags(paths),
                )
                self.groups.append(group)
                target = group.name
            match = self._match(
                (at.label,), paths, ANY, self._addresses(found.addresses, paths), (self._service(at.port, paths),)
            )
            yield NatRule(match, target, found.port, found.distribution)

    # --- decryption -------------------------------------------------------------------------------------------

    def _decryption(self, at: Destination, source: tuple[str, ...]) -> Iterator[tuple[_Tier, DecryptionRule]]:
        passed = at.read(Reading.PASSED)
        # Where the certificates are not known there is a finding, and nothing to decrypt with.
        decrypted = [leg for leg in at.read(Reading.DECRYPTED) if leg.key_pairs]
        split = per_site(at, self.settings)
        if split:
            for leg in decrypted:
                for tier, wildcard in ((_Tier.NAMED, False), (_Tier.WILDCARD, True)):
                    hosts = [host for host in leg.hostnames if host.wildcard is wildcard]
                    if hosts:
                        name = (at.label, leg.name, *(["wildcards"] if wildcard else []))
                        # Of the proxies' legs, several may ask for one name.
                        legs = [leg, *(one for one in decrypted if one is not leg and set(hosts) & set(one.hostnames))]
                        yield tier, self._decrypt(at, source, legs, name, hosts)
        else:
            hidden = [host for leg in decrypted for host in leg.hostnames if _passes(host, passed)]
            if hidden:
                named = [leg for leg in decrypted if set(hidden) & set(leg.hostnames)]
                yield _Tier.NAMED, self._decrypt(at, source, named, (at.label, "exact"), hidden)
        if passed:
            name = (at.label, "passthrough")
            category = ANY
            if len(passed) < len(at.legs):
                # Only the SNI tells such a site from a decrypted one here; a category compares it [HELP].
                hosts = [host for leg in passed for host in leg.hostnames]
                category = (self._category(urls_of_hosts(hosts), _paths(passed), *name),)
            service = (self._service(at.port, _paths(passed)),)
            match = self._match(name, _paths(passed), source, self._addresses(at.addresses, _paths(passed)), service)
            yield _Tier.PASSED, DecryptionRule(match, category, (), None)
        if decrypted:
            yield _Tier.REST, self._decrypt(at, source, decrypted, (at.label,), (), truncate=split)

    def _decrypt(
        self,
        at: Destination,
        source: tuple[str, ...],
        legs: Sequence[Leg],
        name: Sequence[str],
        hosts: Sequence[Hostname],
        truncate: bool = False,
    ) -> DecryptionRule:
        paths = _paths(legs)
        # One name for a leaf, even where the policy has it twice.
        known = at.key_pairs
        names = list(dict.fromkeys(known[pair.leaf.sha256].name for leg in legs for pair in leg.key_pairs))
        if truncate:
            names = names[: self.settings.max_certificates]
        return DecryptionRule(
            match=self._match(
                name, paths, source, self._addresses(at.addresses, paths), (self._service(at.port, paths),)
            ),
            category=(self._category(urls_of_hosts(hosts), paths, *name),) if hosts else ANY,
            certificates=tuple(sorted(names)),
            profile=self._profile(legs[0]),
        )

    # --- security ---------------------------------------------------------------------------------------------

    def _zones(self) -> tuple[str, ...]:
        return tuple(self.settings.zones.to)

    def _applications(self, sites: Iterable[Site], found: Iterable[str]) -> tuple[str, ...]:
        websocket = ["websocket"] if any(site.websocket for site in sites) and self.settings.edge else []
        return tuple(dict.fromkeys([*found, *websocket, *self.settings.applications]))

    def _allowed(self, at: Destination, source: tuple[str, ...]) -> SecurityRule:
        wanted = {
            "ssl": at.read(Reading.DECRYPTED) or at.read(Reading.PASSED),
            "web-browsing": at.read(Reading.DECRYPTED) or at.read(Reading.CLEAR),
        }
        paths = _paths(at.legs)
        return SecurityRule(
            match=self._match(
                (at.label,), paths, source, self._addresses(at.addresses, paths), (self._service(at.port, paths),)
            ),
            to=self._zones(),
            negate_source=False,
            category=ANY,
            application=self._applications(at.sites, [name for name, legs in wanted.items() if legs]),
            action="allow",
            profile_group=self._profile_group(at.scans),
        )

    def _profile_group(self, scans: Iterable[str]) -> str | None:
        return next((group for scan in scans if (group := self.settings.profile_groups.get(scan))), None)

    def _quic(self) -> Iterator[SecurityRule]:
        """By App-ID on any port, and by UDP port before there is an App-ID: browsers then come by TCP [KB]."""
        decrypted = [at for at in self.destinations if at.read(Reading.DECRYPTED)]
        if not decrypted:
            return
        paths = _paths(leg for at in decrypted for leg in at.read(Reading.DECRYPTED))
        names = (name for at in decrypted for name in self._addresses(at.addresses, _paths(at.read(Reading.DECRYPTED))))
        destination = tuple(dict.fromkeys(names))
        ports = dict.fromkeys(at.port for at in decrypted)
        services = tuple(self._service(port, paths, "udp") for port in ports)
        for name, service, application in (((QUIC, "udp"), services, ANY), ((QUIC,), ANY, (QUIC,))):
            yield SecurityRule(
                match=self._match(name, paths, ANY, destination, service),
                to=ANY,  # no NAT rule leads UDP to the servers' zone
                negate_source=False,
                category=ANY,
                application=application,
                action="deny",
                profile_group=None,
            )

    def _inspected(self) -> Iterator[SecurityRule]:
        """Above every rule that lets visitors in, because sites that share an address share that too."""
        reached = places(self.destinations)
        for site in self._sites():
            is_alone = alone(site, reached[site.path])
            for rules in site.rule_lists:
                for rule in rules.rules:
                    if is_security_rule(rule, is_alone):
                        yield from self._from_rule(site, rule, reached[site.path])

    def _from_rule(self, site: Site, rule: Rule, places: Sequence[Destination]) -> Iterator[SecurityRule]:
        urls = urls_of(site, rule)
        if not urls:
            return
        paths = [site.path, rule.path]
        excepted = rule.unless.sources if rule.unless else ()
        sources = rule.when.sources or excepted
        category = ANY
        if by_category(rule.when, for_all(rule, places)):
            category = (self._category(urls, paths, site.name, rule.id),)
        destination = self._addresses(dict.fromkeys(a for at in places for a in at.addresses), [site.path])
        ports = dict.fromkeys(at.port for at in places)
        yield SecurityRule(
            match=self._match(
                (site.name, rule.id),
                paths,
                tuple(self._address(network, [rule.path]) for network in sources) or ANY,
                destination,
                tuple(self._service(port, [site.path]) for port in ports),
            ),
            to=self._zones(),
            negate_source=bool(excepted),
            category=category,
            application=self._applications([site], ["ssl", "web-browsing"]) if allows(rule) else ANY,
            action="allow" if allows(rule) else "reset-both",
            profile_group=self._profile_group([site.scan] if site.scan and allows(rule) else []),
        )


def _passes(host: Hostname, passed: Iterable[Leg]) -> bool:
    """Whether a wildcard that passes through covers an exact name that is decrypted."""
    wildcards = (name for leg in passed for name in leg.hostnames if name.wildcard)
    return not host.wildcard and any(name.covers(host.name) for name in wildcards)


def _paths(legs: Iterable[Leg]) -> list[Path]:
    return list(dict.fromkeys(path for leg in legs for path in (leg.path, *(site.path for site in leg.sites))))
