"""Expressions in PCRE2: what HAProxy's engine makes of them, and what it takes."""

from __future__ import annotations

from collections.abc import Iterable

EXPRESSION_LIMIT = 3000
"""Bytes of one expression made of several; lines of 5,000 were seen to load."""


def alternatives(expressions: Iterable[str]) -> list[str]:
    """Expressions as few alternations that each fit well into one word."""
    groups: list[list[str]] = []
    size = EXPRESSION_LIMIT
    for expression in expressions:
        length = len(expression) + 1
        if size + length > EXPRESSION_LIMIT:
            groups.append([])
            size = 0
        groups[-1].append(expression)
        size += length
    return ["|".join(group) for group in groups]


def whole(expression: str) -> str:
    """Matches where the whole text does."""
    return rf"^(?:{expression})\z"


def other_than(expression: str) -> str:
    """Matches where the whole text does not.

    PCRE2 takes a search that it gives up for "no match". Where a match refuses, this is asked instead, and what does
    not match it is refused.
    """
    return rf"^(?!(?:{expression})\z)"


def nowhere(expression: str) -> str:
    """Matches where the expression, which is searched in a text, is not found."""
    return rf"^(?![^\n]*?(?:{expression}))"


def compiled_size(expression: str) -> int:
    """At least as many bytes as PCRE2 compiles an expression to. It takes at most 64 KiB in one."""
    return 34 * expression.count("[") + 3 * len(expression)


def joined_lines(name: str) -> str:
    """A sample: all field lines of a header joined by commas, as RFC 9110 (5.3) allows; empty without any.

    HAProxy's own fetches give one line at a time, so they cannot say that *no* line matches.
    """
    steps = (
        (rf"(?:^|\n)(?!{name}:)[^\n]*", ""),  # every other line
        (f"(?:^|\\n){name}: ", ","),
        (r"^,|[\r\n]", ""),
    )
    return "req.hdrs" + "".join(f',regsub("{expression}","{by}",g)' for expression, by in steps)
