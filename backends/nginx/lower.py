"""Plan → the parts of an `nginx.conf`.

How a request is judged: three variables for what every site asks (host, site, form), then one for the site's rule
lists. All are `map`s, which nginx evaluates when asked and keeps for the request. A variable is empty where nothing
is wrong.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby

from ...compiler.diagnostics import Path
from ...compiler.features import version_key
from ...compiler.normal_form import F1_PCRE, F2_PCRE, HOST, R3, USUAL_METHODS, escape_text
from ...compiler.plan import (
    Allow,
    Backend,
    BackendTls,
    Balance,
    Condition,
    Deny,
    HeaderMatcher,
    HostGroup,
    Hostname,
    Listener,
    Network,
    PathMatcher,
    Plan,
    PublicCertificate,
    Rule,
    RuleList,
    Site,
    TextMatch,
    TlsSettings,
    TrustAnchors,
    Upstream,
    Verify,
)
from .support import Settings

TOKEN_LIMIT = 3500
"""Bytes of one expression as written. nginx refuses a word over 4,096 ("too long parameter")."""
STEPS_LIMIT = 60
"""Maps that one rule may chain. nginx gives up at 100 nested variables, and takes such a one for empty."""
SOCKET_LIMIT = 107
"""Bytes of a Unix socket's path (sun_path in unix(7), without its NUL)."""

_VERSIONS = ("1.0", "1.1", "1.2", "1.3")


# --- the model ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variable:
    """An nginx variable, without its ``$``."""

    name: str


@dataclass(frozen=True, slots=True)
class Key:
    """A value that a map finds by its hash, without regard to case."""

    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression (PCRE), searched."""

    text: str


Value = str | Variable


@dataclass(frozen=True, slots=True)
class Map:
    """A variable by the value of others. `source` is joined without a separator; the first case that fits wins."""

    path: Path
    source: tuple[Value, ...]
    name: str
    default: Value
    cases: tuple[tuple[Key | Expression, Value], ...]


@dataclass(frozen=True, slots=True)
class Geo:
    """A variable that is ``1`` for visitors from these networks, else empty."""

    path: Path
    name: str
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """A server of an upstream. `max_fails` failures take it out for `fail_timeout` seconds; 0: none ever does."""

    address: str
    weight: int
    backup: bool
    max_fails: int
    fail_timeout: int


@dataclass(frozen=True, slots=True)
class UpstreamBlock:
    """Servers and how to choose. `zone_kib`: shared memory for the choice, where there is one; else 0."""

    path: Path
    name: str
    balance: Balance
    servers: tuple[Server, ...]
    zone_kib: int
    idle: int


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of a listener, in nginx's words."""

    guideline: str
    protocols: tuple[str, ...]
    ciphers: str
    curves: str


@dataclass(frozen=True, slots=True)
class BackendVerification:
    """TLS towards a backend, in nginx's words."""

    verify: Verify
    name: str
    ca_file: str
    protocols: tuple[str, ...]
    ciphers: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Where a site's requests go. `host` is None for the host asked for."""

    path: Path
    upstream: str
    host: str | None
    connect: int
    response: int
    idle: int
    tls: BackendVerification | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status for a request whose variable is set; with `value`, whose variable is (or with `unless`, is not) it."""

    variable: Variable
    status: int
    value: str | None = None
    unless: bool = False

    @property
    def text(self) -> str:
        """The body. With one, nginx answers with exactly this status: 408, 444, 494 to 499 mean something to it."""
        known = {status.value: status.phrase for status in HTTPStatus}
        return f"{self.status} {known.get(self.status, 'Refused')}"


@dataclass(frozen=True, slots=True)
class SiteServer:
    """The server of one host group on one listener."""

    path: Path
    names: tuple[Hostname, ...]
    certificate: str
    refusals: tuple[Refusal, ...]
    forward: Forward


@dataclass(frozen=True, slots=True)
class TlsListener:
    """The sockets of a listener and its servers.

    `marked`: it is the TCP part that connects, with a PROXY line in front. `others`: hostnames below one of its
    wildcards that are not decrypted here.
    """

    path: Path
    binds: tuple[str, ...]
    marked: bool
    http2: bool
    tls: Tls
    others: tuple[Hostname, ...]
    servers: tuple[SiteServer, ...]


@dataclass(frozen=True, slots=True)
class RedirectListener:
    """Plain-HTTP sockets, the names that are redirected, and where to."""

    path: Path
    binds: tuple[str, ...]
    names: tuple[Hostname, ...]
    port: int


@dataclass(frozen=True, slots=True)
class TcpListener:
    """Sockets whose connections go to `target` by SNI. `marked`: with a PROXY line in front."""

    path: Path
    binds: tuple[str, ...]
    target: Variable
    marked: bool
    connect: int
    idle: int


@dataclass(frozen=True, slots=True)
class TcpForward:
    """A socket that takes the PROXY line off and goes on to an upstream."""

    path: Path
    socket: str
    upstream: str
    connect: int
    idle: int


@dataclass(frozen=True, slots=True)
class TcpPart:
    """The `stream` block."""

    module: str | None
    maps: tuple[Map, ...]
    upstreams: tuple[UpstreamBlock, ...]
    listeners: tuple[TcpListener, ...]
    forwards: tuple[TcpForward, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it."""

    version: str
    http2_directive: bool
    keepalive_local: bool
    maps: tuple[Map | Geo, ...]
    upstreams: tuple[UpstreamBlock, ...]
    listeners: tuple[TlsListener, ...]
    redirects: tuple[RedirectListener, ...]
    tcp: TcpPart | None
    certificates: tuple[PublicCertificate, ...]
    anchors: tuple[TrustAnchors, ...]


# --- names ----------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


def slug(name: str) -> str:
    """A name of the policy as a part of an nginx name: unlike for unlike names, and stable.

    nginx folds case in names of variables and upstreams, and a variable's has letters, digits and ``_`` only.
    """
    if _PLAIN.match(name):
        return name.replace("-", "_")
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + "__" + _digest(name)


def socket_path(settings: Settings, plan: Plan, name: str) -> str:
    """The path of a socket between the TCP and the HTTP part."""
    folder, readable = settings.runtime_dir.rstrip("/"), f"{plan.name}.{name}"
    path = f"{folder}/{readable}.sock"
    return path if len(path) <= SOCKET_LIMIT else f"{folder}/{_digest(readable)}.sock"


def http_socket(settings: Settings, plan: Plan, listener: Listener) -> str:
    """Where a listener's decrypted sites take connections from the TCP part."""
    return socket_path(settings, plan, f"{listener.name}.http")


def tcp_socket(settings: Settings, plan: Plan, upstream: Upstream) -> str:
    """Where connections for a passed-through upstream go to lose their PROXY line."""
    return socket_path(settings, plan, f"{upstream.id}.tcp")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# --- what every request goes through ----------------------------------------------------------------------------

_BAD_HOST = Variable("policyc_bad_host")
_BAD_FORM = "policyc_bad_form"
_BAD_CONNECTION = Variable("policyc_bad_connection")
_PARENT = Variable("policyc_sni_parent")
_HOST = Variable("host")


def wildcard_expression(host: Hostname) -> str:
    """What one label below a wildcard looks like. nginx's own ``*.`` matches any depth."""
    return f"^[^.]+[.]{escape_text(host.name)}\\z"


def _first_checks() -> Map:
    # On "$request" and not on parsed parts: an absolute-form target would replace $host.
    line = rf"^[^ ]+ /[^ ]* HTTP/(?:1[.]1|2[.]0) {HOST}\z"
    return Map(
        (),
        (Variable("request"), " ", Variable("http_host")),
        _BAD_HOST.name,
        "1",
        ((Expression(line), ""),),
    )


def _form_variable(methods: tuple[str, ...]) -> Variable:
    return Variable(_BAD_FORM if methods == USUAL_METHODS else f"{_BAD_FORM}_{_digest(' '.join(methods))}")


def _form_check(path: Path, methods: tuple[str, ...]) -> Map:
    method = "|".join(escape_text(name) for name in methods)
    expression = rf"^(?:{method}) (?=(?:{F2_PCRE})\z)(?!(?:{R3})\z)(?:{F1_PCRE})\z"
    source = (Variable("request_method"), " ", Variable("request_uri"))
    return Map(path, source, _form_variable(methods).name, "1", ((Expression(expression), _BAD_CONNECTION),))


def _connection_check() -> Map:
    """No Upgrade, and a Connection that names no header."""
    expression = r"^[|](?i:[ \t,]|(?:close|keep-alive|te|upgrade)(?=[ \t,]|\z))*+\z"
    source = (Variable("http_upgrade"), "|", Variable("http_connection"))
    return Map((), source, _BAD_CONNECTION.name, "1", ((Expression(expression), ""),))


# --- rules ------------------------------------------------------------------------------------------------------

_ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class _Test:
    """A part of a condition, as one map. `negative` finds out that `cases` do not hold."""

    name: str
    source: Variable
    cases: tuple[Key | Expression, ...]
    negative: Expression | None = None
    networks: tuple[Network, ...] = ()


def path_alternatives(paths: Sequence[PathMatcher]) -> list[list[str]]:
    """The expressions of a condition, in groups that fit into one word of nginx each."""
    groups: list[list[str]] = []
    size = TOKEN_LIMIT
    for matcher in paths:
        length = written_length(matcher.expression) + 1
        if size + length > TOKEN_LIMIT:
            groups.append([])
            size = 0
        groups[-1].append(matcher.expression)
        size += length
    return groups


def written_length(expression: str) -> int:
    """The bytes that an expression takes in the file."""
    return len(expression.encode()) + expression.count("\\") + expression.count('"')


def tests(condition: Condition) -> list[list[_Test]]:
    """The tests of a condition: any of the inner ones must hold, all of the outer ones."""
    return [field for field in _fields(condition) if field]


def _fields(condition: Condition) -> Iterator[list[_Test]]:
    paths: list[_Test] = []
    for group in path_alternatives(condition.paths):
        any_of = "(?:" + "|".join(group) + r")(?:[?].*)?\z"
        paths.append(_Test("path", Variable("request_uri"), (Expression("^" + any_of),), Expression(f"^(?!{any_of})")))
    yield paths
    if condition.methods:
        method = "|".join(escape_text(name) for name in condition.methods)
        # Not as keys: maps compare those without regard to case.
        yield [_Test("method", Variable("request_method"), (Expression(rf"^(?:{method})\z"),))]
    if condition.hosts:
        hosts = sorted(condition.hosts, key=lambda host: host.wildcard)
        cases = (Expression(wildcard_expression(host)) if host.wildcard else Key(host.name) for host in hosts)
        yield [_Test("host", _HOST, tuple(cases))]
    if condition.sources:
        yield [_Test("source", _HOST, (Key("1"),), networks=condition.sources)]
    by_name = sorted(condition.headers, key=lambda header: header.name)
    yield [_header_test(name, list(headers)) for name, headers in groupby(by_name, lambda header: header.name)]


def _header_test(name: str, headers: Sequence[HeaderMatcher]) -> _Test:
    present = r"[^ \t,]"
    return _Test(
        f"header_{slug(name)}",
        Variable("http_" + name.replace("-", "_")),
        tuple(
            Expression(present if header.kind is TextMatch.PRESENT else f"(?:{header.expression})")
            for header in headers
        ),
    )


def _decision(rule: Rule) -> str | None:
    for action in rule.actions:
        if isinstance(action, Allow):
            return _ALLOW
        if isinstance(action, Deny):
            return str(action.status)
    return None


class _Rules:
    """The maps of all rule lists that are used."""

    def __init__(self) -> None:
        self.blocks: list[Map | Geo] = []

    def rule(self, rule: Rule, decision: str) -> Value:
        """What a rule decides: its decision, or empty where it does not fire."""
        when = [(test, "when", decision != _ALLOW) for test in tests(rule.when)]
        unless = [(test, "unless", decision == _ALLOW) for test in tests(rule.unless)] if rule.unless else []
        name = f"policyc_rule_{slug(rule.id)}"
        names = [
            f"{name}__{word}_{test.name}_{index}"
            for field, word, _ in (*when, *unless)
            for index, test in enumerate(field)
        ]
        names[:1] = [name]
        # From the last step to the first: each names the next one.
        value: Value = decision if rule.unless is None else ""
        for field, _, doubt in reversed(unless):
            value = self._field(rule, names, field, doubt, value, decision)
        for field, _, doubt in reversed(when):
            value = self._field(rule, names, field, doubt, value, "")
        return value

    def _field(
        self, rule: Rule, names: list[str], field: list[_Test], doubt: bool, if_true: Value, if_false: Value
    ) -> Value:
        for test in reversed(field):
            if_false = self._step(rule, names.pop(), test, doubt, if_true, if_false)
        return if_false

    def _step(self, rule: Rule, name: str, test: _Test, doubt: bool, if_true: Value, if_false: Value) -> Value:
        source = test.source
        if test.networks:
            source = Variable(name.replace("policyc_rule_", "policyc_from_", 1))
            self.blocks.append(Geo(rule.path, source.name, test.networks))
        # A search that nginx gives up (PCRE's match limit) takes the default: it must be the safe side.
        if doubt and test.negative:
            block = Map(rule.path, (source,), name, if_true, ((test.negative, if_false),))
        else:
            block = Map(rule.path, (source,), name, if_false, tuple((case, if_true) for case in test.cases))
        self.blocks.append(block)
        return Variable(name)

    def lists(self, lists: Iterable[RuleList]) -> dict[str, tuple[Variable, tuple[str, ...]]]:
        """For each list its variable, and what it can decide."""
        found: dict[str, tuple[Variable, tuple[str, ...]]] = {}
        for one in lists:
            decided = [(rule, decision) for rule in one.rules if (decision := _decision(rule))]
            values = [self.rule(rule, decision) for rule, decision in decided]
            decisions = tuple(dict.fromkeys(decision for _, decision in decided))
            variable = Variable(f"policyc_list_{slug(one.name)}")
            self.first(one.path, variable, values, decisions)
            found[one.name] = variable, decisions
        return found

    def first(self, path: Path, variable: Variable, values: Sequence[Value], decisions: Sequence[str]) -> None:
        """A variable that is the first of several that is not empty."""
        if len(values) > _AT_ONCE:
            parts = [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]
            names = [Variable(f"{variable.name}__part_{index}") for index in range(len(parts))]
            for name, part in zip(names, parts, strict=True):
                self.first(path, name, part, decisions)
            values = names
        source = tuple(part for value in values for part in (" ", value))
        cases = tuple((Expression(rf"^ *{decision}(?: |\z)"), decision) for decision in decisions)
        self.blocks.append(Map(path, source, variable.name, "", cases))


_AT_ONCE = 24  # "${policyc_rule_…}" of 24 rules fit into one word


# --- backends ---------------------------------------------------------------------------------------------------


def _upstream(upstream: Upstream, prefix: str) -> UpstreamBlock:
    backend = upstream.backend
    health = backend.health
    several = len(backend.servers) > 1
    return UpstreamBlock(
        backend.path,
        _upstream_name(upstream, prefix),
        backend.balance,
        tuple(
            Server(
                str(server.socket),
                server.weight,
                server.backup,
                health.fall if health else 0,
                -(-health.interval // 1000) if health else 0,
            )
            for server in backend.servers
        ),
        # Without a zone each worker chooses by itself. About 6 kB a server, most of it its TLS session.
        32 + 8 * len(backend.servers) if several else 0,
        backend.timeouts.idle,
    )


def _upstream_name(upstream: Upstream, prefix: str) -> str:
    return f"{prefix}_{slug(upstream.id)}"


def _forward(upstream: Upstream, settings: Settings) -> Forward:
    backend = upstream.backend
    timeouts = backend.timeouts
    return Forward(
        backend.path,
        _upstream_name(upstream, "backend"),
        backend.host_header,
        timeouts.connect,
        timeouts.response,
        timeouts.idle,
        _verification(backend, backend.tls, upstream, settings) if backend.tls else None,
    )


def _verification(backend: Backend, tls: BackendTls, upstream: Upstream, settings: Settings) -> BackendVerification:
    if upstream.server_name is None:
        raise ValueError(f"backend {backend.name}: no name to verify")
    anchors = tls.anchors
    if (anchors is None) != (tls.verify is Verify.NONE):
        raise ValueError(f"backend {backend.name}: verification without a trust anchor")
    ca_file = "" if anchors is None else settings.system_ca if anchors.system else f"ca/{anchors.name}.pem"
    # OpenSSL 3 has no TLS below 1.2 at its default security level.
    level = "DEFAULT:@SECLEVEL=0" if tls.min_version < "1.2" else "DEFAULT"
    return BackendVerification(tls.verify, upstream.server_name, ca_file, _protocols(tls.min_version, "1.3"), level)


def _protocols(low: str, high: str) -> tuple[str, ...]:
    between = _VERSIONS[_VERSIONS.index(low) : _VERSIONS.index(high) + 1]
    return tuple("TLSv1" if version == "1.0" else f"TLSv{version}" for version in between)


def _tls(tls: TlsSettings) -> Tls:
    return Tls(tls.guideline, _protocols(tls.min_version, tls.max_version), ":".join(tls.ciphers), ":".join(tls.curves))


# --- listeners --------------------------------------------------------------------------------------------------


def _site_variable(listener: Listener) -> Variable:
    return Variable(f"policyc_site_{slug(listener.name)}")


def _site_maps(listener: Listener) -> Iterator[Map]:
    """SNI → site: exact names, then the name without its first label."""
    names = [(host, site.name) for site in listener.sites if site.decrypt for host in site.hostnames]
    exact = tuple((Key(host.name), site) for host, site in names if not host.wildcard)
    below = tuple((Key(host.name), site) for host, site in names if host.wildcard)
    variable = _site_variable(listener)
    default: Value = ""
    if below:
        default = Variable(f"{variable.name}__below")
        yield Map(listener.path, (_PARENT,), default.name, "", below)
    yield Map(listener.path, (Variable("ssl_server_name"),), variable.name, default, exact)


def _parent_map(sni: str) -> Map:
    return Map((), (Variable(sni),), _PARENT.name, "", ((Expression(r"^[^.]+[.](.+)\z"), Variable("1")),))


def _site_server(
    listener: Listener, site: Site, group: HostGroup, walks: dict[str, tuple[Refusal, ...]], settings: Settings
) -> SiteServer:
    if site.certificate is None:
        raise ValueError(f"site {site.name}: no certificate")
    return SiteServer(
        site.path,
        group.hostnames,
        site.certificate.name,
        (
            Refusal(_BAD_HOST, 400),
            Refusal(_site_variable(listener), 421, site.name, unless=True),
            Refusal(_form_variable(site.methods), 400),
            *walks[site.name],
        ),
        _forward(group.upstream, settings),
    )


def _below(names: Iterable[Hostname], wildcards: set[str]) -> tuple[Hostname, ...]:
    return tuple(host for host in names if not host.wildcard and host.name.partition(".")[2] in wildcards)


def _hostnames(listener: Listener, decrypt: bool) -> list[Hostname]:
    return [host for site in listener.sites if site.decrypt is decrypt for host in site.hostnames]


def lower(plan: Plan, settings: Settings) -> Configuration:
    """The parts of `nginx.conf` for a plan without unaccepted errors."""
    version = version_key(settings.version)
    decrypted = [site for site in plan.sites if site.decrypt]
    used = {rule_list.name for site in decrypted for rule_list in site.rule_lists}
    rules = _Rules()
    lists = rules.lists(one for one in plan.rule_lists if one.name in used)
    walks = {site.name: _walk(site, lists, rules) for site in decrypted}
    methods = {site.methods: site.path for site in reversed(decrypted)}
    if any(listener.redirect_http for listener in plan.listeners):
        methods.setdefault(USUAL_METHODS, ("listeners",))
    listeners = [one for one in plan.listeners if not one.sites or any(site.decrypt for site in one.sites)]
    sites = [block for listener in listeners for block in _site_maps(listener)]
    if any(_PARENT in block.source for block in sites):
        sites.insert(0, _parent_map("ssl_server_name"))
    upstreams = {group.upstream.id: group.upstream for site in decrypted for group in site.groups}
    return Configuration(
        version=settings.version,
        http2_directive=version >= (1, 25, 1),
        keepalive_local=version >= (1, 29, 7),
        maps=(
            _first_checks(),
            _connection_check(),
            *(_form_check(path, names) for names, path in sorted(methods.items())),
            *_once(rules.blocks),
            *sites,
        ),
        upstreams=tuple(_upstream(upstream, "backend") for upstream in upstreams.values()),
        listeners=tuple(_tls_listener(plan, listener, walks, settings) for listener in listeners),
        redirects=tuple(
            RedirectListener(
                (*listener.path, "redirect_http"),
                tuple(str(socket) for socket in listener.redirect_http),
                tuple(_hostnames(listener, True) + _hostnames(listener, False)),
                listener.public_port,
            )
            for listener in plan.listeners
            if listener.redirect_http
        ),
        tcp=_tcp_part(plan, settings),
        certificates=tuple({one.certificate.name: one.certificate for one in decrypted if one.certificate}.values()),
        anchors=tuple(
            {
                anchors.name: anchors
                for upstream in upstreams.values()
                if upstream.backend.tls and (anchors := upstream.backend.tls.anchors) and not anchors.system
            }.values()
        ),
    )


def _once(blocks: Iterable[Map | Geo]) -> list[Map | Geo]:
    return list({block.name: block for block in blocks}.values())


def _walk(site: Site, lists: dict[str, tuple[Variable, tuple[str, ...]]], rules: _Rules) -> tuple[Refusal, ...]:
    """What refuses a request of a site by its rules."""
    parts = [lists[rule_list.name] for rule_list in site.rule_lists]
    decisions = tuple(dict.fromkeys(decision for _, decided in parts for decision in decided))
    if not set(decisions) - {_ALLOW}:
        return ()
    if len(parts) == 1:
        variable = parts[0][0]
    else:
        variable = Variable("policyc_lists_" + _digest(" ".join(rule_list.name for rule_list in site.rule_lists)))
        rules.first((*site.path, "inspect"), variable, [part for part, _ in parts], decisions)
    return tuple(Refusal(variable, int(one), one) for one in sorted(set(decisions) - {_ALLOW}))


def _tls_listener(
    plan: Plan, listener: Listener, walks: dict[str, tuple[Refusal, ...]], settings: Settings
) -> TlsListener:
    passed = _hostnames(listener, False)
    wildcards = {host.name for host in _hostnames(listener, True) if host.wildcard}
    return TlsListener(
        listener.path,
        (f"unix:{http_socket(settings, plan, listener)}",)
        if passed
        else tuple(str(socket) for socket in listener.binds),
        bool(passed),
        "h2" in listener.protocols,
        _tls(listener.tls),
        _below(passed, wildcards),
        tuple(
            _site_server(listener, site, group, walks, settings)
            for site in listener.sites
            if site.decrypt
            for group in site.groups
        ),
    )


# --- passed through ---------------------------------------------------------------------------------------------


def _tcp_part(plan: Plan, settings: Settings) -> TcpPart | None:
    found = [listener for listener in plan.listeners if _hostnames(listener, False)]
    if not found:
        return None
    reached = {
        group.upstream.id: group.upstream
        for listener in found
        for site in listener.sites
        if not site.decrypt
        for group in site.groups
    }
    maps: list[Map] = []
    listeners: list[TcpListener] = []
    marked: dict[str, Upstream] = {}
    for listener in found:
        upstreams = _passed(listener)
        timeouts = [upstream.backend.timeouts for upstream in upstreams]
        every = [plan_backend.timeouts for plan_backend in plan.backends]
        decrypts = any(site.decrypt for site in listener.sites)
        # One server block has one pair of timeouts: connections that need another pair take a hop.
        hop = decrypts or len({(one.connect, one.idle) for one in timeouts}) > 1
        if hop:
            marked |= {upstream.id: upstream for upstream in upstreams}
        target = Variable(f"policyc_target_{slug(listener.name)}")
        maps += _target_maps(plan, listener, target, hop, settings)
        listeners.append(
            TcpListener(
                listener.path,
                tuple(str(socket) for socket in listener.binds),
                target,
                hop,
                max(one.connect for one in timeouts),
                # Behind a hop the inner part's timeouts decide; this one must only never be the first.
                max(max(one.response, one.idle, 60_000) for one in every) + 10_000
                if hop
                else max(one.idle for one in timeouts),
            )
        )
    if any(_PARENT in block.source for block in maps):
        maps.insert(0, _parent_map("ssl_preread_server_name"))
    return TcpPart(
        settings.stream_module,
        tuple(maps),
        tuple(_upstream(upstream, "passthrough") for upstream in reached.values()),
        tuple(listeners),
        tuple(
            TcpForward(
                upstream.backend.path,
                tcp_socket(settings, plan, upstream),
                _upstream_name(upstream, "passthrough"),
                upstream.backend.timeouts.connect,
                upstream.backend.timeouts.idle,
            )
            for upstream in marked.values()
        ),
    )


def _passed(listener: Listener) -> list[Upstream]:
    return list(
        {
            group.upstream.id: group.upstream for site in listener.sites if not site.decrypt for group in site.groups
        }.values()
    )


def _target_maps(plan: Plan, listener: Listener, target: Variable, hop: bool, settings: Settings) -> Iterator[Map]:
    """SNI → where the connection goes. Names that nobody claims are refused by the HTTP part, or go nowhere."""
    decrypts = any(site.decrypt for site in listener.sites)
    inside = f"unix:{http_socket(settings, plan, listener)}" if decrypts else ""
    names = [
        (
            host,
            f"unix:{tcp_socket(settings, plan, group.upstream)}"
            if hop
            else _upstream_name(group.upstream, "passthrough"),
        )
        for site in listener.sites
        if not site.decrypt
        for group in site.groups
        for host in group.hostnames
    ]
    below = tuple((Key(host.name), place) for host, place in names if host.wildcard)
    kept = _below(_hostnames(listener, True), {host.name for host, _ in names if host.wildcard})
    exact = (
        *((Key(host.name), place) for host, place in names if not host.wildcard),
        *((Key(host.name), inside) for host in kept),
    )
    default: Value = inside
    if below:
        default = Variable(f"{target.name}__below")
        yield Map(listener.path, (_PARENT,), default.name, inside, below)
    yield Map(listener.path, (Variable("ssl_preread_server_name"),), target.name, default, exact)
