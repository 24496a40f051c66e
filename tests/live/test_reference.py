"""The cases of the live tests, decided by the reference semantics: it must say what the proxies do."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

import pytest
from policyc.compiler.decide import Connection, Decision, Forwarded, HandshakeRefused, Refused, Request, decide
from policyc.compiler.pipeline import load
from policyc.compiler.plan import Plan

from . import test_header_rules, test_requests
from .asks import Ask, Version
from .conftest import Certificates, Scene


def plan_of(scene: Scene, folder: Path) -> Plan:
    """The scene's policy, read as a user's is."""
    file = folder / "policy.yaml"
    file.write_text(json.dumps(dict(scene.policy)))
    loaded = load(str(file), {})
    assert loaded.plan is not None
    assert loaded.findings == []
    return loaded.plan


def decided(plan: Plan, ask: Ask, version: Version = "h1") -> Decision:
    """What the reference says of a request as the live tests send it."""
    sni = ask.sni or (ask.host or "").partition(":")[0].lower()
    peer = ip_address("::1" if ask.ipv6 else ask.source or "127.0.0.1")
    return decide(plan, Connection(ask.listener, sni, peer), request_of(ask, version))


def request_of(ask: Ask, version: Version = "h1") -> Request:
    """The request as the reference reads it."""
    return Request(
        ask.method.encode("latin-1"),
        ask.target.encode("latin-1"),
        (ask.host.encode("latin-1"),) if ask.host is not None else (),
        tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in ask.headers),
        {"h1": "1.1", "h2": "2"}[version],
    )


def status(decision: Decision) -> int | None:
    """What the visitor gets, with 200 for what is forwarded."""
    match decision:
        case Forwarded():
            return 200
        case Refused(code):
            return code
        case _:
            return None


@pytest.fixture(scope="module")
def requests_plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The policy of test_requests."""
    return plan_of(test_requests.scene(certificates), tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def headers_plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The policy of test_header_rules."""
    return plan_of(test_header_rules.scene(certificates), tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("case", test_requests.HOSTS, ids=lambda case: f"{case.sni}->{case.host!a}")
def test_hosts(requests_plan: Plan, case: test_requests.HostCase) -> None:
    decision = decided(requests_plan, Ask("/x", sni=case.sni, host=case.host))
    # Where parsers may have an opinion of their own, the reference has 400.
    assert status(decision) == (case.expected if isinstance(case.expected, int) else 400)
    if isinstance(decision, Forwarded):
        assert decision.host == case.arrives
        assert ("X-Forwarded-Host", case.arrives) in decision.added


@pytest.mark.parametrize("sni", test_requests.REFUSED_SNI)
def test_unknown_sni(requests_plan: Plan, sni: str) -> None:
    assert isinstance(decided(requests_plan, Ask(host="www.example.com", sni=sni)), HandshakeRefused)


@pytest.mark.parametrize("target", [*test_requests.NORMAL, *test_requests.ABNORMAL], ids=ascii)
def test_normal_form(requests_plan: Plan, target: str) -> None:
    decision = decided(requests_plan, Ask(target, host="other.example.com"))
    assert status(decision) == (200 if test_requests.judged(target) else 400)


def test_fuzzed_targets(requests_plan: Plan) -> None:
    """The reference reads targets byte by byte, the proxies by three expressions."""
    wrong = [
        target
        for target in test_requests.fuzzed(20_000)
        if status(decided(requests_plan, Ask(target, host="other.example.com")))
        != (200 if test_requests.judged(target) else 400)
    ]
    assert wrong == []


@pytest.mark.parametrize("method", test_requests.METHODS)
def test_methods(requests_plan: Plan, method: str) -> None:
    assert status(decided(requests_plan, Ask("/m", method))) == 400


@pytest.mark.parametrize("case", test_requests.RULES, ids=lambda case: case.ask.target[:40])
def test_rules(requests_plan: Plan, case: test_requests.RuleCase) -> None:
    assert status(decided(requests_plan, case.ask)) == case.expected


@pytest.mark.parametrize(("headers", "expected"), test_header_rules.CASES)
def test_headers(headers_plan: Plan, headers: tuple[tuple[str, str], ...], expected: int) -> None:
    assert status(decided(headers_plan, Ask("/x", headers=headers))) == expected


def test_forwarding(requests_plan: Plan) -> None:
    decision = decided(requests_plan, Ask("/f", source="127.0.0.2", headers=test_requests.FORGED))
    assert isinstance(decision, Forwarded)
    assert decision.upstream.id == "main"
    assert decision.added == (
        ("X-Forwarded-For", "127.0.0.2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.example.com"),
    )
    assert {"forwarded", "x-forwarded-port"} <= set(decision.removed)
