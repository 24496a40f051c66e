"""Upgrades: WebSocket where a site asks for it, and no other anywhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import Answer, Refused, Visitor, request

from .asks import Ask, assert_passed, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import MALFORMED, Edge, Edges, Outcome
from .supported import TARGETS, skip_without

SOCKETS, PLAIN = "sockets.example.com", "plain.example.com"
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


def scene(certificates: Certificates) -> Scene:
    """A site with WebSockets and one without, in front of the same server."""
    rules = [
        {"when": {"path": {"prefix": "/denied"}}, "deny": 403},
        {"when": {"path": {"prefix": "/edited"}}, "request_headers": {"set": {"X-Edited": "1"}}},
    ]

    def site(host: str, **keys: object) -> dict[str, object]:
        shown = {"hostnames": [host], "public_certificate": "all", "backend": "main", "inspect": ["rules"]}
        return {**shown, **keys}

    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("websocket-all", "*.example.com")},
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": {"main": {"servers": ["192.0.2.1:443"], "tls": {"ca": "internal", "server_name": "main.internal"}}},
        "inspection_rules": {"rules": rules},
        "sites": {"sockets": site(SOCKETS, websocket=True), "plain": site(PLAIN)},
    }
    origin = Origin("main", certificates.inside("websocket-main", "main.internal"), upgrades=True)
    return Scene(policy, {"main": [origin]})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can let WebSockets pass."""
    skip_without(request.param, Feature.WEBSOCKET, Feature.REQUEST_HEADERS)
    return edge_of(edges, request.param, proxy_program)


def handshake(upgrade: str | None = "websocket", connection: str | None = "Upgrade", *more: str) -> tuple[str, ...]:
    """The lines of a handshake."""
    lines = [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *more]
    lines += [f"Upgrade: {upgrade}"] if upgrade is not None else []
    lines += [f"Connection: {connection}"] if connection is not None else []
    return tuple(lines)


def talk(edge: Edge, raw: bytes, host: str = SOCKETS) -> tuple[Outcome, bytes]:
    """Send a request; where it is upgraded, 200 kB more in both directions. What came back of these."""
    back = b""

    def ask() -> Answer:
        nonlocal back
        with Visitor(edge.door(host)) as visitor:
            answer = visitor.ask(raw)
            if answer.status == 101:
                for _ in range(20):
                    back += visitor.exchange(b"frame" * 2000)
            return answer

    return edge.try_(ask), back


AGREED = {
    "usual": ("websocket", "Upgrade"),
    "upper case": ("WebSocket", "UPGRADE"),
    "lower case": ("websocket", "upgrade"),
    "among others": ("websocket", "keep-alive, Upgrade"),
    "first": ("websocket", "upgrade,keep-alive"),
}


@pytest.mark.parametrize("name", AGREED)
def test_a_websocket_passes(edge: Edge, name: str) -> None:
    outcome, back = talk(edge, request("/chat?x=1", SOCKETS, "GET", *handshake(*AGREED[name])))
    assert outcome.status == 101, str(outcome)
    assert back == b"frame" * 40_000
    assert outcome.answer is not None
    assert outcome.answer.header("sec-websocket-accept") == ACCEPT
    assert (outcome.answer.header("upgrade") or "").lower() == "websocket"
    (seen,) = outcome.arrived
    assert (seen.method, seen.target, seen.version) == (b"GET", b"/chat?x=1", b"HTTP/1.1")
    assert [value.lower() for value in seen.values("upgrade")] == [b"websocket"]
    assert [value.lower() for value in seen.values("connection")] == [b"upgrade"]
    assert seen.values("sec-websocket-key") == [KEY.encode()]
    assert seen.values("x-forwarded-for") == [b"127.0.0.1"]
    assert seen.values("host") == [SOCKETS.encode()]


def test_rules_come_first(edge: Edge) -> None:
    outcome, _ = talk(edge, request("/denied", SOCKETS, "GET", *handshake()))
    assert_refused(outcome, 403)
    outcome, _ = talk(edge, request("//chat", SOCKETS, "GET", *handshake()))
    assert_refused(outcome, 400)
    outcome, back = talk(edge, request("/edited", SOCKETS, "GET", *handshake()))
    assert outcome.status == 101, str(outcome)
    assert back == b"frame" * 40_000
    assert outcome.arrived[0].values("x-edited") == [b"1"]


REFUSED = {
    "h2c": handshake("h2c", "Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "another protocol": handshake("foo/1"),
    "websocket and another": handshake("websocket, h2c"),
    "another and websocket": handshake("h2c, websocket"),
    "a version": handshake("websocket/13"),
    "prefixed": handshake("xwebsocket"),
    "no connection": handshake("websocket", None),
    "connection without it": handshake("websocket", "keep-alive"),
    "connection with a longer word": handshake("websocket", "upgrades"),
    "connection names a header": handshake("websocket", "Upgrade, X-Role"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("host", [SOCKETS, PLAIN])
def test_other_upgrades_are_refused(edge: Edge, host: str, name: str) -> None:
    outcome, _ = talk(edge, request("/chat", host, "GET", *REFUSED[name]), host)
    if (edge.target, name) == ("envoy", "h2c"):
        # Envoy's parser takes these headers away: an ordinary request goes on, as RFC 9110, 7.8 lets a server do.
        assert outcome.status == 200, str(outcome)
        assert [seen.values(one) for seen in outcome.arrived for one in ("upgrade", "http2-settings")] == [[], []]
        return
    assert_refused(outcome, 400)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT"])
def test_other_methods_are_refused(edge: Edge, method: str) -> None:
    outcome, _ = talk(edge, request("/chat", SOCKETS, method, *handshake(), body=b"x" if method == "POST" else b""))
    if edge.target == "haproxy" and method == "POST" and outcome.status == 200:
        # 2.6's parser takes the Upgrade of a message with a body away before any rule sees it: an ordinary request.
        assert [seen.values("upgrade") for seen in outcome.arrived] == [[]]
    else:
        assert_refused(outcome, 400)


def test_http_1_0_is_refused(edge: Edge) -> None:
    raw = request("/chat", SOCKETS, "GET", *handshake()).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert_refused(talk(edge, raw)[0], 400)


def test_where_no_site_asks_for_it(edge: Edge) -> None:
    for upgrade in AGREED.values():
        outcome, _ = talk(edge, request("/chat", PLAIN, "GET", *handshake(*upgrade)), PLAIN)
        assert_refused(outcome, 400)


@pytest.mark.parametrize("host", [SOCKETS, PLAIN])
def test_http_2_is_refused(edge: Edge, host: str) -> None:
    """There these headers are forbidden (RFC 9113, 8.2.2), and `extended CONNECT` is no method that passes."""
    for headers in ((("Upgrade", "websocket"),), (("Upgrade", "websocket"), ("Connection", "Upgrade"))):
        assert_refused(Ask("/chat", host=host, headers=headers).of(edge, "h2"), MALFORMED)
    connect = Ask("/chat", "CONNECT", host=host, headers=((":protocol", "websocket"),))
    assert_refused(connect.of(edge, "h2"), MALFORMED)


@pytest.mark.parametrize("host", [SOCKETS, PLAIN])
@pytest.mark.parametrize("version", ["h1", "h2"])
def test_without_upgrade_nothing_is_different(edge: Edge, host: str, version: str) -> None:
    one = Ask("/page", host=host)
    outcome = one.of(edge, "h1" if version == "h1" else "h2")
    assert_passed(one, outcome)
    (seen,) = outcome.arrived
    assert seen.values("upgrade") == []
    assert seen.values("connection") in ([], [b"keep-alive"])


def test_connection_upgrade_alone_is_no_upgrade(edge: Edge) -> None:
    one = Ask("/page", host=SOCKETS, headers=(("Connection", "upgrade"),))
    outcome = one.of(edge, "h1")
    assert_passed(one, outcome)
    assert outcome.arrived[0].values("upgrade") == []


def test_a_backend_that_does_not_agree(edge: Edge) -> None:
    """It answers 200: then what the visitor sends next is a request, and judged as one."""

    def ask() -> Answer:
        with Visitor(edge.door(SOCKETS)) as visitor:
            origin = edge.origins["main"][0]
            origin.upgrades = False
            try:
                answer = visitor.ask(request("/chat", SOCKETS, "GET", *handshake()))
            finally:
                origin.upgrades = True
            assert answer.status == 200
            try:
                return visitor.ask(request("/denied", SOCKETS))
            except Refused:
                return Answer(403, (), b"")  # the connection was ended, which will do

    outcome = edge.try_(ask)
    assert outcome.status == 403
    assert [seen.target for seen in outcome.arrived] == [b"/chat"]
