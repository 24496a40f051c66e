"""Which of the sites that share a server a request is for, and which upstream it goes to.

Both follow from the host by maps of names that are ours: what no map holds goes nowhere. A client's text never names an
upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...compiler.plan import HostGroup, Hostname, Listener, Site, Upstream
from .matching import TARGET, path_expression
from .model import Expression, Key, Map, Text, Value, Variable
from .naming import Names, slug
from .server_names import by_name, with_parent

UPSTREAM = Variable("policyc_upstream")
"""The upstream of a request, where its server has several."""
BACKEND_NAME = Variable("policyc_backend_name")
"""The name that is sent and verified, where the upstream is a variable."""
NOBODY = "nobody.invalid"
"""A name that no certificate is for (RFC 6761): nginx would leave the check of an empty one to chance."""

_HOST = "host"
_PROXY_HOST = Variable("proxy_host")


def site_variable(listener: Listener) -> Variable:
    """The site whose certificate is shown."""
    return Variable(f"policyc_site_{slug(listener.name)}")


def _asked_variable(listener: Listener) -> Variable:
    return Variable(f"policyc_asked_{slug(listener.name)}")


def elsewhere_variable(listener: Listener) -> Variable:
    """Set where the host is not one of the site whose certificate is shown."""
    return Variable(f"policyc_elsewhere_{slug(listener.name)}")


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where the requests of a server can go. `by` names the upstream; None where there is but one."""

    upstreams: tuple[Upstream, ...]
    by: Variable | None


def reached(sites: Sequence[Site]) -> tuple[Upstream, ...]:
    """The upstreams that the requests of some sites can go to, each once."""
    found = {
        upstream.id: upstream
        for site in sites
        for group in site.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    }
    return tuple(found.values())


class Hosts:
    """The maps from hosts to sites and to upstreams."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._routes: dict[str, Map] = {}
        self._asked: dict[str, tuple[Listener, list[tuple[Hostname, Value]]]] = {}
        self._upstreams: dict[str, tuple[Listener, list[tuple[Hostname, Value]]]] = {}

    def destinations(self, listener: Listener, sites: Sequence[Site]) -> Destinations:
        """Where the requests of a server for these sites can go."""
        if len(sites) > 1:
            _, asked = self._asked.setdefault(listener.name, (listener, []))
            asked += [(host, site.name) for site in sites for host in site.hostnames]
        upstreams = reached(sites)
        if len(upstreams) == 1:
            return Destinations(upstreams, None)
        values = [(group, self._goes_to(site, group)) for site in sites for group in site.groups]
        if len(values) == 1 and isinstance(values[0][1], Variable):
            return Destinations(upstreams, values[0][1])
        _, known = self._upstreams.setdefault(listener.name, (listener, []))
        known += [(host, value) for group, value in values for host in group.hostnames]
        return Destinations(upstreams, _upstream_variable(listener))

    def _goes_to(self, site: Site, group: HostGroup) -> Value:
        own = self._names[group.upstream.id]
        if all(route.upstream.id == group.upstream.id for route in group.routes):
            return own
        variable = Variable(f"policyc_route_{slug(group.id)}")
        cases = tuple(
            (Expression("^" + path_expression([route.prefix.expression])), self._names[route.upstream.id])
            for route in group.routes
        )
        self._routes[group.id] = Map((*site.path, "routes"), (TARGET,), variable.name, own, cases)
        return variable

    def maps(self) -> list[Map]:
        """The maps of all servers."""
        found = [*self._routes.values()]
        for listener, values in self._asked.values():
            asked, site, elsewhere = _asked_variable(listener), site_variable(listener), elsewhere_variable(listener)
            found += by_name(listener, asked, _HOST, values, "")
            same = Expression(r"^([^|]+)[|]\1\z")
            found.append(Map(listener.path, (site, "|", asked), elsewhere.name, "1", ((same, ""),)))
        for listener, values in self._upstreams.values():
            found += by_name(listener, _upstream_variable(listener), _HOST, values, "")
        return with_parent(found, _HOST)


def _upstream_variable(listener: Listener) -> Variable:
    return Variable(f"policyc_upstream_{slug(listener.name)}")


def backend_maps(upstreams: Sequence[Upstream], chosen: Sequence[Upstream], names: Names) -> Iterator[Map]:
    """What follows from the upstream that is connected to: the host it is told, and the name that is verified.

    `chosen`: those that a variable names.
    """
    hosts = [(one, one.backend.host_header) for one in upstreams]
    cases = tuple((Key(names[one.id]), Text(host)) for one, host in hosts if host is not None)
    yield Map((), (_PROXY_HOST,), "policyc_host", Variable("host"), cases)
    verified = tuple((Key(names[one.id]), one.server_name) for one in chosen if one.server_name is not None)
    if verified:
        yield Map((), (_PROXY_HOST,), BACKEND_NAME.name, NOBODY, verified)
