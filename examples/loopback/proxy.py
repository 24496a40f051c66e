"""Real proxies on loopback: found, started on a folder that policyc wrote, and surely stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import IO, Self

# Those of the proxies that policyc has a backend for: one is tested from the day on which it is registered.
_REGISTERED = entry_points(group="policyc.backends").names
TARGETS = tuple(name for name in ("haproxy", "nginx", "envoy") if name in _REGISTERED)

_ARGUMENTS = {
    "haproxy": ("-f", "haproxy.cfg"),
    # Started by root, its workers would be another user, who cannot enter a tester's folders.
    "nginx": (
        *("-p", "{folder}/", "-c", "{folder}/nginx.conf"),
        *("-g", "daemon off;" + (" user root;" if os.geteuid() == 0 else "")),
    ),
    # Else it keeps what it logs for ten seconds.
    "envoy": (
        *("-c", "envoy.json", "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"),
        *("--file-flush-interval-msec", "50"),
    ),
}
_START_TIMEOUT = 20
_STOP_TIMEOUT = 5


class Missing(Exception):
    """A proxy is not installed on this machine."""


class DidNotStart(Exception):
    """A proxy ended or did not open its ports. The message holds its log."""


def program(target: str) -> str:
    """The path of a proxy's program: on PATH, in the system's folders, or beside this Python, where wheels put it.

    Raises Missing.
    """
    folders = [os.environ.get("PATH", os.defpath), os.path.dirname(sys.executable), "/usr/local/sbin", "/usr/sbin"]
    found = shutil.which(target, path=os.pathsep.join(folders))
    if found is None:
        raise Missing(f"{target} is not installed on this machine")
    return found


def version(file: str) -> str:
    """The version of a proxy's program as it says itself: ``2.6.12``. Raises Missing where it says none."""
    flag = "--version" if Path(file).name.startswith("envoy") else "-v"
    try:
        done = subprocess.run([file, flag], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        raise Missing(f"{file} cannot be run: {error}") from error
    found = re.search(r"[/ ](\d+\.\d+\.\d+)", done.stdout + done.stderr)
    if found is None:
        raise Missing(f"{file} does not say its version")
    return found[1]


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

        Not from a thread that ends before the proxy shall: Envoy asks Linux for a SIGTERM then (PR_SET_PDEATHSIG).
        """
        arguments = [word.replace("{folder}", str(self.folder)) for word in _ARGUMENTS[self.target]]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # it is read after the proxy's end
        self._process = subprocess.Popen(
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

    def __enter__(self) -> Self:
        self.launch()
        self.wait()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()


def _open(where: tuple[str, int]) -> bool:
    try:
        socket.create_connection(where, 1).close()
    except OSError:
        return False
    return True
