"""Plan → objects and rules of PAN-OS.

One model for both positions. What the firewall sees is a `Leg`: visitors on their way to a site (at the edge), or
proxies on their way to a backend. Rules match sockets, so legs are gathered by the sockets that they share: SSL
Inbound Inspection takes the first rule that matches and never tries a second one for another certificate [OCI], so
all certificates that can appear at a socket must stand in one rule.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from ...compiler.diagnostics import Path, format_path
from ...compiler.normal_form import decode_literal, has_one_spelling
from ...compiler.plan import (
    Backend,
    BackendTls,
    Certificate,
    Deny,
    Hostname,
    Network,
    Plan,
    PublicCertificate,
    Rule,
    Site,
    Socket,
    TextMatch,
    TlsSettings,
)
from .support import Settings

ANY = ("any",)
RULE_NAME = ADDRESS_NAME = SERVICE_NAME = 63  # [HELP]
PROFILE_NAME = CATEGORY_NAME = 31  # [HELP]
CERTIFICATE_NAME = 31  # Panorama's; a firewall has 63 [HELP]. The shorter one everywhere: names survive a move.
RULE_DESCRIPTION, OBJECT_DESCRIPTION, CATEGORY_DESCRIPTION = 1024, 1023, 255  # [SPEC], [HELP]
URL_LENGTH = 255  # [HELP]
TAG = "policyc"

# --- the model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddressObject:
    """One address or network."""

    name: str
    value: str
    description: str


@dataclass(frozen=True, slots=True)
class Service:
    """One TCP port."""

    name: str
    port: int
    description: str


@dataclass(frozen=True, slots=True)
class UrlCategory:
    """A custom URL category: hosts with paths, without scheme."""

    name: str
    urls: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True)
class DecryptionProfile:
    """TLS versions (``1.2``) and switches, by their names in the configuration."""

    name: str
    min_version: str
    max_version: str
    switches: tuple[tuple[str, bool], ...]

    @property
    def settings(self) -> tuple[object, ...]:
        """Everything but the name."""
        return self.min_version, self.max_version, self.switches


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate that a decryption rule names. `key` is None where the policy does not know the key's file."""

    name: str
    path: Path
    chain: tuple[Certificate, ...]
    key: PublicCertificate | None


@dataclass(frozen=True, slots=True)
class DecryptionRule:
    """Without certificates: a no-decrypt rule."""

    name: str
    description: str
    source: tuple[str, ...]
    destination: tuple[str, ...]
    service: tuple[str, ...]
    category: tuple[str, ...]
    certificates: tuple[str, ...]
    profile: str | None


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """Allows, or resets the session."""

    name: str
    description: str
    source: tuple[str, ...]
    negate_source: bool
    destination: tuple[str, ...]
    service: tuple[str, ...]
    category: tuple[str, ...]
    application: tuple[str, ...]
    allow: bool
    profile_group: str | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is written, in the order in which it is written."""

    settings: Settings
    addresses: tuple[AddressObject, ...]
    services: tuple[Service, ...]
    categories: tuple[UrlCategory, ...]
    profiles: tuple[DecryptionProfile, ...]
    decryption: tuple[DecryptionRule, ...]
    security: tuple[SecurityRule, ...]
    key_pairs: tuple[KeyPair, ...]

    def names(self) -> Iterator[tuple[str, str]]:
        """Kind and name of everything that has one. Each pair should occur once."""
        for kind, named in (
            ("address", self.addresses),
            ("service", self.services),
            ("custom URL category", self.categories),
            ("decryption profile", self.profiles),
            ("decryption rule", self.decryption),
            ("security rule", self.security),
            ("certificate", self.key_pairs),
        ):
            for one in named:
                yield kind, one.name


# --- names and descriptions -----------------------------------------------------------------------------------

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_MISREAD = re.compile(r"[^ !#-&(->@-\[\]-~]")
_SEPARATORS = str.maketrans(".:/", "---")


def object_name(limit: int, *parts: str) -> str:
    """A legal name made of `parts`, the same one always, and never the same for other parts.

    The manual has letters, digits, space, hyphen and underscore [HELP]. Parts are joined by underscores; where that
    would be too long, another character or not reversible, a digest of the parts comes last. The first part is the
    policy's name, the same in all of them.
    """
    joined = "_".join(parts)
    plain = _clean(joined)
    if plain == joined and len(joined) <= limit and not any("_" in part for part in parts[1:]):
        return joined
    return f"{plain[: limit - 9]}_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:8]}"


def certificate_name(policy: str, label: str, leaf: Certificate) -> str:
    """A certificate's name: it ends in the leaf's digest, so a renewed one gets a new name beside the old [MC, CFG]."""
    return f"{_clean(f'{policy}_{label}')[: CERTIFICATE_NAME - 9]}_{leaf.sha256[:8]}"


def _clean(text: str) -> str:
    return _ILLEGAL.sub("-", text)


def _spelled(address: object) -> str:
    """An address or network without dots, colons and slashes; no two become the same, as `:` and `.` never mix."""
    return str(address).translate(_SEPARATORS)


def _describe(source: str, paths: Iterable[Path], limit: int) -> str:
    """``policy.yaml: sites.a, sites.b``. On the command line ``?`` asks for help and ``"`` ends a value: both go."""
    places = list(dict.fromkeys(paths))
    text = source[: limit // 2] + ": "
    for index, path in enumerate(places):
        place = format_path(path) + (", " if index < len(places) - 1 else "")
        if len(text) + len(place) + len("and 100000 more") > limit:
            text += f"and {len(places) - index} more"
            break
        text += place
    return _MISREAD.sub("_", text)


# --- what goes through the firewall ---------------------------------------------------------------------------


class Reading(Enum):
    """What the firewall does with a leg's TLS."""

    DECRYPTED = "decrypted"
    PASSED = "passed through"
    CLEAR = "in clear"


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """Visitors to a site on one listener, or proxies to a backend."""

    path: Path
    reading: Reading
    sockets: tuple[Socket, ...]
    sites: tuple[Site, ...]
    key_pairs: tuple[KeyPair, ...]
    """What the servers present; empty unless decrypted, and where that is not known."""
    profile: DecryptionProfile | None
    hostnames: tuple[Hostname, ...]
    """What visitors of a passed-through site ask for."""


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """Addresses with the same legs at the same port."""

    port: int
    addresses: tuple[IPv4Address | IPv6Address, ...]
    legs: tuple[Leg, ...]

    @property
    def label(self) -> str:
        """For names: of the first address, so that a further leg here changes a rule and not its name.

        A rule of another name would be put below the old one by a merge, and never match.
        """
        return f"{_spelled(self.addresses[0])}-{self.port}"

    def read(self, reading: Reading) -> list[Leg]:
        """The legs with which the firewall does this."""
        return [leg for leg in self.legs if leg.reading is reading]

    @property
    def key_pairs(self) -> dict[str, KeyPair]:
        """All that can be presented here, by the leaf's fingerprint."""
        return {pair.chain[0].sha256: pair for leg in reversed(self.legs) for pair in reversed(leg.key_pairs)}

    @property
    def scans(self) -> list[str]:
        """The different `scan` values of the sites reached here."""
        sites = (site for leg in self.legs for site in leg.sites)
        return list(dict.fromkeys(site.scan for site in sites if site.scan is not None))


def backends_of(site: Site) -> list[Backend]:
    """The backends that a site's requests reach, in order."""
    found: dict[str, Backend] = {}
    for group in site.groups:
        for upstream in (group.upstream, *(route.upstream for route in group.routes)):
            found[upstream.backend.name] = upstream.backend
    return list(found.values())


def site_addresses(site: Site) -> tuple[IPv4Address | IPv6Address, ...]:
    """Where visitors reach a site at the edge: before NAT, as rules match [HELP]."""
    servers = (server.socket.address for backend in backends_of(site) for server in backend.servers)
    return tuple(dict.fromkeys(site.public_addresses or servers))


def legs(plan: Plan, settings: Settings) -> list[Leg]:
    """Everything that goes through the firewall, in document order."""
    return list(_visitors(plan) if settings.edge else _proxies(plan))


def destinations(legs: Sequence[Leg]) -> list[Destination]:
    """The legs, gathered by the sockets that they share."""
    users: dict[Socket, list[int]] = {}
    for index, leg in enumerate(legs):
        for socket in leg.sockets:
            users.setdefault(socket, []).append(index)
    alike: dict[tuple[int, tuple[int, ...]], list[IPv4Address | IPv6Address]] = {}
    for socket, indexes in users.items():
        alike.setdefault((socket.port, tuple(indexes)), []).append(socket.address)
    return [
        Destination(port, tuple(addresses), tuple(legs[index] for index in indexes))
        for (port, indexes), addresses in alike.items()
    ]


def _visitors(plan: Plan) -> Iterator[Leg]:
    pairs = {
        certificate.name: KeyPair(
            certificate_name(plan.name, certificate.name, certificate.leaf),
            certificate.path,
            certificate.chain,
            certificate,
        )
        for certificate in plan.certificates
    }
    for listener in plan.listeners:
        profile = _listener_profile(object_name(PROFILE_NAME, plan.name, listener.name), listener.tls)
        ports = list(dict.fromkeys(socket.port for socket in listener.binds))
        for site in listener.sites:
            yield Leg(
                path=site.path,
                reading=Reading.DECRYPTED if site.decrypt else Reading.PASSED,
                sockets=tuple(Socket(address, port) for port in ports for address in site_addresses(site)),
                sites=(site,),
                key_pairs=(pairs[site.certificate.name],) if site.certificate else (),
                profile=profile if site.decrypt else None,
                hostnames=() if site.decrypt else site.hostnames,
            )


def _proxies(plan: Plan) -> Iterator[Leg]:
    reached: dict[tuple[str, bool], tuple[Backend, list[Site]]] = {}
    for site in plan.sites:
        for backend in backends_of(site):
            reached.setdefault((backend.name, site.decrypt), (backend, []))[1].append(site)
    for (_, decrypt), (backend, sites) in reached.items():
        tls = backend.tls if decrypt else None
        reading = Reading.DECRYPTED if tls else Reading.CLEAR if decrypt else Reading.PASSED
        # A server on the proxy's own machine is reached without the firewall.
        sockets = [server.socket for server in backend.servers if not server.socket.address.is_loopback]
        yield Leg(
            path=backend.path,
            reading=reading,
            sockets=tuple(dict.fromkeys(sockets)),
            sites=tuple(sites),
            key_pairs=tuple(_backend_pairs(plan.name, tls)) if tls else (),
            profile=_backend_profile(plan.name, tls) if tls else None,
            hostnames=() if decrypt else tuple(name for site in sites for name in site.hostnames),
        )


def _backend_pairs(policy: str, tls: BackendTls) -> Iterator[KeyPair]:
    for index, leaf in enumerate(tls.leaves):
        label = next((name for name in (leaf.common_name, *leaf.dns_names) if name), "backend")
        yield KeyPair(certificate_name(policy, label, leaf), (*tls.path, "certificate", index), (leaf,), None)


# --- TLS settings ---------------------------------------------------------------------------------------------

_AEAD_OF_TLS13 = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305-SHA256")


def _listener_profile(name: str, tls: TlsSettings) -> DecryptionProfile:
    """The switches that let all of the listener's suites through, and as few others as they can."""
    suites = [f"ECDHE-{suite}" for suite in _AEAD_OF_TLS13] if tls.max_version >= "1.3" else []
    return DecryptionProfile(name, tls.min_version, tls.max_version, _switches([*suites, *tls.ciphers]))


def _switches(suites: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """By OpenSSL's names, in which what is not said is RSA key exchange, and CBC. Names of switches: [SPEC]."""

    def some(pattern: str) -> bool:
        return any(re.search(pattern, suite) for suite in suites)

    return (
        ("keyxchg-algo-rsa", some(r"^(?!ECDHE-|DHE-)")),
        ("keyxchg-algo-dhe", some(r"^DHE-")),
        ("keyxchg-algo-ecdhe", some(r"^ECDHE-")),
        ("enc-algo-3des", some(r"DES-CBC3")),
        ("enc-algo-rc4", some(r"RC4")),
        ("enc-algo-aes-128-cbc", some(r"AES128-SHA")),
        ("enc-algo-aes-256-cbc", some(r"AES256-SHA")),
        ("enc-algo-aes-128-gcm", some(r"AES128-GCM")),
        ("enc-algo-aes-256-gcm", some(r"AES256-GCM")),
        ("enc-algo-chacha20-poly1305", some(r"CHACHA20-POLY1305")),
        ("auth-algo-md5", some(r"-MD5$")),
        ("auth-algo-sha1", some(r"-SHA$")),
        ("auth-algo-sha256", some(r"-SHA256$|CHACHA20-POLY1305$")),
        ("auth-algo-sha384", some(r"-SHA384$")),
    )


def _backend_profile(policy: str, tls: BackendTls) -> DecryptionProfile:
    """The policy names no suites on the inner leg: what proxy and server agree on passes, but for the broken ones."""
    refused = {"enc-algo-3des", "enc-algo-rc4", "auth-algo-md5"}
    name = object_name(PROFILE_NAME, policy, f"backend-tls-{_spelled(tls.min_version)}")
    return DecryptionProfile(
        name, tls.min_version, "1.3", tuple((switch, switch not in refused) for switch, _ in _switches(()))
    )


# --- inspection rules at the edge -----------------------------------------------------------------------------


def inexpressible(rule: Rule) -> tuple[Path, str] | None:
    """Why no security rule says what an inspection rule says: the place in the policy, and the reason.

    Only of what the feature table lets through. None where it can be said.
    """
    for index, matcher in enumerate(rule.when.paths):
        place = (*rule.path, "when", "path", index, matcher.kind.value)
        if matcher.kind is not TextMatch.PREFIX:
            return place, f"a URL category covers a path and all below it, so `{matcher.kind.value}` cannot be said"
        odd = [character for character in decode_literal(matcher.text) if not has_one_spelling(character)]
        if odd:
            return place, f"`{odd[0]}` is a wildcard in URL categories, or has several spellings"
    if rule.unless is not None and (rule.unless.paths or rule.unless.hosts):
        return (*rule.path, "unless"), "a security rule has exceptions by source address only"
    if rule.unless is not None and rule.when.sources:
        return (*rule.path, "unless"), "a security rule has either sources or exceptions from any source"
    return None


def ends_sessions(rule: Rule) -> bool:
    """Whether an inspection rule becomes a security rule."""
    never = rule.unless is not None and rule.unless.always
    return not never and any(isinstance(action, Deny) for action in rule.actions) and not inexpressible(rule)


def hosts_of(site: Site, rule: Rule) -> list[Hostname]:
    """The site's hostnames that a rule speaks of."""
    if not rule.when.hosts:
        return list(site.hostnames)
    both: dict[Hostname, None] = {}
    for own in site.hostnames:
        for named in rule.when.hosts:
            if own == named or (named.wildcard and not own.wildcard and named.covers(own.name)):
                both[own] = None
            elif own.wildcard and not named.wildcard and own.covers(named.name):
                both[named] = None
    return list(both)


def urls_of(site: Site, rule: Rule) -> tuple[str, ...]:
    """Entries of a custom URL category for what a rule denies.

    ``^`` is exactly one token between dots. A prefix is listed with and without a slash behind it, which takes in
    ``/admin``, ``/admin?x`` and ``/admin/x``, and not ``/administrator`` (URL filtering guidelines).
    """
    paths = [decode_literal(matcher.text) for matcher in rule.when.paths] or ["/"]
    tails = [tail for path in paths for tail in ([path] if path.endswith("/") else [path, path + "/"])]
    hosts = [f"^.{host.name}" if host.wildcard else host.name for host in hosts_of(site, rule)]
    return tuple(dict.fromkeys(host + tail for host in hosts for tail in tails))


def by_category(rule: Rule, alone: bool) -> bool:
    """Whether a deny needs a URL category; a rule on the source alone does not where no other site is reached."""
    return bool(rule.when.paths or rule.when.hosts) or not alone


# --- lowering -------------------------------------------------------------------------------------------------


def lower(plan: Plan, settings: Settings, source: str) -> Configuration:
    """Objects and rules for a plan. `source` is the policy's name, for descriptions."""
    return _Lowering(plan, settings, source).configuration()


class _Lowering:
    def __init__(self, plan: Plan, settings: Settings, source: str) -> None:
        self.plan = plan
        self.settings = settings
        self.source = source
        self.destinations = destinations(legs(plan, settings))
        self.addresses: dict[str, tuple[str, list[Path]]] = {}
        self.services: dict[int, list[Path]] = {}
        self.categories: list[UrlCategory] = []
        self.profiles: dict[str, DecryptionProfile] = {}

    def configuration(self) -> Configuration:
        proxies = [(proxy, ("targets", "panos", "proxies")) for proxy in self.settings.proxies]
        source = tuple(self._address(proxy, [path]) for proxy, path in proxies) or ANY
        passed = [rule for one in self.destinations for rule in self._passed(one, source)]
        decrypted = [rule for one in self.destinations for rule in self._decrypted(one, source)]
        denied = list(self._denied()) if self.settings.edge else []
        allowed = [self._allowed(one, source) for one in self.destinations]
        pairs = [pair for one in self.destinations for pair in one.key_pairs.values()]
        return Configuration(
            settings=self.settings,
            addresses=tuple(
                AddressObject(name, value, _describe(self.source, paths, OBJECT_DESCRIPTION))
                for name, (value, paths) in self.addresses.items()
            ),
            services=tuple(
                Service(self._service_name(port), port, _describe(self.source, paths, OBJECT_DESCRIPTION))
                for port, paths in self.services.items()
            ),
            categories=tuple(self.categories),
            profiles=tuple(self.profiles.values()),
            decryption=(*passed, *decrypted),
            security=(*denied, *allowed),
            key_pairs=tuple({(pair.name, pair.chain[0].sha256): pair for pair in pairs}.values()),
        )

    # --- objects ----------------------------------------------------------------------------------------------

    def _name(self, limit: int, *parts: str) -> str:
        return object_name(limit, self.plan.name, *parts)

    def _address(self, value: IPv4Address | IPv6Address | Network, paths: Sequence[Path]) -> str:
        text = str(value)
        if "/" in text and not isinstance(value, IPv4Address | IPv6Address) and value.num_addresses == 1:
            text = str(value.network_address)
        name = self._name(ADDRESS_NAME, ("net-" if "/" in text else "host-") + _spelled(text))
        self.addresses.setdefault(name, (text, []))[1].extend(paths)
        return name

    def _service(self, port: int, paths: Sequence[Path]) -> str:
        self.services.setdefault(port, []).extend(paths)
        return self._service_name(port)

    def _service_name(self, port: int) -> str:
        return self._name(SERVICE_NAME, f"tcp-{port}")

    def _category(self, urls: Iterable[str], paths: Sequence[Path], *parts: str) -> str:
        name = self._name(CATEGORY_NAME, *parts)
        self.categories.append(UrlCategory(name, tuple(urls), _describe(self.source, paths, CATEGORY_DESCRIPTION)))
        return name

    def _profile(self, leg: Leg) -> str | None:
        if leg.profile is None:
            return None
        return self.profiles.setdefault(leg.profile.name, leg.profile).name

    # --- rules ------------------------------------------------------------------------------------------------

    def _decryption_rule(
        self,
        at: Destination,
        source: tuple[str, ...],
        legs: Sequence[Leg],
        name: Sequence[str],
        category: tuple[str, ...],
        certificates: tuple[str, ...],
        profile: str | None,
    ) -> DecryptionRule:
        paths = _paths(legs)
        return DecryptionRule(
            name=self._name(RULE_NAME, *name),
            description=_describe(self.source, paths, RULE_DESCRIPTION),
            source=source,
            destination=tuple(self._address(address, paths) for address in at.addresses),
            service=(self._service(at.port, paths),),
            category=category,
            certificates=certificates,
            profile=profile,
        )

    def _passed(self, at: Destination, source: tuple[str, ...]) -> Iterator[DecryptionRule]:
        passed = at.read(Reading.PASSED)
        if not passed:
            return
        name = (at.label, "passthrough")
        category = ANY
        if len(passed) < len(at.legs):
            # Only the SNI tells such a site from a decrypted one here; a category compares it [HELP].
            hosts = dict.fromkeys(host for leg in passed for host in leg.hostnames)
            urls = [f"^.{host.name}/" if host.wildcard else f"{host.name}/" for host in hosts]
            category = (self._category(urls, _paths(passed), *name),)
        yield self._decryption_rule(at, source, passed, name, category, (), None)

    def _decrypted(self, at: Destination, source: tuple[str, ...]) -> Iterator[DecryptionRule]:
        decrypted = at.read(Reading.DECRYPTED)
        names = tuple(sorted(pair.name for pair in at.key_pairs.values()))
        if names:
            yield self._decryption_rule(at, source, decrypted, (at.label,), ANY, names, self._profile(decrypted[0]))

    def _allowed(self, at: Destination, source: tuple[str, ...]) -> SecurityRule:
        wanted = {
            "ssl": at.read(Reading.DECRYPTED) or at.read(Reading.PASSED),
            "web-browsing": at.read(Reading.DECRYPTED) or at.read(Reading.CLEAR),
        }
        groups = [group for scan in at.scans if (group := self.settings.profile_groups.get(scan))]
        paths = _paths(at.legs)
        return SecurityRule(
            name=self._name(RULE_NAME, at.label),
            description=_describe(self.source, paths, RULE_DESCRIPTION),
            source=source,
            negate_source=False,
            destination=tuple(self._address(address, paths) for address in at.addresses),
            service=(self._service(at.port, paths),),
            category=ANY,
            application=tuple(name for name, legs in wanted.items() if legs),
            allow=True,
            profile_group=groups[0] if groups else None,
        )

    def _denied(self) -> Iterator[SecurityRule]:
        """Above every allow rule, because sites that share an address share that too."""
        reached: dict[str, tuple[Site, list[Destination]]] = {}
        for at in self.destinations:
            for leg in at.legs:
                for site in leg.sites:
                    found = reached.setdefault(site.name, (site, []))[1]
                    if at not in found:
                        found.append(at)
        for site, places in reached.values():
            alone = all(leg.path == site.path for at in places for leg in at.legs)
            # Without `allow` rules, which are not written, the order of denials does not matter.
            rules = [rule for rules in site.rule_lists for rule in rules.rules if ends_sessions(rule)]
            for rule in rules:
                urls = urls_of(site, rule)
                if not urls:
                    continue
                paths = [site.path, rule.path]
                excepted = rule.unless.sources if rule.unless else ()
                sources = rule.when.sources or excepted
                category = (self._category(urls, paths, site.name, rule.id),) if by_category(rule, alone) else ANY
                addresses = dict.fromkeys(address for at in places for address in at.addresses)
                ports = dict.fromkeys(at.port for at in places)
                yield SecurityRule(
                    name=self._name(RULE_NAME, site.name, rule.id),
                    description=_describe(self.source, paths, RULE_DESCRIPTION),
                    source=tuple(self._address(network, [rule.path]) for network in sources) or ANY,
                    negate_source=bool(excepted),
                    destination=tuple(self._address(address, [site.path]) for address in addresses),
                    service=tuple(self._service(port, [site.path]) for port in ports),
                    category=category,
                    application=ANY,
                    allow=False,
                    profile_group=None,
                )


def _paths(legs: Iterable[Leg]) -> list[Path]:
    return list(dict.fromkeys(path for leg in legs for path in (leg.path, *(site.path for site in leg.sites))))
