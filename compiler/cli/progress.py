"""One line on a terminal for what takes longer than a second: what is done now, and how far it is."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TextIO

from .. import progress

AFTER = 1.0
"""Seconds from the command's start in which nothing is shown."""
EVERY = 0.1
"""Seconds between two changes of the line."""
_ERASE = "\r\x1b[K"
_START = time.monotonic()


@contextmanager
def shown(stream: TextIO | None = None) -> Generator[None]:
    """Shows progress on a terminal, and nowhere else; the line is gone at the end, whatever the end is."""
    shown_on = stream or sys.stderr
    if not wanted(shown_on):
        yield
        return
    line = Line(shown_on)
    with progress.told_to(line):
        try:
            yield
        finally:
            line.erase()


def wanted(stream: TextIO) -> bool:
    """Whether somebody looks at it: a terminal that can move its cursor, and no CI's log."""
    return (
        stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and os.environ.get("CI", "") in ("", "0", "false")
    )


class Line:
    """The line; called at each step. Most calls only look at the clock."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = _START + AFTER
        self._shown = False

    def __call__(self, stage: str, done: int | None = None, of: int | None = None) -> None:
        """Say a stage, with a count where there is one."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        text = f"policyc: {stage}" + (f" {done} of {of}" if of is not None else "")
        self._write(_ERASE + text[: shutil.get_terminal_size().columns - 1])
        self._shown = True

    def erase(self) -> None:
        """Take the line away, for a moment or for good."""
        if self._shown:
            self._shown = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        # What nobody reads any more must not stop the work.
        with suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
