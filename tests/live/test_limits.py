"""Limits on the rate of requests and on the size of bodies, alike on every target."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback import visitor
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import Answer

from . import http2
from .asks import VERSIONS, Ask, Version, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, Outcome
from .supported import TARGETS, skip_without

HOST = "www.example.com"
KIB = 1024


def scene(certificates: Certificates) -> Scene:
    """One site with limits, each below a path of its own."""

    def below(path: str, **actions: object) -> dict[str, object]:
        return {"when": {"path": {"prefix": path}}, **actions}

    rules = [
        below("/open", allow=True),
        *(
            below(path, rate_limit={"rate": "6/min", "burst": 2})
            for path in ("/once", "/h1", "/h2", "/sources", "/v6", "/refused", "/long", "/open")
        ),
        below("/refused/always", deny=403),
        below("/refused/elsewhere", redirect={"to": "/"}),
        below("/quiet", rate_limit={"rate": "4/s"}),
        below("/steady", rate_limit={"rate": "5/s", "burst": 5}),
        below("/two", rate_limit={"rate": "7/min"}),
        below("/two", rate_limit={"rate": "3/min"}),
        below("/body", limit_body=1000),
        below("/body64k", limit_body="64KiB"),
        below("/smallest", limit_body=2000),
        below("/smallest/of/two", limit_body=500),
        below("/smallest/last", limit_body=5000),
        below("/counted", rate_limit={"rate": "4/min"}, limit_body=10),
    ]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443", "[::]:443"]}},
        "public_certificates": {"all": certificates.public_pair("limits-all", HOST)},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {"limits": rules},
        "sites": {
            "main": {
                "hostnames": [HOST],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["limits"],
            }
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can limit."""
    skip_without(request.param, Feature.RATE_LIMIT, Feature.LIMIT_BODY)
    return edge_of(edges, request.param, proxy_program)


# --- rates ----------------------------------------------------------------------------------------------------


def statuses(edge: Edge, count: int, ask: Ask, version: Version = "h1") -> list[int | None]:
    return [ask.of(edge, version).status for _ in range(count)]


@pytest.mark.parametrize("version", VERSIONS)
def test_rate_and_burst_at_once(edge: Edge, version: Version) -> None:
    """Six a minute, and two more: so long as this test takes, no more than these come back."""
    assert statuses(edge, 12, Ask(f"/{version}/x"), version) == [200] * 8 + [429] * 4


def test_what_is_refused_does_not_arrive(edge: Edge) -> None:
    statuses(edge, 8, Ask("/once"))
    assert_refused(Ask("/once").of(edge, "h1"), 429)


def test_sources_are_counted_apart(edge: Edge) -> None:
    for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        assert statuses(edge, 9, Ask("/sources", source=source)) == [200] * 8 + [429]


def test_ipv6(edge: Edge) -> None:
    assert statuses(edge, 9, Ask("/v6", ipv6=True)) == [200] * 8 + [429]
    assert statuses(edge, 9, Ask("/v6")) == [200] * 8 + [429]


def test_other_paths_are_not_counted(edge: Edge) -> None:
    assert statuses(edge, 12, Ask("/free")) == [200] * 12


def test_rules_behind_an_allow_do_not_count(edge: Edge) -> None:
    assert statuses(edge, 12, Ask("/open/x")) == [200] * 12


def test_what_a_rule_refuses_is_not_counted(edge: Edge) -> None:
    """Even where the limit stands before that rule."""
    assert statuses(edge, 10, Ask("/refused/always")) == [403] * 10
    assert statuses(edge, 10, Ask("/refused/elsewhere")) == [308] * 10
    assert statuses(edge, 9, Ask("/refused/x")) == [200] * 8 + [429]


def test_two_limits(edge: Edge) -> None:
    assert statuses(edge, 6, Ask("/two")) == [200] * 3 + [429] * 3


def test_a_body_that_is_refused_is_counted(edge: Edge) -> None:
    """First the rate, then the body."""
    large = Ask("/counted", "POST", body=b"x" * 11)
    assert statuses(edge, 6, large) == [413] * 4 + [429] * 2


def test_the_full_amount_after_two_quiet_windows(edge: Edge) -> None:
    for _ in range(2):
        assert statuses(edge, 4, Ask("/quiet")) == [200] * 4
        assert 429 in statuses(edge, 4, Ask("/quiet"))
        time.sleep(2.1)


def test_in_the_long_run_the_rate(edge: Edge) -> None:
    """Who never stops asking gets the rate, and neither more nor nothing: what is refused is not counted."""
    start = time.monotonic()
    passed = 0
    while time.monotonic() - start < 5:
        passed += Ask("/steady").of(edge, "h1").status == 200
    elapsed = time.monotonic() - start
    assert 5 * elapsed * 0.8 <= passed <= 10 + 5 * elapsed + 1


# --- bodies ---------------------------------------------------------------------------------------------------


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def sent(edge: Edge, path: str, length: int, how: str) -> Outcome:
    """POST a body: with its length, in chunks of two sizes, or by HTTP/2 with and without its length."""
    body = b"x" * length
    if how in ("length", "h2 length"):
        return Ask(path, "POST", body=body).of(edge, "h1" if how == "length" else "h2")

    def ask() -> Answer:
        if how == "h2":
            door = edge.door(HOST, protocols=("h2",))
            return http2.ask(door, b"POST", path.encode(), HOST.encode(), (), body)
        size = 100 if how == "small chunks" else 60_000
        raw = visitor.request(path, HOST, "POST", "Transfer-Encoding: chunked") + chunked(body, size)
        return visitor.ask(edge.door(HOST), raw)

    return edge.try_(ask)


HOWS = ["length", "chunks", "small chunks", "h2 length", "h2"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    ("path", "limit"),
    [("/body", 1000), ("/body64k", 64 * KIB), ("/smallest", 2000), ("/smallest/of/two", 500), ("/smallest/last", 2000)],
)
def test_body_of_the_limit_and_one_byte_more(edge: Edge, path: str, limit: int, how: str) -> None:
    outcome = sent(edge, path, limit, how)
    assert outcome.status == 200, str(outcome)
    assert [len(seen.body) for seen in outcome.arrived] == [limit]
    outcome = sent(edge, path, limit + 1, how)
    assert outcome.status == 413, str(outcome)
    assert outcome.arrived == ()


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("length", [0, 1, 999])
def test_smaller_bodies(edge: Edge, how: str, length: int) -> None:
    outcome = sent(edge, "/body", length, how)
    assert outcome.status == 200, str(outcome)
    assert [len(seen.body) for seen in outcome.arrived] == [length]


@pytest.mark.parametrize("how", HOWS)
def test_much_too_large(edge: Edge, how: str) -> None:
    """The visitor may be cut off while it still sends; what counts is that no origin gets it."""
    outcome = sent(edge, "/body", 300 * KIB, how)
    assert outcome.status in (413, None), str(outcome)
    assert outcome.arrived == ()


@pytest.mark.parametrize("how", HOWS)
def test_without_a_limit(edge: Edge, how: str) -> None:
    outcome = sent(edge, "/free", 300 * KIB, how)
    assert outcome.status == 200, str(outcome)
    assert [len(seen.body) for seen in outcome.arrived] == [300 * KIB]


@pytest.mark.parametrize("head", [10, 6000, 13_000])
def test_whatever_the_size_of_the_head(edge: Edge, head: int) -> None:
    """A body that is measured by holding it shares its place with the head."""
    for length, expected in ((1000, 200), (1001, 413)):
        fields = [f"X-{number}: " + "a" * (head // 4) for number in range(4)]
        raw = visitor.request("/body", HOST, "POST", "Transfer-Encoding: chunked", *fields)
        outcome = edge.try_(
            lambda raw=raw, length=length: visitor.ask(edge.door(HOST), raw + chunked(b"x" * length, 7))
        )
        assert outcome.status == expected, str(outcome)


def test_length_and_chunks_at_once(edge: Edge) -> None:
    """Chunks are what counts (RFC 9112, 6.1): a small Content-Length beside them hides nothing."""
    raw = visitor.request("/body", HOST, "POST", "Content-Length: 5", "Transfer-Encoding: chunked")
    outcome = edge.try_(lambda: visitor.ask(edge.door(HOST), raw + chunked(b"x" * 1001, 100)))
    assert outcome.status in (400, 413), str(outcome)
    assert outcome.arrived == ()


def test_expect_continue(edge: Edge) -> None:
    """Who waits to be told to go on is told so, or is refused at once."""
    for length, expected in ((1000, 200), (1001, 413)):
        raw = visitor.request("/body", HOST, "POST", f"Content-Length: {length}", "Expect: 100-continue")
        with visitor.Visitor(edge.door(HOST)) as one:
            one.stream.sendall(raw)
            first = one.stream.recv(65536)
            if first.startswith(b"HTTP/1.1 100"):
                one.stream.sendall(b"x" * length)
                first = (
                    one.stream.recv(65536) if first.endswith(b"\r\n\r\n") and first.count(b"HTTP/1.1") == 1 else first
                )
            assert f"HTTP/1.1 {expected}".encode() in first
