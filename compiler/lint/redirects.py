"""Where a redirect leads: the next request that a visitor makes of the same edge, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..decide import Connection, Decision, Redirected, Request, decide, site_of
from ..plan import Address, Hostname, Listener, Plan, Redirect, Rule, Site
from .walks import Walks

_VISITORS = tuple(map(ip_address, ("203.0.113.77", "198.51.100.77", "192.0.2.77", "2001:db8::77")))
_HTTPS, _HTTP = 443, 80


@dataclass(frozen=True, slots=True)
class Stop:
    """A URL of this edge, and the site that it is of."""

    site: str
    listener: str
    host: str
    target: str


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect of a rule, and the URL of this edge that it leads to."""

    site: Site
    rule: Rule
    redirect: Redirect
    method: str
    source: Address
    to: Stop


def hops(plan: Plan, walks: Walks) -> Iterator[Hop]:
    """Each redirect that is reached, with a visitor that it can be for, and that leads back to this edge."""
    where = {site.name: walk for walk in walks for site in walk.sites}
    for listener in plan.listeners:
        for site in listener.sites:
            walk = where.get(site.name)
            for index, step in enumerate(walk.steps if walk else ()):
                redirect = next((action for action in step.rule.actions if isinstance(action, Redirect)), None)
                if walk is None or redirect is None or not walk.reached(index):
                    continue
                source = _visitor(step.rule)
                to = lead(plan, listener, _example(site.hostnames[0]), redirect.to)
                if source is not None and to is not None and to.site in walks.sound:
                    yield Hop(site, step.rule, redirect, _method(step.rule, redirect), source, to)


def ask(plan: Plan, hop: Hop, stop: Stop) -> Decision:
    """What becomes of the visitor's next request, which has no headers of its own."""
    connection = Connection(stop.listener, stop.host, hop.source)
    return decide(plan, connection, Request(hop.method.encode(), stop.target.encode(), (stop.host.encode(),)))


def follow(plan: Plan, hop: Hop, limit: int = 20) -> list[tuple[Stop, Redirected]]:
    """The redirects that follow one upon the other, up to the first that comes again (which is the last)."""
    stops: list[tuple[Stop, Redirected]] = []
    stop: Stop | None = hop.to
    while stop is not None and len(stops) < limit:
        decision = ask(plan, hop, stop)
        if not isinstance(decision, Redirected):
            return []
        again = any(stop == earlier for earlier, _ in stops)
        stops.append((stop, decision))
        if again:
            return stops
        listener = next(one for one in plan.listeners if one.name == stop.listener)
        stop = lead(plan, listener, stop.host, decision.to)
    return []


def lead(plan: Plan, listener: Listener, host: str, to: str) -> Stop | None:
    """The URL of this edge that a redirect leads to; None for another place."""
    if to.startswith("/") and not to.startswith("//"):
        return _stop(listener, host, to.partition("#")[0])
    try:
        url = urlsplit(to)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.hostname:
        return None
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    for one in plan.listeners:
        if url.scheme == "http":
            reached = any(socket.port == (port or _HTTP) for socket in one.redirect_http)
        else:
            reached = any(socket.port == (port or _HTTPS) for socket in one.binds)
        stop = _stop(one, url.hostname, target) if reached else None
        if stop is not None:
            return stop
    return None


def _stop(listener: Listener, host: str, target: str) -> Stop | None:
    site = site_of(listener, Connection(listener.name, host, _VISITORS[0]))
    return Stop(site.name, listener.name, host, target) if site and site.decrypt else None


def _visitor(rule: Rule) -> Address | None:
    """An address that the rule's sources let in, if one is easily found."""
    candidates = [*_VISITORS, *(network.network_address + 1 for network in rule.when.sources if network.prefixlen < 31)]
    candidates += [network.network_address for network in rule.when.sources]
    outside = rule.unless.sources if rule.unless is not None else ()
    for one in candidates:
        if rule.when.sources and not any(one in network for network in rule.when.sources):
            continue
        if not any(one in network for network in outside):
            return one
    return None


def _method(rule: Rule, redirect: Redirect) -> str:
    keeps = redirect.status in (307, 308)
    return rule.when.methods[0] if keeps and rule.when.methods and "GET" not in rule.when.methods else "GET"


def _example(name: Hostname) -> str:
    return f"www.{name.name}" if name.wildcard else name.name
