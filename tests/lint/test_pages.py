"""A rule's page is complete, its Example is found by the rule and by no other, and docs/rules says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from policyc.compiler import lint

from . import pages, scene

RULES = {rule.id: rule for rule in pages.rules()}
OWNERS = pages.owners()
COMMON = [name for name, target in OWNERS.items() if target is None]
WITHOUT_POLICY = {"envoy-chains-not-shared", "platform-capacity"}
"""Their Example says in words what would take pages."""


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_sections_are_there_and_in_order(name: str) -> None:
    found = pages.sections(RULES[name].page)
    assert tuple(found) == pages.SECTIONS
    assert all(body.strip() for body in found.values())


@pytest.mark.parametrize("name", COMMON)
def test_the_example_has_the_finding(tmp_path: Path, name: str) -> None:
    part = pages.policy_in(pages.sections(RULES[name].page)["Example"])
    assert part is not None
    found = {rule for _, rule in pages.findings(tmp_path, part, None).lines()}
    # Entries of `accept` need something to accept: that one is found beside them.
    assert found - {"plaintext-backend"} == {name} - {"plaintext-backend"}
    assert name in found


@pytest.mark.parametrize("name", sorted(RULES))
def test_what_to_use_instead_has_none(tmp_path: Path, name: str) -> None:
    part = pages.policy_in(pages.sections(RULES[name].page)["Use instead"])
    if part is not None:
        target = OWNERS[name]
        found = [rule for _, rule in pages.findings(tmp_path, part, target).lines()]
        # A target may have more to say of the rest.
        assert (found if target is None else [rule for rule in found if rule == name]) == []


@pytest.mark.parametrize("name", sorted(set(OWNERS) - set(COMMON) - WITHOUT_POLICY))
def test_the_examples_of_targets_have_the_finding(tmp_path: Path, name: str) -> None:
    part = pages.policy_in(pages.sections(RULES[name].page)["Example"])
    assert part is not None
    assert name in {rule for _, rule in pages.findings(tmp_path, part, OWNERS[name]).lines()}


def test_the_base_has_no_finding(tmp_path: Path) -> None:
    assert scene.look(tmp_path, "").lines() == []


def test_a_rule_is_called_as_its_module() -> None:
    for rule in lint.lint_rules():
        assert rule.check is not None
        assert rule.check.__module__.rpartition(".")[2] == rule.id.replace("-", "_")
        assert rule.check.__name__ == rule.id.replace("-", "_")


def test_docs_are_as_the_rules_say(tmp_path: Path) -> None:
    made = pages.pages(tmp_path)
    there = {path.name: path.read_text() for path in pages.FOLDER.glob("*.md")}
    assert set(there) == set(made), "run `make docs`"
    differing = [name for name, content in made.items() if there[name] != content]
    assert differing == [], "run `make docs`"
