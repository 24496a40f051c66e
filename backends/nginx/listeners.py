"""Listeners and sites → servers: what every request goes through, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...compiler.normal_form import HOST, STRICT, USUAL_METHODS, PathOptions, escape_text, forms
from ...compiler.plan import HostGroup, Hostname, Listener, Plan, RateLimit, Site, TlsSettings
from .access_log import format_name, logged
from .edits import edits_of
from .files import ca_file, crl_file
from .forwarding import Ways, choice, locations, protocols, ways
from .model import (
    ClientVerification,
    Ending,
    Expression,
    Geo,
    HeaderLine,
    Key,
    Map,
    Rate,
    RateZone,
    RedirectListener,
    Refusal,
    SiteServer,
    Tls,
    TlsListener,
    Value,
    Variable,
)
from .naming import digest, http_socket, slug
from .rates import said
from .rules import WALK, Rules, working
from .server_names import below, by_name, hostnames
from .support import Settings
from .visitors import Visitors

EVERYONE = ("0.0.0.0/0", "::/0")
THE_TCP_PART = ("unix:",)

_BAD_HOST = Variable("policyc_bad_host")
_BAD_FORM = "policyc_bad_form"
_BAD_CONNECTION = Variable("policyc_bad_connection")
_BAD_UPGRADE = Variable("policyc_bad_upgrade")
UPGRADE = Variable("policyc_upgrade")


# --- what every request goes through --------------------------------------------------------------------------


def first_checks() -> Map:
    """On "$request" and not on parsed parts: an absolute-form target would replace $host."""
    line = rf"^[^ ]+ /[^ ]* HTTP/(?:1[.]1|2[.]0) {HOST}\z"
    return Map((), (Variable("request"), " ", Variable("http_host")), _BAD_HOST.name, "1", ((Expression(line), ""),))


def connection_checks(websocket: bool) -> Iterator[Map]:
    """No Upgrade, and a Connection that names no header; or the one upgrade that sites may let through (RFC 6455)."""
    upgrade, connection = Variable("http_upgrade"), Variable("http_connection")
    options = r"(?i:[ \t,]|(?:close|keep-alive|te|upgrade)(?=[ \t,]|\z))*+\z"
    yield Map((), (upgrade, "|", connection), _BAD_CONNECTION.name, "1", ((Expression(rf"^[|]{options}"), ""),))
    if not websocket:
        return
    asked = r"^GET HTTP/1[.]1 (?i:websocket)[ \t]*[|](?=(?i:(?:.*[ \t,])?upgrade(?:[ \t,]|\z)))"
    source = (Variable("request_method"), " ", Variable("server_protocol"), " ", upgrade, "|", connection)
    yield Map((), source, UPGRADE.name, "", ((Expression(asked + options), "websocket"),))
    yield Map((), (UPGRADE,), _BAD_UPGRADE.name, _BAD_CONNECTION, ((Key("websocket"), ""),))
    yield Map((), (UPGRADE,), "policyc_connection", "", ((Key("websocket"), "upgrade"),))


Form = tuple[tuple[str, ...], PathOptions, bool]
"""Methods, opt-ins of the normal form, and whether WebSocket upgrades pass."""

USUAL: Form = (USUAL_METHODS, STRICT, False)


def form_of(site: Site) -> Form:
    """What the requests of a site must look like."""
    return site.methods, site.path_options, site.websocket


def form_variable(form: Form) -> Variable:
    """Set where a request does not."""
    return Variable(_BAD_FORM if form == USUAL else f"{_BAD_FORM}_{digest(repr(form))}")


def form_check(path: tuple[str | int, ...], form: Form) -> Map:
    """The normal form (`normal_form.py`)."""
    methods, options, websocket = form
    method = "|".join(escape_text(name) for name in methods)
    parts = forms(options)
    expression = rf"^(?:{method}) (?=(?:{parts.f2_pcre})\z)(?!(?:{parts.r3})\z)(?:{parts.f1_pcre})\z"
    source = (Variable("request_method"), " ", Variable("request_uri"))
    connection = _BAD_UPGRADE if websocket else _BAD_CONNECTION
    return Map(path, source, form_variable(form).name, "1", ((Expression(expression), connection),))


def site_variable(listener: Listener) -> Variable:
    """The site whose certificate is shown."""
    return Variable(f"policyc_site_{slug(listener.name)}")


def site_maps(listener: Listener) -> Iterator[Map]:
    """SNI → site."""
    names = [(host, site.name) for site in listener.sites if site.decrypt for host in site.hostnames]
    yield from by_name(listener, site_variable(listener), "ssl_server_name", names, "")


# --- certificates asked of visitors -----------------------------------------------------------------------------


def client_checks(listener: Listener) -> list[Refusal]:
    """What is refused first of all: whoever shows no good certificate for the site of the SNI."""
    return [Refusal(_bad_client(listener), 400)] if any(site.client_auth for site in listener.sites) else []


def _bad_client(listener: Listener) -> Variable:
    return Variable(f"policyc_bad_client_{slug(listener.name)}")


_GOOD = {True: "SUCCESS", False: "(?:SUCCESS|NONE)"}


def client_maps(listeners: Sequence[Listener]) -> Iterator[Map]:
    """Who is refused, and the subject of a verified certificate."""
    verified = Variable("ssl_client_verify")
    asked = [site for listener in listeners for site in listener.sites if site.client_auth]
    if any(site.client_auth and site.client_auth.forward_subject for site in asked):
        yield Map((), (verified,), "policyc_subject", "", ((Key("SUCCESS"), Variable("ssl_client_s_dn")),))
    for listener in listeners:
        cases = tuple(
            (Expression(rf"^{escape_text(site.name)}[|](?!{_GOOD[site.client_auth.required]}\z)"), "1")
            for site in listener.sites
            if site.client_auth
        )
        if cases:
            yield Map(listener.path, (site_variable(listener), "|", verified), _bad_client(listener).name, "", cases)


# --- sites ------------------------------------------------------------------------------------------------------


class Sites:
    """The servers of sites, and the maps that they need beyond those of their rules."""

    def __init__(self, rules: Rules, visitors: Visitors, settings: Settings) -> None:
        self.blocks: list[Map | Geo] = []
        self.zones: dict[str, RateZone] = {}
        self._rules = rules
        self._visitors = visitors
        self._settings = settings
        self._parts: dict[str, _Parts] = {}
        self._client_checks: dict[str, list[Refusal]] = {}

    def server(self, listener: Listener, site: Site, group: HostGroup) -> SiteServer:
        """The server of one host group."""
        if site.certificate is None:
            raise ValueError(f"site {site.name}: no certificate")
        parts = self._parts.get(site.name) or self._parts.setdefault(site.name, _Parts(site, self))
        auth = site.client_auth
        if listener.name not in self._client_checks:
            self._client_checks[listener.name] = client_checks(listener)
        return SiteServer(
            site.path,
            group.hostnames,
            site.certificate.name,
            ClientVerification(auth.path, ca_file(auth.anchors, self._settings), crl_file(auth.anchors))
            if auth
            else None,
            (
                *self._client_checks[listener.name],
                Refusal(_BAD_HOST, 400),
                Refusal(site_variable(listener), 421, site.name, unless=True),
                *self._visitors.checks(listener),
                Refusal(form_variable(form_of(site)), 400),
            ),
            (*self._visitors.known(listener), *parts.known),
            parts.endings,
            parts.rates,
            parts.response,
            locations(site, group, parts.ways, self._settings),
            parts.chosen,
        )

    def rates(self, site: Site) -> Iterator[Rate]:
        """The limits of a site's rules, each with its count."""
        for one in working(site, RateLimit):
            name = f"policyc_rate_{slug(one.rule.id)}"
            key = Variable(f"{name}_key")
            applied = self._rules.applied(one.rule_list, one.rule)
            counted = self._visitors.source or Variable("binary_remote_addr")
            self.blocks.append(Map(one.rule.path, (applied,), key.name, "", ((Key("1"), counted),)))
            self.zones.setdefault(name, RateZone(one.rule.path, name, key, said(one.action).text))
            yield Rate(name, one.action.count + one.action.burst - 1)

    def parts(self, site: Site) -> tuple[tuple[tuple[Variable, Value], ...], tuple[Ending, ...], Ways, Value | None]:
        """What is set, how the walk ends, and where requests go then."""
        rules, blocks = self._rules, self.blocks
        known = ((WALK, rules.walk(site)), *logged(site, rules, blocks))
        site_ways = ways(site, edits_of(site, False, rules, blocks), edits_of(site, True, rules, blocks))
        return known, tuple(rules.endings(site)), site_ways, choice(site, site_ways, rules, blocks)


class _Parts:
    """What is the same in all servers of a site."""

    def __init__(self, site: Site, sites: Sites) -> None:
        self.known, self.endings, self.ways, self.chosen = sites.parts(site)
        self.rates = tuple(sites.rates(site))
        self.response: tuple[HeaderLine, ...] = tuple(
            line for lines in self.ways.response.lines.values() for line in lines
        )


# --- listeners --------------------------------------------------------------------------------------------------


def _tls(tls: TlsSettings) -> Tls:
    # OpenSSL 3 has no TLS below 1.2 at its default security level.
    ciphers = [*tls.ciphers, *(["@SECLEVEL=0"] if tls.min_version < "1.2" else [])]
    return Tls(tls.guideline, protocols(tls.min_version, tls.max_version), ":".join(ciphers), ":".join(tls.curves))


def tls_listener(plan: Plan, listener: Listener, sites: Sites, settings: Settings) -> TlsListener:
    """The servers of a listener's decrypted sites."""
    passed = hostnames(listener, False)
    wildcards = {host.name for host in hostnames(listener, True) if host.wildcard}
    return TlsListener(
        listener.path,
        (f"unix:{http_socket(settings, plan, listener)}",)
        if passed
        else tuple(str(socket) for socket in listener.binds),
        THE_TCP_PART if passed else EVERYONE if listener.proxy_protocol else (),
        "h2" in listener.protocols,
        _tls(listener.tls),
        below(passed, wildcards),
        (*client_checks(listener), Refusal(_BAD_HOST, 400)),
        tuple(sites.server(listener, site, group) for site in listener.sites if site.decrypt for group in site.groups),
        format_name(listener),
    )


def redirect_listener(listener: Listener) -> RedirectListener:
    """The plain-HTTP sockets of a listener."""
    names: list[Hostname] = hostnames(listener, True) + hostnames(listener, False)
    return RedirectListener(
        (*listener.path, "redirect_http"),
        tuple(str(socket) for socket in listener.redirect_http),
        tuple(names),
        listener.public_port,
        listener.proxy_protocol,
    )
