"""Answers of ``policyc blame`` for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from .blame import Answer, Output, part_of
from .diagnostics import Location, Path, format_path
from .reports import printable
from .reports.text import gutter, quoted

BLAME_VERSION = 1
"""Of the JSON form: it changes when a reader would have to. `schemas/blame.schema.json` describes it."""

_SHOWN = 5
"""So many places and sites are shown to people; the others are counted."""
_WIDTH = 110


@dataclass
class Blamed:
    """Lines of one file of an output, and where they come from."""

    path: str
    """As it was named on the command line."""
    file: str
    """In the output."""
    target: str
    output: Output
    lines: Sequence[int]
    warnings: Sequence[str]

    @cached_property
    def answers(self) -> Mapping[int, Answer]:
        """By line."""
        return {line: self.output.blame(self.file, line) for line in self.lines}


def text(blamed: Blamed, colour: bool = False) -> str:
    """For people: lines in a row that come from the same places are told of together."""
    parts = [
        _told(blamed, [number for number, _ in group], answer, colour)
        for answer, group in groupby(blamed.answers.items(), key=lambda item: item[1])
    ]
    return "\n".join(parts)


def _told(blamed: Blamed, numbers: Sequence[int], answer: Answer, colour: bool) -> str:
    first, last = numbers[0], numbers[-1]
    lines = blamed.output.lines(blamed.file)
    head = f"{printable(blamed.path)}:{first}" + (f"-{last}" if last > first else "")
    told = [
        head + ":",
        *(f"    {_cut(printable(line.strip()))}" for line in lines[first - 1 : first + 2][: len(numbers)]),
    ]
    if len(numbers) > 3:
        told.append(f"    and {len(numbers) - 3} more")
    told += _places(blamed, answer, colour) if answer.places else _nothing(blamed, first)
    return "\n".join(told) + "\n"


def _places(blamed: Blamed, answer: Answer, colour: bool) -> Iterator[str]:
    document = blamed.output.document
    there = [path for path in answer.places if exists(blamed.output, path)]
    gone = [path for path in answer.places if path not in there]
    indent = " "
    if there:
        shown = [Location(path, described(blamed.output, path), of="key") for path in there[:_SHOWN]]
        primary, *related = shown
        indent = " " * (gutter(document, primary, related) + 1)
        yield from quoted(document, primary, related, "36" if colour else "")
    for path in gone[:_SHOWN]:
        yield f"{indent}= {described(blamed.output, path)} ({format_path(path)}) is in the policy no more"
    more = answer.more + max(len(there) - _SHOWN, 0) + max(len(gone) - _SHOWN, 0)
    if more:
        yield f"{indent}= and {more} more"
    if answer.lists:
        yield f"{indent}= rules: {_few([str(path[-1]) for path in answer.lists])}"
    if answer.sites:
        yield f"{indent}= inspected so: {_few(answer.sites)}"


def _nothing(blamed: Blamed, number: int) -> Iterator[str]:
    output = blamed.output
    yield f"  no part of the policy: {blamed.target} gets this line, or one like it, from every policy"
    settings = Location(("targets", blamed.target), of="key")
    if exists(output, settings.path):
        span = output.document.span(settings)
        yield f"  the settings of {blamed.target} are at {printable(span.file)}:{span.line}"
    nearest = output.nearest(blamed.file, number)
    if nearest:
        answer = output.blame(blamed.file, nearest)
        places = ", ".join(format_path(path) or "the whole policy" for path in answer.places[:_SHOWN])
        yield f"  the nearest line that names its place is {nearest}: {places}"


def exists(output: Output, path: Path) -> bool:
    """Whether the policy has something there."""
    return not path or output.document.value(path) is not None


def described(output: Output, path: Path) -> str:
    """A place in a few words: ``site shop``, ``rule no-dot-files of no-leftovers``."""
    part = part_of(path)
    if part == "policy":
        return "the whole policy" if not path else format_path(path)
    if part == "rule":
        name = output.document.value((*path[:3], "name"))
        return f"rule {name or f'{path[1]}-{int(path[2]) + 1}'} of {path[1]}"
    of = ".".join(str(one) for one in path[2:] if isinstance(one, str))
    return f"{part} {path[1]}" + (f", {of}" if of else "")


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def as_json(blamed: Blamed) -> str:
    """For programs: one JSON object, indented."""
    report = {
        "blame_version": BLAME_VERSION,
        "file": blamed.path,
        "target": blamed.target,
        "policy": blamed.output.document.name,
        "warnings": list(blamed.warnings),
        "lines": [_line(blamed, number, answer) for number, answer in blamed.answers.items()],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _line(blamed: Blamed, number: int, answer: Answer) -> dict[str, Any]:
    return {
        "line": number,
        "text": blamed.output.lines(blamed.file)[number - 1],
        "places": [_place(blamed.output, path) for path in answer.places],
        "more": answer.more,
        "sites": list(answer.sites),
        "rule_lists": [str(path[-1]) for path in answer.lists],
        "nearest": None if answer.places else blamed.output.nearest(blamed.file, number),
    }


def _place(output: Output, path: Path) -> dict[str, Any]:
    there = exists(output, path)
    span = output.document.span(Location(path, of="key"))
    return {
        "part": part_of(path),
        "name": str(path[1]) if len(path) > 1 else None,
        "path": list(path),
        "exists": there,
        "file": span.file if there else None,
        "line": span.line if there else None,
        "column": span.column if there else None,
        "end_column": span.end_column if there else None,
        "text": output.document.line(span) if there else None,
    }
