"""What a target's own parser says against an output, as findings at the policy's lines.

A parser names a line of the output, or at least a word in it; `blame` knows whose line that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .diagnostics import Diagnostic, Location, declare

if TYPE_CHECKING:  # lint knows of this finding, too, and needs none of these
    from .blame import Output
    from .bundle import Bundle

REFUSED = declare(
    "refused-by-parser",
    """
    ## What it does
    `policyc check` has built the policy for a target, and the target's own parser does not take what was built.

    ## Why it is bad
    The target would not start with it, or would go on with its old configuration. Lint found nothing that explains
    it: a policy that passes lint must give an output that is taken.

    ## Example
    What was built names a directive that the installed version does not know. The finding has the parser's own words,
    the line of the output, and as its place the part of the policy that the line comes from.

    ## Use instead
    Look whether the installed program has the version that `targets` says, and whether the files and modules that the
    target's settings name are on this machine. If so this is a bug of policyc: please report it with the policy, or a
    part of it that shows the same. `policyc blame FILE:LINE` tells of any other line where it comes from.

    ## Targets
    Those with a parser that runs on this machine.

    ## References
    https://docs.haproxy.org/2.6/management.html#3

    https://nginx.org/en/docs/switches.html

    https://www.envoyproxy.io/docs/envoy/latest/operations/cli
    """,
)

_WORDS = 200
"""So much is shown of the begin and of the end of what a parser says: some print the whole part around a fault."""
_LINE = 400
_PLACES = 5
_LINES = 8
"""A word that is on more lines than these tells nothing of any of them."""
_AT = re.compile(r"([\w./-]+):([0-9]+)\b")
_NEAR = re.compile(r"\b(?:near|line) ([0-9]+)\b")
_QUOTED = re.compile(r"'([^'\n]+)'|\"([^\"\n]+)\"|`([^`\n]+)`")
_TECHNICAL = re.compile(r"[\w.*/-]*[0-9._/-][\w.*/-]*")


@dataclass(frozen=True, slots=True)
class _Found:
    """Lines of the output that a parser's words are about, each a file and a number."""

    lines: tuple[tuple[str, int], ...]
    named: bool
    """Whether the parser named them. Else they hold the words that it used."""


def refusals(output: Output, bundle: Bundle, said: str, target: str) -> list[Diagnostic]:
    """The findings for what a target's parser `said` when it refused the bundle, without repetitions."""
    faults = _faults(bundle, said)
    return list({fault: _finding(output, bundle, fault, target) for fault in faults}.values())


def _faults(bundle: Bundle, said: str) -> list[str]:
    """The parser's own words, one text for each fault."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if bundle.check_fault:
        found = [" ".join(one.split()) for one in re.findall(bundle.check_fault, said, re.MULTILINE)]
        if found:
            return list(dict.fromkeys(found))
    # A parser that speaks in another way than it was known to: everything that it said, as one.
    return [" ".join(lines) or "it says nothing"]


def _finding(output: Output, bundle: Bundle, fault: str, target: str) -> Diagnostic:
    from .blame_reports import described, exists

    found = _found(output, bundle, fault)
    places = list(dict.fromkeys(path for file, line in found.lines for path in output.blame(file, line).places))
    places = [path for path in places if path] or output.named(fault)
    if not places:
        places = [path for path in [("targets", target)] if exists(output, path)] or [()]
    primary, *related = (Location(path, described(output, path), of="key") for path in places[:_PLACES])
    notes = [f"{file}:{line}: {output.lines(file)[line - 1].strip()[:_LINE]}" for file, line in found.lines]
    if not found.named:
        notes.append(
            "it names no line; these hold its words" if notes else "it names no line, and its words are on none"
        )
    return REFUSED.found(
        f"its parser refuses what was built: {_shortened(fault)}",
        primary,
        related=related,
        target=target,
        notes=notes,
        help=["this is most likely a bug of policyc: please report it with the policy, or a part that shows the same"],
    )


def _found(output: Output, bundle: Bundle, fault: str) -> _Found:
    named = [
        (file, int(number))
        for file, number in _AT.findall(fault)
        if file in output.files and 1 <= int(number) <= len(output.lines(file))
    ]
    read = [argument for argument in map(_plain, bundle.check) if argument in output.files]
    for number in _NEAR.findall(fault) if read and not named else ():
        if 1 <= int(number) <= len(output.lines(read[0])):
            named.append((read[0], int(number)))
    if named:
        return _Found(tuple(dict.fromkeys(named)), named=True)
    return _Found(tuple(_with_words(output, read, fault)), named=False)


def _plain(argument: str) -> str:
    return argument.removeprefix("{folder}/")


def _with_words(output: Output, read: Sequence[str], fault: str) -> list[tuple[str, int]]:
    """The lines that hold the rarest of the words that a fault quotes; else of those that look technical."""
    quoted = ["".join(parts) for parts in _QUOTED.findall(fault)]
    for words in (quoted, [word.strip(".-/") for word in _TECHNICAL.findall(fault)]):
        seen = [list(_lines_with(output, read, word)) for word in dict.fromkeys(words) if len(word) > 1]
        telling = [lines for lines in seen if 0 < len(lines) <= _LINES]
        if telling:
            return min(telling, key=len)
    return []


def _lines_with(output: Output, read: Sequence[str], word: str) -> Iterator[tuple[str, int]]:
    whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
    for file in read:
        for number, line in enumerate(output.lines(file), 1):
            if word in line and whole.search(line):
                yield file, number


def _shortened(fault: str) -> str:
    return fault if len(fault) <= 2 * _WORDS else f"{fault[:_WORDS]} … {fault[-_WORDS:]}"
