"""libyaml's errors in the user's words: where the mistake is, which is often not where libyaml noticed it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

Place = tuple[int, int]
"""Line and column, from 0."""

_PARTS = {
    "block mapping": "mapping",
    "block collection": "list",
    "flow mapping": "mapping in braces",
    "flow sequence": "list in brackets",
}


_GLUED = re.compile(r"[\s-]*([A-Za-z0-9_-]+:)[^\s/:]\S*\s*(#.*)?\Z")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a text, where, and what to do."""

    at: Place
    message: str
    help: str
    opened: Place | None = None
    """Where that begins which is broken or never ends."""
    what: str = ""
    """What begins there."""


def explain(error: yaml.MarkedYAMLError, lines: list[str]) -> Fault:
    """The fault behind an error; `lines` are the text's."""
    problem = error.problem or "this is not YAML"
    context = error.context or ""
    started = _place(error.context_mark)
    noticed = _place(error.problem_mark) or started or (0, 0)
    text = lines[noticed[0]] if noticed[0] < len(lines) else ""
    if "maximum nesting depth" in problem:
        return Fault(noticed, "nested more than a thousand deep", "a policy needs no more than a dozen levels")
    if "\t" in text[: len(text) - len(text.lstrip())] or "'\\t'" in problem or "tab" in problem:
        return Fault(noticed, "a tab cannot be used for indentation", "use spaces")
    if "scanning an alias" in context:
        return Fault(
            started or noticed,
            "`*` at the beginning of a text means an alias in YAML",
            f"quote the text if the sign belongs to it: {_quoted(lines, started or noticed)}",
        )
    glued = _glued(lines, noticed[0])
    if glued and ("mapping values are not allowed" in problem or "could not find expected ':'" in problem):
        return Fault(glued, "a key without a space behind its `:`", "write `key: value`")
    if "mapping values are not allowed" in problem:
        return Fault(
            noticed,
            "a `: ` where no key can stand",
            "quote the value if it holds a `: `; else indent the key like its neighbours",
        )
    if "could not find expected ':'" in problem:
        return Fault(started or noticed, "a key without its `:`", "write `key: value`, with a space behind the colon")
    if "unexpected end of stream" in problem:
        return Fault(started or noticed, "the file ends inside of a quoted text", "close the quotes")
    if problem.startswith("did not find expected"):
        return _unexpected(problem.removeprefix("did not find expected "), context, started, noticed)
    return Fault(noticed, problem, "quote texts that hold signs which mean something in YAML")


def _unexpected(expected: str, context: str, started: Place | None, noticed: Place) -> Fault:
    what = _PARTS.get(context.removeprefix("while parsing a "), "")
    if "flow" in context:
        wanted = expected.replace("'", "`")
        return Fault(noticed, f"{wanted} expected here", "close the bracket, or put a comma between", started, what)
    if what:
        wanted = "a key" if what == "mapping" else "a `-`"
        return Fault(
            noticed,
            f"{wanted} of the {what} above was expected here",
            "indent it like its neighbours, or deeper where it belongs to the line before",
            started,
            what,
        )
    return Fault(noticed, f"{expected} expected here", "check brackets, quotes and indentation")


def _glued(lines: list[str], noticed: int) -> Place | None:
    """The last line of text above in which a value is glued to its key: YAML takes both for the beginning of a text."""
    for number in range(min(noticed, len(lines)) - 1, -1, -1):
        line = lines[number]
        if line.strip() and not line.lstrip().startswith("#"):
            match = _GLUED.match(line)
            return (number, match.start(1)) if match else None
    return None


def _place(mark: Any) -> Place | None:
    return (mark.line, mark.column) if mark else None


def _quoted(lines: list[str], place: Place) -> str:
    """The word at a place in quotes."""
    rest = lines[place[0]][place[1] :] if place[0] < len(lines) else ""
    word = rest.split("#")[0].split(",")[0].split("]")[0].split("}")[0].strip()
    return f'"{word}"'
