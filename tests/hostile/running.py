"""One input, through the whole road, within bounds; and what is taken out of a policy so that it builds."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from policyc.compiler.bundle import Bundle
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.diagnostics import Path as Place
from policyc.compiler.pipeline import Loaded, compile_for, examine, load
from policyc.compiler.reports import text as report
from policyc.compiler.target import Target
from policyc.schemas.target import TargetSettings

from ..backends.hostile import as_yaml

INPUTS = int(os.environ.get("POLICYC_HOSTILE_INPUTS", "10000"))
SEED = int(os.environ.get("POLICYC_FUZZ_SEED", "2026"))
POLICIES = INPUTS // 12
"""Whole policies: each is three or four inputs, until nothing is refused any more."""
DOCUMENTS = INPUTS - 4 * POLICIES
"""The rest of the inputs, with those that the policies which are changed take."""

SECONDS = 5
MEMORY = 1 << 30
ROUNDS = 8

Targets = Mapping[str, Target[TargetSettings]]


class OutOfBounds(Exception):
    """An input took longer, or more memory, than any may."""


@contextmanager
def bounded() -> Generator[None]:
    """Ends what runs longer than 5 s of CPU time, and tells of a process that has grown over 1 GiB."""

    def stop(_signal: int, _frame: object) -> None:
        raise OutOfBounds(f"over {SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY:
        raise OutOfBounds("over 1 GiB")


@dataclass(frozen=True)
class Examined:
    """What was said of a document for one target; its bundle if there is no error."""

    loaded: Loaded
    findings: tuple[Diagnostic, ...]
    bundle: Bundle | None

    @property
    def errors(self) -> list[Diagnostic]:
        """What keeps it from being built."""
        return [one for one in self.findings if one.severity is Severity.ERROR]


def examined(path: Path, data: bytes, target: str, targets: Targets) -> Examined:
    """A document as `policyc build` takes it, without a disk; what is said of it is printed, to nowhere."""
    lines = len(data.decode("latin-1").splitlines()) + 1
    with bounded():
        loaded = load(str(path), targets, {str(path): data})
        judged = examine(loaded, targets, [target])
        errors = any(one.severity is Severity.ERROR for one in judged.standing)
        assert judged.standing or loaded.plan, "neither a finding nor a meaning"
        for one in judged.standing:
            span = loaded.document.span(one.primary)
            assert 1 <= span.line <= lines, (one, span, lines)
            assert span.column >= 1, one
        shown = report.render(loaded.document, judged)
        assert all(character.isprintable() or character == "\n" for character in shown)
        assert os.fsencode(shown) is not None
        bundle = None if errors else compile_for(loaded, targets[target])
    return Examined(loaded, tuple(judged.standing), bundle)


def settled(path: Path, policy: Any, target: str, targets: Targets) -> tuple[Any, Examined, int]:
    """A policy without what is refused for this target, what was said at last, and in how many rounds."""
    one = examined(path, as_yaml(policy).encode(), target, targets)
    rounds = 1
    while one.errors and one.loaded.readable and rounds < ROUNDS:
        policy = without(policy, [error.primary.path for error in one.errors])
        one = examined(path, as_yaml(policy).encode(), target, targets)
        rounds += 1
    return policy, one, rounds


def without(policy: Any, places: list[Place]) -> Any:
    """A policy without what stands at these paths; what is empty then goes, too."""
    cut = {_there(policy, _whole(place)) for place in places}
    return _without(policy, (), cut)


def _whole(place: Place) -> Place:
    # Half a rule says something else than was meant, and mostly nothing.
    return place[:3] if place[:1] == ("inspection_rules",) else place


def _there(policy: Any, place: Place) -> Place:
    """The part of a path that the policy has: what lacks a key goes as a whole."""
    node = policy
    for depth, step in enumerate(place):
        if isinstance(node, dict) and step in node:
            node = cast("dict[str | int, Any]", node)[step]
        elif isinstance(node, list) and isinstance(step, int) and step < len(cast("list[Any]", node)):
            node = cast("list[Any]", node)[step]
        elif isinstance(node, list | dict) or step != 0:
            return place[:depth]
    return place


def _without(value: Any, at: Place, cut: set[Place]) -> Any:
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for key, inner in cast("dict[str, Any]", value).items():
            if (*at, key) not in cut:
                left = _without(inner, (*at, key), cut)
                if left not in ({}, []) or inner in ({}, []):
                    kept[key] = left
        return kept
    if isinstance(value, list):
        items = cast("list[Any]", value)
        left = [_without(inner, (*at, index), cut) for index, inner in enumerate(items) if (*at, index) not in cut]
        return [one for one in left if one not in ({}, [])]
    # A list that is written as its only element.
    return [] if (*at, 0) in cut else value
