"""One job on one proxy: the generated configuration and the expert's, in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

from policyc.compiler.loopback.proxy import DidNotStart

from ..measure import Failed as CheckFailed
from . import agreement, generators
from .edge import Edge
from .generators import Load
from .job import Job
from .origin import origin

_Result = TypeVar("_Result")

_CPU = 0.25
"""Seconds of CPU that a round of requests takes: many short rounds in turn see the same neighbours."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The medians of both sides, and the median of the rounds' ratios, which neighbours disturb least."""

    generated: float
    expert: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Compared:
    """A job's figures on one proxy, by name, or why there are none."""

    job: Job
    target: str
    figures: Mapping[str, Figure]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each side is started, and how many rounds of load it gets."""

    starts: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two configurations, and the port that it says."""

    folder: Path
    port: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the backends are, and what they show: a certificate that the job's CA signed, and one that it did not."""

    port: int
    trusted: tuple[Path, Path]
    untrusted: tuple[Path, Path]


def compare(job: Job, target: str, sides: Sequence[Side], backend: Origin, effort: Effort) -> Compared:
    """Both sides (the generated one first) started, held to the same answers, and measured in turn."""
    figures: dict[str, Figure] = {}
    try:
        _compare(job, target, sides, backend, effort, figures)
    except (DidNotStart, CheckFailed, agreement.Disagrees, generators.Failed) as failed:
        return Compared(job, target, figures, str(failed))
    return Compared(job, target, figures)


def _compare(
    job: Job, target: str, sides: Sequence[Side], backend: Origin, effort: Effort, figures: dict[str, Figure]
) -> None:
    edges = [Edge(target, side.folder, side.port, job) for side in sides]
    figures["check, CPU"] = _figure(_in_turn(effort.starts, edges, lambda edge: edge.check().cpu))
    for _ in range(effort.starts - 1):
        for edge in edges:
            with edge:
                pass
    with ExitStack() as stack:
        for edge in edges:
            stack.enter_context(edge)
        starts = list(zip(*(edge.starts for edge in edges), strict=True))
        figures["start, CPU"] = _figure([tuple(one.cpu for one in pair) for pair in starts])
        figures["start, wall"] = _figure([tuple(one.wall for one in pair) for pair in starts])
        with origin(backend.port, backend.untrusted):
            for edge in edges:
                agreement.check_untrusted(edge)
        with origin(backend.port, backend.trusted):
            for edge in edges:
                agreement.check(edge)
            _load(edges, effort, figures)
        figures["memory after load"] = _figure([tuple(edge.used().memory for edge in edges)])


def _load(edges: Sequence[Edge], effort: Effort, figures: dict[str, Figure]) -> None:
    counts = {edge: min(20000, max(40, round(_CPU / generators.requests(edge, 200).cpu))) for edge in edges}
    found = _in_turn(effort.rounds, edges, lambda edge: generators.requests(edge, counts[edge]))
    figures["request, CPU"] = _figure(_each(found, lambda load: load.cpu))
    figures["requests a second"] = _figure(_each(found, lambda load: load.rate))
    figures["request, p99"] = _figure(_each(found, lambda load: load.p99))
    job = edges[0].job
    if len(job.sites) == 1 and not job.rules:
        found = _in_turn(effort.rounds, edges, lambda edge: generators.requests(edge, counts[edge], "h2"))
        figures["request in HTTP/2, CPU"] = _figure(_each(found, lambda load: load.cpu))
    if not job.rules:
        found = _in_turn(max(1, effort.rounds // 2), edges, generators.handshakes)
        figures["handshake, CPU"] = _figure(_each(found, lambda load: load.cpu))
        figures["handshakes a second"] = _figure(_each(found, lambda load: load.rate))


def _in_turn(rounds: int, edges: Sequence[Edge], run: Callable[[Edge], _Result]) -> list[tuple[_Result, ...]]:
    """Each round with the other one first, so that neither always follows the same."""
    found: list[tuple[_Result, ...]] = []
    for number in range(rounds):
        one, other = edges if number % 2 == 0 else reversed(edges)
        pair = run(one), run(other)
        found.append(pair if number % 2 == 0 else pair[::-1])
    return found


def _each(found: Sequence[tuple[Load, ...]], figure: Callable[[Load], float]) -> list[tuple[float, ...]]:
    return [tuple(figure(load) for load in pair) for pair in found]


def _figure(pairs: Sequence[tuple[float, ...]]) -> Figure:
    generated, expert = zip(*pairs, strict=True)
    return Figure(median(generated), median(expert), median(one / other if other else 1 for one, other in pairs))
