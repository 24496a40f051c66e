"""Each rule finds what its bad fixtures mark, and nothing else; in the near misses beside them nothing is found.

A fixture is a part of a policy (see `scene.py`). A line that ends in ``#! RULE`` has a finding of that rule.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import pages

FIXTURES = Path(__file__).parent / "fixtures"
OWNERS = pages.owners()

_MARK = re.compile(r"#! ([a-z0-9 -]+)$")


def marked(part: str) -> list[tuple[int, str]]:
    """Line and rule of each finding that a fixture expects."""
    lines = enumerate(part.splitlines(), 1)
    return sorted((line, rule) for line, text in lines if (mark := _MARK.search(text)) for rule in mark[1].split())


@pytest.mark.parametrize("fixture", sorted(str(path.relative_to(FIXTURES)) for path in FIXTURES.glob("*/*.yaml")))
def test_fixture(tmp_path: Path, fixture: str) -> None:
    part = (FIXTURES / fixture).read_text()
    rule, _, name = fixture.partition("/")
    expected = marked(part)
    bad = name.startswith("bad")
    assert bad or name.startswith("ok"), "a fixture is called bad… or ok…"
    assert (rule in {found for _, found in expected}) is bad
    target = OWNERS[rule]
    found = pages.findings(tmp_path, part, target).lines()
    # A target may have more to say; that is what its other fixtures are about.
    assert (found if target is None else [one for one in found if one[1] == rule]) == expected


@pytest.mark.parametrize("rule", sorted(OWNERS))
def test_a_rule_has_a_bad_fixture_and_a_near_miss(rule: str) -> None:
    names = {path.name for path in (FIXTURES / rule).glob("*.yaml")}
    assert any(name.startswith("bad") for name in names)
    assert any(name.startswith("ok") for name in names)


def test_no_fixture_is_left_of_a_rule_that_is_no_more() -> None:
    assert {path.name for path in FIXTURES.iterdir()} <= set(OWNERS)


def test_there_are_rules_enough() -> None:
    assert len(OWNERS) >= 60
