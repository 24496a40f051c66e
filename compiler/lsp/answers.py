"""Answers to an editor's questions about a place: hover, definition, uses, completion, quick fixes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..add_accept import entries_for, insertion
from ..diagnostics import Diagnostic, Location, Path, Rule, Span, format_path
from ..document import Document
from ..names import SYSTEM, section_of, uses
from ..policy_edits import CannotEdit, Replacement, replacements, scalar
from ..syntax_tree import Entry, Node, find, parse
from .cursor import Place, gap_at, place_at
from .language import Language

_SHOWN_LINES = 12


# --- hover -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown, and the characters that it is about."""

    text: str
    start: int
    end: int


def hover(
    text: str,
    offset: int,
    language: Language,
    rules: Mapping[str, Rule],
    findings: Iterable[Diagnostic] = (),
    document: Document | None = None,
) -> Hover | None:
    """What the language says about the key or value at an offset, and the pages of the findings there."""
    place = place_at(text, offset)
    parts: list[str] = []
    if place:
        parts = [part for part in (_about(place, language, rules, document),) if part]
    parts += [_page(rules[finding.rule]) for finding in findings if finding.rule in rules]
    if not parts:
        return None
    start, end = (place.start, place.end) if place else (offset, offset)
    return Hover("\n\n---\n\n".join(dict.fromkeys(parts)), start, end)


def _about(place: Place, language: Language, rules: Mapping[str, Rule], document: Document | None) -> str:
    path = place.path
    if not place.of_key:
        value = place.entry.value.value
        if _is_finding(path) and value in rules:
            return _page(rules[value])
        section = section_of(path)
        if section and document:
            shown = _definition_text(document, section, value)
            if shown:
                return f"`{section}.{value}`\n\n```yaml\n{shown}\n```"
    said = language.describe(path)
    return f"**{format_path(path)}**\n\n{said}" if said else ""


def _definition_text(document: Document, section: str, name: str) -> str:
    file, path = document.origin((section, name))
    entry = find(parse(file.text), path)
    if entry is None:
        return ""
    lines = file.text[entry.start : max(entry.value.last, entry.start)].splitlines()
    return "\n".join([*lines[:_SHOWN_LINES], *(["…"] if len(lines) > _SHOWN_LINES else [])])


def _page(rule: Rule) -> str:
    return f"# {rule.id}\n\n{rule.page}"


def _is_finding(path: Path) -> bool:
    return len(path) == 3 and path[0] == "accept" and path[2] == "finding"


# --- definition and uses ---------------------------------------------------------------------------------------------


def named_at(text: str, offset: int) -> tuple[str, str] | None:
    """The section and the name that stands at an offset, used or defined."""
    place = place_at(text, offset)
    if place is None:
        return None
    if place.of_key:
        return (str(place.path[0]), str(place.path[1])) if len(place.path) == 2 else None
    section = section_of(place.path)
    return (section, place.entry.value.value) if section else None


def definition(document: Document, section: str, name: str) -> Span | None:
    """Where a name is defined."""
    found = document.value((section,))
    if not isinstance(found, dict) or name not in found:
        return None
    return document.span(Location((section, name), of="key"))


def uses_of(document: Document, section: str, name: str) -> list[Span]:
    """Where a name is used."""
    found = [path for path, where, used in uses(document) if (where, used) == (section, name)]
    return [document.span(Location(path)) for path in found]


# --- completion ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to write in place of the characters from `start` to `end`."""

    label: str
    insert: str
    kind: Literal["key", "name", "value", "finding"]
    detail: str
    documentation: str
    start: int
    end: int


def complete(
    text: str, offset: int, language: Language, rules: Mapping[str, Rule], document: Document | None = None
) -> list[Offer]:
    """What can be written at an offset: keys, names that are defined, values, and rules' names."""
    gap = gap_at(text, offset)
    if gap is None:
        return []
    entry, root = gap.place.entry, gap.place.root
    place = (gap.start, gap.end)
    if gap.place.of_key:
        return list(_keys(entry, language, text, *place))
    path = entry.path
    offers = [
        Offer(name, scalar(name), "name", section, "", *place)
        for section in filter(None, [section_of(path)])
        for name in _names(root, section, document, path)
    ]
    if _is_finding(path):
        offers += [
            Offer(name, name, "finding", str(rule.severity), rule.page, *place)
            for name, rule in sorted(rules.items())
            if rule.acceptable
        ]
    if not offers:
        offers += [
            Offer(written, written, "value", why, language.describe(path), *place)
            for value, why in language.values(path)
            if value is not None
            for written in [scalar(value) if isinstance(value, str) else json.dumps(value)]
        ]
    if gap.begins_line and language.holds_mapping(path):
        offers += _keys_of(language, path, (), text, *place)
    return offers


def _keys(entry: Entry, language: Language, text: str, start: int, end: int) -> Iterator[Offer]:
    above = entry.container.parent
    present = [one.key.value for one in entry.container.entries if one.key]
    yield from _keys_of(language, above.path if above else (), present, text, start, end)


def _keys_of(
    language: Language, path: Path, present: Sequence[str], text: str, start: int, end: int
) -> Iterator[Offer]:
    colon = "" if text[end : end + 1] == ":" else ": "
    for key, schema in language.keys(path).items():
        if key not in present:
            kind = schema.get("type")
            detail = kind if isinstance(kind, str) else ""
            yield Offer(key, key + colon, "key", detail, language.describe((*path, key)), start, end)


def _names(root: Node, section: str, document: Document | None, path: Path) -> list[str]:
    """The names of a section: in the text at hand, which may be ahead of what could be read, and in other files."""
    here = find(root, (section,))
    names = [entry.key.value for entry in here.value.entries if entry.key] if here else []
    elsewhere = document.value((section,)) if document else None
    names += list(elsewhere) if isinstance(elsewhere, dict) else []  # pyright: ignore[reportUnknownArgumentType]
    if section == "backend_cas" and path[0] == "backends":
        names.append(SYSTEM)
    return list(dict.fromkeys(names))


# --- quick fixes -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Action:
    """A change that an editor offers at a finding."""

    title: str
    finding: Diagnostic
    changes: tuple[Replacement, ...]
    preferred: bool
    files: tuple[tuple[str, str], ...] = ()
    """Other files, by absolute path, with their new content."""


def actions(document: Document, findings: Iterable[Diagnostic]) -> Iterator[Action]:
    """For each finding its fixes, and to accept it."""
    for finding in findings:
        for number, fix in enumerate(finding.fixes):
            title = fix.title[:1].upper() + fix.title[1:]
            try:
                changes = tuple(replacements(document, fix)) if fix.edits else ()
            except CannotEdit:
                continue
            yield Action(title, finding, changes, number == 0, fix.files)
        wanted = entries_for([finding])
        if wanted:
            try:
                change = insertion(document, wanted)
            except CannotEdit:
                continue
            yield Action(f"Accept `{finding.rule}` (write the reason into `accept`)", finding, (change,), False)
