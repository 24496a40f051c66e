"""Listeners: TLS profiles and protocols, connections passed through, and redirects from plain HTTP."""

from __future__ import annotations

import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import TIMEOUT, Door, Refused, Visitor, ask, request

from .asks import Ask, assert_decided, assert_passed, assert_refused
from .conftest import Certificates, Scene
from .edges import MALFORMED, Edge

V1_0, V1_1, V1_2, V1_3 = (
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)


def scene(certificates: Certificates) -> Scene:
    """Three listeners; sites on all of them and on one; names passed through beside names decrypted."""

    def public(name: str, *hosts: str) -> Origin:
        return Origin(name, certificates.serve(f"sockets-{name}", pki.leaf(hosts, certificates.public)))

    origins = {
        "app": [Origin("app", certificates.inside("sockets-app", "app.internal"))],
        "legacy": [public("legacy", "legacy.example.com")],
        "below": [public("below", "*.below.example.com", "*.deep.below.example.com")],
        "taken": [public("taken", "taken.wild.example.com")],
    }
    policy = {
        "version": 1,
        "listeners": {
            "public": {"bind": ["0.0.0.0:443", "[::]:443"], "redirect_http": ["0.0.0.0:80"]},
            "strict": {"bind": ["0.0.0.0:8443"], "tls": {"profile": "modern"}, "protocols": ["http/1.1"]},
            "ageing": {"bind": ["0.0.0.0:9443"], "tls": {"max_version": "1.2"}},
        },
        "public_certificates": {
            "app": certificates.public_pair("sockets-app-public", "app.example.com"),
            "others": certificates.public_pair("sockets-others", "*.example.com", "*.wild.example.com"),
        },
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": {
            "app": {"servers": ["192.0.2.1:443"], "tls": {"ca": "internal", "server_name": "app.internal"}},
            "legacy": {"servers": ["192.0.2.2:443"]},
            "below": {"servers": ["192.0.2.3:443"]},
            "taken": {"servers": ["192.0.2.4:443"]},
        },
        "sites": {
            "app": {"hostnames": ["app.example.com"], "public_certificate": "app", "backend": "app"},
            "wild": {
                "hostnames": ["*.wild.example.com"],
                "listeners": ["public"],
                "public_certificate": "others",
                "backend": "app",
            },
            "inside": {
                "hostnames": ["inside.example.com"],
                "listeners": ["strict"],
                "public_certificate": "others",
                "backend": "app",
            },
            "exact": {
                "hostnames": ["exact.below.example.com"],
                "listeners": ["public"],
                "public_certificate": "others",
                "backend": "app",
            },
            "legacy": {
                "hostnames": ["legacy.example.com"],
                "listeners": ["public"],
                "decrypt": False,
                "backend": "legacy",
            },
            "below": {
                "hostnames": ["*.below.example.com"],
                "listeners": ["public"],
                "decrypt": False,
                "backend": "below",
            },
            "taken": {
                "hostnames": ["taken.wild.example.com"],
                "listeners": ["public"],
                "decrypt": False,
                "backend": "taken",
            },
        },
        "accept": [
            {
                "finding": "certificate-does-not-cover-hostname",
                "sites": ["exact"],
                "reason": "only the choice of the site is tested",
            }
        ],
    }
    return Scene(policy, origins)


# --- passed through -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["tls1.2", "tls1.3"])
@pytest.mark.parametrize(
    ("sni", "backend"),
    [
        ("legacy.example.com", "legacy"),
        ("Legacy.EXAMPLE.com", "legacy"),
        ("a.below.example.com", "below"),
        ("taken.wild.example.com", "taken"),
    ],
)
def test_passed_through(edge: Edge, sni: str, backend: str, version: ssl.TLSVersion) -> None:
    """The visitor meets the server's own certificate, and the server every byte, however odd."""
    raw = request("//x/../%2e%00y", "Whatever.:1", "PURGE", "X-Forwarded-For: 10.0.0.1", "Under_Score: 1")
    door = edge.door(sni, versions=(version, version))
    outcome = edge.try_(lambda: ask(door, raw))
    assert outcome.status == 200, str(outcome)
    assert [seen.head for seen in outcome.arrived] == [raw]
    assert len(edge.origins[backend][0].requests) == 1
    with Visitor(door) as visitor:
        assert visitor.certificate == _der(edge, backend)


def _der(edge: Edge, backend: str) -> bytes:
    file = edge.trusts.parent / f"sockets-{backend}.pem"
    return x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("sni", ["app.example.com", "a.wild.example.com"])
def test_decrypted_beside_it(edge: Edge, sni: str) -> None:
    for version in ("h1", "h2"):
        one = Ask("/x", host=sni)
        assert_passed(one, one.of(edge, version))
    assert_refused(Ask("//x", host=sni).of(edge, "h1"), 400)


def test_an_exact_name_is_decrypted_below_a_wildcard_that_is_not(edge: Edge) -> None:
    door = edge.door("exact.below.example.com", expects="*.example.com")
    with Visitor(door) as visitor:
        assert visitor.certificate == _der(edge, "others")
        assert visitor.ask(request("//x", "exact.below.example.com")).status == 400


@pytest.mark.parametrize("sni", ["deep.a.below.example.com", "below.example.com", "nobody.example.com", "evil.test"])
def test_unclaimed_names_are_refused(edge: Edge, sni: str) -> None:
    assert_refused(Ask(host="app.example.com", sni=sni).of(edge, "h1"), frozenset({None}))


@pytest.mark.parametrize("host", ["legacy.example.com", "a.below.example.com", "taken.wild.example.com"])
def test_a_host_that_is_passed_through_is_not_reached_by_another_sni(edge: Edge, host: str) -> None:
    for sni in ("app.example.com", "a.wild.example.com"):
        for version in ("h1", "h2"):
            assert_refused(Ask("/x", host=host, sni=sni).of(edge, version), 421)


def test_ipv6(edge: Edge) -> None:
    one = Ask("/x", host="app.example.com", ipv6=True)
    assert_passed(one, one.of(edge, "h1"))
    outcome = edge.try_(lambda: ask(edge.door("legacy.example.com", ipv6=True), request("/x", "legacy.example.com")))
    assert outcome.status == 200


# --- listeners ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listener", "host", "expected"),
    [
        ("public", "app.example.com", 200),
        ("strict", "app.example.com", 200),
        ("ageing", "app.example.com", 200),
        ("strict", "inside.example.com", 200),
        ("public", "inside.example.com", None),
        ("ageing", "inside.example.com", None),
        ("strict", "a.wild.example.com", None),
        ("strict", "legacy.example.com", None),
        ("ageing", "legacy.example.com", None),
    ],
)
def test_a_site_is_reached_on_its_listeners_only(edge: Edge, listener: str, host: str, expected: int | None) -> None:
    one = Ask("/x", host=host, listener=listener)
    assert_decided(one, one.of(edge, "h1"), 200 if expected else frozenset({None}))


def test_a_site_of_another_listener_is_not_reached_by_its_host(edge: Edge) -> None:
    for version in ("h1", "h2"):
        assert_refused(Ask("/x", host="inside.example.com", sni="app.example.com").of(edge, version), 421)
    one = Ask("/x", host="a.wild.example.com", sni="app.example.com", listener="strict")
    assert_refused(one.of(edge, "h1"), 421)


@pytest.mark.parametrize(
    ("listener", "offered", "chosen"),
    [
        ("public", ("h2", "http/1.1"), "h2"),
        ("public", ("http/1.1", "h2"), "h2"),
        ("public", ("http/1.1",), "http/1.1"),
        ("strict", ("h2", "http/1.1"), "http/1.1"),
        ("strict", ("http/1.1",), "http/1.1"),
    ],
)
def test_protocol_is_the_listeners_choice(edge: Edge, listener: str, offered: tuple[str, ...], chosen: str) -> None:
    with Visitor(edge.door("app.example.com", listener, protocols=offered)) as visitor:
        assert isinstance(visitor.stream, ssl.SSLSocket)
        assert visitor.stream.selected_alpn_protocol() == chosen


def test_http2_is_not_spoken_where_it_is_not_offered(edge: Edge) -> None:
    try:
        with Visitor(edge.door("app.example.com", "strict", protocols=("h2",))) as visitor:
            assert isinstance(visitor.stream, ssl.SSLSocket)
            assert visitor.stream.selected_alpn_protocol() is None
    except Refused:
        pass  # refusing the handshake is as good (RFC 7301, 3.2)


_SUITE = "ECDHE-ECDSA-AES128-GCM-SHA256"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")  # old versions must be tried
@pytest.mark.parametrize(
    ("listener", "low", "high", "ciphers", "spoken"),
    [
        ("public", V1_2, V1_3, None, "TLSv1.3"),
        ("public", V1_2, V1_2, None, "TLSv1.2"),
        ("public", V1_2, V1_2, _SUITE, "TLSv1.2"),
        ("public", V1_2, V1_2, "ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2"),
        ("public", V1_2, V1_2, "ECDHE-ECDSA-AES128-SHA", None),
        ("public", V1_2, V1_2, "ECDHE-ECDSA-AES256-SHA384", None),
        ("public", V1_2, V1_2, "ECDHE-ECDSA-AES128-CCM", None),
        ("public", V1_0, V1_1, "ALL:@SECLEVEL=0", None),
        ("strict", V1_2, V1_3, None, "TLSv1.3"),
        ("strict", V1_2, V1_2, None, None),
        ("ageing", V1_2, V1_3, None, "TLSv1.2"),
        ("ageing", V1_3, V1_3, None, None),
        ("ageing", V1_2, V1_2, "ECDHE-ECDSA-AES128-SHA", None),
    ],
)
def test_tls_of_a_listener(
    edge: Edge, listener: str, low: ssl.TLSVersion, high: ssl.TLSVersion, ciphers: str | None, spoken: str | None
) -> None:
    door = edge.door("app.example.com", listener, versions=(low, high), ciphers=ciphers)
    if spoken is None:
        with pytest.raises(Refused, match="handshake"):
            door.connect().close()
        return
    with Visitor(door) as visitor:
        assert isinstance(visitor.stream, ssl.SSLSocket)
        assert visitor.stream.version() == spoken
        assert visitor.ask(request("/x", "app.example.com")).status == 200


def test_each_site_shows_its_certificate(edge: Edge) -> None:
    for sni, file in (("app.example.com", "app-public"), ("a.wild.example.com", "others")):
        with Visitor(edge.door(sni)) as visitor:
            assert visitor.certificate == _der(edge, file)


@pytest.mark.parametrize("version", [V1_2, V1_3], ids=["tls1.2", "tls1.3"])
def test_no_session_is_resumed(edge: Edge, version: ssl.TLSVersion) -> None:
    """A session would outlive a change of the policy, and could be carried from one site to another."""
    address, port = edge.relocated.ports["public"][0]
    context = ssl.create_default_context(cafile=str(edge.trusts))
    context.minimum_version = context.maximum_version = version

    def reused(session: ssl.SSLSession | None) -> tuple[bool | None, ssl.SSLSession | None]:
        plain = socket.create_connection((address, port), TIMEOUT)
        with context.wrap_socket(plain, server_hostname="app.example.com", session=session) as stream:
            stream.sendall(request("/x", "app.example.com"))
            assert stream.recv(12) == b"HTTP/1.1 200"
            return stream.session_reused, stream.session

    _, session = reused(None)
    assert not reused(session)[0]


def test_clear_text_on_a_tls_socket(edge: Edge) -> None:
    address, port = edge.relocated.ports["public"][0]
    outcome = edge.try_(lambda: ask(Door(port, address=address), request("/x", "app.example.com")))
    assert_refused(outcome, MALFORMED)


# --- redirects ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "method", "target", "name"),
    [
        ("app.example.com", "GET", "/", "app.example.com"),
        ("app.example.com", "GET", "/x/y?z=%2e&q=//", "app.example.com"),
        ("App.Example.COM:80", "GET", "/x%20y", "app.example.com"),
        ("app.example.com", "POST", "/x", "app.example.com"),
        ("app.example.com", "HEAD", "/x", "app.example.com"),
        ("app.example.com", "GET", "/" + "a" * 4000, "app.example.com"),
        ("a.wild.example.com", "GET", "/x", "a.wild.example.com"),
        ("legacy.example.com", "GET", "/x", "legacy.example.com"),
        ("a.below.example.com", "GET", "/x", "a.below.example.com"),
    ],
)
def test_redirect(edge: Edge, host: str, method: str, target: str, name: str) -> None:
    outcome = edge.try_(lambda: ask(edge.plain_door(), request(target, host, method)))
    assert outcome.status == 308, str(outcome)
    assert outcome.answer is not None
    port = edge.relocated.ports["public"][0][1]
    assert outcome.answer.header("location") == f"https://{name}:{port}{target}"
    assert outcome.arrived == ()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (request("/x", "nobody.example.com"), 421),
        (request("/x", "evil.test"), 421),
        (request("/x", "a.b.wild.example.com"), 421),
        (request("/x", "inside.example.com"), 421),
        (request("/x", "app.example.com."), 400),
        (request("/x", "app.example.com@evil.test"), MALFORMED),
        (request("/x", "app.example.com/evil"), MALFORMED),
        (request("//evil.test/", "app.example.com"), 400),
        (request("/x/../y", "app.example.com"), 400),
        (request("/%0d%0aSet-Cookie:x", "app.example.com"), 400),
        (request("/\\evil.test", "app.example.com"), 400),
        (request("https://evil.test/", "app.example.com"), MALFORMED),
        (request("/x", "app.example.com", "PURGE"), 400),
        (b"GET /x HTTP/1.1\r\n\r\n", MALFORMED),
        (b"GET /x HTTP/1.0\r\nHost: app.example.com\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: app.example.com\r\nHost: evil.test\r\n\r\n", MALFORMED),
    ],
    ids=lambda value: ascii(value)[:60] if isinstance(value, bytes) else "",
)
def test_no_redirect(edge: Edge, raw: bytes, expected: int | frozenset[int | None]) -> None:
    outcome = edge.try_(lambda: ask(edge.plain_door(), raw))
    assert_refused(outcome, expected)
    assert outcome.answer is None or outcome.answer.header("location") is None
