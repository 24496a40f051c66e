"""The tree of a YAML text with the exact place of everything in it: what editing it needs, and a cursor in an editor.

`document.py` keeps only what findings need; here stand the ends of containers, the styles, and keys given twice.
Places are offsets in characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from .diagnostics import Path

MAX_DEPTH = 64


@dataclass(slots=True)
class Node:
    """A scalar, a container or an alias. `end` is exact but for containers in block style: see `last`."""

    kind: Literal["scalar", "mapping", "list", "alias"]
    start: int
    end: int
    flow: bool = False
    """In brackets or braces."""
    style: str = ""
    """Of a scalar: empty where plain, else the sign that begins it."""
    value: str = ""
    entries: list[Entry] = field(default_factory=list["Entry"])
    parent: Entry | None = None
    """The entry whose value it is; None for the root."""

    @property
    def last(self) -> int:
        """Where its text ends: in block style a container ends with the last thing in it."""
        if self.kind in ("mapping", "list") and not self.flow and self.entries:
            entry = self.entries[-1]
            return max(entry.value.last, entry.key.end if entry.key else 0)
        return self.end


@dataclass(slots=True)
class Entry:
    """One part of a container: a key with its value, or a list's item."""

    container: Node
    index: int
    key: Node | None
    value: Node

    @property
    def start(self) -> int:
        """Where it begins, without the dash of a list's item."""
        return self.key.start if self.key else self.value.start

    @property
    def path(self) -> Path:
        """Keys and indexes from the root."""
        above = self.container.parent
        return (*(above.path if above else ()), self.key.value if self.key else self.index)


def parse(text: str) -> Node | None:
    """The tree of a text's first document, or None where it is not YAML or nested too deep."""
    try:
        return _build(text)
    except yaml.YAMLError:
        return None


def _build(text: str) -> Node | None:
    events: Any = yaml.parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader))  # pyright: ignore[reportUnknownMemberType]
    open_nodes: list[Node] = []
    keys: list[Node | None] = []
    root: Node | None = None
    for event in events:
        node = _node(event)
        if node is None:
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                end_mark: Any = event.end_mark
                open_nodes.pop().end = end_mark.index
                keys.pop()
            elif isinstance(event, yaml.DocumentEndEvent):
                return root
            continue
        if open_nodes:
            top = open_nodes[-1]
            if top.kind == "mapping" and keys[-1] is None:
                keys[-1] = node
            else:
                entry = Entry(top, len(top.entries), keys[-1], node)
                top.entries.append(entry)
                node.parent, keys[-1] = entry, None
        else:
            root = node
        if node.kind in ("mapping", "list"):
            if len(open_nodes) >= MAX_DEPTH:
                return None
            open_nodes.append(node)
            keys.append(None)
    return root


def _node(event: yaml.Event) -> Node | None:
    start: Any = event.start_mark
    end: Any = event.end_mark
    if isinstance(event, yaml.ScalarEvent):
        style = event.style or ""
        return Node("scalar", start.index, end.index, style=style if style in "'\"|>" else "", value=event.value)
    if isinstance(event, yaml.AliasEvent):
        return Node("alias", start.index, end.index)
    if isinstance(event, yaml.MappingStartEvent):
        return Node("mapping", start.index, end.index, flow=bool(event.flow_style))
    if isinstance(event, yaml.SequenceStartEvent):
        return Node("list", start.index, end.index, flow=bool(event.flow_style))
    return None


def entries(node: Node | None) -> Iterator[Entry]:
    """Every entry below a node, from the top."""
    if node is None:
        return
    for entry in node.entries:
        yield entry
        yield from entries(entry.value)


def find(root: Node | None, path: Path) -> Entry | None:
    """The entry at a path; of a key given twice the first, as the reader has it."""
    node, found = root, None
    for part in path:
        if node is None:
            return None
        if part == 0 and node.kind != "list" and found is not None:
            continue  # a list that is written as its only element
        found = next(
            (
                entry
                for entry in node.entries
                if (entry.key.value == part if isinstance(part, str) and entry.key else entry.index == part)
                and (entry.key is None) == isinstance(part, int)
            ),
            None,
        )
        if found is None:
            return None
        node = found.value
    return found
