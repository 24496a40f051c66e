"""``policyc probe``, against servers that listen on loopback: good ones, and every way of not being one."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.diagnostics import Diagnostic, Rule, Severity, rule
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.pki import Issued, authority, leaf, write
from policyc.compiler.loopback.ports import free_port
from policyc.compiler.plan import Plan
from policyc.compiler.rotation import Order, Rotation, Step
from policyc.compiler.tls_reading import Call, ask

from .conftest import ExampleSettings, ExampleTarget, Ran, schema_faults

Policyc = Callable[..., Ran]
NAME = "shop.internal"


@dataclass
class Laboratory:
    """A CA that the policy trusts, servers, and the policy's text around them."""

    folder: Path
    root: Issued
    below: Issued
    stack: ExitStack
    write_policy: Callable[[str], Path]

    def serve(self, issued: Issued, name: str = "server", **more: Any) -> str:
        """A TLS server that presents a certificate with its chain; gives its socket."""
        pair = write(self.folder / "servers", f"{name}-{issued.certificate.serial_number}", issued)
        return self.stack.enter_context(Origin(name, pair, **more)).socket

    def accept(self, behave: Callable[[socket.socket], None]) -> str:
        """A server that does with each connection what it is told, and then closes it."""
        listener = socket.create_server(("127.0.0.1", free_port()))
        self.stack.callback(listener.close)

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(connection,), daemon=True).start()

        def one(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                behave(connection)

        threading.Thread(target=run, daemon=True).start()
        # A thread that waits in accept() is woken by nothing but a shutdown.
        self.stack.callback(listener.shutdown, socket.SHUT_RDWR)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def policy(
        self, servers: Sequence[str], tls: str = f"ca: pki, server_name: {NAME}", hosts: str = "shop.example.com"
    ) -> Path:
        """A policy with one site and one backend of these servers."""
        (self.folder / "root.pem").write_bytes(self.root.pem)
        return self.write_policy(f"""\
version: 1
public_certificates:
  shop: {{cert: CERTS/public.pem, key: CERTS/public.key}}
backend_cas:
  pki: {{ca: {self.folder}/root.pem}}
backends:
  app:
    servers: [{", ".join(servers)}]
    tls: {{{tls}}}
sites:
  shop: {{hostnames: [{hosts}], public_certificate: shop, backend: app}}
targets:
  example: {{}}
""")


@pytest.fixture
def lab(tmp_path: Path, write_policy: Callable[[str], Path]) -> Iterator[Laboratory]:
    """A laboratory whose servers end with the test."""
    root = authority("Root")
    with ExitStack() as stack:
        yield Laboratory(tmp_path, root, authority("Issuing", root), stack, write_policy)


def sha256(issued: Issued) -> str:
    from cryptography.hazmat.primitives import hashes

    return issued.certificate.fingerprint(hashes.SHA256()).hex()


def answered(ran: Ran) -> dict[str, Any]:
    """A JSON report, which is as its schema says."""
    assert schema_faults(ran.out, "probe") == []
    return json.loads(ran.out)


# --- what is good ---------------------------------------------------------------------------------------------


def test_a_good_server(policyc: Policyc, lab: Laboratory) -> None:
    issued = leaf([NAME], lab.below)
    server = lab.serve(issued)
    ran = policyc("probe", lab.policy([server]))
    assert ran.status == 0, ran.out
    assert "backend app: CN=shop.internal, from Issuing (SHA-256 " in ran.out
    assert f"  sha256:{sha256(issued)}\n  presented by {server} for shop.internal\n" in ran.out
    assert "  example: would accept it\n" in ran.out
    assert ran.out.endswith("1 read, 0 not read, 0 not probed; nothing found\n")


def test_a_report_that_lacks_a_key_is_not_as_its_schema_says(policyc: Policyc, lab: Laboratory) -> None:
    told = answered(policyc("probe", lab.policy([lab.serve(leaf([NAME], lab.below))]), "--format", "json"))
    del told["presented"][0]["chain"][0]["sha256"]
    assert schema_faults(json.dumps(told), "probe") == ["'sha256' is a required property"]


def test_json(policyc: Policyc, lab: Laboratory) -> None:
    issued = leaf([NAME], lab.below)
    server = lab.serve(issued)
    closed = f"127.0.0.1:{free_port()}"
    policy = lab.policy([server, closed])
    ran = policyc("probe", policy, "--format", "json")
    assert ran.status == 1
    told = answered(ran)
    assert told["report_version"] == 1
    assert told["targets"] == ["example"]
    assert told["summary"] == {
        "read": 1, "not_read": 1, "not_probed": 0, "error": 1, "warning": 0, "info": 0,
    }  # fmt: skip
    (presented,) = told["presented"]
    assert presented["shown"] == [{"server": server, "server_name": NAME}]
    assert [one["sha256"] for one in presented["chain"]] == [sha256(issued), sha256(lab.below)]
    assert presented["accepted_by"] == {"example": True}
    assert presented["in_policy"] is False
    assert told["failures"] == [
        {"backend": "app", "server": closed, "server_name": NAME, "message": "not reached: connection refused"}
    ]


# --- what the rules of lint say of it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ("expired", "certificate-expired"),
        ("to come", "certificate-not-yet-valid"),
        ("wrong name", "backend-certificate-without-name"),
        ("self-signed", "backend-certificate-untrusted"),
        ("for clients", "certificate-not-for-servers"),
        ("expired intermediate", "certificate-expired"),
    ],
)
def test_what_lint_has_a_rule_for(policyc: Policyc, lab: Laboratory, what: str, rule: str) -> None:
    at: list[str] = []
    match what:
        case "expired":
            issued = leaf([NAME], lab.below, start=-30, days=10)
        case "to come":
            issued = leaf([NAME], lab.below, start=10)
        case "wrong name":
            issued = leaf(["other.internal"], lab.below)
        case "self-signed":
            issued = leaf([NAME])
        case "for clients":
            issued = leaf([NAME], lab.below, usages=["client"])
        case _:
            # Issued for twenty years: on that day it is good, and the intermediate is not.
            issued = leaf([NAME], lab.below, days=7300)
            at = ["--at", "2040-01-01"]
    ran = policyc("probe", lab.policy([lab.serve(issued)]), "--format", "json", *at)
    assert ran.status == 1, ran.out
    (presented,) = answered(ran)["presented"]
    assert rule in [finding["rule"] for finding in presented["findings"]]
    assert presented["accepted_by"] == {"example": False}
    assert presented["problems"] == []


def test_a_name_is_verified_only_where_the_policy_says_so(policyc: Policyc, lab: Laboratory) -> None:
    server = lab.serve(leaf(["other.internal"], lab.below))
    assert policyc("probe", lab.policy([server], f"ca: pki, server_name: {NAME}, verify: chain")).status == 0
    assert policyc("probe", lab.policy([server], f"verify: none, server_name: {NAME}")).status == 0
    assert policyc("probe", lab.policy([server])).status == 1


def test_pins(policyc: Policyc, lab: Laboratory) -> None:
    one, other = leaf([NAME], lab.below), leaf([NAME], lab.below)
    server = lab.serve(one)

    def pinned(issued: Issued) -> Ran:
        return policyc(
            "probe", lab.policy([server], f'ca: pki, server_name: {NAME}, pins: ["sha256:{sha256(issued)}"]')
        )

    assert pinned(one).status == 0
    ran = pinned(other)
    assert ran.status == 1
    assert "error[pin-matches-no-certificate]: the certificate of the backend `app` is not pinned" in ran.out
    # That another one that the policy knows is pinned helps this server nothing.
    for name, issued in (("one", one), ("other", other)):
        write(lab.folder, name, issued)
    files = f"{lab.folder}/one.pem, {lab.folder}/other.pem"
    tls = f'ca: pki, server_name: {NAME}, certificate: [{files}], pins: ["sha256:{sha256(other)}"]'
    ran = policyc("probe", lab.policy([server], tls))
    assert ran.status == 1
    assert "it is the one that the policy says\n  example: would not accept it" in ran.out


def test_what_the_policy_accepts_is_told_and_does_not_fail(policyc: Policyc, lab: Laboratory) -> None:
    policy = lab.policy([lab.serve(leaf([NAME], lab.below, start=-30, days=10))])
    policy.write_text(
        f"{policy.read_text()}accept:\n  - {{finding: certificate-expired, backends: [app], reason: old}}\n"
    )
    ran = policyc("probe", policy)
    assert ran.status == 0, ran.out
    assert "  accepted[certificate-expired]: " in ran.out


def test_a_warning_fails_only_if_asked(policyc: Policyc, lab: Laboratory) -> None:
    policy = lab.policy([lab.serve(leaf([NAME], lab.below, days=10))])
    ran = policyc("probe", policy)
    assert ran.status == 0
    assert "warning[certificate-expires-soon]" in ran.out
    assert policyc("probe", policy, "--fail-on", "warning").status == 1


# --- what lint cannot see -------------------------------------------------------------------------------------


def test_another_ca(policyc: Policyc, lab: Laboratory) -> None:
    """Lint takes a leaf of an unknown issuer for one whose intermediates are sent: here it is known what is sent."""
    ran = policyc("probe", lab.policy([lab.serve(leaf([NAME], authority("Elsewhere")))]))
    assert ran.status == 1
    assert "example: would not accept it\n  error: its chain does not lead to `pki`: CN=shop.internal, from " in ran.out


def test_a_chain_without_its_intermediate(policyc: Policyc, lab: Laboratory) -> None:
    issued = leaf([NAME], lab.below)
    alone = Issued(issued.certificate, issued.key, (issued.certificate,))
    whole, cut = lab.serve(issued), lab.serve(alone, "alone")
    ran = policyc("probe", lab.policy([whole, cut]), "--format", "json")
    assert ran.status == 1
    good, bad = answered(ran)["presented"]
    assert (good["shown"][0]["server"], good["accepted_by"]) == (whole, {"example": True})
    assert (bad["shown"][0]["server"], bad["accepted_by"]) == (cut, {"example": False})


def test_an_impostor_of_the_same_name(policyc: Policyc, lab: Laboratory) -> None:
    forged = leaf([NAME], authority("Issuing", authority("Root")))
    assert policyc("probe", lab.policy([lab.serve(forged)])).status == 1


def test_the_order_in_which_it_sends_its_chain_is_free(policyc: Policyc, lab: Laboratory) -> None:
    lowest = authority("Lowest", lab.below)
    issued = leaf([NAME], lowest)
    first, second, third = issued.chain
    mixed = Issued(issued.certificate, issued.key, (first, third, lab.root.certificate, second))
    ran = policyc("probe", lab.policy([lab.serve(mixed)]), "--format", "json")
    assert ran.status == 0, ran.out
    (presented,) = answered(ran)["presented"]
    assert [one["sha256"] for one in presented["chain"]] == [sha256(issued), sha256(lowest), sha256(lab.below)]


def test_the_machines_own_store_is_not_judged_here(policyc: Policyc, lab: Laboratory) -> None:
    server = lab.serve(leaf([NAME], lab.below))
    policy = lab.policy([server], f"ca: system, server_name: {NAME}")
    ran = policyc("probe", policy)
    assert ran.status == 0
    assert "example: nothing against it here; its machine's own trust store decides about the CA" in ran.out
    told = answered(policyc("probe", policy, "--format", "json"))
    assert told["presented"][0]["trust_not_judged"] is True


# --- servers that do not answer as they should ----------------------------------------------------------------


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    # Closing sends RST: bytes are unread, and nothing lingers.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def dribble(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # a ServerHello that takes its time
    for _ in range(300):
        connection.sendall(b"\0")
        time.sleep(0.1)


def silent(_: socket.socket) -> None:
    time.sleep(5)


def greeting(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.internal ESMTP\r\n")
    time.sleep(5)


def answering(data: bytes) -> Callable[[socket.socket], None]:
    """One that sends this when it is spoken to, and closes the connection a moment later."""

    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(data)
        time.sleep(0.1)

    return behave


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        pytest.param(greeting, "it answers, and not in TLS", id="not TLS"),
        pytest.param(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "it answers, and not in TLS", id="HTTP"),
        pytest.param(silent, "connected, and it said nothing within 0.6 s", id="silent"),
        pytest.param(dribble, "the handshake was not done within 0.6 s, though it answers", id="slow"),
        pytest.param(reset, "it cut the connection off within the handshake: connection reset by peer", id="reset"),
        pytest.param(answering(b""), "it closed the connection without a word", id="closed"),
        pytest.param(answering(b"\x16\x03"), "it closed the connection within the handshake", id="cut"),
        pytest.param(
            answering(b"\x15\x03\x03\x00\x02\x02\x70"),
            "no TLS 1.2 or newer was agreed: tlsv1 unrecognized name",
            id="alert",
        ),
    ],
)
def test_one_that_cannot_be_read(
    policyc: Policyc, lab: Laboratory, behave: Callable[[socket.socket], None], why: str
) -> None:
    good = lab.serve(leaf([NAME], lab.below))
    bad = lab.accept(behave)
    start = time.monotonic()
    ran = policyc("probe", lab.policy([bad, good]), "--timeout", "0.6")
    assert time.monotonic() - start < 4
    assert ran.status == 1
    assert f"backend app: {bad} for {NAME}\n  error: {why}\n" in ran.out
    assert f"presented by {good}" in ran.out, "the others are read all the same"


def test_endless_bytes_are_not_all_read(lab: Laboratory) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.recv(4096)
        record = b"\x16\x03\x03\x00\x04\0\0\0\0"  # HelloRequest, which a client passes over as often as it comes
        while sent < 64 << 20:
            sent += connection.send(record * 1000)

    host, port = lab.accept(flood).rsplit(":", 1)
    (answer,) = ask([call(host, int(port))], 10, 1)
    assert answer.failure == "it sent more than 1048576 bytes within the handshake"
    assert sent < 16 << 20


def call(address: str, port: int) -> Call:
    from ipaddress import ip_address

    from policyc.compiler.plan import Socket

    return Call(Socket(ip_address(address), port), NAME, "1.2", "http/1.1")


def test_no_more_at_once_than_allowed(lab: Laboratory) -> None:
    under_way = most = 0
    lock = threading.Lock()

    def count(connection: socket.socket) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        connection.recv(4096)
        time.sleep(0.05)
        with lock:
            under_way -= 1

    host, port = lab.accept(count).rsplit(":", 1)
    answers = ask([call(host, int(port))] * 12, 5, 3)
    assert len(answers) == 12
    assert most == 3


def test_one_with_tls_that_is_too_old(policyc: Policyc, lab: Laboratory) -> None:
    server = lab.serve(leaf([NAME], lab.below), max_version=ssl.TLSVersion.TLSv1_2)
    assert policyc("probe", lab.policy([server])).status == 0
    ran = policyc("probe", lab.policy([server], f'ca: pki, server_name: {NAME}, min_version: "1.3"'))
    assert ran.status == 1
    assert "error: no TLS 1.3 or newer was agreed: " in ran.out


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_one_that_asks_for_a_certificate(policyc: Policyc, lab: Laboratory, version: ssl.TLSVersion) -> None:
    """Its own is read all the same, and no private key of the policy is used for it."""
    (lab.folder / "clients.pem").write_bytes(lab.root.pem)
    write(lab.folder, "client", leaf(["edge"], lab.root, usages=["client"]))
    server = lab.serve(leaf([NAME], lab.below), max_version=version, client_ca=lab.folder / "clients.pem")
    ours = f"client_certificate: {{cert: {lab.folder}/client.pem, key: {lab.folder}/client.key}}"
    ran = policyc("probe", lab.policy([server], f"ca: pki, server_name: {NAME}, {ours}"))
    assert ran.status == 0, ran.out
    assert "example: would accept it" in ran.out


def test_a_name_from_a_server_cannot_command_the_terminal(policyc: Policyc, lab: Laboratory) -> None:
    server = lab.serve(leaf([NAME], lab.below, common_name="\x1b[2Jshop\u202e"))
    ran = policyc("probe", lab.policy([server]))
    assert "CN=\\u001b[2Jshop\\u202e" in ran.out
    assert "\x1b" not in ran.out


# --- several servers, several names ---------------------------------------------------------------------------


def test_two_servers_with_different_leaves(policyc: Policyc, lab: Laboratory) -> None:
    good, bad = leaf([NAME], lab.below), leaf(["other.internal"], lab.below)
    first, second, third = lab.serve(good), lab.serve(bad), lab.serve(good)
    ran = policyc("probe", lab.policy([first, second, third]), "--format", "json")
    assert ran.status == 1
    told = {one["chain"][0]["sha256"]: one for one in answered(ran)["presented"]}
    assert [one["server"] for one in told[sha256(good)]["shown"]] == [first, third]
    assert told[sha256(good)]["findings"] == []
    assert [one["server"] for one in told[sha256(bad)]["shown"]] == [second]
    assert [one["rule"] for one in told[sha256(bad)]["findings"]] == ["backend-certificate-without-name"]


def by_name(lab: Laboratory, certificates: Mapping[str, Issued]) -> tuple[str, list[str | None]]:
    """A server that presents another certificate for each name; gives its socket, and the names it is asked for."""
    asked: list[str | None] = []
    contexts: dict[str, ssl.SSLContext] = {}
    for name, issued in certificates.items():
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(*write(lab.folder / "names", name, issued))
    door = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def choose(stream: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        asked.append(name)
        if name not in contexts:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        stream.context = contexts[name]
        return None

    door.sni_callback = choose

    def behave(connection: socket.socket) -> None:
        with door.wrap_socket(connection, server_side=True) as stream:
            stream.recv(1)

    return lab.accept(behave), asked


def test_without_server_name_each_hostname_is_asked_for(policyc: Policyc, lab: Laboratory) -> None:
    """And each certificate is judged for the names that it was shown for, and for no others."""
    one, other = leaf(["shop.example.com"], lab.below), leaf(["www.example.com"], lab.below)
    server, asked = by_name(lab, {"shop.example.com": one, "www.example.com": other})
    policy = lab.policy([server], "ca: pki", "shop.example.com, www.example.com")
    ran = policyc("probe", policy, "--format", "json")
    assert ran.status == 0, ran.out
    assert sorted(map(str, asked)) == ["shop.example.com", "www.example.com"]
    assert {(one["shown"][0]["server_name"], one["chain"][0]["sha256"]) for one in answered(ran)["presented"]} == {
        ("shop.example.com", sha256(one)),
        ("www.example.com", sha256(other)),
    }
    # The same two the wrong way round:
    server, _ = by_name(lab, {"shop.example.com": other, "www.example.com": one})
    ran = policyc("probe", lab.policy([server], "ca: pki", "shop.example.com, www.example.com"))
    assert ran.status == 1
    assert ran.out.count("error[backend-certificate-without-name]") == 2


def test_below_a_wildcard_names_are_given(policyc: Policyc, lab: Laboratory) -> None:
    server, asked = by_name(lab, {"a.example.com": leaf(["a.example.com"], lab.below)})
    policy = lab.policy([server], "ca: pki", '"*.example.com"')
    ran = policyc("probe", policy)
    assert (ran.status, asked) == (0, [])
    assert (
        "backend app was not probed: it is asked for what visitors ask for below `*.example.com`: "
        "give such a name with --host\n"
    ) in ran.out
    assert ran.out.endswith("0 read, 0 not read, 1 not probed; nothing found\n")
    ran = policyc("probe", policy, "--host", "A.example.com")
    assert (ran.status, asked) == (0, ["a.example.com"]), ran.out
    assert "for a.example.com\n" in ran.out
    ran = policyc("probe", policy, "--host", "b.example.com")
    assert ran.status == 1
    assert "error: no TLS 1.2 or newer was agreed: tlsv1 unrecognized name" in ran.out
    # One that answers for another name is judged for the name that was asked for.
    server, _ = by_name(lab, {"b.example.com": leaf(["a.example.com"], lab.below)})
    ran = policyc("probe", lab.policy([server], "ca: pki", '"*.example.com"'), "--host", "b.example.com")
    assert ran.status == 1
    assert "error[backend-certificate-without-name]" in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "a.b.example.com"], "no decrypted site answers for --host 'a.b.example.com'"),
        (["--host", "no name"], "--host 'no name' is not a hostname"),
        (["--backend", "apq"], "there is no backend 'apq'"),
        (["--target", "exampel"], "there is no target 'exampel'"),
    ],
)
def test_wrong_usage(policyc: Policyc, lab: Laboratory, options: list[str], message: str) -> None:
    ran = policyc("probe", lab.policy(["127.0.0.1:1"]), *options)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_policy_that_cannot_be_read(policyc: Policyc, lab: Laboratory, form: str) -> None:
    policy = lab.policy(["127.0.0.1:1"])
    policy.write_text(policy.read_text().replace("backend: app", "backend: apq"))
    assert policyc("probe", policy, "--format", form).status == 3
    assert policyc("probe", lab.folder / "nowhere.yaml", "--format", form).status == 3


def test_only_what_the_edge_verifies_is_asked(policyc: Policyc, lab: Laboratory) -> None:
    heard: list[bytes] = []
    silent = lab.accept(lambda one: heard.append(one.recv(4096)))
    policy = lab.policy([lab.serve(leaf([NAME], lab.below))])
    text = policy.read_text().replace(
        "sites:\n",
        f"""\
  clear: {{servers: [{silent}], tls: false}}
  through: {{servers: [{silent}], tls: {{ca: pki}}}}
  unused: {{servers: [{silent}], tls: {{ca: pki}}}}
sites:
  clear: {{hostnames: [c.example.com], public_certificate: shop, backend: clear}}
  through: {{hostnames: [t.example.com], decrypt: false, backend: through}}
""",
    )
    policy.write_text(text)
    ran = policyc("probe", policy)
    assert (ran.status, heard) == (0, []), ran.out
    assert "backend clear was not probed: it is reached in clear, and has no certificate\n" in ran.out
    assert "backend through was not probed: connections pass through to it, and no target looks at" in ran.out
    assert "backend unused was not probed: no site reaches it\n" in ran.out
    assert "backend app was not" not in ran.out
    ran = policyc("probe", policy, "--backend", "clear")
    assert "0 read, 0 not read, 1 not probed" in ran.out


# --- targets that hold certificates ---------------------------------------------------------------------------


@rule("shown-is-not-presented")
def shown_is_not_presented(plan: Plan, _: ExampleSettings) -> Iterator[Diagnostic]:
    """
    ## What it does
    As a target that compares: one of a backend's leaves must be the site's public certificate.
    """
    for site in plan.sites:
        for group in site.groups:
            tls, shown = group.upstream.backend.tls, site.certificate
            if tls and tls.leaves and shown and shown.leaf.sha256 not in {one.sha256 for one in tls.leaves}:
                yield shown_is_not_presented.found(
                    "it compares the two", site.path, target="example", backends=[group.upstream.backend.name]
                )


class Comparing(ExampleTarget):
    """A target with a rule of its own, that must hold a certificate before it is presented."""

    def rules(self) -> Sequence[Rule]:
        return (shown_is_not_presented,)

    def rotation(self, plan: Plan, settings: ExampleSettings, rotation: Rotation) -> Order:
        return Order(before=(Step("import it", (rotation.file,)),))


@pytest.fixture
def comparing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example target compares."""
    from . import conftest

    monkeypatch.setattr(conftest, "ExampleTarget", Comparing)


@pytest.mark.usefixtures("comparing")
def test_a_target_that_compares(policyc: Policyc, lab: Laboratory, certificates: Path) -> None:
    public = Origin("app", (certificates / "public.pem", certificates / "public.key"))
    lab.stack.enter_context(public)
    internal = leaf([NAME, "shop.example.com"], lab.below)
    other = lab.serve(internal)
    tls = f"verify: none, server_name: {NAME}"
    assert policyc("probe", lab.policy([public.socket], tls)).status == 0
    ran = policyc("probe", lab.policy([other], tls))
    assert ran.status == 1
    assert "  example: would not accept it\n  error[shown-is-not-presented]: example: it compares the two" in ran.out
    # While a certificate is changed the policy knows both, and either may be presented.
    write(lab.folder, "internal", internal)
    both = f"{tls}, certificate: [{certificates}/public.pem, {lab.folder}/internal.pem]"
    ran = policyc("probe", lab.policy([public.socket, other], both))
    assert ran.status == 0, ran.out
    # One that it does not know must be imported first, though nothing else is against it.
    known = f"{tls}, certificate: {lab.folder}/internal.pem"
    ran = policyc("probe", lab.policy([public.socket], known), "--format", "json")
    assert ran.status == 1
    (presented,) = answered(ran)["presented"]
    assert presented["findings"] == []
    (problem,) = presented["problems"]
    assert (problem["target"], problem["help"][0]) == ("example", "import it")
    assert presented["accepted_by"] == {"example": False}


# --- recording ------------------------------------------------------------------------------------------------


def test_write(policyc: Policyc, lab: Laboratory) -> None:
    first, second = leaf([NAME], lab.below), leaf([NAME], lab.below)
    policy = lab.policy([lab.serve(first), lab.serve(second)])
    before = policy.read_bytes()
    assert policyc("probe", policy).status == 0
    assert not list(lab.folder.glob("app-*.pem")), "nothing is written without --write"
    ran = policyc("probe", policy, "--write")
    assert ran.status == 0
    files = [f"app-{sha256(one)[:16]}.pem" for one in (first, second)]
    assert f"  backends.app.tls.certificate: [{', '.join(files)}]\n" in ran.out
    assert (lab.folder / files[0]).read_bytes() == first.chain_pem
    assert policy.read_bytes() == before
    # Again, it is there already; and what it says, put into the policy, is known.
    assert policyc("probe", policy, "--write").status == 0
    policy.write_bytes(before.replace(b"ca: pki,", f"ca: pki, certificate: [{', '.join(files)}],".encode()))
    ran = policyc("probe", policy, "--write", "--format", "json")
    assert ran.status == 0
    assert answered(ran)["recorded"] == []
    assert [one["in_policy"] for one in answered(ran)["presented"]] == [True, True]


def test_write_adds_to_what_is_known(policyc: Policyc, lab: Laboratory) -> None:
    old, new = leaf([NAME], lab.below), leaf([NAME], lab.below)
    write(lab.folder, "old", old)
    policy = lab.policy([lab.serve(new)], f"ca: pki, server_name: {NAME}, certificate: old.pem")
    ran = policyc("probe", policy, "--write", "--format", "json")
    assert ran.status == 0, ran.out
    file = f"app-{sha256(new)[:16]}.pem"
    (recorded,) = answered(ran)["recorded"]
    assert recorded["line"] == f"backends.app.tls.certificate: [old.pem, {file}]"
    assert Path(recorded["file"]).samefile(lab.folder / file)


def test_write_never_replaces_a_file(policyc: Policyc, lab: Laboratory) -> None:
    issued = leaf([NAME], lab.below)
    policy = lab.policy([lab.serve(issued)])
    file = lab.folder / f"app-{sha256(issued)[:16]}.pem"
    file.write_text("mine")
    ran = policyc("probe", policy, "--write")
    assert ran.status == 3
    assert "there is another file of that name" in ran.err
    assert file.read_text() == "mine"
    file.unlink()
    os.symlink(lab.folder / "elsewhere", file)
    assert policyc("probe", policy, "--write").status == 3
    assert not (lab.folder / "elsewhere").exists()


def test_severity_of_failures() -> None:
    """A probe that read nothing fails at every threshold."""
    from ipaddress import ip_address

    from policyc.compiler.plan import Socket
    from policyc.compiler.probe import Failure, Probed

    failure = Failure("app", Socket(ip_address("127.0.0.1"), 1), NAME, "why")
    assert Probed([], [failure], []).fails(Severity.ERROR)
    assert not Probed([], [], []).fails(Severity.WARNING)
