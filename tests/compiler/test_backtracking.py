"""How long a backtracking engine may search, and header expressions without what makes it search longer."""

from __future__ import annotations

import random
import re

import pytest
from policyc.compiler.backtracking import element_loops, elements, loops
from policyc.compiler.regex import element_expression, path_expression


@pytest.mark.parametrize(
    ("regex", "count"),
    [
        ("secret", 1),
        ("a.*b", 2),
        ("^a.*b$", 1),
        ("a.*b.*c", 3),
        ("^/[a-z]+/[0-9]+$", 0),
        ("^/[a-z]+[0-9a-f]+x", 2),
        ("[a-z]+[0-9]", 2),
        ("x[0-9]+[.]", 1),
        ("^/v[0-9]+/old|[.]php[^/]*$", 1),
        ("x{3}y{0,900}[yz]*w", 3),
    ],
)
def test_loops(regex: str, count: int) -> None:
    assert loops(path_expression(regex, False)) == count


@pytest.mark.parametrize(
    ("regex", "count", "wanted"),
    [
        ("a", 1, ["(?:^|,)[^,]*a[^,]*(?:,|\\z)"]),
        ("^a$", 0, ["(?:^|,)[ \\t]*a[ \\t]*(?:,|\\z)"]),
        ("^a|b$", 1, ["(?:^|,)[ \\t]*a[^,]*(?:,|\\z)", "(?:^|,)[^,]*b[ \\t]*(?:,|\\z)"]),
        ("(x|y)z", 1, ["(?:^|,)[^,]*(?:x|y)z[^,]*(?:,|\\z)"]),
        ("a.*b.*c", 3, ["(?:^|,)[^,]*a[^,]*b[^,]*c[^,]*(?:,|\\z)"]),
    ],
)
def test_elements(regex: str, count: int, wanted: list[str]) -> None:
    expression = rf"(?:^|,)[ \t]*(?:{element_expression(regex)})[ \t]*(?:,|\z)"
    assert elements(expression) == wanted
    assert element_loops(expression) == count


@pytest.mark.parametrize("regex", ["admin", "^admin$", "^a.b$", "a|^b$", "[0-9]+$", "^(a|b) c", "^$", ".", "x y"])
def test_elements_mean_what_the_whole_does(regex: str) -> None:
    """Blanks that an expression takes by itself are left out; what it finds stays the same."""
    expression = rf"(?:^|,)[ \t]*(?:{element_expression(regex)})[ \t]*(?:,|\z)"
    chance = random.Random(11)
    tokens = ("admin", "a", "b", "c", "x", "y", "1", " ", "\t", ",", ", ", "\xff")
    told: set[bool] = set()
    for _ in range(4000):
        line = "".join(chance.choices(tokens, k=chance.randint(0, 7))).encode("latin-1")
        whole = found(expression, line)
        told.add(whole)
        assert any(found(one, line) for one in elements(expression)) is whole, line
    assert told == {True, False}


def found(expression: str, line: bytes) -> bool:
    """Searched, as header matchers are."""
    return re.search(expression.replace(r"\z", r"\Z").encode(), line, re.DOTALL) is not None
