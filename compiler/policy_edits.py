"""Fixes → changes of a policy's text. Whatever they do not touch survives byte for byte, comments and layout included.

A change is taken only if the new text, read again, gives exactly the values meant: what an edit cannot do safely in
the style that a place is written in, it does not do at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from .diagnostics import Edit, Fix, Path
from .document import Document, SourceFile, plain_value, read
from .syntax_tree import Entry, Node, entries, find, parse

_PLAIN = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./-]*\Z")


class CannotEdit(Exception):
    """The edit has no safe form in this text. The message says why."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The characters from `start` to `end` of a file become `text`."""

    file: str
    start: int
    end: int
    text: str


def replacements(document: Document, fix: Fix) -> list[Replacement]:
    """What a fix changes, first to last. Raises CannotEdit where that cannot be done safely, for all or none."""
    changes: list[Replacement] = []
    for file in document.files:
        edits = [(edit, path) for edit in fix.edits for where, path in [_where(document, edit)] if where is file]
        if not edits:
            continue
        root = parse(file.text)
        if root is None:
            raise CannotEdit("the file cannot be read")
        expected = deepcopy(file.root)
        here: list[Replacement] = []
        for edit, path in edits:
            entry = _entry(file, root, edit, path)
            if edit.value is None:
                here.append(_removed(file, entry))
                if not edit.at.span:
                    _remove(expected, _outermost(entry).path)
            else:
                here.append(_replaced(file, entry, edit))
                _replace(expected, path, edit)
        here.sort(key=lambda one: one.start)
        if any(one.end > other.start for one, other in pairwise(here)):
            raise CannotEdit("two edits touch the same text")
        if not means(file, applied(file.text, here), expected):
            raise CannotEdit("the change would mean something else here")
        changes += here
    if not changes:
        raise CannotEdit("there is nothing to change")
    return changes


def applied(text: str, changes: Sequence[Replacement]) -> str:
    """A text with changes that do not overlap."""
    for change in sorted(changes, key=lambda one: one.start, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def means(file: SourceFile, text: str, expected: Any) -> bool:
    """Whether a text, in place of a file's, is readable and holds exactly these values."""
    document, _, readable = read(file.name, {file.name: text.encode()})
    return readable and _same(document.files[0].root, expected)


def _same(one: Any, other: Any) -> bool:
    # repr tells `1` from `true`, and a mapping's order.
    return one == other and repr(one) == repr(other)


def _where(document: Document, edit: Edit) -> tuple[SourceFile, Path]:
    if edit.at.span:
        for file in document.files:
            if file.name == edit.at.span.file:
                return file, ()
    return document.origin(edit.at.path)


def offset(file: SourceFile, line: int, column: int) -> int:
    """The place of a line and a column (both from 1) in the file's text."""
    lines = file.text.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + column - 1


def _entry(file: SourceFile, root: Node, edit: Edit, path: Path) -> Entry:
    if edit.at.span:
        place = offset(file, edit.at.span.line, edit.at.span.column)
        entry = next((one for one in entries(root) if one.start == place), None)
    else:
        entry = find(root, path)
    if entry is None:
        raise CannotEdit("the place is not there any more")
    return entry


# --- replacing ------------------------------------------------------------------------------------------------------


def _replaced(file: SourceFile, entry: Entry, edit: Edit) -> Replacement:
    node = entry.key if edit.at.of == "key" else entry.value
    if node is None or node.kind != "scalar" or node.style in ("|", ">"):
        raise CannotEdit("only a text on one line can be replaced")
    return Replacement(file.name, node.start, node.end, scalar(edit.value or "", node.style, is_json(file)))


def scalar(value: str, style: str = "", as_json: bool = False) -> str:
    """A text as YAML: plain where it stays a text so, else in quotes. `style` is that of what stood there before."""
    if as_json or style == '"':
        return json.dumps(value, ensure_ascii=False)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if _PLAIN.match(value) and plain_value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def flow(value: object) -> str:
    """A value as YAML on one line, lists in brackets and mappings in braces."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in cast("dict[str, Any]", value).items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, cast("list[Any]", value))) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def is_json(file: SourceFile) -> bool:
    """Whether the file is written as JSON: then it shall stay so."""
    return file.text.lstrip()[:1] == "{"


def _replace(values: Any, path: Path, edit: Edit) -> None:
    holder, last = _holder(values, path)
    if edit.at.of == "key" and isinstance(holder, dict):
        mapping = cast("dict[str, Any]", holder)
        if edit.value in mapping:
            raise CannotEdit("the key is there already")
        items = [(edit.value if key == last else key, value) for key, value in mapping.items()]
        mapping.clear()
        mapping.update(cast("Any", items))
    else:
        holder[last] = edit.value


def _holder(values: Any, path: Path) -> tuple[Any, str | int]:
    """The container of a path's last part. A list may be written as its only element."""
    found: tuple[Any, str | int] = (values, path[-1])
    node: Any = values
    for part in path:
        if part == 0 and not isinstance(node, list):
            continue
        holder = cast("dict[str | int, Any]", node)
        found, node = (holder, part), holder[part]
    return found


# --- removing -------------------------------------------------------------------------------------------------------


def _outermost(entry: Entry) -> Entry:
    """What must go with an entry: containers that it would leave empty, for an empty one means something else."""
    while len(entry.container.entries) == 1:
        if entry.container.parent is None:
            raise CannotEdit("nothing would be left")
        entry = entry.container.parent
    return entry


def _remove(values: Any, path: Path) -> None:
    holder, last = _holder(values, path)
    del holder[last]


def _removed(file: SourceFile, entry: Entry) -> Replacement:
    entry = _outermost(entry)
    if entry.container.flow:
        start, end = _flow_extent(file.text, entry)
    else:
        start, end = _block_extent(file.text, entry)
    return Replacement(file.name, start, end, "")


def _flow_extent(text: str, entry: Entry) -> tuple[int, int]:
    siblings = entry.container.entries
    if entry.index + 1 < len(siblings):
        start, end = entry.start, siblings[entry.index + 1].start
        between = text[entry.value.last : end]
    else:
        previous = siblings[entry.index - 1]
        start, end = max(previous.value.last, previous.key.end if previous.key else 0), entry.value.last
        between = text[start : entry.start]
    if "#" in between:
        raise CannotEdit("a comment stands between")
    return start, end


def _block_extent(text: str, entry: Entry) -> tuple[int, int]:
    """Whole lines, and the comment at the end of the last one with them."""
    first = text.rfind("\n", 0, entry.start) + 1
    before = text[first : entry.start].strip(" ")
    if before == ("-" if entry.key is None else ""):
        content = text[entry.start : max(entry.value.last, entry.key.end + 1 if entry.key else 0)].rstrip()
        end = text.find("\n", entry.start + len(content))
        end = len(text) if end < 0 else end + 1
        rest = text[entry.start + len(content) : end].strip()
        if rest and not rest.startswith("#"):
            raise CannotEdit("something else stands on its line")
        return first, end
    siblings = entry.container.entries
    if before == "-" and entry.index + 1 < len(siblings):
        # The first key of a list's item stands beside the dash, which must stay.
        following = siblings[entry.index + 1]
        if "#" in text[entry.value.last : following.start]:
            raise CannotEdit("a comment stands between")
        return entry.start, following.start
    raise CannotEdit("something else stands on its line")
