"""Findings: what is wrong, where in the policy, and what to do about it.

Every stage returns findings as values. A `Rule` is the only thing that makes a `Diagnostic`, and its page
(`policyc explain RULE`) is the docstring that it was declared with.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Path = tuple[str | int, ...]
"""A place in the policy: keys and list indexes from the document's root, e.g. ``("sites", "shop", "hostnames", 0)``."""


class Severity(StrEnum):
    """How bad a finding is. The order of the members is the order of weight, heaviest first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    def at_least(self, other: Severity) -> bool:
        """Whether this is as heavy as `other`, or heavier."""
        order = list(Severity)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line of a file. Lines and columns count from 1; `end_column` is the first one after it."""

    file: str
    line: int
    column: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the policy and what it has to say there.

    `path` is turned into a line and a column only when printed. `of` chooses the key or the value at the path.
    `span` is set only where no path exists, as for text that cannot be parsed.
    """

    path: Path
    note: str = ""
    of: Literal["key", "value"] = "value"
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the policy at one place: the key or scalar there becomes `value`. None takes the whole entry away.

    What is written is data: whoever applies it quotes it where YAML needs that.
    """

    at: Location
    value: str | None


@dataclass(frozen=True, slots=True)
class Fix:
    """A safe change that mends a finding, and does nothing else. `title` says it as an order: "replace `ap` by `app`".

    Safe is what nobody would object to: a typing error with one possible meaning, or something without effect.
    """

    title: str
    edits: tuple[Edit, ...]
    files: tuple[tuple[str, str], ...] = ()
    """Files that the policy names and that get another content: absolute path and text."""


def renaming(at: Location, old: str, new: str) -> Fix:
    """The fix that corrects one word."""
    return Fix(f"replace `{old}` by `{new}`", (Edit(at, new),))


def removal(at: Location, what: str) -> Fix:
    """The fix that takes an entry away."""
    return Fix(f"remove {what}", (Edit(at, None),))


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Made by `Rule.found` only."""

    rule: str
    severity: Severity
    message: str
    primary: Location
    related: tuple[Location, ...] = ()
    target: str | None = None
    notes: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    acceptable: bool = True
    """Whether an `accept` entry of the policy may take it off the list."""
    per_backend: bool = False
    """Whether such an entry must name the backends it is for."""
    sites: tuple[str, ...] = ()
    """Names of the sites it concerns, for `accept`."""
    backends: tuple[str, ...] = ()
    """Names of the backends it concerns, for `accept`."""
    fixes: tuple[Fix, ...] = ()
    """What would mend it, best first. Empty where no change is safe."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding. `id` names the bad pattern in kebab-case; `page` is Markdown."""

    id: str
    severity: Severity
    page: str
    acceptable: bool = True
    per_backend: bool = False
    check: Callable[..., Iterable[Diagnostic]] | None = None
    """The lint function, for rules that are one. Rules of the reading stages have none."""
    instead_of: str | None = None
    """For a target's rule: the common rule whose finding at the same place says the same, and less."""

    @property
    def summary(self) -> str:
        """The page's first sentence: what the rule does."""
        paragraph = next((part for part in self.page.split("\n\n") if part.strip()), "")
        text = " ".join(line.strip() for line in paragraph.splitlines() if not line.startswith("#"))
        sentence, stop, _ = text.partition(". ")
        return sentence + "." if stop else text

    def found(
        self,
        message: str,
        at: Location | Path,
        *,
        related: Iterable[Location] = (),
        target: str | None = None,
        notes: Iterable[str] = (),
        help: Iterable[str] = (),  # the word users see
        severity: Severity | None = None,
        sites: Iterable[str] = (),
        backends: Iterable[str] = (),
        fixes: Iterable[Fix] = (),
    ) -> Diagnostic:
        """A finding of this rule. `message` is one line, without the place and the target's name in front."""
        return Diagnostic(
            rule=self.id,
            severity=severity or self.severity,
            message=_short(message),
            primary=at if isinstance(at, Location) else Location(at),
            related=tuple(related),
            target=target,
            notes=tuple(notes),
            help=tuple(help),
            acceptable=self.acceptable,
            per_backend=self.per_backend,
            sites=tuple(sites),
            backends=tuple(backends),
            fixes=tuple(fixes),
        )


_LONGEST = 2_000
"""Characters of a message."""


def _short(message: str) -> str:
    """A message without the middle of what it quotes, where that is a file of its own."""
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 4 :]}"


def declare(rule_id: str, page: str, severity: Severity = Severity.ERROR, *, acceptable: bool = False) -> Rule:
    """A rule that a reading stage finds itself. Such findings mean "not understood" and cannot be accepted."""
    return Rule(rule_id, severity, inspect.cleandoc(page), acceptable)


def rule(
    rule_id: str,
    severity: Severity = Severity.ERROR,
    *,
    acceptable: bool = True,
    per_backend: bool = False,
    instead_of: str | None = None,
) -> Callable[[Callable[..., Iterable[Diagnostic]]], Rule]:
    """Decorator: turns a lint function into a `Rule`. Its page is the function's docstring, or else its module's.

    `per_backend`: the finding can be accepted for named backends only, never for all. `instead_of`: see `Rule`.
    """

    def make(function: Callable[..., Iterable[Diagnostic]]) -> Rule:
        page = function.__doc__ or sys.modules[function.__module__].__doc__
        if not page:
            raise ValueError(f"lint rule {rule_id} has no page (docstring)")
        return Rule(rule_id, severity, inspect.cleandoc(page), acceptable, per_backend, function, instead_of)

    return make


def rules_in(module: object) -> list[Rule]:
    """The rules declared in a module, in the order of their definition."""
    return [value for value in vars(module).values() if isinstance(value, Rule)]


def format_path(path: Path) -> str:
    """A path as people write it: ``sites.shop.hostnames[0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
