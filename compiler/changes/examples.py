"""Texts that a regular expression matches: a few short ones, to ask both policies about."""

from __future__ import annotations

import re
from itertools import product

_MOST = 12
"""Examples that are kept of each part: enough for every alternative of what people write, and still a few."""
_CHARACTERS = "xa0/A.-_~ =\u0001" + "".join(map(chr, range(0x20, 0x7F)))
_REPEAT = re.compile(r"(?:[*+?]|\{(\d+)(?:,(\d*))?\})[+?]?")


def examples(expression: str) -> tuple[str, ...]:
    """Texts that an expression of a Plan matches whole, shortest first. None where it is not understood.

    It is in the small syntax that `regex.py` writes. Whatever this reads wrongly is not given: each is tried.
    """
    found, end = _alternatives(expression, 0)
    if end != len(expression):
        return ()
    pattern = re.compile(expression.replace(r"\z", r"\Z"), re.DOTALL)
    return tuple(sorted({text for text in found if pattern.fullmatch(text)}, key=lambda text: (len(text), text)))


def _alternatives(expression: str, at: int) -> tuple[list[str], int]:
    found: list[str] = []
    while True:
        texts, at = _sequence(expression, at)
        found += texts
        if expression[at : at + 1] != "|":
            return list(dict.fromkeys(found))[:_MOST], at
        at += 1


def _sequence(expression: str, at: int) -> tuple[list[str], int]:
    found = [""]
    while at < len(expression) and expression[at] not in "|)":
        if expression.startswith("(", at):
            opened = re.compile(r"\((?:\?:|\?i:)?").match(expression, at)
            part, at = _alternatives(expression, opened.end() if opened else at + 1)
            at += 1
        else:
            part, at = _single(expression, at)
        repeated = _REPEAT.match(expression, at)
        if repeated:
            part, at = _repeated(part, repeated), repeated.end()
        found = [before + text for before, text in product(found, part)][:_MOST]
    return found, at


def _repeated(part: list[str], repeated: re.Match[str]) -> list[str]:
    sign = repeated[0][0]
    least = int(repeated[1]) if sign == "{" else int(sign == "+")
    # As few as may be, and one more where that is nothing.
    return [text * least for text in part] + ([] if least or repeated[0].startswith("{0}") else part[:2])


def _single(expression: str, at: int) -> tuple[list[str], int]:
    """One character, class or anchor, as a few characters that it matches."""
    if expression[at] in "^$" or expression.startswith((r"\z", r"\A", r"\b", r"\B"), at):
        return [""], at + (1 if expression[at] in "^$" else 2)
    found = re.compile(r"\[\^?\]?(?:\\x[0-9A-Fa-f]{2}|\\.|\[:\^?\w+:\]|[^\]\\])*\]|\\x[0-9A-Fa-f]{2}|\\.|.", re.DOTALL)
    one = found.match(expression, at)
    if one is None:
        return [], len(expression)
    if one[0][0] not in "[\\.":
        return [one[0]], one.end()
    try:
        pattern = re.compile(one[0], re.DOTALL)
    except re.error:
        return [], len(expression)
    matching = [character for character in dict.fromkeys(_CHARACTERS) if pattern.match(character)]
    return matching[:2], one.end()
