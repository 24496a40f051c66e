"""HashiCorp's configuration language: values as text in the layout of ``terraform fmt``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    parts = ["\n".join(f"# {line}" for line in comment), *("\n".join(_block(block, "")) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Body, indent: str) -> Iterator[str]:
    head = " ".join((block.kind, *map(_string, block.labels)))
    if not block.content:
        yield f"{indent}{head} {{}}"
        return
    yield f"{indent}{head} {{"
    yield from _content(block.content, indent + "  ")
    yield indent + "}"


def _content(content: Mapping[str, Value | Body], indent: str) -> Iterator[str]:
    """Attributes that follow each other on single lines have their ``=`` in one column; others end such a run."""
    run: list[tuple[str, str]] = []

    def aligned() -> Iterator[str]:
        width = max((len(key) for key, _ in run), default=0)
        yield from (f"{indent}{key:<{width}} = {text}" for key, text in run)
        run.clear()

    for name, value in content.items():
        key = name if _IDENTIFIER.match(name) else _string(name)
        if isinstance(value, Body):
            yield from aligned()
            # A block stands alone, as `terraform fmt` leaves it.
            yield ""
            yield from _block(value, indent)
            continue
        lines = list(_lines(value, indent))
        if len(lines) == 1:
            run.append((key, lines[0]))
            continue
        yield from aligned()
        yield f"{indent}{key} = {lines[0]}"
        yield from lines[1:]
    yield from aligned()


def _lines(value: Value, indent: str) -> Iterator[str]:
    """The lines of a value; the first without indentation, since it stands behind ``=``."""
    match value:
        case Raw(text):
            yield text
        case bool():
            yield "true" if value else "false"
        case int():
            yield str(value)
        case str():
            yield _string(value)
        case Mapping():
            if not value:
                yield "{}"
                return
            yield "{"
            yield from _content(value, indent + "  ")
            yield indent + "}"
        case _:
            items = [list(_lines(item, indent + "  ")) for item in value]
            if len(items) < 2 and all(len(lines) == 1 for lines in items):
                yield "[" + ", ".join(lines[0] for lines in items) + "]"
                return
            yield "["
            for lines in items:
                yield f"{indent}  {lines[0]}" + ("," if len(lines) == 1 else "")
                if len(lines) > 1:
                    yield from lines[1:-1]
                    yield lines[-1] + ","
            yield indent + "]"


def _string(text: str) -> str:
    return '"' + text.translate(_ESCAPED).replace("${", "$${").replace("%{", "%%{") + '"'
