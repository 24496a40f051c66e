"""Findings as users see them, and the policy's `accept` list."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from policyc.compiler.lint import every_rule
from policyc.compiler.target import installed_targets

from .conftest import GOOD, Ran, self_signed

WriteAndRun = Callable[..., Ran]


@pytest.fixture
def lint(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> WriteAndRun:
    """Lint a policy's text with the given options."""

    def run(text: str, *options: str) -> Ran:
        return policyc("lint", write_policy(text), *options)

    return run


def rules(ran: Ran) -> list[str]:
    """The names of the findings printed, in order."""
    return re.findall(r"^(?:error|warning|info)\[([a-z0-9-]+)\]", ran.out, re.MULTILINE)


SCAN = GOOD.replace("    inspect: [web]\n", "    inspect: [web]\n    scan: strict\n")


def test_text_form(lint: WriteAndRun) -> None:
    ran = lint(SCAN)
    assert ran.status == 1
    assert re.sub(r"--> .*/policy", "--> policy", ran.out) == (
        "error[unsupported-scan]: example: not possible: `scan`: content scanning by the target's threat engine\n"
        "   --> policy.yaml:21:11\n"
        "    |\n"
        "21  |     scan: strict\n"
        "    |           ^^^^^^\n"
        "    = example: it has no threat engine\n"
        "    = help: remove it, accept the finding (it is then left out for this target), or build for another target\n"
        "    = explain: policyc explain unsupported-scan\n"
        "\n"
        "1 error\n"
    )


def test_json_form(lint: WriteAndRun) -> None:
    ran = lint(SCAN, "--format", "json")
    report = json.loads(ran.out)
    assert (ran.status, report["report_version"], report["summary"]["error"]) == (1, 1, 1)
    finding = report["findings"][0]
    assert (finding["rule"], finding["target"], finding["primary"]["line"]) == ("unsupported-scan", "example", 21)
    assert finding["primary"]["path"] == ["sites", "shop", "scan"]


def test_a_feature_of_a_later_version(lint: WriteAndRun) -> None:
    text = GOOD.replace("path: {prefix: /admin}", "header: {name: X-Role, exact: root}")
    assert "not possible before 3.0 (the policy says 2.6)" in lint(text).out
    assert lint(text.replace('"2.6"', '"3.0"')).status == 0
    assert lint(text.replace('"2.6"', '"3.10"')).status == 0


@pytest.mark.parametrize(
    ("entry", "status", "found"),
    [
        ("{finding: unsupported-scan, reason: later}", 0, []),
        ("{finding: unsupported-scan, target: example, sites: [shop], reason: later}", 0, []),
        ("{finding: unsupported-scan, sites: [other], reason: x}", 1, ["unsupported-scan", "unknown-name"]),
        ("{finding: unsupported-scan, target: exampel, reason: x}", 1, ["unsupported-scan", "unknown-name"]),
        ("{finding: unsupported-scan, backends: [app], reason: x}", 1, ["unsupported-scan", "unused-acceptance"]),
        ("{finding: unsupported-scan, reason: x, until: 2020-01-01}", 1, ["unsupported-scan", "expired-acceptance"]),
        ("{finding: unsupported-scam, reason: x}", 1, ["unsupported-scan", "unknown-finding"]),
        ("{finding: unsupported-rate-limit, reason: x}", 1, ["unsupported-scan", "unused-acceptance"]),
    ],
)
def test_acceptance(lint: WriteAndRun, entry: str, status: int, found: list[str]) -> None:
    ran = lint(SCAN + f"accept:\n  - {entry}\n")
    assert (ran.status, sorted(rules(ran))) == (status, sorted(found))


def test_what_makes_the_edge_less_safe_cannot_be_accepted(lint: WriteAndRun) -> None:
    limited = GOOD.replace("      deny: 403", "      rate_limit: {rate: 5/s}")
    ran = lint(limited + "accept: [{finding: unsupported-rate-limit, reason: x}]\n")
    assert ran.status == 1
    assert sorted(rules(ran)) == ["impossible-acceptance", "unsupported-rate-limit"]


def test_plaintext_is_accepted_per_backend_only(lint: WriteAndRun) -> None:
    text = GOOD.replace("{ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}", "false").replace(
        "backend_cas:\n  pki: {ca: CERTS/inner.pem}\n", ""
    )
    assert rules(lint(text)) == ["plaintext-backend"]
    globally = lint(text + "accept: [{finding: plaintext-backend, reason: x}]\n")
    assert sorted(rules(globally)) == ["impossible-acceptance", "plaintext-backend"]
    assert "add `backends: [app]`" in globally.out
    assert rules(lint(text + "accept: [{finding: plaintext-backend, backends: [app], reason: x}]\n")) == []


def test_accepted_are_counted_and_shown(lint: WriteAndRun) -> None:
    text = SCAN + "accept: [{finding: unsupported-scan, reason: no engine yet}]\n"
    assert lint(text).out == "nothing found, 1 accepted\n"
    assert "reason: no engine yet" in lint(text, "--show-accepted").out


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("[shop.example.com]", "[shop.example.org]", "certificate-does-not-cover-hostname"),
        ("[shop.example.com]", "[a.b.example.com]", "certificate-does-not-cover-hostname"),
        ("server_name: shop.internal", "server_name: app.internal", "backend-certificate-without-name"),
        ("certificate: CERTS/inner.pem", "certificate: CERTS/other.pem", "backend-certificate-untrusted"),
        (
            "    tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}",
            "    tls: {verify: none}",
            "backend-not-verified",
        ),
        ("{ca: pki, server", "{ca: pki, verify: chain, server", "backend-name-not-verified"),
        ("    - when: {path", "    - deny: 404\n    - when: {path", "unreachable-rule"),
        ("    inspect: [web]\n", "", "unused-definition"),
        ("public.key}", "absent.key}", "private-key-absent"),
    ],
)
def test_rules_of_lint(lint: WriteAndRun, old: str, new: str, rule: str) -> None:
    assert old in GOOD
    assert rule not in rules(lint(GOOD))
    assert rule in rules(lint(GOOD.replace(old, new)))


def test_hostname_below_the_certificates_wildcard_is_covered(lint: WriteAndRun) -> None:
    assert rules(lint(GOOD.replace("[shop.example.com]", "[x.example.com]"))) == []


@pytest.mark.parametrize(
    ("days", "at", "found"),
    [
        (10, None, "certificate-expires-soon"),
        (365, "2050-01-01", "certificate-expired"),
        (365, "2001-01-01", "certificate-not-yet-valid"),
    ],
)
def test_dates(lint: WriteAndRun, tmp_path: Path, days: int, at: str | None, found: str) -> None:
    self_signed(tmp_path, "dated", "shop.example.com", days=days)
    text = GOOD.replace("CERTS/public", str(tmp_path / "dated"))
    assert found in rules(lint(text, *(["--at", at] if at else [])))


def test_nothing_in_a_finding_reaches_the_terminal_raw(lint: WriteAndRun) -> None:
    ran = lint(GOOD.replace("backend: app", '"back\\e[31mend": "\\u202eapp"'))
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out
    assert ran.status == 1


def test_every_rule_has_a_page(policyc: Callable[..., Ran]) -> None:
    known = every_rule(installed_targets())
    assert len(known) > 60
    for name, rule in known.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
        assert "## What it does" in rule.page, name
    shown = policyc("explain", "backend-not-verified")
    assert shown.status == 0
    assert "## Use instead" in shown.out
    wrong = policyc("explain", "backend-not-verifed")
    assert wrong.status == 2
    assert "did you mean `backend-not-verified`?" in wrong.err
