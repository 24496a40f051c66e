"""Progress is a line on a terminal, for work that takes long, and nothing anywhere else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from policyc.compiler import progress
from policyc.compiler.cli.progress import EVERY, Line, wanted

from .conftest import GOOD

ERASED = "\r\x1b[K"
CODE = """
import sys
from policyc.compiler.cli import progress
progress.AFTER, progress.EVERY = {after}, 0
from policyc.compiler.cli import main
sys.argv = ["policyc", {command}, "--target", "haproxy"]
main()
"""


def on_a_terminal(policy: Path, after: float, command: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """A command's status and what it writes on stderr, which is a terminal; stdout is none."""
    master, slave = os.openpty()
    kept = {key: value for key, value in os.environ.items() if key not in ("CI", "TERM", "COLUMNS")}
    values = {**kept, **environment}
    code = CODE.format(after=after, command=command.format(repr(str(policy))))
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=policy.parent, env=values, stdout=subprocess.DEVNULL, stderr=slave
    ) as process:
        os.close(slave)
        told = b""
        try:
            while part := os.read(master, 65536):
                told += part
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(master)
    return process.returncode, told.decode()


def test_stages_and_counts_in_one_line_that_goes_away(write_policy: Callable[[str], Path]) -> None:
    policy = write_policy(GOOD.replace('example: {version: "2.6"}', 'haproxy: {version: "2.6"}'))
    status, told = on_a_terminal(policy, 0, "'build', {}, '-o', 'out'", {"TERM": "xterm"})
    assert status == 0, told
    for line in ("reading files 0 of 1", "certificates 0 of 1", "sites 0 of 1", "lint: haproxy", "haproxy"):
        assert f"{ERASED}policyc: {line}{ERASED}" in told, told
    assert re.search(r"writing files [1-9]\d* of \d+", told)
    # Whatever comes below is on a line of its own: what is erased leaves nothing.
    rest = [text.rpartition(ERASED)[2] for text in told.split("\r\n")]
    assert rest == ["policyc: wrote out/haproxy", "policyc: put the private key at out/haproxy/certs/shop.key", ""]


@pytest.mark.parametrize(
    ("after", "environment"),
    [(0, {"TERM": "dumb"}), (0, {}), (0, {"TERM": "xterm", "CI": "true"}), (1000, {"TERM": "xterm"})],
)
def test_nothing_where_nobody_looks_or_it_is_quick(
    write_policy: Callable[[str], Path], after: float, environment: Mapping[str, str]
) -> None:
    policy = write_policy(GOOD.replace('example: {version: "2.6"}', 'haproxy: {version: "2.6"}'))
    assert on_a_terminal(policy, after, "'lint', {}", environment) == (0, "")


def test_nothing_where_stderr_is_no_terminal() -> None:
    assert not wanted(io.StringIO())


def test_a_step_costs_next_to_nothing() -> None:
    told: list[str] = []

    class Told(io.StringIO):
        def write(self, text: str) -> int:
            told.append(text)
            return len(text)

    count = 100_000
    line = Line(Told())
    line._next = 0.0  # pyright: ignore[reportPrivateUsage]  # as if it ran for long
    begin = time.monotonic()
    with progress.told_to(line):
        assert sum(1 for _ in progress.counted("sites", range(count))) == count
    took = time.monotonic() - begin
    assert 1 <= len(told) <= took / EVERY + 1
    # A site takes more than 100 µs; a step here is below 1 µs, and on a busy machine a few.
    assert took / count < 20e-6


def test_who_listens_no_more_is_told_no_more() -> None:
    heard: list[tuple[str, int | None, int | None]] = []

    def listener(stage: str, done: int | None = None, of: int | None = None) -> None:
        heard.append((stage, done, of))

    with progress.told_to(listener):
        progress.stage("lint")
        assert list(progress.counted("files", "ab")) == ["a", "b"]
    progress.stage("lint")
    assert heard == [("lint", None, None), ("files", 0, 2), ("files", 1, 2)]
