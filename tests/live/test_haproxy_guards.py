"""What only HAProxy needs: guards behind guards, and answers where it cannot measure a body."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.loopback.visitor import TIMEOUT, Answer, Visitor, ask, request

from . import http2
from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, edge_of
from .edges import Edge, Outcome, Policy, start_each
from .supported import TARGETS

pytestmark = pytest.mark.skipif("haproxy" not in TARGETS, reason="policyc has no backend for HAProxy")

HOST, ASKING, NAMES = "www.example.com", "asking.example.com", "names.example.com"
MIB = 1 << 20
_SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"


def policy(certificates: Certificates) -> Policy:
    """Three sites, and a backend with a certificate for some of the names that visitors ask for."""
    internal = str(certificates.folder / "internal-ca.pem")
    rules = [
        {"when": {"path": {"prefix": "/header"}, "header": {"name": "X-Role", "regex": "a.*b"}}, "deny": 403},
        {"when": {"path": {"prefix": "/body"}}, "limit_body": "1MiB"},
        {"when": {"path": {"prefix": "/held"}}, "limit_body": "64KiB"},
    ]

    def at(*hosts: str, backend: str = "main", **more: object) -> dict[str, object]:
        return {"hostnames": list(hosts), "public_certificate": "all", "backend": backend, **more}

    return {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {
            "all": certificates.public_pair("guards-all", "*.example.com", "*.names.example.com"),
        },
        "backend_cas": {"internal": {"ca": internal}},
        "backends": {
            "main": {"servers": ["192.0.2.1:80"], "tls": False},
            "names": {"servers": ["192.0.2.2:443"], "tls": {"ca": "internal"}},
        },
        "inspection_rules": {"rules": rules},
        "sites": {
            "main": at(HOST, inspect=["rules"]),
            "sockets": at("sockets.example.com", websocket=True),
            "asking": at(ASKING, client_auth={"ca": "internal"}),
            "names": at("*.names.example.com", backend="names"),
        },
        "accept": [{"finding": "haproxy-body-without-length", "reason": "tested here"}],
    }


def start(
    stack: ExitStack,
    certificates: Certificates,
    folder: Path,
    proxy_program: Callable[[str], str],
    change: Callable[[str, Path], None] = lambda _target, _built: None,
) -> Edge:
    """HAProxy with the policy; `change` may touch what was built."""

    def switch(seen: Seen) -> bytes | None:
        return _SWITCHES if seen.target == b"/101" else None

    shown = certificates.inside("guards-names", "good.names.example.com", "fine.names.example.com")
    origins = {"main": [Origin("main", respond=switch)], "names": [Origin("names", shown)]}
    for group in origins.values():
        stack.enter_context(group[0])
    edges = start_each(
        stack,
        folder,
        {"haproxy": policy(certificates)},
        Path(),
        origins,
        certificates.public_root,
        change=change,
    )
    return edge_of(edges, "haproxy", proxy_program)


@pytest.fixture(scope="module")
def edge(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, proxy_program: Callable[[str], str]
) -> Iterator[Edge]:
    """HAProxy as it is built."""
    with ExitStack() as stack:
        yield start(stack, certificates, tmp_path_factory.mktemp("guards"), proxy_program)


# --- bodies ---------------------------------------------------------------------------------------------------


def chunks(edge: Edge, path: str, length: int) -> Outcome:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (length, b"x" * length)
    return edge.try_(lambda: ask(edge.door(HOST), request(path, HOST, "POST", "Transfer-Encoding: chunked") + body))


def streamed(edge: Edge, path: str, length: int) -> Outcome:
    door = edge.door(HOST, protocols=("h2",))
    return edge.try_(lambda: http2.ask(door, b"POST", path.encode(), HOST.encode(), (), b"x" * length))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_length_is_compared_with_any_limit(edge: Edge, version: Version) -> None:
    """The lint finding says that only bodies without a length are treated in another way."""
    outcome = Ask("/body", "POST", body=b"x" * MIB).of(edge, version)
    assert [len(seen.body) for seen in outcome.arrived] == [MIB]
    outcome = Ask("/body", "POST", body=b"x" * (MIB + 1)).of(edge, version)
    assert outcome.status in (413, None)
    assert outcome.arrived == ()


def test_a_length_that_is_not_true_lets_nothing_through(edge: Edge) -> None:
    door = edge.door(HOST, protocols=("h2",))
    fields = [(b"content-length", b"5")]
    outcome = edge.try_(lambda: http2.ask(door, b"POST", b"/body", HOST.encode(), fields, b"x" * (MIB + 1)))
    assert outcome.status in (400, None)
    assert outcome.arrived == ()


@pytest.mark.parametrize("send", [chunks, streamed])
def test_without_a_length_what_fits_passes_and_all_else_is_refused(
    edge: Edge, send: Callable[[Edge, str, int], Outcome]
) -> None:
    assert [len(seen.body) for seen in send(edge, "/body", 10_000).arrived] == [10_000]
    for length in (100_000, MIB, MIB + 1):
        outcome = send(edge, "/body", length)
        # A single chunk says how long it is.
        assert outcome.status in ((411, 413, None) if length > MIB else (411, None))
        assert outcome.arrived == ()
    assert [len(seen.body) for seen in send(edge, "/free", MIB + 1).arrived] == [MIB + 1]


def test_a_larger_buffer_takes_no_larger_heads(edge: Edge) -> None:
    """It is for bodies of 64 KiB. The time that an expression takes grows faster than what is searched."""
    for asked, status in (
        (Ask("/x", headers=(("X-Long", "a" * 14_000),)), 200),
        (Ask("/" + "x" * 14_000), 200),
        (Ask("/x", headers=(("X-Long", "a" * 16_000),)), 400),
        (Ask("/x", headers=tuple((f"X-{number}", "a" * 4000) for number in range(5))), 400),
        (Ask("/" + "x" * 16_000), 400),
    ):
        assert_decided(asked, asked.of(edge, "h1"), status)


# --- expressions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1000, 8000, 13_000])
@pytest.mark.parametrize(("end", "expected"), [("b", 403), (",axb", 403), (",b", 200), ("", 200)])
def test_a_long_header_is_searched_to_its_end(edge: Edge, length: int, end: str, expected: int) -> None:
    one = Ask("/header", headers=(("X-Other", "ab"), ("X-Role", "a" * length + end), ("X-Role", "b")))
    assert_decided(one, one.of(edge, "h1"), expected)


# --- connections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [HOST, "sockets.example.com"])
def test_nobody_switches_protocols_who_was_not_asked_to(edge: Edge, host: str) -> None:
    """Behind a 101 everything goes through, with no rule in between."""
    outcome = edge.try_(lambda: ask(edge.door(host), request("/101", host)))
    assert outcome.status == 502


def test_a_connection_for_one_name_is_not_used_for_another(edge: Edge) -> None:
    """The backend's certificate holds two names of those below the wildcard."""
    names = ["good", "fine", "bad", "good", "bad", "other", "fine"]
    asks = [Ask(f"/{name}", host=f"{name}.names.example.com", sni="good.names.example.com") for name in names]
    statuses = [one.of(edge, version).status for one in asks for version in VERSIONS]
    expected = [200 if name in ("good", "fine") else 503 for name in names]
    assert statuses == [status for status in expected for _ in VERSIONS]
    sent = {connection.sni: connection.heard for connection in edge.origins["names"][0].connections}
    assert {name: heard > 0 for name, heard in sent.items() if name} == {
        f"{name}.names.example.com": name in ("good", "fine") for name in names
    }


def resumed(edge: Edge, version: ssl.TLSVersion) -> tuple[bool, int | None]:
    """Whether a session of a site that asks for nothing is taken up with the name of one that does, and the status."""
    door = edge.door(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(edge.trusts)
    context.minimum_version = context.maximum_version = version
    with socket.create_connection((door.address, door.port), TIMEOUT) as plain:
        stream = context.wrap_socket(plain, server_hostname=HOST)
        stream.sendall(request("/x", HOST))
        stream.recv(65536)
        session = stream.session
    try:
        with socket.create_connection((door.address, door.port), TIMEOUT) as plain:
            stream = context.wrap_socket(plain, server_hostname=ASKING, session=session)
            stream.sendall(request("/x", ASKING))
            words = stream.recv(65536).split()
            return bool(stream.session_reused), int(words[1]) if words else None
    except OSError:
        return False, None


_VERSIONS_OF_TLS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def test_no_session_is_taken_up(edge: Edge) -> None:
    for version in _VERSIONS_OF_TLS:
        assert resumed(edge, version) == (False, None)


def test_and_if_one_were_it_lets_nobody_in(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory, proxy_program: Callable[[str], str]
) -> None:
    """With sessions allowed by hand. In TLS 1.2 one still has its first name; in 1.3 the site's own rules refuse it."""

    def allow_sessions(_target: str, built: Path) -> None:
        file = built / "haproxy.cfg"
        text = file.read_text()
        changed = text.replace(" no-tls-tickets", "").replace("tune.ssl.cachesize 0", "tune.ssl.cachesize 1000")
        assert changed != text
        file.write_text(changed)

    with ExitStack() as stack:
        edge = start(stack, certificates, tmp_path_factory.mktemp("sessions"), proxy_program, allow_sessions)
        assert [resumed(edge, version) for version in _VERSIONS_OF_TLS] == [(True, 421), (True, 400)]


def test_with_a_certificate_it_is_let_in(edge: Edge, certificates: Certificates) -> None:
    own = certificates.serve("guards-visitor", pki.leaf(["visitor"], certificates.internal, usages=["client"]))
    door = edge.door(ASKING, certificate=own)

    def twice() -> Answer:
        with Visitor(door) as visitor:
            visitor.ask(request("/1", ASKING))
            return visitor.ask(request("/2", ASKING))

    assert [seen.target for seen in edge.try_(twice).arrived] == [b"/1", b"/2"]
