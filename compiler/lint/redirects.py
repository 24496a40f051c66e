"""Where a redirect leads: the next request that a visitor makes of the same edge, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..plan import Address, Hostname, Listener, Plan, Redirect, Rule, Site
from .walks import Walks

if TYPE_CHECKING:
    from ..decide import Decision, Redirected, Refused

_VISITORS = tuple(map(ip_address, ("203.0.113.77", "198.51.100.77", "192.0.2.77", "2001:db8::77")))
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Stop:
    """A URL of this edge."""

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


class Redirects:
    """The redirects of a plan that are reached and lead back to this edge."""

    def __init__(self, plan: Plan, walks: Walks) -> None:
        self.plan = plan
        self.walks = walks
        self.claimed: dict[tuple[str, str], Site] = {}
        self.alone: dict[tuple[str, str], Plan] = {}
        for listener in plan.listeners:
            for site in listener.sites:
                for host in site.hostnames:
                    self.claimed[listener.name, str(host)] = site

    def hops(self) -> Iterator[Hop]:
        """Each redirect with a visitor that it can be for. Sites with the same rules are asked once."""
        for walk in self.walks:
            site = walk.sites[0]
            host = str(site.hostnames[0])
            listener = next((one for one in self.plan.listeners if (one.name, host) in self.claimed), None)
            for index, step in enumerate(walk.steps if listener else ()):
                redirect = next((action for action in step.rule.actions if isinstance(action, Redirect)), None)
                if listener is None or redirect is None or not walk.reached(index):
                    continue
                source = _visitor(step.rule)
                to = self._lead(listener, _example(site.hostnames[0]), redirect.to)
                if source is not None and to is not None:
                    yield Hop(site, step.rule, redirect, _method(step.rule, redirect), source, to)

    def refusal(self, hop: Hop) -> Refused | None:
        """The refusal that a redirect leads to at once."""
        from ..decide import Refused

        decision = self._ask(hop, hop.to)
        return decision if isinstance(decision, Refused) else None

    def _ask(self, hop: Hop, stop: Stop) -> Decision:
        """What becomes of the visitor's next request, which has no headers of its own."""
        # Loaded for policies that redirect alone.
        from ..decide import Connection, Request, decide

        connection = Connection(stop.listener, stop.host, hop.source)
        request = Request(hop.method.encode(), stop.target.encode(), (stop.host.encode(),))
        return decide(self.alone[stop.listener, stop.site], connection, request)

    def follow(self, hop: Hop, limit: int = 20) -> list[tuple[Stop, Redirected]]:
        """The redirects that follow one upon the other, up to the first that comes again (which is the last)."""
        from ..decide import Redirected

        stops: list[tuple[Stop, Redirected]] = []
        stop: Stop | None = hop.to
        while stop is not None and len(stops) < limit:
            decision = self._ask(hop, stop)
            if not isinstance(decision, Redirected):
                return []
            again = any(stop == earlier for earlier, _ in stops)
            stops.append((stop, decision))
            if again:
                return stops
            stop = self._lead(self.alone[stop.listener, stop.site].listeners[0], stop.host, decision.to)
        return []

    def _lead(self, listener: Listener, host: str, to: str) -> Stop | None:
        """The URL of this edge that a redirect leads to; None for another place, and for a site not understood."""
        if to.startswith("/") and not to.startswith("//"):
            return self._stop(listener, host, to.partition("#")[0])
        try:
            url = urlsplit(to)
            port = url.port
        except ValueError:
            return None
        if url.scheme not in ("http", "https") or not url.hostname:
            return None
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        for one in self.plan.listeners:
            sockets = one.redirect_http if url.scheme == "http" else one.binds
            stop = self._stop(one, url.hostname, target)
            if stop and any(socket.port == (port or _DEFAULT_PORTS[url.scheme]) for socket in sockets):
                return stop
        return None

    def _stop(self, listener: Listener, host: str, target: str) -> Stop | None:
        wildcard = f"*.{host.partition('.')[2]}"
        site = self.claimed.get((listener.name, host)) or self.claimed.get((listener.name, wildcard))
        if site is None or not site.decrypt or site.name not in self.walks.sound:
            return None
        # A plan with this site alone: the reference looks through all of them for each request.
        key = (listener.name, site.name)
        if key not in self.alone:
            self.alone[key] = replace(self.plan, listeners=(replace(listener, sites=(site,)),), sites=(site,))
        return Stop(site.name, listener.name, host, target)


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
