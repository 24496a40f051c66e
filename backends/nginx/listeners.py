"""Listeners and sites → servers: what every request goes through, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...compiler.normal_form import HOST, STRICT, USUAL_METHODS, PathOptions, escape_text, forms
from ...compiler.plan import Hostname, Listener, Plan, PublicCertificate, RateLimit, Site, TlsSettings
from ...compiler.profiles import Profile, profiles
from .access_log import format_name, logged
from .destinations import Hosts, elsewhere_variable, site_variable
from .edits import edits_of
from .files import ca_file, crl_file
from .forwarding import LOCATIONS_LIMIT, Aims, Ways, aims, choice, count, locations, protocols, targets, ways
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
from .naming import Names, digest, http_socket, slug
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

    def __init__(self, rules: Rules, visitors: Visitors, names: Names, settings: Settings) -> None:
        self.hosts = Hosts(names)
        self.aims: list[Aims] = []
        self.blocks: list[Map | Geo] = []
        self.zones: dict[str, RateZone] = {}
        self._rules = rules
        self._visitors = visitors
        self._names = names
        self._settings = settings
        self._parts: dict[str, _Parts] = {}

    def servers(self, listener: Listener) -> Iterator[SiteServer]:
        """The servers of a listener's decrypted sites: one for each certificate and profile."""
        checks = client_checks(listener)
        by_certificate: dict[str, tuple[PublicCertificate, list[Site]]] = {}
        for site in listener.sites:
            if site.certificate is not None:
                by_certificate.setdefault(site.certificate.name, (site.certificate, []))[1].append(site)
        for certificate, sites in by_certificate.values():
            for profile in profiles(sites):
                if profile.name not in self._parts:
                    self._parts[profile.name] = self._shared(profile)
                parts = self._parts[profile.name]
                few = targets(profile.sites, self._settings) * count(parts.ways) <= LOCATIONS_LIMIT
                for those in [profile.sites] if few else [(one,) for one in profile.sites]:
                    yield self._server(listener, certificate, those, parts, checks)

    def _server(
        self,
        listener: Listener,
        certificate: PublicCertificate,
        sites: Sequence[Site],
        parts: _Parts,
        checks: Sequence[Refusal],
    ) -> SiteServer:
        destinations = self.hosts.destinations(listener, sites)
        server = aims(destinations.upstreams, self._names, self._settings)
        self.aims.append(server)
        first, several = sites[0], len(sites) > 1
        auth = first.client_auth
        return SiteServer(
            certificate.path if several else first.path,
            tuple(host for site in sites for host in site.hostnames),
            certificate.name,
            ClientVerification(auth.path, ca_file(auth.anchors, self._settings), crl_file(auth.anchors))
            if auth
            else None,
            (
                *checks,
                Refusal(_BAD_HOST, 400),
                Refusal(elsewhere_variable(listener), 421)
                if several
                else Refusal(site_variable(listener), 421, first.name, unless=True),
                *self._visitors.checks(listener),
                Refusal(form_variable(form_of(first)), 400),
            ),
            (*self._visitors.known(listener), *parts.known),
            parts.endings,
            parts.rates,
            parts.response,
            destinations.by,
            locations(server, parts.ways, auth.forward_subject if auth else None),
            choice(first, server.by, parts.ways, self._rules, self.blocks),
        )

    def _shared(self, profile: Profile) -> _Parts:
        """What is set, how the walk ends, and how requests can differ then."""
        site, rules, blocks = profile.sites[0], self._rules, self.blocks
        site_ways = ways(site, edits_of(site, False, rules, blocks), edits_of(site, True, rules, blocks))
        return _Parts(
            ((WALK, rules.walk(site)), *logged(site, rules, blocks)),
            tuple(rules.endings(site)),
            site_ways,
            tuple(self._rates(site)),
            tuple(line for lines in site_ways.response.lines.values() for line in lines),
        )

    def _rates(self, site: Site) -> Iterator[Rate]:
        """The limits of a site's rules, each with its count."""
        for one in working(site, RateLimit):
            name = f"policyc_rate_{slug(one.rule.id)}"
            key = Variable(f"{name}_key")
            applied = self._rules.applied(one.rule_list, one.rule)
            counted = self._visitors.source or Variable("binary_remote_addr")
            self.blocks.append(Map(one.rule.path, (applied,), key.name, "", ((Key("1"), counted),)))
            self.zones.setdefault(name, RateZone(one.rule.path, name, key, said(one.action).text))
            yield Rate(name, one.action.count + one.action.burst - 1)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is the same in all servers of a profile."""

    known: tuple[tuple[Variable, Value], ...]
    endings: tuple[Ending, ...]
    ways: Ways
    rates: tuple[Rate, ...]
    response: tuple[HeaderLine, ...]


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
        tuple(sites.servers(listener)),
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
