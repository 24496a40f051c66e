"""HashiCorp's configuration language: values as text in the layout of ``terraform fmt``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Union

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")  # names with a hyphen are quoted, and so read as no difference
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


@dataclass(frozen=True, slots=True)
class Raw:
    """An expression that is written as it is."""

    text: str


Value = Union["str", "bool", "int", Raw, "Sequence[Value]", "Mapping[str, Value]"]


@dataclass(frozen=True, slots=True)
class Body:
    """A block: its type, its labels, and its attributes and inner blocks."""

    kind: str
    labels: tuple[str, ...]
    content: Mapping[str, Value | Body]


def document(comment: Sequence[str], blocks: Sequence[Body]) -> str:
    """A file: comment lines, then blocks, with an empty line between."""
    lines = [f"# {line}" for line in comment]
    for block in blocks:
        lines.append("")
        _block(lines, block, "")
    return "\n".join(lines) + "\n"


# All of these add to the lines that are there: a generator inside a generator would hand on each line at each depth.


def _block(lines: list[str], block: Body, indent: str) -> None:
    head = " ".join((block.kind, *map(_string, block.labels)))
    if not block.content:
        lines.append(f"{indent}{head} {{}}")
        return
    lines.append(f"{indent}{head} {{")
    _content(lines, block.content, indent + "  ")
    lines.append(indent + "}")


def _content(lines: list[str], content: Mapping[str, Value | Body], indent: str) -> None:
    """Attributes that follow each other on single lines have their ``=`` in one column; others end such a run."""
    run: list[tuple[str, str]] = []
    width = 0
    for name, value in content.items():
        key = _key(name)
        short = None if isinstance(value, Body) else _short(value)
        if short is not None:
            run.append((key, short))
            width = max(width, len(key))
            continue
        lines += [f"{indent}{key:<{width}} = {text}" for key, text in run]
        run, width = [], 0
        if isinstance(value, Body):
            # A block stands alone, as `terraform fmt` leaves it.
            lines.append("")
            _block(lines, value, indent)
        else:
            _long(lines, f"{indent}{key} = ", value, indent, "")
    lines += [f"{indent}{key:<{width}} = {text}" for key, text in run]


def _short(value: Value) -> str | None:
    """A value that takes one line, or None."""
    match value:
        case str():
            return _string(value)
        case Raw(text):
            return text
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Mapping():
            return None if value else "{}"
        case _ if len(value) > 1:
            return None
        case _:
            inner = [_short(item) for item in value]
            return None if None in inner else f"[{''.join(filter(None, inner))}]"


def _long(lines: list[str], start: str, value: Value, indent: str, end: str) -> None:
    """A value that takes several lines, the first one behind `start`, and with `end` behind the last one."""
    if isinstance(value, Mapping):
        lines.append(start + "{")
        _content(lines, value, indent + "  ")
        lines.append(f"{indent}}}{end}")
    elif isinstance(value, Sequence):
        lines.append(start + "[")
        within = indent + "  "
        for item in value:
            short = _short(item)
            if short is None:
                _long(lines, within, item, within, ",")
            else:
                lines.append(f"{within}{short},")
        lines.append(f"{indent}]{end}")


@lru_cache(maxsize=512)
def _key(name: str) -> str:
    return name if _IDENTIFIER.match(name) else _string(name)


def _string(text: str) -> str:
    return '"' + text.translate(_ESCAPED).replace("${", "$${").replace("%{", "%%{") + '"'
