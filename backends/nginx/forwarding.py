"""Backends and the locations that lead to them.

A server has one location for each way in which its requests can differ behind the rules: the backend, the headers
that are cleared, and the longest body. All are named, none is found by its URI, which nginx would decode; the choice
is made by variables and an error page (`error_page` to a named location keeps the request target as it was sent).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ...compiler.plan import Backend, BackendTls, ClientCertificate, HostGroup, LimitBody, Site, Upstream, Verify
from .edits import Edits, Switch, switch_count, switched
from .files import ca_file, client_certificate_name, crl_file
from .matching import TARGET, path_expression
from .model import (
    BackendVerification,
    Expression,
    Forward,
    Geo,
    HeaderLine,
    Joined,
    Key,
    Location,
    Map,
    Server,
    ShownCertificate,
    UpstreamBlock,
    Value,
    Variable,
)
from .naming import slug, upstream_name
from .rules import Rules, first_of, walk_key, working
from .support import Settings

LOCATIONS_LIMIT = 512
"""Locations of one server. The choice between more would be slow: nginx looks for their names one by one."""
TOO_LARGE = "@too_large"

_SUBJECT = Variable("policyc_subject")
# What nginx keeps to itself unless told otherwise. X-Accel-Expires and its like are for caches that are not there.
USUALLY_SHOWN = (
    *("Date", "Server", "X-Pad", "X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate"),
    *("X-Accel-Buffering", "X-Accel-Charset"),
)


# --- upstreams ------------------------------------------------------------------------------------------------


def upstream_block(upstream: Upstream, prefix: str) -> UpstreamBlock:
    """The servers of an upstream."""
    backend = upstream.backend
    health = backend.health
    several = len(backend.servers) > 1
    any_name = prefix == "backend" and backend.tls is not None and upstream.server_name is None
    return UpstreamBlock(
        backend.path,
        upstream_name(upstream, prefix),
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
        # A connection is verified for one name when it is made: with several names none is used twice.
        None if any_name else backend.timeouts.idle,
    )


def _forward(upstream: Upstream, settings: Settings) -> Forward:
    backend = upstream.backend
    timeouts = backend.timeouts
    return Forward(
        backend.path,
        upstream_name(upstream, "backend"),
        backend.host_header,
        backend.protocol == "h2",
        timeouts.connect,
        timeouts.response,
        timeouts.idle,
        _verification(backend, backend.tls, upstream, settings) if backend.tls else None,
    )


def _verification(backend: Backend, tls: BackendTls, upstream: Upstream, settings: Settings) -> BackendVerification:
    anchors = tls.anchors
    if (anchors is None) != (tls.verify is Verify.NONE):
        raise ValueError(f"backend {backend.name}: verification without a trust anchor")
    # OpenSSL 3 has no TLS below 1.2 at its default security level.
    level = "DEFAULT:@SECLEVEL=0" if tls.min_version < "1.2" else "DEFAULT"
    return BackendVerification(
        tls.verify,
        upstream.server_name,
        ca_file(anchors, settings) if anchors else "",
        crl_file(anchors) if anchors else "",
        client_certificate_name(backend) if tls.client_certificate else "",
        protocols(tls.min_version, "1.3"),
        level,
    )


def shown_to_backends(upstreams: Sequence[Upstream]) -> Iterator[ShownCertificate]:
    """The certificates that the proxy shows to backends."""
    for backend in {one.backend.name: one.backend for one in upstreams}.values():
        shown: ClientCertificate | None = backend.tls.client_certificate if backend.tls else None
        if shown:
            pem = "".join(one.pem for one in shown.chain)
            yield ShownCertificate(client_certificate_name(backend), pem, shown.key_file, shown.key_as_written)


_VERSIONS = ("1.0", "1.1", "1.2", "1.3")


def protocols(low: str, high: str) -> tuple[str, ...]:
    """TLS versions in nginx's words."""
    between = _VERSIONS[_VERSIONS.index(low) : _VERSIONS.index(high) + 1]
    return tuple("TLSv1" if version == "1.0" else f"TLSv{version}" for version in between)


# --- the ways of a site's requests ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ways:
    """In what the requests of a site can differ behind its rules.

    `routes`: the names of the backends that routes lead to, but for the site's own, which is way 0. `bodies`: the
    longest bodies, the smallest first, 0 for any; `always_limited`: one of them counts for every request.
    """

    routes: tuple[str, ...]
    request: Edits
    response: Edits
    bodies: tuple[int, ...]
    always_limited: bool


def ways(site: Site, request: Edits, response: Edits) -> Ways:
    """The ways of a site's requests."""
    sizes, always_limited = _bodies(site)
    return Ways(_routes(site), request, response, sizes, always_limited)


def count(site_ways: Ways) -> int:
    """How many locations they take."""
    bodies = len(site_ways.bodies) + (not site_ways.always_limited)
    switches = len(switched(site_ways.request.switches)) + len(switched(site_ways.response.switches))
    return (1 + len(site_ways.routes)) * 2**switches * bodies


def ways_of(site: Site) -> int:
    """How many locations a site's requests take, in each of its servers."""
    sizes, always_limited = _bodies(site)
    bodies = len(sizes) + (not always_limited)
    return (1 + len(_routes(site))) * 2 ** (switch_count(site, False) + switch_count(site, True)) * bodies


def _routes(site: Site) -> tuple[str, ...]:
    own = site.groups[0].upstream.backend.name
    names = dict.fromkeys(route.upstream.backend.name for route in site.groups[0].routes)
    return tuple(name for name in names if name != own)


def _bodies(site: Site) -> tuple[tuple[int, ...], bool]:
    limits = list(working(site, LimitBody))
    sure = min((one.action.size for one in limits if one.sure), default=None)
    sizes = sorted({one.action.size for one in limits if sure is None or one.action.size <= sure})
    return tuple(sizes), sure is not None


def choice(site: Site, site_ways: Ways, rules: Rules, blocks: list[Map | Geo]) -> Value | None:
    """The name of the location for a request; None where there is but one."""
    if count(site_ways) == 1 and not site_ways.bodies:
        return None
    key = slug(site.name)
    parts: list[str | Variable] = ["@to"]
    parts += ["_", _route(site, site_ways, blocks) if site_ways.routes else "0"]
    for switch in (*switched(site_ways.request.switches), *switched(site_ways.response.switches)):
        parts += ["_", _digit(site, switch, blocks)]
    if not site_ways.bodies:
        return Joined(tuple(parts))
    body = _body(site, site_ways, rules, blocks)
    parts += ["_", body]
    name = f"policyc_way_{key}"
    cases = tuple(
        (Expression(rf"^{index}:0*(?:{_more_than(size)})\z"), TOO_LARGE) for index, size in _numbered(site_ways)
    )
    source = (body, ":", Variable("http_content_length"))
    blocks.append(Map((*site.path, "inspect"), source, name, Joined(tuple(parts)), cases))
    return Variable(name)


def _numbered(site_ways: Ways) -> list[tuple[int, int]]:
    return list(enumerate(site_ways.bodies, 1))


def _route(site: Site, site_ways: Ways, blocks: list[Map | Geo]) -> Variable:
    name = f"policyc_route_{slug(site.name)}"
    numbers = {backend: str(index) for index, backend in enumerate(site_ways.routes, 1)}
    cases = tuple(
        (Expression("^" + path_expression([route.prefix.expression])), numbers.get(route.upstream.backend.name, "0"))
        for route in site.groups[0].routes
    )
    blocks.append(Map((*site.path, "routes"), (TARGET,), name, "0", cases))
    return Variable(name)


def _digit(site: Site, switch: Switch, blocks: list[Map | Geo]) -> Variable:
    if switch.on is None:
        raise ValueError("a switch that is always on is none")
    name = f"{switch.on.name}__digit"
    blocks.append(Map((*site.path, "inspect"), (switch.on,), name, "1", ((Key(""), "0"),)))
    return Variable(name)


def _body(site: Site, site_ways: Ways, rules: Rules, blocks: list[Map | Geo]) -> str | Variable:
    """The number of the smallest limit that applies, 0 for none."""
    numbers = {size: str(index) for index, size in _numbered(site_ways)}
    limits = sorted(working(site, LimitBody), key=lambda one: one.action.size)
    pairs = [
        (rules.applied(one.rule_list, one.rule), numbers[one.action.size])
        for one in limits
        if one.action.size in numbers and not (one.sure and site_ways.always_limited)
    ]
    default = str(len(numbers)) if site_ways.always_limited else "0"
    if not pairs:
        return default
    return first_of((*site.path, "inspect"), f"policyc_body_{walk_key(site)}", pairs, default, blocks)


def _more_than(number: int) -> str:
    """An expression for every decimal number above one, without zeros in front."""
    digits = str(number + 1)
    alternatives = [digits, f"[1-9][0-9]{{{len(digits)},}}"]
    for place in reversed(range(len(digits))):
        if digits[place] < "9":
            rest = len(digits) - place - 1
            alternatives.append(f"{digits[:place]}[{int(digits[place]) + 1}-9]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join(alternatives)


def locations(site: Site, group: HostGroup, site_ways: Ways, settings: Settings) -> tuple[Location, ...]:
    """A location for each way, the first being the usual one."""
    upstreams = {route.upstream.backend.name: route.upstream for route in group.routes}
    reached = [group.upstream, *(upstreams[name] for name in site_ways.routes)]
    request, response = site_ways.request, site_ways.response
    first = 1 if site_ways.always_limited else 0
    bodies = range(first, len(site_ways.bodies) + 1)
    single = count(site_ways) == 1 and not site_ways.bodies
    subject = site.client_auth.forward_subject if site.client_auth else None
    ways_of = product(
        range(len(reached)),
        product((False, True), repeat=len(switched(request.switches))),
        product((False, True), repeat=len(switched(response.switches))),
        bodies,
    )
    made: list[Location] = []
    for route, cleared_there, cleared_back, body in ways_of:
        digits = "".join(f"_{int(one)}" for one in (*cleared_there, *cleared_back))
        hidden = sorted(_on(response.switches, cleared_back))
        made.append(
            Location(
                "" if single else f"@to_{route}{digits}" + (f"_{body}" if site_ways.bodies else ""),
                _forward(reached[route], settings),
                _request_lines(request, _on(request.switches, cleared_there), subject),
                tuple(hidden),
                tuple(name for name in USUALLY_SHOWN if name.lower() not in hidden)
                if set(hidden) & {name.lower() for name in USUALLY_SHOWN}
                else None,
                site_ways.bodies[body - 1] if body else 0,
            )
        )
    return tuple(made)


def _on(switches: Sequence[Switch], states: Sequence[bool]) -> set[str]:
    """The names that are cleared."""
    left = list(states)
    return {name for switch in switches if switch.on is None or left.pop(0) for name in switch.names}


def _request_lines(edits: Edits, off: set[str], subject: str | None) -> tuple[HeaderLine, ...] | None:
    lines = [line for name in sorted(off | edits.added) for line in edits.lines[name] or (HeaderLine(name, ""),)]
    lines += [HeaderLine(subject, _SUBJECT)] if subject else []
    return tuple(lines) or None
