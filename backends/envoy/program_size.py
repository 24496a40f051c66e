"""How large an expression is to RE2, which bounds it."""

from __future__ import annotations

import re

MAX_PROGRAM_SIZE = 10_000
"""Instructions of one RE2 program. Envoy's own bound of 100 is less than one long path; RE2's, about 460,000, would let
one request cost a second."""

_ATOM = re.compile(r"(\\x..|\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.)(?:\{(\d+)(?:,(\d*))?\})?", re.DOTALL)


def program_size(expression: str) -> int:
    """At least as many instructions as RE2 (2025-11) compiles an expression of the Plan to.

    Measured: one for an ASCII character, up to ten and one for each range for a negated class; a repetition repeats
    them. Only characters and classes are ever repeated by a number.
    """
    total = 20
    for match in _ATOM.finditer(expression):
        atom, low, high = match[1], match[2], match[3]
        cost = 10 + len(atom) if atom[0] in "[." else 2 * len(atom.encode())
        total += cost * max(int(low or 1), int(high or 1))
    return total
