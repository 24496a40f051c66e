"""Plan → what Envoy is made of: listeners, filter chains, virtual hosts with ordered steps, clusters."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...compiler.bundle import KeyFile
from ...compiler.diagnostics import Path, format_path
from ...compiler.normal_form import F1, F2, HOST, USUAL_METHODS, escape_text
from ...compiler.plan import (
    Allow,
    Balance,
    Condition,
    Deny,
    Health,
    HostGroup,
    Hostname,
    Listener,
    Network,
    PathMatcher,
    Plan,
    PublicCertificate,
    Rule,
    Server,
    Site,
    Socket,
    TextMatch,
    Timeouts,
    TlsSettings,
    TrustAnchors,
    Upstream,
    Verify,
)
from .support import Settings

# Header names with an underscore are dropped when a request is read, so no visitor can send these two.
SOURCE_HEADER = "policyc_source"
UPGRADE_HEADER = "policyc_upgrade"

PLAIN_SEGMENTS = r"(?:/(?:[^/?.]|[.][^/?.]|[.][.][^/?])[^/?]*)*/?(?:[?].*)?"
"""The complement of `normal_form.R3`: no segment is empty, ``.`` or ``..``. It must match, so it fails closed."""

CANONICAL_HOST = "[a-z0-9._-]+"
"""A host that needs neither lower-casing nor a port taken off."""

MAX_PROGRAM_SIZE = 10_000
"""Instructions of one RE2 program. Envoy's own bound of 100 is less than one long path; RE2's, about 460,000, would let
one request cost a second."""

_PIECE = MAX_PROGRAM_SIZE // 2
"""Many paths are one expression, and so a single pass over the path, up to this size; then a second one begins."""


# --- the model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """A request header's whole value, all its lines joined by commas, matches an RE2 expression."""

    header: str
    expression: str


@dataclass(frozen=True, slots=True)
class FromNetworks:
    """The peer's address is in one of these networks."""

    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    of: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds."""

    of: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    of: Test


Test = Match | FromNetworks | Every | Some | Not


@dataclass(frozen=True, slots=True)
class Step:
    """The first step whose test holds ends the walk: with `status`, or by forwarding where it is None."""

    name: str
    source: str
    test: Test
    status: int | None


@dataclass(frozen=True, slots=True)
class Forward:
    """To a cluster. `host` is the visitor's host where it can only be one; `host_header` is sent instead of it.

    Where a connection fails, `primaries - 1` other servers and then each of the `backups` are tried.
    """

    cluster: str
    host: str | None
    host_header: str | None
    by_source: bool
    timeouts: Timeouts
    primaries: int
    backups: int


@dataclass(frozen=True, slots=True)
class ToHttps:
    """308 to https on this port."""

    port: int


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """Hosts that are treated alike. `own` narrows wildcard domains, which Envoy matches at any depth, to one label.

    A request that passes `normal` walks the `steps` and then meets `end`; any other gets 400.
    """

    name: str
    source: str
    domains: tuple[str, ...]
    own: Test | None
    normal: Test
    steps: tuple[Step, ...]
    end: Forward | ToHttps


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP connection manager. `foreign` are hosts below its wildcards that belong elsewhere: 421, as all others."""

    name: str
    source: str
    protocols: tuple[str, ...]
    hosts: tuple[VirtualHost, ...]
    foreign: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terminate:
    """TLS ends here, with this certificate."""

    name: str
    source: str
    certificate: str
    tls: TlsSettings
    http: Http


@dataclass(frozen=True, slots=True)
class Pass:
    """TLS goes through to a cluster."""

    name: str
    source: str
    cluster: str
    by_source: bool
    idle: int
    attempts: int


Chain = Terminate | Pass


@dataclass(frozen=True, slots=True)
class Tls:
    """Sockets for TLS. A name in `exact` leads to its chain; else the first of `wildcards` whose expression matches."""

    name: str
    source: str
    binds: tuple[Socket, ...]
    exact: tuple[tuple[str, str], ...]
    wildcards: tuple[tuple[str, str], ...]
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """Sockets for plain HTTP, which only redirect."""

    name: str
    source: str
    binds: tuple[Socket, ...]
    http: Http


@dataclass(frozen=True, slots=True)
class ClusterTls:
    """TLS to a cluster. Without `ca` anything is accepted; without `san` any name."""

    sni: str
    ca: str | None
    san: str | None
    min_version: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Servers. `check_host` is the Host of health checks, None for a server's own address."""

    name: str
    source: str
    servers: tuple[Server, ...]
    backups: tuple[Server, ...]
    tls: ClusterTls | None
    http: bool
    balance: Balance
    health: Health | None
    check_host: str | None
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that ``envoy.json`` says, and the files beside it."""

    listeners: tuple[Tls | Plain, ...]
    clusters: tuple[Cluster, ...]
    files: tuple[tuple[str, bytes], ...]
    keys: tuple[KeyFile, ...]


# --- lowering -------------------------------------------------------------------------------------------------


def lower(plan: Plan, settings: Settings, source: str) -> Configuration:
    """The model for a Plan that lint has passed. `source` is the policy's name, for the way back."""
    return _Lowering(plan, settings, source).configuration()


class _Lowering:
    def __init__(self, plan: Plan, settings: Settings, source: str) -> None:
        self.plan = plan
        self.settings = settings
        self.source = source
        self.clusters: dict[str, Cluster] = {}
        self.certificates: dict[str, PublicCertificate] = {}
        self.anchors: dict[str, TrustAnchors] = {}

    def configuration(self) -> Configuration:
        listeners = [one for listener in self.plan.listeners for one in self._listeners(listener)]
        files = [
            (_certificate_file(one, "pem"), "".join(certificate.pem for certificate in one.chain).encode())
            for one in self.certificates.values()
        ]
        files += [
            (self._ca_file(one), "".join(certificate.pem for certificate in one.certificates).encode())
            for one in self.anchors.values()
        ]
        return Configuration(
            listeners=tuple(listeners),
            clusters=tuple(self.clusters.values()),
            files=tuple(files),
            keys=tuple(
                KeyFile(_certificate_file(one, "key"), one.key_file, one.key_as_written)
                for one in self.certificates.values()
            ),
        )

    def _from(self, path: Path) -> str:
        return f"{self.source}: {format_path(path)}"

    # --- listeners --------------------------------------------------------------------------------------------

    def _listeners(self, listener: Listener) -> Iterable[Tls | Plain]:
        below = _exact_below_wildcards(listener.sites)
        yield Tls(
            name=listener.name,
            source=self._from(listener.path),
            binds=listener.binds,
            exact=tuple(
                (host.name, site.name) for site in listener.sites for host in site.hostnames if not host.wildcard
            ),
            wildcards=tuple(
                (_one_label(host), site.name) for site in listener.sites for host in site.hostnames if host.wildcard
            ),
            chains=tuple(
                self._terminate(listener, site, below) if site.decrypt else self._pass(site) for site in listener.sites
            ),
        )
        if listener.redirect_http:
            name = f"{listener.name}-redirect"
            yield Plain(
                name,
                self._from((*listener.path, "redirect_http")),
                listener.redirect_http,
                self._redirect(listener, name),
            )

    def _terminate(self, listener: Listener, site: Site, below: dict[str, list[tuple[str, str]]]) -> Terminate:
        assert site.certificate is not None
        self.certificates[site.certificate.name] = site.certificate
        source = self._from(site.path)
        hosts = tuple(host for group in site.groups for host in self._virtual_hosts(site, group))
        foreign = tuple(
            name
            for host in site.hostnames
            if host.wildcard
            for name, owner in below.get(host.name, ())
            if owner != site.name
        )
        return Terminate(
            name=site.name,
            source=source,
            certificate=site.certificate.name,
            tls=listener.tls,
            http=Http(site.name, source, listener.protocols, hosts, foreign),
        )

    def _pass(self, site: Site) -> Pass:
        (group,) = site.groups
        backend = group.upstream.backend
        return Pass(
            name=site.name,
            source=self._from(site.path),
            cluster=self._cluster(group.upstream, passed=True),
            by_source=backend.balance is Balance.SOURCE_HASH,
            idle=backend.timeouts.idle,
            attempts=len(backend.servers),
        )

    def _virtual_hosts(self, site: Site, group: HostGroup) -> Iterable[VirtualHost]:
        """One for the exact names and one for the wildcards, so that only the latter pay for their check."""
        cluster = self._cluster(group.upstream, passed=False)
        backend = group.upstream.backend
        for wildcard in (False, True):
            hostnames = tuple(host for host in group.hostnames if host.wildcard is wildcard)
            if not hostnames:
                continue
            yield VirtualHost(
                name=group.id + ("-wildcard" if wildcard else ""),
                source=self._from(site.path),
                domains=tuple(map(str, hostnames)),
                own=_any(_host_is(host) for host in hostnames) if wildcard else None,
                normal=_normal(site.methods),
                steps=tuple(
                    step for rule_list in site.rule_lists for rule in rule_list.rules for step in self._steps(rule)
                ),
                end=Forward(
                    cluster=cluster,
                    host=hostnames[0].name if len(hostnames) == 1 and not wildcard else None,
                    host_header=backend.host_header,
                    by_source=backend.balance is Balance.SOURCE_HASH,
                    timeouts=backend.timeouts,
                    primaries=sum(not server.backup for server in backend.servers),
                    backups=sum(server.backup for server in backend.servers),
                ),
            )

    def _redirect(self, listener: Listener, name: str) -> Http:
        source = self._from((*listener.path, "redirect_http"))
        hostnames = [host for site in listener.sites for host in site.hostnames]
        exact = tuple(host.name for host in hostnames if not host.wildcard)
        end = ToHttps(listener.public_port)
        normal = _normal(USUAL_METHODS)
        hosts = [VirtualHost("exact", source, exact, None, normal, (), end)] if exact else []
        hosts += [
            VirtualHost(str(host), source, (str(host),), _host_is(host), normal, (), end)
            for host in hostnames
            if host.wildcard
        ]
        return Http(name, source, ("http/1.1",), tuple(hosts), ())

    # --- rules ------------------------------------------------------------------------------------------------

    def _steps(self, rule: Rule) -> Iterable[Step]:
        for action in rule.actions:
            if isinstance(action, Allow | Deny):
                test = _condition(rule.when)
                if rule.unless is not None:
                    test = Every((test, Not(_condition(rule.unless))))
                yield Step(rule.id, self._from(rule.path), test, action.status if isinstance(action, Deny) else None)

    # --- clusters ---------------------------------------------------------------------------------------------

    def _cluster(self, upstream: Upstream, *, passed: bool) -> str:
        """The name of an upstream's cluster. No name of the policy holds a colon."""
        backend = upstream.backend
        name = f"{upstream.id}::tcp" if passed else upstream.id
        if name in self.clusters:
            return name
        self.clusters[name] = Cluster(
            name=name,
            source=self._from(backend.path),
            servers=tuple(server for server in backend.servers if not server.backup),
            backups=tuple(server for server in backend.servers if server.backup),
            tls=None if passed else self._cluster_tls(upstream),
            http=not passed,
            balance=backend.balance,
            health=backend.health,
            check_host=backend.host_header or upstream.server_name,
            timeouts=backend.timeouts,
        )
        return name

    def _cluster_tls(self, upstream: Upstream) -> ClusterTls | None:
        tls = upstream.backend.tls
        if tls is None:
            return None
        assert upstream.server_name is not None
        verified = tls.verify is not Verify.NONE
        assert not verified or tls.anchors is not None
        return ClusterTls(
            sni=upstream.server_name,
            ca=self._trust(tls.anchors) if verified and tls.anchors else None,
            san=upstream.server_name if tls.verify is Verify.FULL else None,
            min_version=tls.min_version,
        )

    def _trust(self, anchors: TrustAnchors) -> str:
        if anchors.system:
            return self.settings.system_ca
        self.anchors[anchors.name] = anchors
        return self._ca_file(anchors)

    def _ca_file(self, anchors: TrustAnchors) -> str:
        return f"ca/{anchors.name}.pem"


def certificate_files(name: str) -> tuple[str, str]:
    """Where a certificate's chain and key lie."""
    return f"certs/{name}.pem", f"certs/{name}.key"


def _certificate_file(certificate: PublicCertificate, extension: str) -> str:
    chain, key = certificate_files(certificate.name)
    return chain if extension == "pem" else key


def _exact_below_wildcards(sites: Sequence[Site]) -> dict[str, list[tuple[str, str]]]:
    """For each wildcard's domain, the exact names that it covers and their sites."""
    wildcards = {host.name for site in sites for host in site.hostnames if host.wildcard}
    below: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for site in sites:
        for host in site.hostnames:
            parent = host.name.partition(".")[2]
            if not host.wildcard and parent in wildcards:
                below[parent].append((host.name, site.name))
    return below


# --- tests ----------------------------------------------------------------------------------------------------


def _normal(methods: Sequence[str]) -> Test:
    """What every request must be before rules are looked at. Each part must match, so a failing one refuses."""
    return Every(
        (
            Match(":method", "|".join(map(escape_text, methods))),
            Not(Match(UPGRADE_HEADER, r"\C*")),
            Match(":path", F1),
            Match(":path", F2),
            Match(":path", PLAIN_SEGMENTS),
        )
    )


PLAIN_HOST = Match(":authority", HOST)
"""A host that is plainly spelled."""


def _one_label(host: Hostname) -> str:
    return "[^.]+[.]" + escape_text(host.name)


def _host_is(host: Hostname) -> Test:
    """The host, in any case and with any port. It is ASCII by then: `PLAIN_HOST` comes first."""
    name = "[^.:]+[.]" + escape_text(host.name) if host.wildcard else escape_text(host.name)
    return Match(":authority", f"(?i){name}(?::[0-9]+)?")


def _condition(condition: Condition) -> Test:
    parts: list[Test] = []
    if condition.paths:
        parts.append(_any(_paths(condition.paths)))
    if condition.methods:
        parts.append(Match(":method", "|".join(map(escape_text, condition.methods))))
    if condition.headers:
        parts.append(
            _any(
                # \C is any byte: `.` does not match one that is not UTF-8 (up to 1.38.3).
                Match(
                    # Envoy knows the Host field by its HTTP/2 name only.
                    ":authority" if header.name == "host" else header.name,
                    r"\C*[^, \t]\C*" if header.kind is TextMatch.PRESENT else rf"\C*(?:{header.expression})\C*",
                )
                for header in condition.headers
            )
        )
    if condition.sources:
        parts.append(FromNetworks(condition.sources))
    if condition.hosts:
        parts.append(_any(_host_is(host) for host in condition.hosts))
    if not parts:
        return Match(":path", ".*")  # an empty condition holds always
    return parts[0] if len(parts) == 1 else Every(tuple(parts))


def _paths(paths: Sequence[PathMatcher]) -> Iterable[Test]:
    piece: list[str] = []
    size = 0
    for matcher in paths:
        size += program_size(matcher.expression)
        if piece and size > _PIECE:
            yield _path_is(piece)
            piece, size = [], program_size(matcher.expression)
        piece.append(matcher.expression)
    yield _path_is(piece)


def _path_is(expressions: Sequence[str]) -> Test:
    return Match(":path", f"(?:{'|'.join(expressions)})(?:[?].*)?")


_ATOM = re.compile(r"(\\x..|\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.)(?:\{(\d+)(?:,(\d*))?\})?", re.DOTALL)


def program_size(expression: str) -> int:
    """At least as many instructions as RE2 (2025-11) compiles an expression of the Plan to.

    Measured: one for an ASCII character, up to ten and one for each range for a negated class; a repetition repeats
    them. Only characters and classes are ever repeated by a number.
    """
    total = 20
    for match in _ATOM.finditer(expression):
        atom, low, high = match[1], match[2], match[3]
        cost = 10 + len(atom) if atom[0] in "[." else 2 * len(atom.encode())
        total += cost * max(int(low or 1), int(high or 1))
    return total


def _any(tests: Iterable[Test]) -> Test:
    found = tuple(tests)
    return found[0] if len(found) == 1 else Some(found)
