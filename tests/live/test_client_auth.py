"""Certificates asked of visitors: who is let in, and what the backend is told."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import TIMEOUT, Answer, Refused, ask, request

from . import http2
from .asks import VERSIONS, Version, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, Outcome
from .supported import TARGETS, skip_without

REQUIRED, OTHER_NAME, OPTIONAL, REVOKING, OPEN = (
    f"{name}.example.com" for name in ("required", "other-name", "optional", "revoking", "open")
)
ODD = 'Bob "Bär", Builder+x=1; <b>\\'
# Without a certificate that it takes, an edge ends the handshake or answers 400; never anything else.
NOT_LET_IN: frozenset[int | None] = frozenset({400, None})


def visitors(certificates: Certificates) -> None:
    """The files of everybody's certificate."""
    company = pki.authority("Company CA")
    branch = pki.authority("Branch CA", company)
    stranger = pki.authority("Company CA")  # the same name, another key
    people = {
        "good": pki.leaf([], company, common_name="alice", san=False, usages=["client"]),
        "odd": pki.leaf([], company, common_name=ODD, san=False, usages=["client"]),
        "any-use": pki.leaf([], company, common_name="carol", san=False, usages=[]),
        "branch": pki.leaf([], branch, common_name="dave", san=False, usages=["client"]),
        "expired": pki.leaf([], company, common_name="alice", san=False, usages=["client"], start=-30, days=10),
        "too-early": pki.leaf([], company, common_name="alice", san=False, usages=["client"], start=10),
        "stranger": pki.leaf([], stranger, common_name="alice", san=False, usages=["client"]),
        "self-signed": pki.leaf([], None, common_name="alice", san=False, usages=["client"]),
        "for-servers": pki.leaf([], company, common_name="alice", san=False, usages=["server"]),
        "public": pki.leaf(["alice.example.com"], certificates.public, usages=["client"]),
        "revoked": pki.leaf([], company, common_name="mallory", san=False, usages=["client"]),
    }
    for name, issued in people.items():
        pki.write(certificates.folder, f"visitor-{name}", issued)
    pki.write(certificates.folder, "visitor-no-intermediate", people["branch"], chain=False)
    folder = certificates.folder
    (folder / "company.pem").write_bytes(company.pem)
    (folder / "company.crl").write_bytes(pki.revocation_list(company, [people["revoked"]]))


def scene(certificates: Certificates) -> Scene:
    """Sites that require a certificate, take one, look at revocations, and ask for none."""
    visitors(certificates)
    folder = certificates.folder

    def site(*hosts: str, **client_auth: object) -> dict[str, object]:
        shown = {"hostnames": list(hosts), "public_certificate": "all", "backend": "main"}
        return {**shown, **({"client_auth": client_auth} if client_auth else {})}

    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("client-auth-all", "*.example.com")},
        "backend_cas": {
            "company": {"ca": str(folder / "company.pem")},
            "revoking": {"ca": str(folder / "company.pem"), "crl": str(folder / "company.crl")},
        },
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "sites": {
            "required": site(REQUIRED, OTHER_NAME, ca="company", forward_subject="X-Subject"),
            "optional": site(OPTIONAL, ca="company", mode="optional", forward_subject="X-Subject"),
            "revoking": site(REVOKING, ca="revoking"),
            "open": site(OPEN),
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can ask for certificates."""
    skip_without(request.param, Feature.CLIENT_AUTH)
    return edge_of(edges, request.param, proxy_program)


def pair(edge: Edge, name: str | None) -> tuple[Path, Path] | None:
    folder = edge.trusts.parent
    return (folder / f"visitor-{name}.pem", folder / f"visitor-{name}.key") if name else None


def get(
    edge: Edge,
    sni: str,
    certificate: str | None,
    version: Version = "h1",
    host: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Outcome:
    """A GET by somebody with this certificate."""
    door = edge.door(sni, certificate=pair(edge, certificate), protocols={"h1": ("http/1.1",), "h2": ("h2",)}[version])

    def send() -> Answer:
        try:
            if version == "h1":
                lines = [f"{name}: {value}" for name, value in headers]
                return ask(door, request("/x", host or sni, "GET", *lines))
            fields = [(name.lower().encode(), value.encode()) for name, value in headers]
            return http2.ask(door, b"GET", b"/x", (host or sni).encode(), fields)
        except ssl.SSLError as error:  # TLS 1.3 tells a visitor that it is refused with the first read
            raise Refused(str(error)) from error

    return edge.try_(send)


def subjects(outcome: Outcome) -> list[bytes]:
    assert outcome.status == 200, str(outcome)
    (seen,) = outcome.arrived
    names = {line.partition(b":")[0].lower().replace(b"_", b"-") for line in seen.head.split(b"\r\n")[1:]}
    assert (b"x-subject" in names) is bool(seen.values("x-subject"))
    return seen.values("x-subject")


BAD = ["expired", "too-early", "stranger", "self-signed", "for-servers", "public", "no-intermediate"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", [REQUIRED, OPTIONAL, REVOKING])
@pytest.mark.parametrize("certificate", BAD)
def test_a_bad_certificate_is_refused(edge: Edge, certificate: str, host: str, version: Version) -> None:
    assert_refused(get(edge, host, certificate, version), NOT_LET_IN)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", [REQUIRED, REVOKING])
def test_none_is_refused_where_one_is_required(edge: Edge, host: str, version: Version) -> None:
    assert_refused(get(edge, host, None, version), NOT_LET_IN)


@pytest.mark.parametrize("version", VERSIONS)
def test_none_will_do_where_it_is_optional(edge: Edge, version: Version) -> None:
    assert subjects(get(edge, OPTIONAL, None, version)) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("certificate", "subject"), [("good", b"CN=alice"), ("any-use", b"CN=carol"), ("branch", b"CN=dave")]
)
@pytest.mark.parametrize("host", [REQUIRED, OPTIONAL])
def test_a_good_one_is_let_in(edge: Edge, host: str, certificate: str, subject: bytes, version: Version) -> None:
    for _ in range(2):
        assert subjects(get(edge, host, certificate, version)) == [subject]


def test_a_revoked_one_is_refused(edge: Edge) -> None:
    assert_refused(get(edge, REVOKING, "revoked"), NOT_LET_IN)
    assert get(edge, REVOKING, "good").status == 200
    # Where no list is given, nobody is revoked.
    assert get(edge, REQUIRED, "revoked").status == 200


def test_an_odd_subject_is_text(edge: Edge) -> None:
    """RFC 4514: what means something is escaped, what is not ASCII may be."""
    (subject,) = subjects(get(edge, REQUIRED, "odd"))
    assert unescaped(subject) == f"CN={ODD}".encode()


def unescaped(text: bytes) -> bytes:
    """The value of an RFC 4514 text with one attribute."""
    out, at = bytearray(), 0
    while at < len(text):
        if text[at : at + 1] != b"\\":
            assert text[at : at + 1] not in (b",", b"+", b'"', b";", b"<", b">"), text
            out += text[at : at + 1]
            at += 1
        elif text[at + 1 : at + 2] in b',+"\\;<>= #':
            out += text[at + 1 : at + 2]
            at += 2
        else:
            out.append(int(text[at + 1 : at + 3], 16))
            at += 3
    return bytes(out)


FORGED = (
    ("X-Subject", "CN=root"),
    ("x-subject", "CN=root"),
    ("X_Subject", "CN=root"),
    ("X-SUBJECT", ""),
    ("X-Subject", "CN=root"),
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("host", "certificate", "expected"),
    [(REQUIRED, "good", [b"CN=alice"]), (OPTIONAL, "good", [b"CN=alice"]), (OPTIONAL, None, [])],
)
def test_a_forged_subject_does_not_survive(
    edge: Edge, host: str, certificate: str | None, expected: list[bytes], version: Version
) -> None:
    assert subjects(get(edge, host, certificate, version, headers=FORGED)) == expected


def test_a_site_without_it_asks_for_none(edge: Edge) -> None:
    for certificate in (None, "good", "stranger"):
        assert get(edge, OPEN, certificate).status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_another_name_of_the_same_site(edge: Edge, version: Version) -> None:
    assert subjects(get(edge, REQUIRED, "good", version, host=OTHER_NAME)) == [b"CN=alice"]
    assert_refused(get(edge, REQUIRED, None, version, host=OTHER_NAME), NOT_LET_IN)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("certificate", [None, "good"])
@pytest.mark.parametrize("sni", [OPEN, OPTIONAL])
def test_a_certificate_is_for_the_site_of_the_sni(
    edge: Edge, sni: str, certificate: str | None, version: Version
) -> None:
    assert_refused(get(edge, sni, certificate, version, host=REQUIRED), 421)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])
@pytest.mark.parametrize("first", [OPEN, OPTIONAL])
def test_a_resumed_session_lets_nobody_in(edge: Edge, first: str, version: ssl.TLSVersion) -> None:
    """A session of a site where no certificate was needed, taken up with the name of one where it is."""
    door = edge.door(first)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(edge.trusts)
    context.minimum_version = context.maximum_version = version

    def connect(sni: str, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, int | None]:
        with socket.create_connection((door.address, door.port), TIMEOUT) as plain:
            try:
                stream = context.wrap_socket(plain, server_hostname=sni, session=session)
                stream.sendall(request("/x", sni))
                words = stream.recv(65536).split()
            except OSError:
                return None, None
            return stream.session, int(words[1]) if words else None

    session, status = connect(first, None)
    assert status == 200
    for origin in edge.origins["main"]:
        origin.forget()
    _, status = connect(REQUIRED, session)
    assert status in NOT_LET_IN
    assert edge.origins["main"][0].requests == []
