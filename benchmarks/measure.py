"""What one process costs: CPU time, wall time and peak memory, as the kernel counted them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a process with all that it started: seconds of CPU and of wall time, and the largest process's MiB.

    A process begins with the memory of the one that starts it, so whoever measures must be small.
    """

    cpu: float
    wall: float
    memory: float


class Failed(Exception):
    """A process that is measured ended with another status than 0."""


def cost(command: Sequence[str], told: Path | None = None) -> Cost:
    """Run a command to its end; `told` is the file that gets what it prints. Raises Failed."""
    with open(told, "w+b") if told else tempfile.TemporaryFile() as output:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
        ]
        begin = time.monotonic()
        child = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - begin
        if status:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise Failed(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}\n{text[-2000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def alternately(rounds: int, *runs: Callable[[], Cost]) -> list[Cost]:
    """The median of each run's costs over so many rounds, one after the other: what disturbs one disturbs all."""
    taken = [[run() for run in runs] for _ in range(rounds)]
    return [
        Cost(*(median(getattr(one, field) for one in column) for field in ("cpu", "wall", "memory")))
        for column in zip(*taken, strict=True)
    ]


def python(*arguments: str) -> list[str]:
    """A command of this Python."""
    return [sys.executable, *arguments]
