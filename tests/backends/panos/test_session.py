"""``policyc trace --target panos``: the rules that a session meets, what is compared with what, and the outcome."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from policyc.backends.panos import TARGET
from policyc.backends.panos.urls import matches_url
from policyc.compiler.decide import Connection, Request, decide

from .lab import Compiled, Lab, backend, behind, compiled, edge, key_pair, rich


def walked(done: Compiled, host: str, target: str = "/", source: str = "198.18.0.1") -> list[str]:
    connection = Connection(done.plan.listeners[-1].name, host or None, ip_address(source))
    request = Request(b"GET", target.encode(), (host.encode(),))
    decision = decide(done.plan, connection, request)
    return [passage.what for passage in TARGET.trace(done.plan, done.settings, connection, request, decision)]


def one(lines: list[str], start: str) -> str:
    (found,) = (line for line in lines if line.startswith(start))
    return found


def test_equal_certificates_at_the_edge(lab: Lab) -> None:
    document = edge()
    document["sites"]["shop"]["public_addresses"] = ["203.0.113.1"]
    lines = walked(compiled(lab.folder, document), "shop.example.com")
    assert lines[0] == "a visitor of 203.0.113.1 port 443, from untrust"
    assert lines[1] == "NAT rule lab_203-0-113-1-443: to 192.0.2.10"
    assert lines[2].startswith("decryption rule lab_203-0-113-1-443 holds lab_shop_")
    assert lines[3].startswith("the server presents CN=shop.example.com, from Public CA")
    assert lines[2].rpartition(": ")[2] == lines[3].removeprefix("the server presents ")
    assert lines[4] == "equal, fingerprint by fingerprint: the session is decrypted"
    assert lines[5] == "security rule lab_203-0-113-1-443 lets it in"
    assert all(line.startswith("not done here: ") for line in lines[6:])
    assert len(lines) > 6


def test_another_certificate_ends_the_session(lab: Lab) -> None:
    document = edge()
    document["backends"]["shop"] = backend("192.0.2.10:443", "app", "internal", server_name="app.internal")
    lines = walked(compiled(lab.folder, document), "shop.example.com")
    assert one(lines, "the server presents").startswith("the server presents CN=app.internal, from Internal CA")
    end = one(lines, "none is equal")
    for word in ("ssl_inbound_cert_mismatch", "policy-deny", "decrypt-error", "certificate verify failed"):
        assert word in end
    assert not [line for line in lines if line.startswith("security rule")]


def test_a_certificate_that_is_not_known(lab: Lab) -> None:
    document = edge()
    del document["backends"]["shop"]["tls"]["certificate"]
    lines = walked(compiled(lab.folder, document), "shop.example.com")
    assert one(lines, "it is not known what the server presents")
    assert one(lines, "security rule")


def test_the_inner_leg(lab: Lab) -> None:
    lines = walked(compiled(lab.folder, behind()), "shop.example.com")
    assert lines[0] == "the proxy's connection from 192.0.2.5 to 192.0.2.10 port 8443, SNI app.internal"
    assert lines[1].startswith("decryption rule lab_192-0-2-10-8443 holds lab_app-internal_")
    assert lines[3:] == [
        "equal, fingerprint by fingerprint: the session is decrypted",
        "security rule lab_192-0-2-10-8443 lets it in",
    ]


def test_what_the_proxy_answers_never_gets_there(lab: Lab) -> None:
    document = behind()
    for host, target in (("nobody.example.com", "/"), ("shop.example.com", "/x/../y")):
        lines = walked(compiled(lab.folder, document), host, target)
        assert lines == ["the proxy in front answers by itself: nothing reaches the firewall"]


def test_a_server_on_the_proxys_machine(lab: Lab) -> None:
    document = behind()
    document["backends"]["shop"]["servers"] = ["127.0.0.1:8443"]
    (line,) = walked(compiled(lab.folder, document), "shop.example.com")
    assert line.startswith("the server is on the proxy's own machine")


@pytest.mark.parametrize(
    ("host", "target", "source", "rule", "what"),
    [
        ("shop.example.com", "/", "198.18.0.1", "lab_203-0-113-1-443", "lets it in, scanned by Inbound Strict"),
        ("shop.example.com", "/admin/x", "198.18.0.1", "lab_shop-one_web-2_8e8b084e", "resets it"),
        ("shop.example.com", "/ADMIN?x", "198.18.0.1", "lab_shop-one_web-2_8e8b084e", "resets it"),
        (
            "shop.example.com",
            "/administrator",
            "198.18.0.1",
            "lab_203-0-113-1-443",
            "lets it in, scanned by Inbound Strict",
        ),
        ("shop.example.com", "/admin", "10.9.9.9", "lab_203-0-113-1-443", "lets it in, scanned by Inbound Strict"),
        ("x.apps.example.com", "/", "198.51.100.9", "lab_apps_web-1", "resets it"),
        ("www.shop.example.com", "/", "10.9.9.9", "lab_shop-one_web-3_8c8d6f47", "resets it"),
    ],
)
def test_which_security_rule_it_meets(lab: Lab, host: str, target: str, source: str, rule: str, what: str) -> None:
    lines = walked(compiled(lab.folder, rich("edge")), host, target, source)
    assert next(line for line in lines if line.startswith("security rule")) == f"security rule {rule} {what}"


def test_what_passes_through(lab: Lab) -> None:
    lines = walked(compiled(lab.folder, rich("edge")), "legacy.example.com")
    assert lines[:4] == [
        "a visitor of 203.0.113.1 port 443, from untrust or guest net",
        "NAT rule lab_203-0-113-1-443: to 192.0.2.10, 192.0.2.11 port 8443 by round-robin",
        "decryption rule lab_203-0-113-1-443_passthrough: no-decrypt, the session passes unread",
        "security rule lab_203-0-113-1-443 lets it in",
    ]


def test_nobodys_name(lab: Lab) -> None:
    for host in ("nobody.example.net", ""):
        (line, *_) = walked(compiled(lab.folder, rich("edge")), host)
        assert line.startswith("no handshake is refused here")


def test_the_rule_of_the_site_and_the_one_for_the_rest(lab: Lab) -> None:
    lab.seen("two", "two.example.com")
    document: dict[str, Any] = edge(decryption_rules="per_site")
    document["public_certificates"]["two"] = key_pair("two")
    document["backends"]["two"] = backend("192.0.2.10:443", "two")
    document["sites"]["two"] = {"hostnames": ["two.example.com"], "public_certificate": "two", "backend": "two"}
    lines = walked(compiled(lab.folder, document), "two.example.com")
    assert one(lines, "decryption rule").startswith("decryption rule lab_192-0-2-10-443_two holds lab_two_")


@pytest.mark.parametrize(
    ("entry", "host", "target", "matches"),
    [
        ("a.example.com/", "a.example.com", "/", True),
        ("a.example.com/", "A.example.com", "/x?y", True),
        ("^.example.com/", "a.example.com", "/", True),
        ("^.example.com/", "example.com", "/", False),
        ("^.example.com/", "a.b.example.com", "/", False),
        ("a.example.com/x", "a.example.com", "/x", True),
        ("a.example.com/x", "a.example.com", "/x/y", True),
        ("a.example.com/x", "a.example.com", "/xy", False),
        ("a.example.com/x/", "a.example.com", "/x", False),
        ("a.example.com/x/", "a.example.com", "/x/y", True),
    ],
)
def test_entries_of_url_categories(entry: str, host: str, target: str, matches: bool) -> None:
    assert matches_url(entry, host, target) is matches
