"""Backends and the locations that lead to them.

A server has one location for each way in which its requests can differ behind the rules: the backend, the headers
that are cleared, and the longest body. All are named, none is found by its URI, which nginx would decode; the choice
is made by variables and an error page (`error_page` to a named location keeps the request target as it was sent).

Where many upstreams are spoken to in the same way, they share a location, whose `proxy_pass` has a variable. Each
upstream has a block of its own all the same, with one verified name: connections and TLS sessions are kept by block,
and nginx does not verify again what it takes from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from ...compiler.plan import Backend, BackendTls, ClientCertificate, LimitBody, Site, Upstream, Verify
from .destinations import BACKEND_NAME, UPSTREAM, reached
from .edits import Edits, Switch, switch_count, switched
from .files import ca_file, client_certificate_name, crl_file
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
from .naming import Names, digest
from .rules import LISTS, Rules, first_of, walk_key, working
from .support import Settings

LOCATIONS_LIMIT = 512
"""Locations of one server. The choice between more would be slow: nginx looks for their names one by one."""
EACH = 8
"""Upstreams of a server that have a location each. For every request of a `proxy_pass` with a variable nginx looks
through the names of all upstreams; a location takes it a third of a millisecond when it starts."""
TOO_LARGE = "@too_large"

_KIND = Variable("policyc_kind")
_SUBJECT = Variable("policyc_subject")
# What nginx keeps to itself unless told otherwise. X-Accel-Expires and its like are for caches that are not there.
USUALLY_SHOWN = (
    *("Date", "Server", "X-Pad", "X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate"),
    *("X-Accel-Buffering", "X-Accel-Charset"),
)


# --- upstreams ------------------------------------------------------------------------------------------------


def upstream_block(upstream: Upstream, name: str, *, decrypted: bool) -> UpstreamBlock:
    """The servers of an upstream."""
    backend = upstream.backend
    health = backend.health
    several = len(backend.servers) > 1
    any_name = decrypted and backend.tls is not None and upstream.server_name is None
    return UpstreamBlock(
        backend.path,
        name,
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


def _forward(upstream: Upstream, name: str | Variable, settings: Settings) -> Forward:
    backend = upstream.backend
    timeouts = backend.timeouts
    return Forward(
        backend.path,
        name,
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


@dataclass(frozen=True, slots=True)
class Aims:
    """What a server does with its upstreams, by the beginnings of its locations' names.

    `by` holds the beginning for a request; None where there is but one. `shared`: upstreams that a variable names.
    `kinds`: what `$policyc_kind` is for an upstream.
    """

    forwards: tuple[tuple[str, Forward], ...]
    by: Variable | None
    shared: tuple[Upstream, ...] = ()
    kinds: tuple[tuple[Upstream, str], ...] = ()


def aims(upstreams: Sequence[Upstream], names: Names, settings: Settings) -> Aims:
    """A location for each of a few upstreams; of many, for each kind."""
    if len(upstreams) == 1:
        return Aims((("to", _forward(upstreams[0], names[upstreams[0].id], settings)),), None)
    if len(upstreams) <= EACH:
        own = [names[one.id] for one in upstreams]
        return Aims(
            tuple((name, _forward(one, name, settings)) for name, one in zip(own, upstreams, strict=True)), UPSTREAM
        )
    kinds = _kinds(upstreams, settings)
    named = {"to" if len(kinds) == 1 else f"to_{digest(repr(kind))}": (kind, of) for kind, of in kinds.items()}
    return Aims(
        tuple(
            (name, kind if len(of) > 1 else _forward(of[0], names[of[0].id], settings))
            for name, (kind, of) in named.items()
        ),
        _KIND if len(kinds) > 1 else None,
        tuple(one for _, of in named.values() if len(of) > 1 for one in of),
        tuple((one, name) for name, (_, of) in named.items() for one in of) if len(kinds) > 1 else (),
    )


def _kinds(upstreams: Sequence[Upstream], settings: Settings) -> dict[Forward, list[Upstream]]:
    """The upstreams by all that a location says of them, but for what follows from a variable."""
    kinds: dict[Forward, list[Upstream]] = {}
    for one in upstreams:
        forward = replace(_forward(one, UPSTREAM, settings), path=("backends",))
        if forward.tls and forward.tls.name is not None:
            forward = replace(forward, tls=replace(forward.tls, name=BACKEND_NAME))
        kinds.setdefault(forward, []).append(one)
    return kinds


def kind_map(every: Iterable[Aims], names: Names) -> Iterator[Map]:
    """Upstream → kind."""
    cases = {names[one.id]: kind for server in every for one, kind in server.kinds}
    if cases:
        yield Map((), (UPSTREAM,), _KIND.name, "", tuple((Key(name), kind) for name, kind in cases.items()))


# --- the ways of a site's requests ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ways:
    """In what the requests of a site can differ behind its rules, wherever they go.

    `bodies`: the longest bodies, the smallest first, 0 for any; `always_limited`: one of them counts for every request.
    """

    request: Edits
    response: Edits
    bodies: tuple[int, ...]
    always_limited: bool


def ways(site: Site, request: Edits, response: Edits) -> Ways:
    """The ways of a site's requests."""
    sizes, always_limited = _bodies(site)
    return Ways(request, response, sizes, always_limited)


def count(site_ways: Ways) -> int:
    """How many locations they take for each target."""
    bodies = len(site_ways.bodies) + (not site_ways.always_limited)
    switches = len(switched(site_ways.request.switches)) + len(switched(site_ways.response.switches))
    return 2**switches * bodies


def targets(sites: Sequence[Site], settings: Settings) -> int:
    """How many targets the requests of some sites have in one server."""
    upstreams = reached(sites)
    return len(upstreams) if len(upstreams) <= EACH else len(_kinds(upstreams, settings))


def location_count(site: Site, settings: Settings) -> int:
    """How many locations a site's requests take."""
    sizes, always_limited = _bodies(site)
    bodies = len(sizes) + (not always_limited)
    return targets([site], settings) * 2 ** (switch_count(site, False) + switch_count(site, True)) * bodies


def _bodies(site: Site) -> tuple[tuple[int, ...], bool]:
    limits = list(working(site, LimitBody))
    sure = min((one.action.size for one in limits if one.sure), default=None)
    sizes = sorted({one.action.size for one in limits if sure is None or one.action.size <= sure})
    return tuple(sizes), sure is not None


def choice(site: Site, by: Variable | None, site_ways: Ways, rules: Rules, blocks: list[Map | Geo]) -> Value | None:
    """The name of the location for a request; None where there is but one. `by`: of `Aims`."""
    if _single(by, site_ways):
        return None
    parts: list[str | Variable] = ["@", by or "to"]
    for switch in (*switched(site_ways.request.switches), *switched(site_ways.response.switches)):
        parts += ["_", _digit(switch, blocks)]
    if not site_ways.bodies:
        return Joined(tuple(parts))
    body = _body(site, site_ways, rules, blocks)
    parts += ["_", body]
    name = f"policyc_way_{walk_key(site)}" + (f"__by_{by.name}" if by else "")
    cases = tuple(
        (Expression(rf"^{index}:0*(?:{_more_than(size)})\z"), TOO_LARGE) for index, size in _numbered(site_ways)
    )
    source = (body, ":", Variable("http_content_length"))
    blocks.append(Map(LISTS, source, name, Joined(tuple(parts)), cases))
    return Variable(name)


def _single(by: Variable | None, site_ways: Ways) -> bool:
    return by is None and count(site_ways) == 1 and not site_ways.bodies


def _numbered(site_ways: Ways) -> list[tuple[int, int]]:
    return list(enumerate(site_ways.bodies, 1))


def _digit(switch: Switch, blocks: list[Map | Geo]) -> Variable:
    if switch.on is None:
        raise ValueError("a switch that is always on is none")
    name = f"{switch.on.name}__digit"
    blocks.append(Map(LISTS, (switch.on,), name, "1", ((Key(""), "0"),)))
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
    return first_of(LISTS, f"policyc_body_{walk_key(site)}", pairs, default, blocks)


def _more_than(number: int) -> str:
    """An expression for every decimal number above one, without zeros in front."""
    digits = str(number + 1)
    alternatives = [digits, f"[1-9][0-9]{{{len(digits)},}}"]
    for place in reversed(range(len(digits))):
        if digits[place] < "9":
            rest = len(digits) - place - 1
            alternatives.append(f"{digits[:place]}[{int(digits[place]) + 1}-9]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join(alternatives)


def locations(server: Aims, site_ways: Ways, subject: str | None) -> tuple[Location, ...]:
    """A location for each way to each target. `subject`: the header that tells a visitor's certificate."""
    request, response = site_ways.request, site_ways.response
    first = 1 if site_ways.always_limited else 0
    single = _single(server.by, site_ways)
    each_way = product(
        server.forwards,
        product((False, True), repeat=len(switched(request.switches))),
        product((False, True), repeat=len(switched(response.switches))),
        range(first, len(site_ways.bodies) + 1),
    )
    made: list[Location] = []
    for (name, forward), cleared_there, cleared_back, body in each_way:
        digits = "".join(f"_{int(one)}" for one in (*cleared_there, *cleared_back))
        hidden = sorted(_on(response.switches, cleared_back))
        made.append(
            Location(
                "" if single else f"@{name}{digits}" + (f"_{body}" if site_ways.bodies else ""),
                forward,
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
