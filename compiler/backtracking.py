"""How long a backtracking engine may search: what a visitor's text can make of an expression of the Plan.

RE2 needs one pass over a text. PCRE tries repetitions against each other, and gives up, or stands still, where they
compete: measured, three of them on 1,000 bytes take more than the ten million steps that PCRE allows itself by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from .plan import Condition, TextMatch

_TOKEN = re.compile(
    r"""(?P<flags>\(\?[a-z]+\)) | (?P<open>\((?:\?[a-z]*:|\?[!=])?) | (?P<close>\)) | (?P<or>\|)
    | (?P<many>[*+]|\{[0-9]+,\}) | (?P<times>\{(?P<low>[0-9]+)(?:,(?P<high>[0-9]+))?\}) | (?P<maybe>[?])
    | (?P<anchor>[\^$]|\\z) | (?P<one>\[\^?\]?(?:\\.|[^\]\\])*\] | \\x[0-9A-Fa-f]{2} | \\. | .)""",
    re.VERBOSE | re.DOTALL,
)
_EVERY = frozenset(range(256))
_FEW = 64
"""Bounded repetitions up to this count as none."""


@dataclass(slots=True)
class _Atom:
    """One character or class. `loop`: repeated without a useful bound, `optional`: it need not be there."""

    takes: frozenset[int]
    loop: bool = False
    optional: bool = False


def loops(expression: str) -> int:
    """To which power of its length a text can make a search slow: repetitions that compete for the same characters.

    One does not count that ends where something else begins, nor the last one, behind which nothing can fail.
    """
    return max(_competing(atoms) for one in _alternatives(expression) for atoms in _parsed(one))


def _parsed(expression: str) -> list[list[_Atom]]:
    """The alternatives; of those of a group the slowest stands for all."""
    stack: list[list[list[_Atom]]] = [[[]]]
    for token in _TOKEN.finditer(expression):
        atoms = stack[-1][-1]
        if token["open"]:
            stack.append([[]])
        elif token["close"]:
            # What stands beside a group is not looked at.
            slowest = max(stack.pop(), key=lambda inside: sum(atom.loop for atom in inside))
            stack[-1][-1] += [_Atom(_EVERY, optional=True), *slowest, _Atom(_EVERY, optional=True)]
        elif token["or"]:
            stack[-1].append([])
        elif token["one"]:
            atoms.append(_Atom(_bytes_of(token["one"])))
        elif atoms and not token["flags"] and not token["anchor"]:
            few = token["times"] and int(token["high"] or token["low"]) <= _FEW
            atoms[-1].loop |= not (few or token["maybe"])
            atoms[-1].optional |= bool(token["maybe"]) or token[0][:2] in ("*", "{0")
    return stack[0]


@cache
def _bytes_of(atom: str) -> frozenset[int]:
    found = re.compile(atom.encode(), re.DOTALL)
    return frozenset(byte for byte in range(256) if found.fullmatch(bytes([byte])))


def _competing(atoms: Sequence[_Atom]) -> int:
    count = 0
    for atom, before, behind in zip(atoms, _before(atoms), _before(atoms[::-1])[::-1], strict=True):
        # Where it can begin at many places of what it takes, it is gone through from each of them.
        again = count > 0 and not atom.takes.isdisjoint(before)
        count += atom.loop and (not atom.takes.isdisjoint(behind) or (bool(behind) and again))
    return count


def _before(atoms: Sequence[_Atom]) -> list[frozenset[int]]:
    """For each atom what the ones before it can take, back to one that must be there."""
    found: list[frozenset[int]] = []
    taken: frozenset[int] = frozenset()
    for atom in atoms:
        found.append(taken)
        taken = atom.takes | taken if atom.optional else atom.takes
    return found


# --- headers --------------------------------------------------------------------------------------------------

_BLANKS = r"[ \t]*"
_BEGIN, _END = "(?:^|,)", r"(?:,|\z)"
_ANY = "[^,]*"


def elements(expression: str) -> list[str]:
    """The expression of a header's matcher as alternatives, without blanks that these take by themselves anyway.

    Two loops beside each other that take the same make a search slower by a power of the length.
    """
    return [f"{_BEGIN}{body}{_END}" for body in _bodies(expression)] or [expression]


def element_loops(expression: str) -> int:
    """`loops` of a header matcher's expression."""
    return max((loops(body + ("" if body.endswith(_ANY) else ",")) for body in _bodies(expression)), default=0)


def _bodies(expression: str) -> list[str]:
    begin, end = f"{_BEGIN}{_BLANKS}(?:", f"){_BLANKS}{_END}"
    if not (expression.startswith(begin) and expression.endswith(end)):
        return []
    return [
        ("" if body.startswith(_ANY) else _BLANKS) + body + ("" if body.endswith(_ANY) else _BLANKS)
        for body in _alternatives(expression[len(begin) : -len(end)])
    ]


def _alternatives(expression: str) -> list[str]:
    """What a group that is the whole expression has between its bars; else the expression."""
    depth, bars = 0, [2]
    for token in _TOKEN.finditer(expression):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif token["or"] and depth == 1:
            bars.append(token.start())
        if depth == 0 and token.end() < len(expression):
            return [expression]
    if depth or not expression.startswith("(?:"):
        return [expression]
    return [expression[begin + 1 : end] for begin, end in pairwise([*bars, len(expression) - 1])]


def condition_loops(condition: Condition) -> Iterator[tuple[str, str, int]]:
    """For each regular expression of a condition its key there, its text and its `loops`."""
    yield from (("path", one.text, loops(one.expression)) for one in condition.paths if one.kind is TextMatch.REGEX)
    for one in condition.headers:
        if one.kind is TextMatch.REGEX:
            yield "header", one.text, element_loops(one.expression)
    yield from (("query", one.text, loops(one.value)) for one in condition.queries)
