"""Whose request it is: behind trusted proxies, and behind balancers that send a PROXY header."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.proxy_protocol import version_1, version_2
from policyc.compiler.loopback.visitor import Answer, Refused, ask, request

from . import http2
from .asks import VERSIONS, Version, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, Outcome
from .supported import TARGETS, skip_without

HOST, PASSED = "www.example.com", "passed.example.com"
TRUSTED = ["127.0.0.2", "10.0.0.0/8", "2001:db8:1::/48"]
INSIDE = "192.0.2.0/24"
Headers = tuple[tuple[str, str], ...]


def scene(certificates: Certificates) -> Scene:
    """A listener for everybody, one behind trusted proxies, one behind a balancer, one behind both."""
    names = ("public", "trusting", "proxied", "both")
    rules = [
        {"when": {"path": {"prefix": "/inside"}}, "unless": {"source": [INSIDE, "2001:db8:9::/48"]}, "deny": 403},
        {"when": {"source": "198.51.100.66"}, "deny": 451},
        {"when": {"source": TRUSTED, "path": {"prefix": "/proxies"}}, "deny": 410},
    ]
    policy = {
        "version": 1,
        "listeners": {
            name: {
                "bind": [f"0.0.0.0:{port}", f"[::]:{port}"],
                "redirect_http": [f"0.0.0.0:{port + 100}"],
                **({"trusted_proxies": TRUSTED} if name in ("trusting", "both") else {}),
                **({"proxy_protocol": True} if name in ("proxied", "both") else {}),
            }
            for port, name in enumerate(names, 1000)
        },
        "public_certificates": {"all": certificates.public_pair("visitors-all", HOST)},
        "backends": {
            "main": {"servers": ["192.0.2.1:80"], "tls": False},
            "passed": {"servers": ["192.0.2.2:443"]},
        },
        "inspection_rules": {"rules": rules},
        "sites": {
            "main": {"hostnames": [HOST], "public_certificate": "all", "backend": "main", "inspect": ["rules"]},
            # Beside decrypted sites on one socket: on the way to those a target may need another hop.
            "passed": {
                "hostnames": [PASSED],
                "listeners": ["proxied", "both"],
                "decrypt": False,
                "backend": "passed",
            },
        },
    }
    passed = Origin("passed", certificates.serve("visitors-passed", pki.leaf([PASSED], certificates.public)))
    return Scene(policy, {"main": [Origin("main")], "passed": [passed]})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can tell."""
    skip_without(request.param, Feature.TRUSTED_PROXIES, Feature.PROXY_PROTOCOL)
    return edge_of(edges, request.param, proxy_program)


def get(
    edge: Edge,
    listener: str,
    path: str = "/x",
    *,
    headers: Headers = (),
    version: Version = "h1",
    peer: str | None = None,
    first: bytes = b"",
) -> Outcome:
    """A GET over a connection of its own."""
    protocols = {"h1": ("http/1.1",), "h2": ("h2",)}[version]
    ipv6 = peer == "::1"
    source = None if ipv6 else peer
    door = edge.door(HOST, listener, ipv6=ipv6, source=source, first=first, protocols=protocols)

    def send() -> Answer:
        if version == "h1":
            return ask(door, request(path, HOST, "GET", *(f"{name}: {value}" for name, value in headers)))
        fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        return http2.ask(door, b"GET", path.encode(), HOST.encode(), fields)

    return edge.try_(send)


def forwarded(outcome: Outcome) -> bytes:
    """What the backend was told."""
    assert outcome.status == 200, str(outcome)
    (seen,) = outcome.arrived
    (value,) = seen.values("x-forwarded-for")
    return value


def xff(*values: str) -> Headers:
    return tuple(("X-Forwarded-For", value) for value in values)


# --- trusted proxies ------------------------------------------------------------------------------------------

PROXY, STRANGER = "127.0.0.2", "127.0.0.1"


@dataclass(frozen=True)
class Case:
    """What a trusted proxy says, and from where the request then comes."""

    lines: tuple[str, ...]
    source: str
    forwarded: str


CASES = [
    Case((), PROXY, PROXY),
    Case(("",), PROXY, PROXY),
    Case(("192.0.2.7",), "192.0.2.7", f"192.0.2.7, {PROXY}"),
    Case(("2001:db8:9::7",), "2001:db8:9::7", f"2001:db8:9::7, {PROXY}"),
    Case(("2001:DB8:9:0::7",), "2001:db8:9::7", f"2001:DB8:9:0::7, {PROXY}"),
    Case(("198.51.100.66",), "198.51.100.66", f"198.51.100.66, {PROXY}"),
    # the right-most that is not trusted: what is left of it may be invented
    Case(("192.0.2.7, 203.0.113.9",), "203.0.113.9", f"192.0.2.7, 203.0.113.9, {PROXY}"),
    Case(("203.0.113.9, 192.0.2.7",), "192.0.2.7", f"203.0.113.9, 192.0.2.7, {PROXY}"),
    Case(("203.0.113.9,192.0.2.7",), "192.0.2.7", f"203.0.113.9, 192.0.2.7, {PROXY}"),
    Case(("  203.0.113.9 \t,\t 192.0.2.7  ",), "192.0.2.7", f"203.0.113.9, 192.0.2.7, {PROXY}"),
    Case(("203.0.113.9", "192.0.2.7"), "192.0.2.7", f"203.0.113.9, 192.0.2.7, {PROXY}"),
    Case(("192.0.2.7, 10.1.2.3",), "192.0.2.7", f"192.0.2.7, 10.1.2.3, {PROXY}"),
    Case(("203.0.113.9, 192.0.2.7, 10.1.2.3, 2001:db8:1::5",), "192.0.2.7", ""),
    Case(("192.0.2.7, 203.0.113.9, 10.1.2.3",), "203.0.113.9", ""),
    Case(("198.51.100.66, 192.0.2.7",), "192.0.2.7", ""),
    Case(("192.0.2.7, 198.51.100.66, 10.0.0.1",), "198.51.100.66", ""),
    # all are trusted: the left-most
    Case(("10.0.0.1",), "10.0.0.1", f"10.0.0.1, {PROXY}"),
    Case(("10.0.0.1, 10.0.0.2, 10.0.0.3",), "10.0.0.1", ""),
    # ten are the most
    Case((", ".join(["192.0.2.7", *(f"10.0.0.{n}" for n in range(9))]),), "192.0.2.7", ""),
    Case((", ".join(f"10.0.0.{n}" for n in range(10)),), "10.0.0.0", ""),
]


def expected(source: str, path: str) -> int:
    """What the rules make of a source."""
    inside = source.startswith(("192.0.2.", "2001:db8:9:"))
    if path == "/inside" and not inside:
        return 403
    if source == "198.51.100.66":
        return 451
    trusted = source == PROXY or source.startswith("10.")
    return 410 if trusted and path == "/proxies" else 200


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/x", "/inside", "/proxies"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: " | ".join(case.lines)[:50] or "none")
def test_behind_a_trusted_proxy(edge: Edge, case: Case, path: str, version: Version) -> None:
    outcome = get(edge, "trusting", path, headers=xff(*case.lines), version=version, peer=PROXY)
    status = expected(case.source, path)
    if status != 200:
        assert_refused(outcome, status)
    else:
        told = forwarded(outcome).decode()
        elements = [part.strip(" \t") for line in case.lines for part in line.split(",") if part.strip(" \t")]
        assert told == (case.forwarded or ", ".join([*elements, PROXY]))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("peer", [STRANGER, "127.0.0.3", "::1"])
@pytest.mark.parametrize("line", ["192.0.2.7", "10.0.0.1", "nonsense", "", "192.0.2.7:80"])
def test_a_stranger_is_not_believed(edge: Edge, line: str, peer: str, version: Version) -> None:
    for listener in ("trusting", "public"):
        headers = xff(line)
        assert forwarded(get(edge, listener, headers=headers, version=version, peer=peer)) == peer.encode()
        assert_refused(get(edge, listener, "/inside", headers=headers, version=version, peer=peer), 403)


BAD = [
    *("unknown", "_hidden", "192.0.2.7:80", "[2001:db8:9::7]", "[2001:db8:9::7]:80", "192.0.2", "192.0.2.7.1"),
    *("192.0.2.07", "192.0.2.256", "0xc0000207", "3221225991", "192.0.2.7 192.0.2.8", "192.0.2.7;", '"192.0.2.7"'),
    *("192.0.2.7,", ",192.0.2.7", "192.0.2.7,,192.0.2.8", "192.0.2.7, unknown", "unknown, 192.0.2.7"),
    *("::ffff:192.0.2.7", "2001:db8:9::7%eth0", "2001:db8:9::7::", "fe80::1%1", "12345::", ":::", ":", "g::1"),
    *("1:2:3:4:5:6:7:8:9", "192.0.2.7/32", "\xb9.0.2.7", "-", "for=192.0.2.7", "192.0.2.7\xa0"),
    ", ".join(f"10.0.0.{number}" for number in range(11)),
    ", ".join(["192.0.2.7"] * 500),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("line", BAD, ids=lambda line: ascii(line)[:40])
def test_what_is_no_list_of_addresses_is_refused(edge: Edge, line: str, version: Version) -> None:
    assert_refused(get(edge, "trusting", headers=xff(line), version=version, peer=PROXY), 400)


@pytest.mark.parametrize("version", VERSIONS)
def test_bad_lines_among_good_ones(edge: Edge, version: Version) -> None:
    bad = [("192.0.2.7", "unknown"), ("unknown", "192.0.2.7")]
    # Envoy's parser drops an empty line between others before anything of ours could see it.
    bad += [("192.0.2.7", "", "192.0.2.8")] if edge.target != "envoy" else []
    for lines in bad:
        assert_refused(get(edge, "trusting", headers=xff(*lines), version=version, peer=PROXY), 400)


# --- PROXY header ---------------------------------------------------------------------------------------------

WRITERS = [version_1, version_2]
SOURCES = {"192.0.2.7": 200, "2001:db8:9::7": 200, "198.51.100.66": 451, "203.0.113.9": 200}


def header(write: Callable[..., bytes], source: str | None) -> bytes:
    return write(source, "2001:db8::1") if source and ":" in source else write(source)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("peer", [STRANGER, "::1"])
def test_the_peer_of_a_proxy_header(
    edge: Edge, source: str, write: Callable[..., bytes], peer: str, version: Version
) -> None:
    first = header(write, source)
    outcome = get(edge, "proxied", headers=xff("192.0.2.99"), version=version, peer=peer, first=first)
    if SOURCES[source] != 200:
        assert_refused(outcome, SOURCES[source])
        return
    assert forwarded(outcome) == source.encode()
    outcome = get(edge, "proxied", "/inside", version=version, peer=peer, first=first)
    assert outcome.status == expected(source, "/inside"), str(outcome)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("listener", ["proxied", "both"])
def test_a_balancer_that_speaks_for_itself(edge: Edge, listener: str, write: Callable[..., bytes]) -> None:
    first = write(None)
    assert forwarded(get(edge, listener, first=first, peer="127.0.0.3")) == b"127.0.0.3"


@pytest.mark.parametrize("listener", ["proxied", "both"])
@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 x y 1 2\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\nxxxx",
    ],
)
def test_without_a_proxy_header_the_connection_is_closed(edge: Edge, listener: str, first: bytes) -> None:
    assert_refused(get(edge, listener, first=first), frozenset({None}))


@pytest.mark.parametrize("write", WRITERS)
def test_a_proxy_header_where_none_is_expected(edge: Edge, write: Callable[..., bytes]) -> None:
    assert_refused(get(edge, "public", first=write("192.0.2.7")), frozenset({None}))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("case", CASES[2:], ids=lambda case: " | ".join(case.lines)[:50] or "none")
def test_trusted_by_its_proxy_header(edge: Edge, case: Case, write: Callable[..., bytes], version: Version) -> None:
    """The peer that is trusted is that of the PROXY header."""
    first = write("10.9.9.9")
    outcome = get(edge, "both", "/inside", headers=xff(*case.lines), version=version, first=first)
    status = expected(case.source, "/inside")
    assert outcome.status == status, str(outcome)
    if status == 200:
        assert forwarded(outcome).endswith(b", 10.9.9.9")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("write", WRITERS)
def test_not_trusted_by_its_proxy_header(edge: Edge, write: Callable[..., bytes], version: Version) -> None:
    """The balancer's own address would be; the one that it names is not."""
    first = write("203.0.113.9")
    outcome = get(edge, "both", headers=xff("192.0.2.7"), version=version, peer=PROXY, first=first)
    assert forwarded(outcome) == b"203.0.113.9"
    outcome = get(edge, "both", "/inside", headers=xff("192.0.2.7"), version=version, peer=PROXY, first=first)
    assert_refused(outcome, 403)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("listener", ["proxied", "both"])
def test_a_connection_passed_through(edge: Edge, listener: str, write: Callable[..., bytes]) -> None:
    """The server behind gets the visitor's bytes, and no PROXY header."""
    for source in ("192.0.2.7", "2001:db8:9::7", None):
        door = edge.door(PASSED, listener, first=header(write, source))
        raw = request("//odd", "Whatever", "GET", "X-Forwarded-For: 192.0.2.7")
        outcome = edge.try_(lambda door=door, raw=raw: ask(door, raw))
        assert outcome.status == 200, str(outcome)
        assert [seen.head for seen in outcome.arrived] == [raw]
    assert_refused(edge.try_(lambda: ask(edge.door(PASSED, listener), raw)), frozenset({None}))


@pytest.mark.parametrize("write", WRITERS)
def test_redirect_sockets_have_it_too(edge: Edge, write: Callable[..., bytes]) -> None:
    for listener in ("proxied", "both"):
        door = edge.plain_door(listener)
        outcome = edge.try_(lambda door=door: ask(replace(door, first=write("192.0.2.7")), request("/a", HOST)))
        assert outcome.status == 308, str(outcome)
        with pytest.raises((Refused, ssl.SSLError)):
            ask(door, request("/a", HOST))
    outcome = edge.try_(lambda: ask(edge.plain_door("trusting"), request("/a", HOST)))
    assert outcome.status == 308
