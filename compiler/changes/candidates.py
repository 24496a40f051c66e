"""The requests that two policies are asked about: for each literal of a rule, values on both sides of its border.

A request is put together from one choice of each dimension: path, method, source, each header, each parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, unquote_to_bytes

from ..decide import Connection, Request, VisitorCertificate
from ..normal_form import USUAL_METHODS
from ..plan import Address, Condition, HeaderMatcher, Network, PathMatcher, QueryMatcher, TextMatch
from .examples import examples

USUAL_SOURCES = (ip_address("203.0.113.1"), ip_address("198.51.100.1"), ip_address("2001:db8:ffff::1"))
"""Whom a request comes from where it does not matter: the first that no rule names."""

UNREADABLE = "unknown"
"""An X-Forwarded-For that is refused of a trusted proxy, and dropped of anybody else."""

_RAW = "/~!$&'()*+,=:@[]|-._"
_CROSSED = 4_000
"""Pairs of a path's beginning and its end that are tried."""
_PROBES = ("/a%2Fb", "/a%23b", "/a%25b", "/a%3Fb", "/a;b", "//a", "/a//b", "/a.", "/a%20", "/a%2F")
"""What the opt-ins of a site's normal form let through, or refuse."""
_VARIED = ("/{}", "{}%2Fx", "{};x", "{}.", "/a%25{}", "/x;y{}")
"""The same, around literals."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of one dimension. What it leaves out is the business of the other dimensions."""

    path: str | None = None
    pair: str = ""
    method: str | None = None
    peer: Address | None = None
    headers: tuple[tuple[str, str], ...] = ()
    cost: int = 0
    """How far it is from the plainest request: the shortest one is the witness."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """The choices of one dimension, the plainest first. `name`: a header's, or a parameter's."""

    what: str
    choices: tuple[Choice, ...]
    name: str = ""


def question(
    choices: Iterable[Choice], listener: str, host: str, visitor: VisitorCertificate
) -> tuple[Connection, Request]:
    """The connection and request that are made of one choice of each dimension."""
    path, method, peer = "/", "GET", USUAL_SOURCES[0]
    pairs: list[str] = []
    headers: list[tuple[bytes, bytes]] = []
    for one in choices:
        path = path if one.path is None else one.path
        method = method if one.method is None else one.method
        peer = peer if one.peer is None else one.peer
        pairs += [one.pair] if one.pair else []
        headers += [(name.encode(), value.encode("latin-1", "replace")) for name, value in one.headers]
    target = path + ("?" + "&".join(pairs) if pairs else "")
    request = Request(method.encode(), target.encode("ascii", "replace"), (host.encode(),), tuple(headers))
    return Connection(listener, host, peer, visitor), request


# --- paths ------------------------------------------------------------------------------------------------------


def paths(matchers: Sequence[PathMatcher], probe: bool) -> Dimension:
    """Paths around these literals. `probe`: also those that only some sites let through."""
    literals, ends = {"/": None}, dict[str, None]()
    found = {"/x"}
    for one in matchers:
        match one.kind:
            case TextMatch.SUFFIX:
                text = _spelled(one.text)
                ends |= dict.fromkeys((text, text.swapcase()))
                found |= {f"/x{more}" for more in (text[1:], text + "x")}
            case TextMatch.REGEX:
                matching = examples(one.expression)
                literals |= dict.fromkeys(text for text in matching if text.startswith("/"))
                ends |= dict.fromkeys(matching)
            case _:
                text = _spelled(one.text)
                stem = text.removesuffix("/")
                literals[text] = None
                found |= {stem, f"{stem}/", f"{stem}/x", stem + "x", stem[:-1], stem.swapcase()}
    crossed = sorted(literals, key=len)[: _CROSSED // max(1, len(ends))]
    found |= {path.removesuffix("/") + between + end for path in crossed for between in ("", "/x") for end in ends}
    found |= literals.keys()
    if probe:
        found |= {more.format(path) for path in (*literals, *found) for more in _VARIED} | {*_PROBES}
    return Dimension("path", tuple(Choice(path=path, cost=len(path) - 1) for path in _by_length(found, "/")))


def _by_length(found: Iterable[str], first: str) -> list[str]:
    return [first, *sorted({text for text in found if text.startswith("/")} - {first}, key=lambda one: (len(one), one))]


def _spelled(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=_RAW)


# --- what else a rule may look at -------------------------------------------------------------------------------


def methods(named: Iterable[str]) -> Dimension:
    """Every method that passes somewhere or that a rule names."""
    every = dict.fromkeys((*USUAL_METHODS, *named))
    return Dimension("method", tuple(Choice(method=name, cost=3 * bool(index)) for index, name in enumerate(every)))


def sources(networks: Iterable[Network], proxies: Iterable[Network]) -> Dimension:
    """The first and last address of each network, and those next to them; `proxies` also as the peer of each."""
    named, trusted = list(dict.fromkeys(networks)), list(dict.fromkeys(proxies))
    usual = next(
        (one for one in USUAL_SOURCES if not any(one in network for network in (*named, *trusted))), USUAL_SOURCES[0]
    )
    found = list(dict.fromkeys((usual, *(one for network in (*named, *trusted) for one in _around(network)))))
    choices = [Choice(peer=address, cost=5 * bool(index)) for index, address in enumerate(found)]
    choices += [
        Choice(peer=peer, headers=(("X-Forwarded-For", str(address)),), cost=30)
        for peer in found
        if any(peer in network for network in trusted)
        for address in (*found, UNREADABLE)
    ]
    return Dimension("source", tuple(choices))


def _around(network: Network) -> Iterator[Address]:
    kind = IPv4Address if network.version == 4 else IPv6Address
    first, last = int(network.network_address), int(network.broadcast_address)
    # Beside the first address stands one that people take for an example.
    inside = {first + 1 if last > first + 1 else first: None, first: None, last: None}
    for number in (*inside, first - 1, last + 1):
        if 0 <= number < 1 << network.max_prefixlen:
            yield kind(number)


def headers(conditions: Iterable[Condition]) -> Iterator[Dimension]:
    """A dimension for each header that a rule looks at: absent, and values around each literal."""
    named: dict[str, list[HeaderMatcher]] = {}
    for matcher in (one for condition in conditions for one in condition.headers):
        named.setdefault(matcher.name, []).append(matcher)
    for name, matchers in named.items():
        if name == "host":  # it is the hostname, which is no dimension
            continue
        values = list(dict.fromkeys(value for matcher in matchers for value in _values(matcher) if value.strip()))
        together = [f"{one}, {other}" for one in values[:12] for other in values[:12] if one != other]
        yield Dimension(
            "header",
            (
                Choice(),
                *(Choice(headers=((_titled(name), one),), cost=20 + len(one)) for one in (*values, *together)),
            ),
            name,
        )


def _titled(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _values(matcher: HeaderMatcher) -> tuple[str, ...]:
    text = matcher.text
    match matcher.kind:
        case TextMatch.PRESENT:
            return ("x",)
        case TextMatch.EXACT:
            return (text, text + "x", text[:-1])
        case TextMatch.REGEX:
            return examples(matcher.expression)
        case _:
            return (text, text + "x", "x" + text, f"x{text}x")


def parameters(conditions: Iterable[Condition], probe: bool) -> Iterator[Dimension]:
    """A dimension for each parameter that a rule looks at; `probe`: and one for what not every site lets through."""
    named: dict[str, list[QueryMatcher]] = {}
    for matcher in (one for condition in conditions for one in condition.queries):
        named.setdefault(matcher.name, []).append(matcher)
    for name, matchers in named.items():
        spelled = quote(name, safe="~!$'()*,:@[]|-._/")
        values = list(dict.fromkeys(value for matcher in matchers for value in _parameter_values(matcher)))
        pairs = [spelled, *(f"{spelled}={value}" for value in values)]
        yield Dimension("parameter", (Choice(), *(Choice(pair=one, cost=10 + len(one)) for one in pairs)), name)
    if probe:
        yield Dimension("query", (Choice(), Choice(pair="x=%61", cost=15)))


def _parameter_values(matcher: QueryMatcher) -> tuple[str, ...]:
    match matcher.kind:
        case TextMatch.PRESENT:
            return ("x",)
        case TextMatch.EXACT:
            spelled = quote(matcher.text, safe="~!$'()*,:@[]|-._/")
            return (spelled, spelled + "x")
        case _:
            return (*examples(matcher.value), "x")


def upgrade() -> Dimension:
    """Without and with the one upgrade that a site may let through."""
    asked = (("Connection", "upgrade"), ("Upgrade", "websocket"))
    return Dimension("upgrade", (Choice(), Choice(headers=asked, cost=40)))
