"""Plan → the parts of an `nginx.conf`.

How a request is judged: variables for what every site asks (host, site, form), then one for the site's rule lists. All
are `map`s, which nginx evaluates when asked and keeps for the request. A variable is empty where nothing is wrong.
What passes meets the rate limits, and goes to one of the server's locations (`forwarding.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from ...compiler.diagnostics import Path
from ...compiler.features import version_key
from ...compiler.plan import Plan, TrustAnchors
from .access_log import format_name, http_format, http_maps
from .destinations import backend_maps, reached
from .forwarding import kind_map, shown_to_backends, upstream_block
from .listeners import (
    UPGRADE,
    USUAL,
    Form,
    Sites,
    client_maps,
    connection_checks,
    first_checks,
    form_check,
    form_of,
    redirect_listener,
    site_maps,
    tls_listener,
)
from .model import Configuration, Geo, Map
from .naming import upstream_names
from .passthrough import tcp_part
from .rules import Rules
from .server_names import with_parent
from .support import Settings
from .visitors import FORWARDED, PEER, Visitors


def lower(plan: Plan, settings: Settings) -> Configuration:
    """The parts of `nginx.conf` for a plan without unaccepted errors."""
    version = version_key(settings.version)
    decrypted = [site for site in plan.sites if site.decrypt]
    used = {rule_list.name for site in decrypted for rule_list in site.rule_lists}
    visitors = Visitors(plan.listeners)
    rules = Rules([one for one in plan.rule_lists if one.name in used], visitors.source)
    upstreams = sorted(reached(decrypted), key=lambda one: one.id)
    names = upstream_names(upstreams, "backend")
    sites = Sites(rules, visitors, names, settings)
    inner = [one for one in plan.listeners if not one.sites or any(site.decrypt for site in one.sites)]
    listeners = tuple(tls_listener(plan, listener, sites, settings) for listener in inner)
    known = {variable for listener in listeners for server in listener.servers for variable, _ in server.known}
    forms: dict[Form, Path] = dict.fromkeys(map(form_of, decrypted), ("sites",))
    if any(listener.redirect_http for listener in plan.listeners):
        forms.setdefault(USUAL, ("listeners",))
    websocket = any(site.websocket for site in decrypted)
    chosen = {one.id: one for server in sites.aims for one in server.shared}
    logs = {format_name(listener) for listener in inner}
    spoken = {listener.http2 for listener in listeners}
    settings_of_all = {listener.tls for listener in listeners}
    return Configuration(
        version=settings.version,
        http2_directive=version >= (1, 25, 1),
        keepalive_local=version >= (1, 29, 7),
        access_log=settings.access_log or "access.log",
        log=_only(logs),
        tls=_only(settings_of_all),
        http2=_only(spoken),
        source=visitors.source or PEER,
        forwarded_for=FORWARDED if visitors.any_trusted else PEER,
        upgrade=UPGRADE if websocket else None,
        logs=tuple(http_format(listener, known) for listener in inner),
        maps=(
            first_checks(),
            *connection_checks(websocket),
            *(form_check(path, form) for form, path in sorted(forms.items(), key=repr)),
            *client_maps(inner),
            *_once(visitors.blocks),
            *_once(rules.blocks),
            *_once(sites.blocks),
            *with_parent([block for listener in inner for block in site_maps(listener)], "ssl_server_name"),
            *sites.hosts.maps(),
            *kind_map(sites.aims, names),
            *backend_maps(upstreams, list(chosen.values()), names),
            *http_maps(upstreams, names, visitors.source, known),
        ),
        zones=tuple(sites.zones.values()),
        # nginx looks through them for one that a variable names, from the first on.
        upstreams=tuple(
            upstream_block(upstream, names[upstream.id], decrypted=True)
            for upstream in sorted(upstreams, key=lambda one: one.id not in chosen)
        ),
        listeners=listeners,
        redirects=tuple(redirect_listener(listener) for listener in plan.listeners if listener.redirect_http),
        tcp=tcp_part(plan, settings),
        certificates=tuple({one.certificate.name: one.certificate for one in decrypted if one.certificate}.values()),
        shown=tuple(shown_to_backends(upstreams)),
        anchors=_anchors(
            [
                *(one.backend.tls.anchors for one in upstreams if one.backend.tls and one.backend.tls.anchors),
                *(site.client_auth.anchors for site in decrypted if site.client_auth),
            ]
        ),
    )


A = TypeVar("A")


def _only(values: set[A]) -> A | None:
    """The one value that there is; None where there are several, or none."""
    return next(iter(values)) if len(values) == 1 else None


def _anchors(all_of_them: Iterable[TrustAnchors]) -> tuple[TrustAnchors, ...]:
    return tuple({one.name: one for one in all_of_them if not one.system}.values())


def _once(blocks: Iterable[Map | Geo]) -> list[Map | Geo]:
    """Each block once. Two that share a name and differ would leave one of them out, and with it a rule."""
    known: dict[str, Map | Geo] = {}
    for block in blocks:
        first = known.setdefault(block.name, block)
        if first is not block and first != replace(block, path=first.path):
            raise ValueError(f"two different blocks for ${block.name}")
    return list(known.values())
