"""The picture of a site's path: what stands at each of its stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...changes.effects import VERIFICATION, verification
from ...normal_form import USUAL_METHODS
from ...plan import Backend, Certificate, Listener, Site, TrustAnchors, Verify
from .concern import Stage

Alike = Literal["same", "different", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a stage. Without a label it is what the lines below are about."""

    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A site's path."""

    stages: Sequence[Sequence[Fact]]
    """One for each `Stage`, in order."""
    alike: Alike | None
    """Whether the servers present the certificate that visitors are shown; None where there are no two to compare."""


def picture(site: Site, listeners: Iterable[Listener]) -> Picture:
    """The path of a site that is reached at these listeners."""
    backends = _backends(site)
    stages = {
        Stage.VISITORS: _visitors(site, listeners),
        Stage.SHOWN: _shown(site),
        Stage.EDGE: _edge(site),
        Stage.CHECKED: (fact for backend in backends for fact in _checked(site, backend)),
        Stage.SERVERS: (fact for backend in backends for fact in _servers(site, backend)),
    }
    return Picture([list(stages[stage]) for stage in Stage], _alike(site, backends))


def _alike(site: Site, backends: Iterable[Backend]) -> Alike | None:
    encrypted = [backend.tls for backend in backends if backend.tls]
    if site.certificate is None or not encrypted:
        return None
    shown = site.certificate.leaf.sha256
    if any(leaf.sha256 != shown for tls in encrypted for leaf in tls.leaves):
        return "different"
    return "same" if all(tls.leaves for tls in encrypted) else "unknown"


def _backends(site: Site) -> list[Backend]:
    """The site's own first, then those of its routes."""
    upstreams = [group.upstream for group in site.groups]
    upstreams += [route.upstream for group in site.groups for route in group.routes]
    return list({one.backend.name: one.backend for one in upstreams}.values())


def _visitors(site: Site, listeners: Iterable[Listener]) -> Iterator[Fact]:
    yield from (Fact(str(host)) for host in site.hostnames)
    if site.public_addresses:
        yield Fact(_listed(site.public_addresses), "public address")
    for one in listeners:
        yield Fact(one.name, "listener")
        yield Fact(_listed(one.binds), "on")
        if one.redirect_http:
            yield Fact(f"{_listed(one.redirect_http)}, redirected", "plain HTTP on")
        if one.trusted_proxies:
            yield Fact(_listed(one.trusted_proxies), "X-Forwarded-For believed of")
        if one.proxy_protocol:
            yield Fact("names the visitor", "PROXY header")
        if site.decrypt:
            low, high = one.tls.min_version, one.tls.max_version
            versions = low if low == high else f"{low} to {high}"
            yield Fact(f"{versions}, {one.tls.profile}; {_listed(one.protocols)}", "TLS")


def _shown(site: Site) -> Iterator[Fact]:
    if site.certificate is None:
        yield Fact("the server's own")
        return
    yield from _certificate(site.certificate.leaf)
    yield Fact(site.certificate.name, "in the policy")
    if site.client_auth:
        must = "required" if site.client_auth.required else "optional"
        yield Fact(f"{must}, from {_trusted(site.client_auth.anchors)}", "visitor's certificate")


def _certificate(one: Certificate) -> Iterator[Fact]:
    """Dates, not days: the page is the same tomorrow."""
    yield Fact(f"CN={one.common_name}" if one.common_name else one.subject or _listed(one.dns_names) or "no subject")
    yield Fact("itself" if one.self_issued else one.issuer_name, "issued by")
    yield Fact(f"{one.not_after:%Y-%m-%d}", "valid until")
    yield Fact(f"{one.sha256[:8]}…", "SHA-256")


def _edge(site: Site) -> Iterator[Fact]:
    if not site.decrypt:
        yield Fact("TLS passes through")
        yield Fact("no request is read", "inside")
        return
    rules = sum(len(one.rules) for one in site.rule_lists)
    yield Fact("decrypts" + (f", {rules} rule{'s' if rules != 1 else ''}" if rules else ", no rules"))
    if site.rule_lists:
        names = dict.fromkeys(str(one.path[1]) for one in site.rule_lists)
        yield Fact(_listed(names), "inspects with")
    if site.scan:
        yield Fact(site.scan, "scans with")
    options = [name for name in site.path_options.names if name != "plain_query"]
    if options:
        yield Fact(_listed(options), "paths")
    more = [method for method in site.methods if method not in USUAL_METHODS]
    if more:
        yield Fact(_listed(more), "also methods")
    if site.websocket:
        yield Fact("passes", "WebSocket")


def _checked(site: Site, backend: Backend) -> Iterator[Fact]:
    tls = backend.tls
    if not site.decrypt:
        yield Fact("by the visitor")
        return
    yield Fact(VERIFICATION[verification(tls)])
    if tls is None:
        return
    if tls.anchors:
        yield Fact(_trusted(tls.anchors), "CA")
    name = backend.server_name or "the hostname asked for"
    yield Fact(name, "name" if tls.verify is Verify.FULL else "SNI")
    if tls.anchors and tls.anchors.crl_pem:
        yield Fact("looked at", "revocation lists")
    if tls.pins:
        yield Fact(_listed(f"{pin[:8]}…" for pin in tls.pins), "pinned to")
    if tls.client_certificate:
        own = tls.client_certificate.chain[0]
        yield Fact(own.common_name or own.subject, "shows")
    if tls.min_version != "1.2":
        yield Fact(f"{tls.min_version} and up", "TLS")


def _trusted(anchors: TrustAnchors) -> str:
    if anchors.system:
        return "the target machine's own store"
    return f"{anchors.name} ({_listed(one.common_name or one.subject for one in anchors.certificates[:3])})"


def _servers(site: Site, backend: Backend) -> Iterator[Fact]:
    yield Fact(backend.name)
    prefixes = dict.fromkeys(
        route.prefix.text for group in site.groups for route in group.routes if route.upstream.backend is backend
    )
    if prefixes:
        yield Fact(_listed(prefixes), "for paths below")
    for server in backend.servers:
        yield Fact(f"{server.socket}{' (backup)' if server.backup else ''}", "server")
    if backend.protocol == "h2":
        yield Fact("HTTP/2", "speaks")
    if backend.tls is None:
        return
    if not backend.tls.leaves:
        yield Fact("not in the policy", "presents")
    for leaf in backend.tls.leaves:
        name, *others = _certificate(leaf)
        yield Fact(name.text, "presents")
        yield from others


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
