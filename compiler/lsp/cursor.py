"""A place in a policy's text → what stands there, also while it is being typed and the text is not right yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..diagnostics import Path
from ..syntax_tree import Entry, Node, entries, parse

_WORD = re.compile(r"[A-Za-z0-9_./*-]*")
_HERE = "policyc-cursor"
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at an offset: the key or the value of an entry."""

    root: Node
    entry: Entry
    of_key: bool
    start: int
    end: int

    @property
    def path(self) -> Path:
        """The entry's path."""
        return self.entry.path


def place_at(text: str, offset: int) -> Place | None:
    """The key or scalar at an offset, in a text that is right."""
    root = parse(text)
    if root is None:
        return None
    for entry in entries(root):
        if entry.key and entry.key.start <= offset <= entry.key.end:
            return Place(root, entry, True, entry.key.start, entry.key.end)
        value = entry.value
        if value.kind in ("scalar", "alias") and value.start <= offset <= value.end and value.end > value.start:
            return Place(root, entry, False, value.start, value.end)
    return None


@dataclass(frozen=True, slots=True)
class Gap:
    """Where something is being typed: the place in the policy, and the word that stands there so far."""

    place: Place
    start: int
    end: int
    begins_line: bool
    """Nothing but blanks and dashes stand before it on its line."""


def gap_at(text: str, offset: int) -> Gap | None:
    """What could be typed at an offset. The rest of the text may be wrong: then what follows is left out."""
    start = offset
    while start > 0 and _WORD.fullmatch(text[start - 1]):
        start -= 1
    match = _WORD.match(text, offset)
    end = match.end() if match else offset
    line_start = text.rfind("\n", 0, start) + 1
    if "#" in re.sub(r"'[^']*'|\"[^\"]*\"|\S#", "", text[line_start:start]):
        return None  # in a comment
    begins_line = not text[line_start:start].strip(" -")
    for candidate in _completed(text[:start], text[end:]):
        root = parse(candidate)
        for entry in entries(root):
            if entry.key and entry.key.value == _HERE:
                return Gap(Place(root or entry.container, entry, True, start, end), start, end, begins_line)
            if entry.value.value == _HERE:
                return Gap(Place(root or entry.container, entry, False, start, end), start, end, begins_line)
    return None


def _completed(head: str, tail: str) -> Iterator[str]:
    """The text with something at the cursor: as a value, as a key, and both with nothing behind it."""
    is_key = re.match(r"""["']?\s*:(\s|$)""", tail)
    fillings = (_HERE,) if is_key else (_HERE, f"{_HERE}: 0")
    for filling in fillings:
        yield head + filling + tail
    closing = _open_brackets(head)
    quote = tail[:1] if tail[:1] in ("'", '"') and head[-1:] == tail[:1] else ""
    for filling in (_HERE, f"{_HERE}: 0"):
        yield head + filling + quote + closing + "\n"


def _open_brackets(text: str) -> str:
    """What closes the brackets that are open at a text's end."""
    stack: list[str] = []
    quote = ""
    previous = "\n"
    comment = False
    for character in text:
        if comment:
            comment = character != "\n"
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and previous in " \n[{,:":
            quote = character
        elif character == "#" and previous in " \n":
            comment = True
        elif character in "{[" and (stack or previous in " \n-:"):
            stack.append(_CLOSING[character])
        elif character in "}]" and stack and stack[-1] == character:
            stack.pop()
        previous = character
    return "".join(reversed(stack))
