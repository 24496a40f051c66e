"""``policyc lint --add-accept``: entries for all findings of an old policy, as a text edit that keeps comments.

Each entry is as narrow as the language allows, and its reason is a TODO: somebody still has to decide.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, cast

from .acceptance import UNDECIDED
from .diagnostics import Diagnostic, Severity
from .document import Document, SourceFile
from .policy_edits import CannotEdit, Replacement, applied, flow, is_json, means
from .syntax_tree import Entry, Node, find, parse

if TYPE_CHECKING:
    from .fixes import Examine, Mended

_SECTION = "accept"


def accept_all(examine: Examine, mended: Mended) -> None:
    """Write an entry for every error and warning that can be accepted into `mended`. The rest stands as before."""
    loaded, judged = examine(mended.unsaved)
    if loaded.policy is None:
        return  # what is not understood cannot be accepted
    wanted = entries_for(finding for finding in judged.standing if finding.severity is not Severity.INFO)
    if wanted:
        mended.apply(loaded.document, [insertion(loaded.document, wanted)])


def entries_for(findings: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """One entry for each rule and target, with the sites or backends of all its findings.

    Findings that concern both get an entry each: joined, the lists would cover pairs that nobody saw.
    """
    made: dict[tuple[object, ...], dict[str, Any]] = {}
    for finding in findings:
        if not finding.acceptable or (finding.per_backend and not finding.backends):
            continue
        both = (finding.sites, finding.backends) if finding.sites and finding.backends else ()
        key = (finding.rule, finding.target, bool(finding.sites), bool(finding.backends), *both)
        entry = made.setdefault(key, {"finding": finding.rule})
        if finding.target:
            entry["target"] = finding.target
        for field, names in (("sites", finding.sites), ("backends", finding.backends)):
            if names:
                entry[field] = list(dict.fromkeys((*entry.get(field, ()), *names)))
    return [{**entry, "reason": UNDECIDED} for entry in made.values()]


def insertion(document: Document, wanted: Sequence[dict[str, Any]]) -> Replacement:
    """The text that adds entries to the policy's `accept` list. Raises CannotEdit where no safe way is."""
    file = document.origin((_SECTION,))[0] if _SECTION in document.values else document.files[0]
    root = parse(file.text)
    if root is None or root.kind != "mapping":
        raise CannotEdit("the file cannot be read")
    there = find(root, (_SECTION,))
    change = _into(file, there, wanted) if there else _new_section(file, root, wanted)
    expected: dict[str, Any] = deepcopy(file.root)
    expected[_SECTION] = [*(cast("list[Any]", expected.get(_SECTION)) or []), *wanted]
    if not means(file, applied(file.text, [change]), expected):
        raise CannotEdit("the entries cannot be added in the style that the file is written in")
    return change


def _line(entry: dict[str, Any], as_json: bool = False) -> str:
    """An entry in braces, on one line."""
    return json.dumps(entry, ensure_ascii=False) if as_json else flow(entry)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _into(file: SourceFile, there: Entry, wanted: Sequence[dict[str, Any]]) -> Replacement:
    node = there.value
    lines = [_line(entry, is_json(file)) for entry in wanted]
    if node.kind != "list" or node.flow or not node.entries:
        if node.kind != "list":
            raise CannotEdit("`accept` is no list")
        inner = file.text[node.start + 1 : node.end - 1]
        if "#" in inner:
            raise CannotEdit("a comment stands in the list")
        comma = ", " if node.entries and not inner.rstrip().endswith(",") else ""
        end = node.start + 1 + len(inner.rstrip())
        return Replacement(file.name, end, end, comma + ", ".join(lines))
    last = node.entries[-1]
    end = file.text.find("\n", last.value.last)
    dash = file.text.rfind("-", 0, last.start)
    indent = file.text[file.text.rfind("\n", 0, dash) + 1 : dash]
    if indent.strip(" "):
        raise CannotEdit("the list does not stand on lines of its own")
    newline = _newline(file.text)
    added = "".join(f"{indent}- {line}{newline}" for line in lines)
    if end < 0:
        return Replacement(file.name, len(file.text), len(file.text), newline + added)
    return Replacement(file.name, end + 1, end + 1, added)


def _new_section(file: SourceFile, root: Node, wanted: Sequence[dict[str, Any]]) -> Replacement:
    if root.flow:
        inner = file.text[root.start + 1 : root.end - 1]
        end = root.start + 1 + len(inner.rstrip())
        listed = ", ".join(_line(entry, is_json(file)) for entry in wanted)
        key = f'"{_SECTION}"' if is_json(file) else _SECTION
        return Replacement(file.name, end, end, f"{', ' if root.entries else ''}{key}: [{listed}]")
    newline = _newline(file.text)
    before = "" if file.text.endswith("\n") else newline
    lines = "".join(f"  - {_line(entry)}{newline}" for entry in wanted)
    end = len(file.text)
    return Replacement(file.name, end, end, f"{before}{newline}{_SECTION}:{newline}{lines}")
