"""The inner leg: whom each target lets answer, whom not, and that a stranger gets no byte of a request."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from policyc.compiler.features import Feature
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_passed
from .conftest import Certificates, Scene
from .edges import Edge, Outcome
from .supported import TARGETS, able

NAME = "server.internal"
FAILED = {502, 503}
QUICK = 2.0


@dataclass(frozen=True)
class Inner:
    """A backend, reached as ``<its name>.example.com``: its origins, and what its `tls` says beyond the usual.

    `needs` is what a target must be able to do to have it.
    """

    origins: Sequence[Origin]
    tls: dict[str, Any] = field(default_factory=dict[str, Any])
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    needs: Feature | None = None
    hostname: str | None = None


def inners(certificates: Certificates) -> dict[str, Inner]:
    """Every backend of the scene."""
    internal, folder = certificates.internal, certificates.folder
    stranger = pki.authority("Internal CA")  # the same name, another key
    intermediate = pki.authority("Internal Issuing CA", internal)
    deeper = pki.authority("Internal Issuing CA 2", intermediate)
    own = pki.leaf([NAME])
    (folder / "own.pem").write_bytes(own.pem)
    (folder / "stranger.pem").write_bytes(stranger.pem)
    clients = pki.authority("Client CA")
    (folder / "clients.pem").write_bytes(clients.pem)

    def shown(name: str, issuer: pki.Issued, **options: Any) -> dict[str, Any]:
        files = certificates.serve(f"client-{name}", pki.leaf(["edge"], issuer, usages=["client"], **options))
        return {"client_certificate": dict(zip(("cert", "key"), map(str, files), strict=True))}

    revoked, unrevoked = pki.leaf([NAME], internal), pki.leaf([NAME], internal)
    lists = pki.revocation_list(internal, [revoked])
    (folder / "internal.crl").write_bytes(lists)
    (folder / "both.crl").write_bytes(lists + pki.revocation_list(intermediate))
    pinned = pki.leaf([NAME], internal)
    pin = [f"sha256:{sha256(pinned.certificate.public_bytes(Encoding.DER)).hexdigest()}"]
    unknown = pki.leaf(["else.internal"], stranger)
    its_pin = [f"sha256:{sha256(unknown.certificate.public_bytes(Encoding.DER)).hexdigest()}"]

    def one(name: str, issued: pki.Issued, *, chain: bool = True, **options: Any) -> Origin:
        return Origin(name, certificates.serve(f"backends-{name}", issued, chain=chain), **options)

    def good(name: str, **options: Any) -> Origin:
        return one(name, pki.leaf([NAME], internal), **options)

    def bad(name: str) -> Origin:
        return one(name, pki.leaf([NAME], stranger))

    shared = one("shared", pki.leaf([NAME], internal))
    by_name = one("by-name", pki.leaf(["by-name.example.com"], internal))
    no_answer = {"timeouts": {"connect": "1s", "response": "500ms", "idle": "5s"}}
    return {
        # accepted
        "good": Inner([good("good")]),
        "second-san": Inner([one("second-san", pki.leaf(["first.internal", NAME], internal))]),
        "upper-case": Inner([one("upper-case", pki.leaf([NAME.upper()], internal))]),
        "wildcard": Inner([one("wildcard", pki.leaf(["*.lab.internal"], internal))], {"server_name": "a.lab.internal"}),
        "intermediate": Inner([one("intermediate", pki.leaf([NAME], intermediate))]),
        "two-intermediates": Inner([one("two-intermediates", pki.leaf([NAME], deeper))]),
        "own-anchor": Inner([one("own-anchor", own)], {"ca": "own"}),
        "tls12": Inner([good("tls12", max_version=ssl.TLSVersion.TLSv1_2)]),
        "any-name": Inner([one("any-name", pki.leaf(["else.internal"], internal))], {"verify": "chain"}),
        "anything": Inner(
            [one("anything", pki.leaf(["else.internal"], days=10, start=-30))], {"verify": "none", "ca": None}
        ),
        "renamed": Inner([good("renamed")], more={"host_header": "server_name"}),
        "literal": Inner([good("literal")], more={"host_header": "literal.internal"}),
        "shared": Inner([shared]),
        "by-name": Inner([by_name], {"server_name": None}),
        "named": Inner([one("named", pki.leaf(["named.example.com"], internal))], {"server_name": None}),
        # refused
        "other-ca": Inner([bad("other-ca")]),
        "public-ca": Inner([one("public-ca", pki.leaf([NAME], certificates.public))]),
        "wrong-name": Inner([one("wrong-name", pki.leaf(["else.internal"], internal))]),
        "public-name": Inner([one("public-name", pki.leaf(["public-name.example.com"], internal))]),
        "expired": Inner([one("expired", pki.leaf([NAME], internal, start=-30, days=10))]),
        "not-yet-valid": Inner([one("not-yet-valid", pki.leaf([NAME], internal, start=10))]),
        "self-signed": Inner([one("self-signed", pki.leaf([NAME]))]),
        "not-its-anchor": Inner([good("not-its-anchor")], {"ca": "own"}),
        "missing-intermediate": Inner([one("missing-intermediate", pki.leaf([NAME], intermediate), chain=False)]),
        "for-clients": Inner([one("for-clients", pki.leaf([NAME], internal, usages=["client"]))]),
        "deep-wildcard": Inner(
            [one("deep-wildcard", pki.leaf(["*.lab.internal"], internal))], {"server_name": "a.b.lab.internal"}
        ),
        "chain-other-ca": Inner([bad("chain-other-ca")], {"verify": "chain"}),
        "chain-expired": Inner(
            [one("chain-expired", pki.leaf([NAME], internal, start=-30, days=10))], {"verify": "chain"}
        ),
        "tls12-too-old": Inner([good("tls12-too-old", max_version=ssl.TLSVersion.TLSv1_2)], {"min_version": "1.3"}),
        "no-tls": Inner([Origin("no-tls")], more={"timeouts": {"connect": "1s"}}),
        # certificates of our own
        "asks-us": Inner(
            [good("asks-us", client_ca=folder / "clients.pem")],
            shown("good", clients),
            needs=Feature.BACKEND_CLIENT_CERTIFICATE,
        ),
        "asks-in-vain": Inner([good("asks-in-vain", client_ca=folder / "clients.pem")]),
        "asks-for-another": Inner(
            [good("asks-for-another", client_ca=folder / "clients.pem")],
            shown("other", stranger),
            needs=Feature.BACKEND_CLIENT_CERTIFICATE,
        ),
        # revocation lists
        "unrevoked": Inner([one("unrevoked", unrevoked)], {"ca": "revoking"}, needs=Feature.BACKEND_CRL),
        "unrevoked-below": Inner(
            [one("unrevoked-below", pki.leaf([NAME], intermediate))],
            {"ca": "revoking-both"},
            needs=Feature.BACKEND_CRL,
        ),
        "revoked": Inner([one("revoked", revoked)], {"ca": "revoking"}, needs=Feature.BACKEND_CRL),
        "revoked-unseen": Inner([one("revoked-unseen", revoked)]),
        "no-list-for-it": Inner(
            [one("no-list-for-it", pki.leaf([NAME], intermediate))], {"ca": "revoking"}, needs=Feature.BACKEND_CRL
        ),
        # pins
        "pinned": Inner([one("pinned", pinned)], {"pins": pin}, needs=Feature.BACKEND_PIN),
        "pinned-another": Inner([good("pinned-another")], {"pins": pin}, needs=Feature.BACKEND_PIN),
        "pinned-wrong-name": Inner(
            [one("pinned-wrong-name", pinned)], {"pins": pin, "server_name": "else.internal"}, needs=Feature.BACKEND_PIN
        ),
        "pinned-other-ca": Inner([one("pinned-other-ca", unknown)], {"pins": its_pin}, needs=Feature.BACKEND_PIN),
        "pinned-only": Inner(
            [one("pinned-only", unknown)],
            {"verify": "none", "ca": None, "pins": its_pin},
            needs=Feature.BACKEND_PIN,
        ),
        "pinned-only-another": Inner(
            [one("pinned-only-another", unknown)],
            {"verify": "none", "ca": None, "pins": pin},
            needs=Feature.BACKEND_PIN,
        ),
        # the name that the visitor asked for
        "by-host": Inner(
            [one("by-host", pki.leaf(["a.w.example.com", "b.w.example.com"], internal))],
            {"server_name": None},
            needs=Feature.WILDCARD_SERVER_NAME,
            hostname="*.w.example.com",
        ),
        "by-host-renamed": Inner(
            [one("by-host-renamed", pki.leaf(["a.v.example.com"], internal))],
            {"server_name": None},
            {"host_header": "fixed.internal"},
            needs=Feature.WILDCARD_SERVER_NAME,
            hostname="*.v.example.com",
        ),
        # HTTP/2
        "h2": Inner([good("h2", protocol="h2")], more={"protocol": "h2"}, needs=Feature.BACKEND_HTTP2),
        "h2-other-ca": Inner(
            [one("h2-other-ca", pki.leaf([NAME], stranger), protocol="h2")],
            more={"protocol": "h2"},
            needs=Feature.BACKEND_HTTP2,
        ),
        "h2-unspoken": Inner([good("h2-unspoken")], more={"protocol": "h2"}, needs=Feature.BACKEND_HTTP2),
        # The same server as `shared`, under a name or an anchor that it does not satisfy: a connection that `shared`
        # opened must never be taken for it.
        "shared-wrong-name": Inner([shared], {"server_name": "else.internal"}),
        "shared-wrong-ca": Inner([shared], {"ca": "stranger"}),
        "shared-by-name": Inner([by_name], {"server_name": None}),
        # several servers, and servers that fail
        "one-bad-of-two": Inner([bad("first-bad"), good("second-good")]),
        "one-down-of-two": Inner([Origin("never-started"), good("up")]),
        "both-bad": Inner([bad("bad-1"), bad("bad-2")]),
        "both-good": Inner([good("good-1"), good("good-2")]),
        "falls-silent": Inner([good("silent-1", answers=False), good("silent-2", answers=False)]),
        "slow": Inner([good("slow", delay=1.5)], more=no_answer),
        "down": Inner([Origin("never-started-either")]),
        "plain": Inner([Origin("plain")], more={"tls": False}),
    }


ACCEPTED = (
    *("good", "second-san", "upper-case", "wildcard", "intermediate", "two-intermediates", "own-anchor", "tls12"),
    *("any-name", "anything", "renamed", "literal", "shared", "by-name", "named", "plain"),
    *("asks-us", "unrevoked", "unrevoked-below", "revoked-unseen", "pinned", "pinned-only", "h2"),
)
REFUSED = (
    *("other-ca", "public-ca", "wrong-name", "public-name", "expired", "not-yet-valid", "self-signed"),
    *("not-its-anchor", "missing-intermediate", "for-clients", "deep-wildcard", "chain-other-ca", "chain-expired"),
    *("tls12-too-old", "both-bad", "down"),
    *("asks-in-vain", "asks-for-another", "revoked", "no-list-for-it", "pinned-another", "pinned-wrong-name"),
    *("pinned-other-ca", "pinned-only-another", "h2-other-ca"),
)


WITHOUT_NAME = ("any-name", "chain-other-ca", "chain-expired")
"""`verify: chain`."""


def lacking(target: str, parts: Mapping[str, Inner]) -> list[str]:
    """The backends that a target cannot have, as its support table says."""
    wanted = {name: part.needs for name, part in parts.items()} | dict.fromkeys(WITHOUT_NAME, Feature.VERIFY_CHAIN)
    return [name for name, feature in wanted.items() if feature and not able(target, feature)]


def scene(certificates: Certificates) -> Scene:
    """One site for each backend."""
    parts = inners(certificates)
    usual = {"ca": "internal", "server_name": NAME}
    backends: dict[str, Any] = {}
    for name, part in parts.items():
        tls = {key: value for key, value in {**usual, **part.tls}.items() if value is not None}
        servers = [f"192.0.2.{index}:443" for index in range(1, len(part.origins) + 1)]
        backends[name] = {"servers": servers, "tls": tls, **part.more}
    unverified = ["anything", "pinned-only", "pinned-only-another"]
    folder = certificates.folder
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {
            "all": certificates.public_pair("backends-all", "*.example.com", "*.w.example.com", "*.v.example.com")
        },
        "backend_cas": {
            "internal": {"ca": str(folder / "internal-ca.pem")},
            "own": {"ca": str(folder / "own.pem")},
            "stranger": {"ca": str(folder / "stranger.pem")},
            "revoking": {"ca": str(folder / "internal-ca.pem"), "crl": str(folder / "internal.crl")},
            "revoking-both": {"ca": str(folder / "internal-ca.pem"), "crl": str(folder / "both.crl")},
        },
        "backends": backends,
        "sites": {
            name: {
                "hostnames": [part.hostname or f"{name}.example.com"],
                "public_certificate": "all",
                "backend": name,
            }
            for name, part in parts.items()
        },
        "accept": [
            {"finding": finding, "backends": names, "reason": "this is what is tested"}
            for finding, names in (
                ("backend-name-not-verified", list(WITHOUT_NAME)),
                ("backend-not-verified", unverified),
            )
        ],
    }
    down = [parts["one-down-of-two"].origins[0], parts["down"].origins[0]]
    return Scene(
        policy,
        {name: part.origins for name, part in parts.items()},
        down,
        lacking={target: lacking(target, parts) for target in TARGETS},
    )


def get(
    edge: Edge, backend: str, version: Version = "h1", target: str = "/x", host: str | None = None
) -> tuple[Ask, Outcome]:
    """A GET of a backend's site. Skips the test where the target cannot have it."""
    if f'"{backend}": {{' not in edge.relocated.text:
        pytest.skip(f"{edge.target} cannot have this backend")
    ask = Ask(target, host=host or f"{backend}.example.com")
    return ask, ask.of(edge, version)


def bytes_at(edge: Edge, backend: str, index: int = 0) -> bytes:
    """What a server of a backend has received since the last request began."""
    return edge.origins[backend][index].received


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("backend", ACCEPTED)
def test_accepted(edge: Edge, backend: str, version: Version) -> None:
    for _ in range(2):
        assert_passed(*get(edge, backend, version))


@pytest.mark.parametrize("backend", REFUSED)
def test_refused(edge: Edge, backend: str) -> None:
    begin = time.monotonic()
    _, outcome = get(edge, backend)
    assert time.monotonic() - begin < QUICK
    assert outcome.status in FAILED, str(outcome)
    assert outcome.arrived == ()
    assert b"".join(origin.received for origin in edge.origins[backend]) == b""


def test_a_server_that_speaks_no_tls_hears_no_request(edge: Edge) -> None:
    """It does not even close the connection: the time for connecting must end it."""
    begin = time.monotonic()
    _, outcome = get(edge, "no-tls", target="/secret")
    assert time.monotonic() - begin < QUICK + 1
    assert outcome.status in {*FAILED, 504}, str(outcome)
    assert outcome.arrived == ()
    assert b"secret" not in bytes_at(edge, "no-tls")


@pytest.mark.parametrize(
    ("backend", "name"),
    [
        *[(backend, NAME) for backend in ("good", "any-name", "anything", "wrong-name", "other-ca", "own-anchor")],
        ("wildcard", "a.lab.internal"),
        ("named", "named.example.com"),
    ],
)
def test_the_name_sent(edge: Edge, backend: str, name: str) -> None:
    get(edge, backend)
    assert {connection.sni for connection in edge.origins[backend][0].connections} == {name}


def test_tls_1_3_is_spoken_where_both_can(edge: Edge) -> None:
    get(edge, "good")
    assert {connection.tls_version for connection in edge.origins["good"][0].connections} == {"TLSv1.3"}


@pytest.mark.parametrize(
    ("backend", "host"),
    [("good", "good.example.com"), ("renamed", NAME), ("literal", "literal.internal"), ("plain", "plain.example.com")],
)
def test_the_host_sent(edge: Edge, backend: str, host: str) -> None:
    _, outcome = get(edge, backend)
    assert [seen.values("host") for seen in outcome.arrived] == [[host.encode()]]
    assert [seen.values("x-forwarded-host") for seen in outcome.arrived] == [[f"{backend}.example.com".encode()]]


@pytest.mark.parametrize("backend", ["shared-wrong-name", "shared-wrong-ca"])
def test_connections_are_not_shared_across_settings(edge: Edge, backend: str) -> None:
    for _ in range(3):
        assert_passed(*get(edge, "shared"))
        _, outcome = get(edge, backend)
        assert outcome.status in FAILED, str(outcome)
        assert outcome.arrived == ()


def test_connections_are_not_shared_across_names(edge: Edge) -> None:
    for _ in range(3):
        assert_passed(*get(edge, "by-name"))
        _, outcome = get(edge, "shared-by-name")
        assert outcome.status in FAILED, str(outcome)


@pytest.mark.parametrize("backend", ["one-bad-of-two", "one-down-of-two"])
def test_another_server_answers_for_a_bad_one(edge: Edge, backend: str) -> None:
    for number in range(6):
        ask, outcome = get(edge, backend, target=f"/{number}")
        assert_passed(ask, outcome)
        assert bytes_at(edge, backend, 0) == b""


def test_another_server_gets_a_post_for_a_bad_one(edge: Edge) -> None:
    for _ in range(4):
        ask = Ask("/p", "POST", host="one-bad-of-two.example.com", body=b"abc" * 1000)
        outcome = ask.of(edge, "h1")
        assert_passed(ask, outcome)
        assert outcome.arrived[0].body == ask.body


def test_both_servers_are_used(edge: Edge) -> None:
    used = {index for _ in range(8) for index in _servers_used(edge, "both-good")}
    assert used == {0, 1}


def _servers_used(edge: Edge, backend: str) -> list[int]:
    get(edge, backend)
    return [index for index, origin in enumerate(edge.origins[backend]) if origin.requests]


def test_what_was_sent_is_not_sent_again(edge: Edge) -> None:
    ask = Ask("/pay", "POST", host="falls-silent.example.com", body=b"amount=1")
    outcome = ask.of(edge, "h1")
    assert outcome.status in {502, 503}, str(outcome)
    assert len(outcome.arrived) == 1, str(outcome)


def test_a_slow_answer_is_given_up(edge: Edge) -> None:
    begin = time.monotonic()
    _, outcome = get(edge, "slow")
    assert outcome.status == 504, str(outcome)
    assert 0.4 < time.monotonic() - begin < 1.4


def test_no_failure_takes_a_server_out(edge: Edge) -> None:
    """Without health checks a server stays in use whatever happened: the next visitor may have better luck."""
    origin = edge.origins["good"][0]
    origin.stop()
    try:
        statuses = [get(edge, "good")[1].status for _ in range(12)]
    finally:
        origin.start()
    assert set(statuses) <= FAILED
    assert_passed(*get(edge, "good"))


@pytest.mark.parametrize("version", VERSIONS)
def test_http2_is_spoken_where_it_is_asked_for(edge: Edge, version: Version) -> None:
    for body in (b"", b"x" * 100_000):
        get(edge, "h2")
        ask = Ask("/p?q=%20", "POST", host="h2.example.com", headers=(("X-Kept", "a, b"),), body=body)
        outcome = ask.of(edge, version)
        assert_passed(ask, outcome)
        (seen,) = outcome.arrived
        assert (seen.version, seen.values("x-kept"), seen.body) == (b"HTTP/2", [b"a, b"], body)
        assert seen.values("x-forwarded-host") == [b"h2.example.com"]


def test_http2_is_not_guessed(edge: Edge) -> None:
    """A server that does not speak it hears its preface at most, which is made for that (RFC 9113, 3.4)."""
    _, outcome = get(edge, "h2-unspoken", target="/secret")
    assert outcome.status in {*FAILED, 504}, str(outcome)
    # To who reads HTTP/1 it looks like two requests, both senseless.
    assert {seen.method.strip() for seen in outcome.arrived} <= {b"PRI", b"SM"}


def test_our_certificate_is_shown(edge: Edge) -> None:
    get(edge, "asks-us")
    (connection, *_) = edge.origins["asks-us"][0].connections
    assert connection.subject == "edge"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_name_is_the_one_asked_for(edge: Edge, version: Version) -> None:
    """Sent and verified, also where a connection for another name is open."""
    origin = edge.origins["by-host"][0]
    for _ in range(2):
        for label, good in (("a", True), ("c", False), ("b", True), ("A", True), ("c", False)):
            host = f"{label}.w.example.com"
            ask, outcome = get(edge, "by-host", version, host=host)
            if good:
                assert_passed(ask, outcome)
                assert outcome.arrived[0].values("host") == [host.lower().encode()]
            else:
                assert outcome.status in FAILED, str(outcome)
                assert outcome.arrived == ()
                assert origin.received == b""
    assert {one.sni for one in origin.connections} == {f"{label}.w.example.com" for label in "abc"}
    ported = Ask("/x", host="a.w.example.com:8443", sni="a.w.example.com")
    assert_passed(ported, ported.of(edge, version))


def test_the_name_asked_for_is_verified_under_a_fixed_host(edge: Edge) -> None:
    ask, outcome = get(edge, "by-host-renamed", host="a.v.example.com")
    assert_passed(ask, outcome)
    assert outcome.arrived[0].values("host") == [b"fixed.internal"]
    _, outcome = get(edge, "by-host-renamed", host="c.v.example.com")
    assert outcome.status in FAILED, str(outcome)
    assert outcome.arrived == ()


def test_files_hold_no_other_key(edge: Edge, certificates: Certificates) -> None:
    """The built folder has the keys that the edge itself shows, readable by their owner only, and no other."""
    own = {
        file.read_bytes()
        for file in certificates.folder.glob("*.key")
        if file.stem.startswith(("client-", "backends-all"))
    }
    keys = [file for file in edge.folder.rglob("*") if file.is_file() and b"PRIVATE KEY" in file.read_bytes()]
    assert edge.folder / "certs" / "all.key" in keys
    for file in keys:
        key = file.read_bytes()
        assert key[key.index(b"-----BEGIN PRIVATE KEY") :] in own
        assert file.stat().st_mode & 0o777 == 0o600
