"""Sets of paths are what the expressions match: compared with Python's own `re` on random paths."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyc.compiler.lint.path_language import Undecided, holds_more
from policyc.compiler.regex import path_expression

_ATOMS = st.sampled_from(
    ["a", "b", "/", "[ab]", "[^a]", ".", "a?", "[ab]*", "b+", "[ab]{2}", "a{1,2}", "(a|/b)", "(a|b)?"]
)


def _expression(start: str, atoms: list[str], end: str) -> str:
    return path_expression(start + "".join(atoms) + end, False)


_EXPRESSIONS = st.builds(
    _expression,
    st.sampled_from(["", "^/", "^"]),
    st.lists(_ATOMS, min_size=1, max_size=4),
    st.sampled_from(["", "$"]),
)
_PATHS = st.text("ab/c", max_size=5).map(lambda text: "/" + text)


@settings(max_examples=300, deadline=None)
@given(within=st.lists(_EXPRESSIONS, max_size=2), outside=st.lists(_EXPRESSIONS, max_size=2), paths=st.lists(_PATHS))
def test_a_path_in_one_and_not_in_the_others(within: list[str], outside: list[str], paths: list[str]) -> None:
    try:
        more = holds_more(tuple((one,) for one in within), tuple(outside))
    except Undecided:
        return
    witness = any(
        all(re.fullmatch(one, path, re.DOTALL) for one in within)
        and not any(re.fullmatch(one, path, re.DOTALL) for one in outside)
        for path in paths
    )
    assert more or not witness


@settings(max_examples=100, deadline=None)
@given(expression=_EXPRESSIONS)
def test_an_expression_holds_no_more_than_itself(expression: str) -> None:
    assert not holds_more(((expression,),), (expression, "/never"))
    assert not holds_more(((f"(?:{expression})",),), (expression,))


@pytest.mark.parametrize(
    ("within", "outside", "more"),
    [
        ("/[^?]*", "/[a-z]*", True),
        ("/[a-y]+", "/[a-z]+", False),
        ("/a{2,3}", "/(?:aa|aaa)", False),
        ("/(?:aa|aaa)", "/a{2,3}", False),
        ("/a{2,}", "/a{3,}", True),
        ("/\\x2Ab", "/[*]b", False),
        ("/a.c", "/a[^b]c", True),
    ],
)
def test_known_answers(within: str, outside: str, more: bool) -> None:
    assert holds_more(((within,),), (outside,)) is more


@pytest.mark.parametrize("expression", ["/(?:a|b)*", "/(?=a)", "/a\\d", "/é", "/[a-z]{5000}", "/a)", "/(?:a"])
def test_what_is_not_known_here_stays_undecided(expression: str) -> None:
    with pytest.raises(Undecided):
        holds_more(((expression,),), ("/b",))


def test_a_question_that_is_too_large_stays_undecided() -> None:
    with pytest.raises(Undecided):
        holds_more((("/[ab]*a[ab]{12}",),), ("(?:/[ab]*a[ab]{12})",))
