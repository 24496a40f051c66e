"""Fixes of findings, and `policyc lint --fix`.

Most findings carry their fixes. Those of stages that know only the meaning, and not what was written, get them here,
by the rule's name: what a rule is about follows from its primary place.
"""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .diagnostics import Diagnostic, Fix, Path, format_path, removal, renaming
from .document import Document, SourceFile, read, read_bytes
from .names import SYSTEM, defined, section_of
from .spelling import typing_error
from .stopping import written_beside

if TYPE_CHECKING:
    from .acceptance import Judged
    from .pipeline import Loaded
    from .policy_edits import Replacement

_ROUNDS = 10
"""A mended typing error lets later stages see more. A round with nothing to do ends it long before."""


def with_fixes(document: Document, finding: Diagnostic) -> Diagnostic:
    """The finding with the fixes that its rule could not give itself."""
    make = _BY_RULE.get(finding.rule)
    if finding.fixes or make is None:
        return finding
    return replace(finding, fixes=tuple(make(document, finding)))


def _unknown_name(document: Document, finding: Diagnostic) -> Sequence[Fix]:
    section, written = section_of(finding.primary.path), _value(document, finding.primary.path)
    if section is None or written is None or written in (SYSTEM, *defined(document, section)):
        return ()
    meant = typing_error(written, defined(document, section))
    return [renaming(finding.primary, written, meant)] if meant else ()


def _claimed_twice(document: Document, finding: Diagnostic) -> Sequence[Fix]:
    path = finding.primary.path
    # Between two sites somebody must choose; within one, the second says nothing.
    if not finding.related or finding.related[0].path[:3] != path[:3]:
        return ()
    return [removal(finding.primary, f"the second `{_value(document, path)}`")]


def _unused(document: Document, finding: Diagnostic) -> Sequence[Fix]:
    path = finding.primary.path
    return [removal(finding.primary, f"`{format_path(path)}`")] if len(path) == 2 else ()


def _chain(document: Document, finding: Diagnostic) -> Sequence[Fix]:
    from .chain_order import in_order

    pair = finding.primary.path[:-1]
    written, key = _value(document, (*pair, "cert")), _value(document, (*pair, "key"))
    if written is None or key is None:
        return ()
    file = document.resolve_path((*pair, "cert"), written)
    folder = document.origin(pair)[0].directory
    if os.path.commonpath([folder, file]) != folder:
        return ()  # kept by somebody else, who would put it back
    text = in_order(file, document.resolve_path((*pair, "key"), key))
    return [Fix(f"put the certificates of `{written}` in order", (), ((file, text),))] if text else ()


_BY_RULE: Mapping[str, Callable[[Document, Diagnostic], Sequence[Fix]]] = {
    "unknown-name": _unknown_name,
    "hostname-claimed-twice": _claimed_twice,
    "unused-definition": _unused,
    "chain-out-of-order": _chain,
    "key-does-not-match": _chain,
}


def _value(document: Document, path: Path) -> str | None:
    found = document.value(path)
    return found if isinstance(found, str) else None


@dataclass(slots=True)
class Mended:
    """What fixing came to: the new texts by file, and how many findings they mend."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    """Without a byte order mark. Only of files that change."""
    originals: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """Files that the policy names, by absolute path: before and after."""

    def __bool__(self) -> bool:
        return bool(self.texts or self.files)

    @property
    def unsaved(self) -> dict[str, bytes]:
        """As `document.read` takes it."""
        return {name: text.encode() for name, text in self.texts.items()}

    def apply(self, document: Document, changes: Sequence[Replacement]) -> None:
        """Take changes of a document's texts."""
        from .policy_edits import applied

        for file in document.files:
            mine = [change for change in changes if change.file == file.name]
            if mine:
                self.originals.setdefault(file.name, file.text)
                self.texts[file.name] = applied(file.text, mine)

    def diff(self) -> str:
        """The changes as a unified diff."""
        parts: list[str] = []
        changed = [(name, self.originals[name], text) for name, text in self.texts.items()]
        changed += [(os.path.relpath(file), *texts) for file, texts in self.files.items()]
        for name, before, after in changed:
            lines = difflib.unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name)
            parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
        return "".join(parts)


Examine = Callable[[Mapping[str, bytes]], tuple["Loaded", "Judged"]]
"""Loads and judges the policy with the given texts in place of those on disk."""


def mend(examine: Examine) -> Mended:
    """Apply the first fix of every finding, until there is none left that can be applied."""
    mended = Mended()
    for _ in range(_ROUNDS):
        loaded, judged = examine(mended.unsaved)
        if not _round(loaded.document, judged.standing, mended):
            break
    return mended


def _round(document: Document, findings: Sequence[Diagnostic], mended: Mended) -> int:
    """Apply the fixes that do not touch each other; the next round sees to the others."""
    from .policy_edits import CannotEdit, replacements

    taken: list[Replacement] = []
    chosen: list[tuple[int, int, Fix]] = []
    order = {file.name: index for index, file in enumerate(document.files)}
    for finding in findings:
        for fix in finding.fixes[:1]:
            if fix.files:
                for file, text in fix.files:
                    mended.files.setdefault(file, (_text(file), text))
                continue
            try:
                changes = replacements(document, fix)
            except CannotEdit:
                continue
            if not any(_touch(change, other) for change in changes for other in taken):
                taken += changes
                chosen.append((order[changes[0].file], changes[0].start, fix))
    count = 0
    # From the end to the beginning, so that the paths of those still to come stay what they are; read anew after
    # each, for two that are safe alone may empty a container together.
    for _, _, fix in sorted(chosen, key=lambda one: one[:2], reverse=True):
        current, _, _ = read(document.name, mended.unsaved)
        try:
            changes = replacements(current, fix)
        except CannotEdit:
            continue
        mended.apply(current, changes)
        count += 1
    return count


def _text(file: str) -> str:
    return read_bytes(file).decode()


def _touch(one: Replacement, other: Replacement) -> bool:
    return one.file == other.file and one.start <= other.end and other.start <= one.end


def write(document: Document, mended: Mended) -> list[str]:
    """Put the new texts in the files' places, each whole or not at all. Raises OSError, also where one has changed.

    Returns the files' names.
    """
    changed = [(file.name, mended.originals[file.name], text) for file, text in _texts(document, mended)]
    changed += [(file, *texts) for file, texts in mended.files.items()]
    for name, before, after in changed:
        _replace(name, before, after)
    return [name for name, _, _ in changed]


def _texts(document: Document, mended: Mended) -> Sequence[tuple[SourceFile, str]]:
    return [(file, mended.texts[file.name]) for file in document.files if file.name in mended.texts]


def _replace(name: str, before: str, after: str) -> None:
    path = os.path.realpath(name)
    with open(path, "rb") as stream:
        data = stream.read()
    mark = data[:3] if data.startswith(b"\xef\xbb\xbf") else b""
    if data[len(mark) :] != before.encode():
        raise OSError(f"{name} was changed meanwhile")
    with written_beside(path, mark + after.encode()) as beside:
        shutil.copymode(path, beside)
        os.replace(beside, path)
