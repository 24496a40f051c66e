"""Plan → the parts of a `haproxy.cfg`: listeners, sections and the files beside."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ...compiler.normal_form import STRICT, USUAL_METHODS
from ...compiler.plan import (
    HostGroup,
    Hostname,
    Listener,
    Plan,
    Site,
    TlsSettings,
    TrustAnchors,
    Upstream,
    Verify,
)
from ...compiler.profiles import profile_name, profiles
from .expressions import whole
from .model import (
    Acl,
    Bind,
    CertificateList,
    Configuration,
    Frontend,
    Inspection,
    KeyPair,
    ListedCertificate,
    Literal,
    MapFile,
    RedirectFrontend,
    RouteMaps,
    RouteTo,
    Section,
    Server,
    ServerTls,
    TcpFrontend,
    Tls,
)
from .rules import forms_of, inspection, maps_of, network_lines, word
from .support import Settings

SOCKET_LIMIT = 90
"""Bytes of a Unix socket's path: 107 (sun_path in unix(7)), less what HAProxy appends while it binds."""

_BUFFER, _RESERVE = 16_384, 1_024
"""HAProxy's own buffer, and what it keeps free in it. The rest is what a request's head may have."""


# --- names ----------------------------------------------------------------------------------------------------


def _rules_name(site: Site) -> str:
    """What tells a site's rules from those of sites with other lists and options."""
    return word(profile_name(site))


def _named(*parts: str) -> str:
    return ":".join(part for part in parts if part)


def _section_name(upstream: Upstream, site: Site) -> str:
    """The backend section for an upstream and a site's rules; or for connections that are passed through."""
    return _named(upstream.id, _rules_name(site)) if site.decrypt else f"{upstream.id}::tcp"


# --- backends -------------------------------------------------------------------------------------------------


def _server_tls(upstream: Upstream, settings: Settings) -> ServerTls | None:
    tls = upstream.backend.tls
    if tls is None:
        return None
    anchors = tls.anchors
    if (anchors is None) != (tls.verify is Verify.NONE):
        raise ValueError(f"backend {upstream.backend.name}: nothing to verify")
    return ServerTls(
        upstream.server_name,
        None if anchors is None else settings.system_ca if anchors.system else _ca_file(anchors),
        _crl_file(anchors) if anchors else None,
        _client_certificate(upstream) if tls.client_certificate else None,
        _version(tls.min_version),
        tls.min_version < "1.2",
    )


def _ca_file(anchors: TrustAnchors) -> str:
    return f"ca/{anchors.name}.pem"


def _crl_file(anchors: TrustAnchors) -> str | None:
    return f"ca/{anchors.name}.crl" if anchors.crl_pem is not None else None


def _client_certificate(upstream: Upstream) -> str:
    return f"client/{upstream.backend.name}.crt"


def _section(site: Site, upstream: Upstream, name: str, checked: str | None, settings: Settings) -> Section:
    backend = upstream.backend
    names = [str(server.socket).replace("[", "").replace("]", "") for server in backend.servers]
    names = [f"{one}-{index}" if one in names[:index] else one for index, one in enumerate(names)]
    return Section(
        path=backend.path,
        name=name,
        upstream=backend.name,
        inspection=_named("inspect", _rules_name(site)) if site.decrypt else None,
        balance=backend.balance,
        servers=tuple(
            Server(one, str(server.socket), server.weight, server.backup, f"{checked}/{one}" if checked else None)
            for one, server in zip(names, backend.servers, strict=True)
        ),
        tls=_server_tls(upstream, settings) if site.decrypt else None,
        http2=site.decrypt and backend.protocol == "h2",
        health=backend.health,
        # Without a name it is the first server's own: HAProxy sends the same to all.
        check_host=backend.host_header or upstream.server_name or str(backend.servers[0].socket),
        timeouts=backend.timeouts,
        host=backend.host_header,
        websocket=site.websocket,
    )


def _upstreams(site: Site) -> Iterator[Upstream]:
    for group in site.groups:
        yield group.upstream
        for route in group.routes:
            yield route.upstream


def _sections(plan: Plan, settings: Settings) -> Iterator[Section]:
    """In the order of their names: a new site moves no other's."""
    reached = {
        _section_name(upstream, site): (site, upstream)
        for site in reversed(plan.sites)
        for upstream in _upstreams(site)
    }
    checked: dict[tuple[str, bool], str] = {}
    for name, (site, upstream) in sorted(reached.items()):
        watched = None
        if upstream.backend.health:
            # A connection passed through is checked in another way.
            watched = checked.get((upstream.id, site.decrypt))
            checked.setdefault((upstream.id, site.decrypt), name)
        yield _section(site, upstream, name, watched, settings)


# --- listeners ------------------------------------------------------------------------------------------------


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
        tls.min_version < "1.2",
    )


def _binds(listener: Listener, sockets: Iterable[object]) -> tuple[Bind, ...]:
    return tuple(Bind(str(socket), str(socket).startswith("["), listener.proxy_protocol) for socket in sockets)


def _host_map(listener: Listener) -> MapFile:
    names: list[tuple[Hostname, str]] = []
    for site in listener.sites:
        for group in site.groups:
            section = _section_name(group.upstream, site)
            place = f"{section}//{group.id}" if site.decrypt else f"/{section}/"
            names += [(host, f"{site.name}/{place}") for host in group.hostnames]
    return MapFile(_map_file(listener), listener.path, tuple((str(host), place) for host, place in names))


def _map_file(listener: Listener) -> str:
    return f"maps/{listener.name}.map"


def _list_file(listener: Listener) -> str:
    return f"certs/{listener.name}.list"


def _routed(listener: Listener) -> Iterator[tuple[Site, HostGroup]]:
    for site in listener.sites:
        if site.decrypt:
            yield from ((site, group) for group in site.groups if group.routes)


def _is_plain(group: HostGroup) -> bool:
    return all(route.prefix.plain and not route.prefix.ignore_case for route in group.routes)


def _routes(listener: Listener) -> Iterator[RouteTo]:
    """One by one, the longest first: with paths that have several spellings."""
    for site, group in _routed(listener):
        if not _is_plain(group):
            for route in group.routes:
                section = _section_name(route.upstream, site)
                yield RouteTo(route.path, group.id, whole(route.prefix.expression), section)


def _route_maps(listener: Listener) -> RouteMaps | None:
    """However many there are: HAProxy finds the longest of the beginnings."""
    whole_paths: list[tuple[str, str]] = []
    beginnings: list[tuple[str, str]] = []
    for site, group in _routed(listener):
        if _is_plain(group):
            for route in group.routes:
                key, section = f"{group.id}{route.prefix.text}", _section_name(route.upstream, site)
                if not key.endswith("/"):
                    whole_paths.append((key, section))
                beginnings.append((key if key.endswith("/") else f"{key}/", section))
    if not beginnings:
        return None
    return RouteMaps(
        MapFile(f"maps/{listener.name}.whole-paths.map", listener.path, tuple(whole_paths)),
        MapFile(f"maps/{listener.name}.beginnings.map", listener.path, tuple(beginnings)),
    )


def _certificate_list(listener: Listener) -> CertificateList:
    plain: dict[str, list[str]] = defaultdict(list)
    asking: list[ListedCertificate] = []
    for site in listener.sites:
        if not site.decrypt or site.certificate is None:
            continue
        auth, hosts = site.client_auth, [str(host) for host in site.hostnames]
        file = f"certs/{site.certificate.name}.crt"
        if auth is None:
            plain[file] += hosts
        else:
            crl = _crl_file(auth.anchors)
            asking.append(ListedCertificate(file, tuple(hosts), auth.required, _ca_file(auth.anchors), crl))
    listed = [ListedCertificate(file, tuple(hosts)) for file, hosts in plain.items()]
    return CertificateList(_list_file(listener), listener.path, (*listed, *asking))


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
        listener.name,
        _binds(listener, listener.binds),
        _map_file(listener),
        f"{listener.name}::decrypt" if any(site.decrypt for site in listener.sites) else None,
        socket_path(plan, listener, settings),
        max(upstream.backend.timeouts.idle for upstream in passed),
    )


def _frontend(listener: Listener, tcp: TcpFrontend | None) -> Frontend:
    return Frontend(
        path=listener.path,
        name=listener.name,
        binds=() if tcp else _binds(listener, listener.binds),
        marked=tcp.socket if tcp else None,
        tls=_tls(listener),
        certificates=_list_file(listener),
        hosts=_map_file(listener),
        trusted=(trusted := _trusted(listener)),
        peer=(peer := tuple((Literal(one.name), Literal("ipv6", one.name.endswith("ipv6"))) for one in trusted)),
        trusting=tuple((*term, Literal("more")) for term in peer),
        ways=_route_maps(listener),
        routes=tuple(_routes(listener)),
        only_ipv4=not (listener.trusted_proxies or listener.proxy_protocol)
        and all(bind.address.version == 4 for bind in listener.binds),
    )


def _trusted(listener: Listener) -> tuple[Acl, ...]:
    lines = network_lines(listener.trusted_proxies)
    return tuple(
        Acl(f"trusted:{family}", "var(txn.source)", "ip", tuple(patterns)) for family, patterns in lines.items()
    )


def _redirect(listener: Listener) -> RedirectFrontend:
    return RedirectFrontend(
        (*listener.path, "redirect_http"),
        listener.name,
        _binds(listener, listener.redirect_http),
        _map_file(listener),
        USUAL_METHODS,
        forms_of(STRICT),
        listener.public_port,
    )


# --- all of it ------------------------------------------------------------------------------------------------


def _anchors(sites: Iterable[Site]) -> Iterator[TrustAnchors]:
    for site in sites:
        if site.client_auth:
            yield site.client_auth.anchors
        for upstream in _upstreams(site):
            tls = upstream.backend.tls
            if tls and tls.anchors:
                yield tls.anchors


def _pairs(sites: Iterable[Site]) -> Iterator[KeyPair]:
    for site in sites:
        if one := site.certificate:
            pem = "".join(each.pem for each in one.chain)
            yield KeyPair(f"certs/{one.name}.crt", f"certs/{one.name}.key", pem, one.key_file, one.key_as_written)
        for upstream in _upstreams(site):
            tls = upstream.backend.tls
            if tls and (own := tls.client_certificate):
                file, pem = _client_certificate(upstream), "".join(each.pem for each in own.chain)
                yield KeyPair(file, f"{file.removesuffix('crt')}key", pem, own.key_file, own.key_as_written)


def _buffer(inspections: Iterable[Inspection]) -> int | None:
    """For a whole body beside the largest head."""
    sizes = [body.size for one in inspections for body in one.bodies if body.whole]
    return _BUFFER + -(-max(sizes) // 1024) * 1024 + _RESERVE if sizes else None


def lower(plan: Plan, settings: Settings) -> Configuration:
    """The parts of `haproxy.cfg` for a plan without unaccepted errors."""
    decrypted = [site for site in plan.sites if site.decrypt]
    inspections = [inspection(_named("inspect", word(one.name)), one.sites[0]) for one in profiles(decrypted)]
    tcp = {one.name: found for one in plan.listeners if (found := _tcp_frontend(plan, one, settings))}
    # Without any site it still has a socket, on which every name is refused.
    https = [one for one in plan.listeners if not one.sites or any(site.decrypt for site in one.sites)]
    frontends = tuple(_frontend(one, tcp.get(one.name)) for one in https)
    return Configuration(
        version=settings.version,
        log=settings.access_log,
        buffer=_buffer(inspections),
        head=_BUFFER - _RESERVE,
        inspections=tuple(inspections),
        frontends=frontends,
        redirects=tuple(_redirect(one) for one in plan.listeners if one.redirect_http),
        tcp=tuple(tcp.values()),
        sections=tuple(_sections(plan, settings)),
        tables=tuple({rate.table: rate for one in inspections for rate in one.rates}.values()),
        maps=tuple(
            {
                one.file: one
                for one in (
                    *(_host_map(listener) for listener in plan.listeners),
                    *(one for front in frontends if front.ways for one in (front.ways.whole, front.ways.beginnings)),
                    *(one for each in inspections for one in maps_of(each)),
                )
            }.values()
        ),
        lists=tuple(_certificate_list(one) for one in https),
        pairs=tuple({one.file: one for one in _pairs(decrypted)}.values()),
        anchors=tuple({one.name: one for one in _anchors(decrypted) if not one.system}.values()),
    )
