"""Which places of the policy a line of an output comes from.

Two witnesses: the places that the output carries in its own text (`written_places`), and the names in the line, as the
Plan has them (`plan_names`). What names say is closer, and comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from .diagnostics import Path
from .document import Document
from .output_folder import MANIFEST
from .plan import Plan
from .plan_names import Names, blocks, words
from .written_places import Block, Written, by_blocks, by_comments, written_at

_PARTS = {
    "sites": "site",
    "backends": "backend",
    "listeners": "listener",
    "public_certificates": "certificate",
    "backend_cas": "CA",
    "inspection_rules": "rule list",
    "targets": "target",
    "accept": "acceptance",
}
_PEM_BEGINS = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one line. Without `places`: nothing."""

    places: tuple[Path, ...] = ()
    """The closest first."""
    more: int = 0
    """So many places more that the output counts, and does not name."""
    sites: tuple[str, ...] = ()
    """The sites that share it, where a rule or the rules of a site are among the places."""
    lists: tuple[Path, ...] = ()
    """The inspection lists of these sites, where the line is about all their rules."""


@dataclass
class Output:
    """One target's files, and the policy that they were made from.

    `levels` answers as `Target.levels_above_a_place`. `plan` is None where the policy has errors: then names say
    nothing. `keys` are the private keys' files in the output, with what the policy calls them.
    """

    files: Mapping[str, str]
    document: Document
    source: str
    levels: Callable[[str], int]
    plan: Plan | None
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    _comments: dict[str, list[tuple[Written, ...]]] = field(default_factory=dict[str, list[tuple[Written, ...]]])
    _blocks: dict[str, list[Block | None]] = field(default_factory=dict[str, "list[Block | None]"])
    _lines: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def lines(self, file: str) -> list[str]:
        """A file's lines, without their ends."""
        if file not in self._lines:
            lines = self.files[file].split("\n")
            self._lines[file] = lines[:-1] if lines[-1] == "" else lines
        return self._lines[file]

    def blame(self, file: str, number: int) -> Answer:
        """Where line `number` (from 1) of a file comes from."""
        line = self.lines(file)[number - 1]
        around = self._around(file, number - 1)
        named = _narrowed(self.named(line), [path for written in around for path in self._paths(written)])
        said = written_at(self.lines(file), number - 1, self.source) or list(around[:1])
        places = [*named, *(path for written in said for path in self._paths(written))]
        if not places:
            places = self._of_file(file, number - 1) or self._of_names_around(file, number - 1)
        if not places:
            places = [path for word in words(line) for path in self._users(word)]
        # The whole policy is said of what has no closer place.
        places = [path for path in places if path] or places
        return self._shared(tuple(dict.fromkeys(places)), sum(written.more for written in said))

    def nearest(self, file: str, number: int) -> int | None:
        """For a line without a place: the closest one that carries a place, by number."""
        carrying = (
            other
            for other in range(1, len(self.lines(file)) + 1)
            if written_at(self.lines(file), other - 1, self.source)
        )
        return min(carrying, key=lambda other: abs(other - number), default=None)

    def _around(self, file: str, index: int) -> tuple[Written, ...]:
        """What is said about a line by others, the nearest first."""
        levels = 1 if file == MANIFEST else self.levels(file)
        if levels == 0:
            if file not in self._comments:
                self._comments[file] = by_comments(self.lines(file), self.source)
            return self._comments[file][index]
        block = self._block(file, index)
        return tuple(one.written for one in block.outwards() if one.written) if block else ()

    def _block(self, file: str, index: int) -> Block | None:
        if file not in self._blocks:
            levels = 1 if file == MANIFEST else self.levels(file)
            self._blocks[file] = by_blocks(self.lines(file), levels, self.source)
        return self._blocks[file][index]

    def _paths(self, written: Written) -> Iterator[Path]:
        return (read_path(text, self.document) for text in written.paths)

    # --- names ------------------------------------------------------------------------------------------------

    @cached_property
    def _names(self) -> Names | None:
        return Names(self.plan) if self.plan else None

    def named(self, line: str) -> list[Path]:
        """What the words of a line, or of another text about the output, stand for."""
        found: list[Path] = []
        for word in dict.fromkeys(words(line)):
            found += self._names.of(self.keys.get(word, word)) if self._names else []
            found += self._given_names.get(word, ())
            if word in self.files:
                found += self._of_file(word, 0) or self._of_first_line(word)
        if (only := f"certs/{line.strip()}.pem") in self.files:
            found += self._of_file(only, 0)
        return list(dict.fromkeys(found))

    @cached_property
    def _given_names(self) -> Mapping[str, Sequence[Path]]:
        """The names that the target gave to blocks that carry their places: its other files use them too."""
        found: dict[str, list[Path]] = {}
        for _, block, name in self._named_blocks:
            if block.written:
                found.setdefault(name, []).extend(self._paths(block.written))
        return found

    @cached_property
    def _named_blocks(self) -> Sequence[tuple[str, Block, str]]:
        """The blocks that have a name, each with its file."""
        return [
            (file, block, name)
            for file in self.files
            if file != MANIFEST and self.levels(file)
            for index, line in enumerate(self.lines(file))
            if (block := self._block(file, index)) and block.opening == index and (name := _name(line))
        ]

    @cached_property
    def _without_place(self) -> Mapping[str, str]:
        """The names of blocks that do not say their places, with the files that these are in."""
        return {name: file for file, _, name in self._named_blocks if name not in self._given_names}

    def _of_names_around(self, file: str, index: int) -> list[Path]:
        """For a line that is in named blocks only: what their names stand for, or who uses these names."""
        if file != MANIFEST and self.levels(file) == 0:
            return []
        block = self._block(file, index)
        for one in block.outwards() if block else ():
            opening = self.lines(file)[one.opening]
            if found := self.named(opening) or self._users(_name(opening)):
                return found
        return []

    def _users(self, name: str | None) -> list[Path]:
        """The places of the blocks that name one that does not say its own."""
        file = self._without_place.get(name or "")
        if name is None or file is None:
            return []
        found: list[Path] = []
        for index, line in enumerate(self.lines(file)):
            if name in words(line) and (around := self._around(file, index)):
                found += self._paths(around[0])
        return list(dict.fromkeys(found))

    def _of_file(self, file: str, index: int) -> list[Path]:
        """Whose certificates and revocation lists a file holds: those at a line, of all who bring the whole file."""
        text = self.files[file]
        if self._names is None or _PEM_BEGINS not in text:
            return []
        parts = [(part, self._names.of_block(part)) for part in blocks(text)]
        whole = [path for path in (parts[0][1] if parts else []) if all(path in owners for _, owners in parts)]
        before = 0
        for part, owners in parts:
            before += part.count("\n")
            if index < before:
                return whole or owners
        return []

    def _of_first_line(self, file: str) -> list[Path]:
        written = written_at(self.lines(file), 0, self.source) if self.lines(file) else []
        return [path for one in written for path in self._paths(one)]

    # --- what shares a place ------------------------------------------------------------------------------------

    def _shared(self, places: tuple[Path, ...], more: int) -> Answer:
        """The answer, with the sites that the Plan says share these places."""
        if self.plan is None:
            return Answer(places, more)
        sites: list[str] = []
        lists: list[Path] = []
        for path in places:
            if path[:1] == ("inspection_rules",):
                sites += [s.name for s in self.plan.sites if any(one.path == path[:2] for one in s.rule_lists)]
            elif len(path) > 2 and path[0] == "sites" and path[2] == "inspect":
                (own,) = [s.rule_lists for s in self.plan.sites if s.path == path[:2]] or [()]
                sites += [s.name for s in self.plan.sites if own and s.rule_lists == own]
                lists += [one.path for one in own]
        return Answer(places, more, tuple(dict.fromkeys(sites)), tuple(dict.fromkeys(lists)))


def part_of(path: Path) -> str:
    """What stands at a path: ``site``, ``rule``, ``rule list``, ``backend``, …; ``policy`` for the rest."""
    if len(path) > 2 and path[0] == "inspection_rules":
        return "rule"
    return _PARTS.get(str(path[0]), "policy") if len(path) > 1 else "policy"


def read_path(text: str, document: Document) -> Path:
    """The path that `format_path` wrote as `text`. Names may hold dots: the policy's own are taken where they fit."""
    path: list[str | int] = []
    while text:
        if text[0] == "[":
            number, _, text = text[1:].partition("]")
            path.append(int(number) if number.isdigit() else number)
        else:
            key = _key(text, document.value(tuple(path)))
            path.append(key)
            text = text[len(key) :]
        text = text.removeprefix(".")
    return tuple(path)


def _key(text: str, value: object) -> str:
    """The longest key of a mapping that a written path goes on with; the first of its words where none fits."""
    ends = [match.start() for match in re.finditer(r"[.\[]|\Z", text)]
    fitting = (text[:end] for end in reversed(ends) if isinstance(value, dict) and text[:end] in value)
    return next(fitting, text[: ends[0]])


def _narrowed(named: Sequence[Path], around: Sequence[Path]) -> Sequence[Path]:
    """Of several that a word may stand for, those in the part that the lines around are about."""
    parts = {path[:2] for path in around}
    within = [path for path in named if path[:2] in parts]
    return within or named


def _name(line: str) -> str | None:
    """The name of the block that a line opens: the last text in quotes. A key of JSON says what it is: no name."""
    if '": ' in line:
        return None
    parts = line.split('"')
    return parts[-2] if len(parts) > 2 else None
