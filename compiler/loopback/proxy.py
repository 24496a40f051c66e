"""Real proxies on loopback: found, started on a folder that policyc wrote, and surely stopped."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from .. import stopping
from ..native_check import ProgramMissing, find_program
from ..target import installed_targets

_START_TIMEOUT = 20
_STOP_TIMEOUT = 5


class Missing(Exception):
    """A proxy is not installed on this machine."""


class DidNotStart(Exception):
    """A proxy ended or did not open its ports. The message holds its log."""


def runnable() -> tuple[str, ...]:
    """The installed targets whose output runs on this kind of machine, whether or not their programs are here."""
    return tuple(name for name, target in installed_targets().items() if target.foreground)


def program(target: str) -> str:
    """The path of a target's program. Raises Missing."""
    try:
        return find_program(installed_targets()[target].foreground[0])
    except ProgramMissing as missing:
        raise Missing(f"{target} is not installed on this machine") from missing


def version(file: str) -> str:
    """The version of a proxy's program as it says itself: ``2.6.12``. Raises Missing where it says none."""
    for flag in ("-v", "--version"):
        try:
            done = subprocess.run(  # noqa: S603  # the program that the caller names
                [file, flag], capture_output=True, text=True, timeout=20, check=False
            )
        except OSError as error:
            raise Missing(f"{file} cannot be run: {error}") from error
        found = re.search(r"[/ ](\d+\.\d+\.\d+)", done.stdout + done.stderr)
        if found:
            return found[1]
    raise Missing(f"{file} does not say its version")


class Proxy:
    """A running proxy. A context manager: it is started on entry and stopped on exit.

    `folder` is what ``policyc build`` wrote for the target; `sockets` are the addresses and ports that must be open
    before it counts as started. `file` is its program, by default the one that is installed.
    """

    def __init__(self, target: str, folder: Path, sockets: Sequence[tuple[str, int]], file: str | None = None) -> None:
        self.target = target
        self.file = file
        self.folder = folder.resolve()
        self.sockets = sockets
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that was launched, which leads a session of its own; 0 when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    @property
    def log(self) -> str:
        """What the proxy has printed so far."""
        if self._log is None:
            return ""
        return self.printed().decode(errors="replace")

    def printed(self, start: int = 0) -> bytes:
        """What it has printed from a byte on, a MiB at most."""
        return os.pread(self._log.fileno(), 1 << 20, start) if self._log else b""

    def printed_length(self) -> int:
        """How many bytes it has printed."""
        return os.fstat(self._log.fileno()).st_size if self._log else 0

    def launch(self) -> None:
        """Start it and do not wait. Raises Missing.

        Not from a thread that ends before the proxy shall: some ask Linux for a SIGTERM then (PR_SET_PDEATHSIG).
        """
        command = installed_targets()[self.target].foreground
        user = pwd.getpwuid(os.geteuid()).pw_name
        arguments = [word.replace("{folder}", str(self.folder)).replace("{user}", user) for word in command[1:]]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it is read after the proxy's end
        self._process = stopping.start(
            [self.file or program(self.target), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait for its ports. Raises DidNotStart with the log."""
        process = self._process
        if process is None:
            raise DidNotStart(f"{self.target} was not launched")
        end = time.monotonic() + _START_TIMEOUT
        waiting = list(self.sockets)
        while waiting:
            waiting = [where for where in waiting if not _open(where)]
            if process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise DidNotStart(f"{self.target} in {self.folder} did not start:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and all its workers; what does not end by itself is killed."""
        process = self._process
        if process is None:
            return
        self._process = None
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        with suppress(ProcessLookupError):  # no worker was left
            os.killpg(process.pid, signal.SIGKILL)
        stopping.ended(process)

    def __enter__(self) -> Self:
        self.launch()
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()


def _open(where: tuple[str, int]) -> bool:
    try:
        socket.create_connection(where, 1).close()
    except OSError:
        return False
    return True
