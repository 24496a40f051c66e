"""Plan → the parts of a `haproxy.cfg`.

How a request is judged: its frontend asks what every request must be (version, host, site). A map leads from the host
to a backend section, whose rules are those of a named `defaults` that all sections with the same rule lists share.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product

from ...compiler.diagnostics import Path
from ...compiler.normal_form import USUAL_METHODS, escape_text
from ...compiler.plan import (
    Allow,
    Balance,
    Condition,
    Deny,
    Health,
    Hostname,
    Listener,
    PathMatcher,
    Plan,
    PublicCertificate,
    Rule,
    RuleList,
    Site,
    TextMatch,
    Timeouts,
    TlsSettings,
    TrustAnchors,
    Upstream,
    Verify,
)
from .support import Settings

WORDS_LIMIT = 48
"""Patterns on one line. HAProxy refuses a line of more than 64 words."""
EXPRESSION_LIMIT = 3000
"""Bytes of one expression made of several; lines of 5,000 were seen to load."""

SOCKET_LIMIT = 90
"""Bytes of a Unix socket's path: 107 (sun_path in unix(7)), less what HAProxy appends while it binds."""


# --- the model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acl:
    """A named test that holds where any of its `lines` does: a sample and its flags, then patterns."""

    name: str
    sample: str
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """An ACL, or its opposite."""

    acl: str
    wanted: bool = True

    def __str__(self) -> str:
        return self.acl if self.wanted else f"!{self.acl}"


Terms = tuple[tuple[Literal, ...], ...]
"""Any of these, of which each is: all of these. One empty conjunction holds always."""


@dataclass(frozen=True, slots=True)
class Step:
    """A rule: `status` for a refusal, None for one that lets the request pass all that follow."""

    path: Path
    acls: tuple[Acl, ...]
    terms: Terms
    status: int | None

    @property
    def text(self) -> str:
        """The body of a refusal."""
        known = {status.value: status.phrase for status in HTTPStatus}
        return f"{self.status} {known.get(self.status or 0, 'Refused')}"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The rules of all sites with the same rule lists. `passes`: one of them lets requests pass."""

    name: str
    path: Path
    methods: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def passes(self) -> bool:
        """Whether a step lets requests pass others."""
        return any(step.status is None for step in self.steps)


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of a listener, in HAProxy's words."""

    guideline: str
    min_version: str
    max_version: str
    ciphers: str
    curves: str
    alpn: str


@dataclass(frozen=True, slots=True)
class Bind:
    """A socket; `only_ipv6` keeps IPv4 out of an IPv6 one."""

    address: str
    only_ipv6: bool


@dataclass(frozen=True, slots=True)
class Frontend:
    """A listener's sockets for HTTP over TLS. `marked`: its TCP part connects, with a PROXY header in front."""

    path: Path
    name: str
    binds: tuple[Bind, ...]
    marked: str | None
    tls: Tls
    certificates: str
    hosts: str


@dataclass(frozen=True, slots=True)
class RedirectFrontend:
    """Plain-HTTP sockets that redirect to https on `port`."""

    path: Path
    name: str
    binds: tuple[Bind, ...]
    hosts: str
    methods: tuple[str, ...]
    port: int


@dataclass(frozen=True, slots=True)
class TcpFrontend:
    """Sockets whose connections go on by SNI. `decrypt` takes those of decrypted sites, where there are any."""

    path: Path
    name: str
    binds: tuple[Bind, ...]
    hosts: str
    decrypt: str | None
    socket: str
    idle: int


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS towards a server. Without `ca_file` anything is accepted. OpenSSL speaks versions below 1.2 if `weak`."""

    name: str
    ca_file: str | None
    min_version: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Server:
    """A server line. `track` is the server whose health checks count for this one, too."""

    name: str
    address: str
    weight: int
    backup: bool
    track: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A backend section. `inspection` None: connections passed through. `host` None: the host asked for."""

    path: Path
    name: str
    inspection: str | None
    balance: Balance
    servers: tuple[Server, ...]
    tls: ServerTls | None
    health: Health | None
    check_host: str
    timeouts: Timeouts
    host: str | None


@dataclass(frozen=True, slots=True)
class HostMap:
    """Hostname (with `*` for its first label where it is a wildcard) → ``site/http section/tcp section``."""

    file: str
    path: Path
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CertificateList:
    """A crt-list: certificate file, and the names that it is shown for."""

    file: str
    path: Path
    entries: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it."""

    version: str
    inspections: tuple[Inspection, ...]
    frontends: tuple[Frontend, ...]
    redirects: tuple[RedirectFrontend, ...]
    tcp: tuple[TcpFrontend, ...]
    sections: tuple[Section, ...]
    maps: tuple[HostMap, ...]
    lists: tuple[CertificateList, ...]
    certificates: tuple[PublicCertificate, ...]
    anchors: tuple[TrustAnchors, ...]


# --- rules ------------------------------------------------------------------------------------------------------

PASSED = "passed"
"""The ACL that tells whether a rule has let the request pass."""


def path_alternatives(paths: Sequence[PathMatcher]) -> list[str]:
    """The expressions of a condition as few alternations that each fit well into one word."""
    groups: list[list[str]] = []
    size = EXPRESSION_LIMIT
    for matcher in paths:
        length = len(matcher.expression) + 1
        if size + length > EXPRESSION_LIMIT:
            groups.append([])
            size = 0
        groups[-1].append(matcher.expression)
        size += length
    return ["|".join(group) for group in groups]


def compiled_size(expression: str) -> int:
    """At least as many bytes as PCRE2 compiles an expression to. It takes at most 64 KiB in one."""
    return 34 * expression.count("[") + 3 * len(expression)


class _Tests:
    """The ACLs of one `when` or `unless`.

    PCRE2's JIT takes an exhausted stack for "no match". So where a path is looked for that refuses, what is tested is
    an expression for every *other* path: a search that is given up then refuses.
    """

    def __init__(self, name: str, condition: Condition, refuses: bool) -> None:
        self.acls: list[Acl] = []
        self.fields: list[tuple[Terms, Terms]] = []
        """For each field of the condition: what holds where it does, and where it does not."""
        paths = path_alternatives(condition.paths)
        if paths and refuses:
            others = [
                self._acl(f"{name}:other-path-{index}", "path -m reg", (rf"^(?!(?:{one})\z)",))
                for index, one in enumerate(paths, 1)
            ]
            some = tuple((Literal(one.acl, False),) for one in others)
            self.fields.append((some, (tuple(others),)))
        elif paths:
            self._field(f"{name}:path", "path -m reg", [(rf"^(?:{one})\z",) for one in paths])
        if condition.methods:
            self._field(f"{name}:method", "method -m str", _lines(condition.methods))
        if condition.hosts:
            exact = [host.name for host in condition.hosts if not host.wildcard]
            below = [str(host) for host in condition.hosts if host.wildcard]
            lines = {"var(txn.host) -m str": _lines(exact), "var(txn.wildcard) -m str": _lines(below)}
            self._several(f"{name}:host", lines)
        if condition.sources:
            self._field(f"{name}:source", "src", _lines([str(network) for network in condition.sources]))
        if condition.headers:
            by_name: dict[str, list[tuple[str, ...]]] = defaultdict(list)
            for header in condition.headers:
                expression = r"[^ \t,]" if header.kind is TextMatch.PRESENT else f"(?:{header.expression})"
                by_name[f"req.fhdr({header.name}) -m reg"].append((expression,))
            self._several(f"{name}:header", by_name)

    def _acl(self, name: str, sample: str, *lines: tuple[str, ...]) -> Literal:
        self.acls.append(Acl(name, sample, lines))
        return Literal(name)

    def _several(self, name: str, lines: dict[str, list[tuple[str, ...]]]) -> None:
        """One test with several samples: lines of one name are alternatives."""
        for sample, patterns in lines.items():
            if patterns:
                self.acls.append(Acl(name, sample, tuple(patterns)))
        self.fields.append((((Literal(name),),), ((Literal(name, False),),)))

    def _field(self, name: str, sample: str, lines: list[tuple[str, ...]]) -> None:
        self._several(name, {sample: lines})

    def holds(self) -> list[Terms]:
        """For each field, what holds where it does: all must."""
        return [holds for holds, _ in self.fields]

    def fails(self) -> Terms:
        """What holds where the condition does not: any will do."""
        return tuple(term for _, fails in self.fields for term in fails)


def _lines(patterns: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(patterns[start : start + WORDS_LIMIT]) for start in range(0, len(patterns), WORDS_LIMIT)]


def _steps(rule_lists: Iterable[RuleList]) -> Iterator[Step]:
    passes = False
    for rule in (rule for rule_list in rule_lists for rule in rule_list.rules):
        for action in rule.actions:
            if isinstance(action, Allow | Deny):
                yield _step(rule, action.status if isinstance(action, Deny) else None, passes)
                passes = passes or isinstance(action, Allow)


def _step(rule: Rule, status: int | None, passes: bool) -> Step:
    when = _Tests(rule.id, rule.when, refuses=status is not None)
    unless = _Tests(f"{rule.id}:unless", rule.unless, refuses=status is None) if rule.unless else None
    fields: list[Terms] = [((Literal(PASSED, False),),)] if passes and status is not None else []
    fields += when.holds()
    if unless is not None:
        fields.append(unless.fails())
    terms = tuple(tuple(literal for part in parts for literal in part) for parts in product(*fields))
    return Step(rule.path, tuple(when.acls + (unless.acls if unless else [])), terms, status)


# --- backends ---------------------------------------------------------------------------------------------------


def _server_tls(upstream: Upstream, settings: Settings) -> ServerTls | None:
    tls = upstream.backend.tls
    if tls is None:
        return None
    anchors = tls.anchors
    if upstream.server_name is None or (anchors is None) != (tls.verify is Verify.NONE):
        raise ValueError(f"backend {upstream.backend.name}: nothing to verify")
    ca_file = None if anchors is None else settings.system_ca if anchors.system else f"ca/{anchors.name}.pem"
    return ServerTls(upstream.server_name, ca_file, _version(tls.min_version), tls.min_version < "1.2")


def _section(upstream: Upstream, name: str, inspection: str | None, checked: str | None, settings: Settings) -> Section:
    backend = upstream.backend
    names = [str(server.socket).replace("[", "").replace("]", "") for server in backend.servers]
    names = [f"{one}-{index}" if one in names[:index] else one for index, one in enumerate(names)]
    return Section(
        backend.path,
        name,
        inspection,
        backend.balance,
        tuple(
            Server(one, str(server.socket), server.weight, server.backup, f"{checked}/{one}" if checked else None)
            for one, server in zip(names, backend.servers, strict=True)
        ),
        _server_tls(upstream, settings) if inspection else None,
        backend.health,
        backend.host_header or upstream.server_name or "",
        backend.timeouts,
        backend.host_header,
    )


# --- listeners --------------------------------------------------------------------------------------------------


def _version(version: str) -> str:
    return f"TLSv{version}"


def _tls(listener: Listener) -> Tls:
    tls: TlsSettings = listener.tls
    return Tls(
        tls.guideline,
        _version(tls.min_version),
        _version(tls.max_version),
        ":".join(tls.ciphers),
        ":".join(tls.curves),
        ",".join(protocol for protocol in ("h2", "http/1.1") if protocol in listener.protocols),
    )


def _binds(sockets: Iterable[object]) -> tuple[Bind, ...]:
    return tuple(Bind(str(socket), str(socket).startswith("[")) for socket in sockets)


def inspection_name(site: Site) -> str:
    """The `defaults` with a site's rules."""
    return ":".join(("inspect", *(rule_list.name for rule_list in site.rule_lists)))


def section_name(upstream: Upstream, site: Site) -> str:
    """The backend section for an upstream and a site's rules. No name of the policy holds a colon."""
    return ":".join((upstream.id, *(rule_list.name for rule_list in site.rule_lists)))


def tcp_section_name(upstream: Upstream) -> str:
    """The backend section for connections that are passed through to an upstream."""
    return f"{upstream.id}::tcp"


def _host_map(listener: Listener) -> HostMap:
    names: list[tuple[Hostname, str]] = []
    for site in listener.sites:
        for group in site.groups:
            upstream = group.upstream
            place = f"{section_name(upstream, site)}/" if site.decrypt else f"/{tcp_section_name(upstream)}"
            names += [(host, f"{site.name}/{place}") for host in group.hostnames]
    return HostMap(f"maps/{listener.name}.map", listener.path, tuple((str(host), place) for host, place in names))


def _certificate_list(listener: Listener) -> CertificateList:
    names: dict[str, list[str]] = defaultdict(list)
    for site in listener.sites:
        if site.decrypt and site.certificate is not None:
            names[site.certificate.name] += map(str, site.hostnames)
    return CertificateList(
        f"certs/{listener.name}.list",
        listener.path,
        tuple((f"certs/{name}.crt", tuple(hosts)) for name, hosts in names.items()),
    )


def socket_path(plan: Plan, listener: Listener, settings: Settings) -> str:
    """The path of the socket between a listener's TCP and HTTP parts."""
    folder = "" if settings.runtime_dir is None else settings.runtime_dir.rstrip("/") + "/"
    path = f"{folder}{plan.name}.{listener.name}.sock"
    if len(path) <= SOCKET_LIMIT:
        return path
    return f"{folder}{hashlib.sha256(f'{plan.name}.{listener.name}'.encode()).hexdigest()[:12]}.sock"


def _tcp_frontend(plan: Plan, listener: Listener, settings: Settings) -> TcpFrontend | None:
    passed = [group.upstream for site in listener.sites if not site.decrypt for group in site.groups]
    if not passed:
        return None
    return TcpFrontend(
        listener.path,
        f"{listener.name}::tcp",
        _binds(listener.binds),
        f"maps/{listener.name}.map",
        f"{listener.name}::decrypt" if any(site.decrypt for site in listener.sites) else None,
        socket_path(plan, listener, settings),
        max(upstream.backend.timeouts.idle for upstream in passed),
    )


def lower(plan: Plan, settings: Settings) -> Configuration:
    """The parts of `haproxy.cfg` for a plan without unaccepted errors."""
    decrypted = [site for site in plan.sites if site.decrypt]
    inspections = {
        inspection_name(site): Inspection(
            inspection_name(site), (*site.path, "inspect"), site.methods, tuple(_steps(site.rule_lists))
        )
        for site in reversed(decrypted)
    }
    sections: dict[str, Section] = {}
    checked: dict[tuple[str, bool], str] = {}
    for site in plan.sites:
        for upstream in (group.upstream for group in site.groups):
            name = section_name(upstream, site) if site.decrypt else tcp_section_name(upstream)
            if name in sections:
                continue
            watched = None
            if upstream.backend.health:
                # A connection passed through is checked in another way.
                watched = checked.get((upstream.id, site.decrypt))
                checked.setdefault((upstream.id, site.decrypt), name)
            inspection = inspection_name(site) if site.decrypt else None
            sections[name] = _section(upstream, name, inspection, watched, settings)
    tcp = {one.name: found for one in plan.listeners if (found := _tcp_frontend(plan, one, settings))}
    # Without any site it still has a socket, on which every name is refused.
    https = [one for one in plan.listeners if not one.sites or any(site.decrypt for site in one.sites)]
    return Configuration(
        version=settings.version,
        inspections=tuple(reversed(inspections.values())),
        frontends=tuple(
            Frontend(
                one.path,
                one.name,
                () if one.name in tcp else _binds(one.binds),
                tcp[one.name].socket if one.name in tcp else None,
                _tls(one),
                f"certs/{one.name}.list",
                f"maps/{one.name}.map",
            )
            for one in https
        ),
        redirects=tuple(
            RedirectFrontend(
                (*one.path, "redirect_http"),
                f"{one.name}::redirect",
                _binds(one.redirect_http),
                f"maps/{one.name}.map",
                USUAL_METHODS,
                one.public_port,
            )
            for one in plan.listeners
            if one.redirect_http
        ),
        tcp=tuple(tcp.values()),
        sections=tuple(sections.values()),
        maps=tuple(_host_map(one) for one in plan.listeners),
        lists=tuple(_certificate_list(one) for one in https),
        certificates=tuple({one.certificate.name: one.certificate for one in decrypted if one.certificate}.values()),
        anchors=tuple(
            {
                anchors.name: anchors
                for site in decrypted
                for group in site.groups
                if group.upstream.backend.tls and (anchors := group.upstream.backend.tls.anchors) and not anchors.system
            }.values()
        ),
    )


def method_expression(methods: Sequence[str]) -> str:
    """What one of these methods looks like."""
    return rf"^(?:{'|'.join(map(escape_text, methods))})\z"
