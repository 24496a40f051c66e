"""Connections passed through by SNI → the `stream` block."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.plan import HostGroup, Listener, Plan, Site, Upstream
from .access_log import format_name, stream_format, stream_maps
from .forwarding import upstream_block
from .model import Map, TcpForward, TcpListener, TcpPart, Variable
from .naming import Names, http_socket, slug, tcp_socket, upstream_names
from .server_names import below, by_name, hostnames, with_parent
from .support import Settings

_SNI = "ssl_preread_server_name"


def tcp_part(plan: Plan, settings: Settings) -> TcpPart | None:
    """The block; None where nothing is passed through."""
    found = [listener for listener in plan.listeners if hostnames(listener, False)]
    if not found:
        return None
    reached = {group.upstream.id: group.upstream for listener in found for _, group in _passed(listener)}
    names = upstream_names(reached.values(), "passthrough")
    every = [backend.timeouts for backend in plan.backends]
    maps: list[Map] = []
    listeners: list[TcpListener] = []
    marked: dict[str, Upstream] = {}
    for listener in found:
        upstreams = list({group.upstream.id: group.upstream for _, group in _passed(listener)}.values())
        timeouts = [upstream.backend.timeouts for upstream in upstreams]
        decrypts = any(site.decrypt for site in listener.sites)
        # One server block has one pair of timeouts: connections that need another pair take a hop.
        hop = decrypts or len({(one.connect, one.idle) for one in timeouts}) > 1
        if hop:
            marked |= {upstream.id: upstream for upstream in upstreams}
        target = Variable(f"policyc_target_{slug(listener.name)}")
        maps += _target_maps(plan, listener, target, hop, names, settings)
        maps += stream_maps(listener)
        listeners.append(
            TcpListener(
                listener.path,
                tuple(str(socket) for socket in listener.binds),
                target,
                hop,
                listener.proxy_protocol,
                max(one.connect for one in timeouts),
                # Behind a hop the inner part's timeouts decide; this one must only never be the first.
                max(max(one.response, one.idle, 60_000) for one in every) + 10_000
                if hop
                else max(one.idle for one in timeouts),
                format_name(listener),
                Variable(f"policyc_passed_{slug(listener.name)}"),
            )
        )
    return TcpPart(
        settings.stream_module,
        tuple(with_parent(list({block.name: block for block in maps}.values()), _SNI)),
        tuple(stream_format(listener) for listener in found),
        tuple(upstream_block(one, names[one.id], decrypted=False) for one in reached.values()),
        tuple(listeners),
        tuple(
            TcpForward(
                upstream.backend.path,
                tcp_socket(settings, plan, upstream),
                names[upstream.id],
                upstream.backend.timeouts.connect,
                upstream.backend.timeouts.idle,
            )
            for upstream in marked.values()
        ),
    )


def _passed(listener: Listener) -> Iterator[tuple[Site, HostGroup]]:
    return ((site, group) for site in listener.sites if not site.decrypt for group in site.groups)


def _target_maps(
    plan: Plan, listener: Listener, target: Variable, hop: bool, upstreams: Names, settings: Settings
) -> Iterator[Map]:
    """SNI → where the connection goes. Names that nobody claims are refused by the HTTP part, or go nowhere."""
    decrypts = any(site.decrypt for site in listener.sites)
    inside = f"unix:{http_socket(settings, plan, listener)}" if decrypts else ""
    names = [
        (
            host,
            f"unix:{tcp_socket(settings, plan, group.upstream)}" if hop else upstreams[group.upstream.id],
        )
        for _, group in _passed(listener)
        for host in group.hostnames
    ]
    kept = below(hostnames(listener, True), {host.name for host, _ in names if host.wildcard})
    yield from by_name(listener, target, _SNI, [*names, *((host, inside) for host in kept)], inside)
