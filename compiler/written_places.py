"""The places of the policy that an output carries in its own text, and the lines that each of them is about.

``policy.yaml: backends.shop, sites.shop and 3 more`` stands in a comment, or as a value. Both are read by indentation
alone, which every written file has, so no format's grammar is needed and nothing is written beside the output:

- a comment is about what follows at its own indentation or deeper: up to the next comment there, an empty line, or a
  line further out;
- a value is about a block around it: how many levels up, the target says (`Target.levels_above_a_place`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ..schemas.policy import Policy

_KEYS = "|".join(sorted(set(Policy.model_fields) - {"version", "name"}))
_PATH = rf"(?:{_KEYS})(?:[.\[][^\s,\"<]*)?"
_PATHS = rf'({_PATH}(?:, {_PATH})*)(?:,? and ([0-9]+) more)?(?=$|["<])'
_CLOSING = ("}", "]", ")", "</")


@dataclass(frozen=True, slots=True)
class Written:
    """Places as a line of the output has them. `more` are so many that it leaves out."""

    line: int
    """The line that they are written in, from 0."""
    paths: tuple[str, ...]
    """As `format_path` writes them; the empty text is the whole policy."""
    more: int = 0


@dataclass(slots=True, eq=False)
class Block:
    """A line and the deeper ones below it."""

    opening: int
    """The line that it begins with, from 0."""
    indentation: int
    around: Block | None
    written: Written | None = None

    def outwards(self) -> Iterator[Block]:
        """It and those around it."""
        block: Block | None = self
        while block is not None:
            yield block
            block = block.around


def written_at(lines: Sequence[str], index: int, source: str) -> list[Written]:
    """What a line itself carries. `source` is the policy's name: without a place behind it, it is the whole policy."""
    line = lines[index]
    if _is_plain(source) and source not in line:
        return []
    if ": " in line and (found := list(_written(source).finditer(line))):
        return [Written(index, tuple(one[1].split(", ")), int(one[2] or 0)) for one in found]
    comment = line.lstrip(" ")
    whole = comment == f"# {source}" or comment.startswith(f"# {source}: ") or f"policyc from {source}" in line
    return [Written(index, ("",))] if whole else []


@cache
def _is_plain(source: str) -> bool:
    """Whether a policy's name is the same text in every format."""
    return re.fullmatch(r"[A-Za-z0-9._ -]+", source) is not None


@cache
def _written(source: str) -> re.Pattern[str]:
    # Each format has its own way with the odd characters of a file's name.
    name = re.escape(source) if _is_plain(source) else re.sub(r"[^A-Za-z0-9_ -]", ".{1,8}?", source)
    return re.compile(rf"""(?:^\s*# |"|>){name}: {_PATHS}""")


def by_comments(lines: Sequence[str], source: str) -> list[tuple[Written, ...]]:
    """For each line, the comments that are about it, the nearest first."""
    about: list[tuple[Written, ...]] = []
    open_comments: list[tuple[int, Written]] = []
    current: tuple[Written, ...] = ()
    after_gap = after_written = False
    for index, line in enumerate(lines):
        inner = line.lstrip(" ")
        if not inner:
            about.append(())
            after_gap, after_written = True, False
            continue
        indentation = len(line) - len(inner)
        is_comment = inner.startswith("#")
        # A comment that goes on explains; another one ends what was said beside it.
        ends_beside = after_gap or (is_comment and not after_written)
        before = len(open_comments)
        while open_comments and open_comments[-1][0] + (0 if ends_beside else -1) >= indentation:
            open_comments.pop()
        changed = len(open_comments) != before
        written = written_at(lines, index, source) if is_comment else []
        if written:
            open_comments.append((indentation, written[0]))
        if changed or written:
            current = tuple(one for _, one in reversed(open_comments))
        about.append(current)
        after_gap, after_written = False, bool(written) or (is_comment and after_written)
    return about


def by_blocks(lines: Sequence[str], levels: int, source: str) -> list[Block | None]:
    """For each line, the innermost block that it is in or that it opens or closes; each with what it says of itself."""
    within: list[Block | None] = []
    stack: list[Block] = []
    last, last_indentation = -1, 0
    for index, line in enumerate(lines):
        inner = line.lstrip(" ")
        if not inner:
            within.append(None)
            continue
        indentation = len(line) - len(inner)
        if last >= 0 and indentation > last_indentation:
            stack.append(Block(last, last_indentation, stack[-1] if stack else None))
            within[last] = stack[-1]
        closed = None
        while stack and stack[-1].indentation >= indentation:
            closed = stack.pop()
        here = stack[-1] if stack else None
        if closed is not None and closed.indentation == indentation and inner.startswith(_CLOSING):
            here = closed
        within.append(here)
        last, last_indentation = index, indentation
        for written in written_at(lines, index, source):
            owner = _up(here, levels - 1)
            if owner is not None and owner.written is None:
                owner.written = written
    return within


def _up(block: Block | None, levels: int) -> Block | None:
    for _ in range(levels):
        block = block.around if block else None
    return block
