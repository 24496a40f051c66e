"""Stopped by a signal, at any moment, nothing stays: no temporary folder, half output or running program.

What must not stay is registered before it is there, together with the way to be rid of it. The command line calls
`install`, and `sweep` when it was stopped; who uses the library without these has context managers as everywhere.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import Any, cast

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(SystemExit):
    """A signal asks us to stop. Of a kind that no library takes for an error of its own; the code is the shell's."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


_registered: dict[object, Callable[[], object]] = {}
_starting = False
_waiting: int | None = None


def stop(number: int, _: FrameType | None = None) -> None:
    """What a signal does: raise `Stopped`, but not before a program that is being started is known."""
    global _waiting
    if _starting:
        _waiting = number
        return
    raise Stopped(number)


def install(handler: Callable[[int, FrameType | None], object] = stop) -> None:
    """From now on these signals stop us, but for those that whoever started us had ignored (``nohup``)."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def sweep() -> None:
    """Be rid of everything that is registered. Signals are ignored from here on."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for clean in reversed(_registered.values()):
        with suppress(OSError):
            clean()
    _registered.clear()


@contextmanager
def swept(clean: Callable[[], object]) -> Generator[None]:
    """Has `clean` called if we are stopped in the block, however far it came. It must bear to find nothing."""
    key = object()
    _registered[key] = clean
    try:
        yield
    except Stopped:
        raise  # it stays registered
    except BaseException:
        del _registered[key]
        raise
    del _registered[key]


@contextmanager
def temporary_folder(prefix: str) -> Generator[str]:
    """A folder for nobody else, gone at the end."""
    # Named before it is made: `tempfile` tells the name only when it is there.
    path = os.path.join(tempfile.gettempdir(), prefix + secrets.token_hex(8))
    with swept(partial(shutil.rmtree, path, ignore_errors=True)):
        try:
            os.mkdir(path, 0o700)
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def written_beside(path: str, data: bytes) -> Generator[str]:
    """A new file with this content in the folder of `path`, for nobody else to read, to be renamed or linked."""
    beside = os.path.join(os.path.dirname(path), ".policyc-" + secrets.token_hex(8))
    with swept(partial(os.unlink, beside)):
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
                stream.write(data)
            yield beside
        finally:
            with suppress(FileNotFoundError):
                os.unlink(beside)


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program, as `subprocess.Popen` does; it ends with us until it is given to `ended`."""
    global _starting
    # Stopped between its start and our knowing it, nobody could end it.
    _starting = True
    try:
        process = cast("subprocess.Popen[bytes]", subprocess.Popen(command, **options))  # noqa: S603  # the caller's, without a shell
        _registered[process] = partial(_end, process, options.get("start_new_session", False))
    finally:
        _starting = False
        if _waiting is not None:
            raise Stopped(_waiting)
    return process


def ended(process: subprocess.Popen[bytes]) -> None:
    """A program that was started has ended."""
    _registered.pop(process, None)


def run(command: Sequence[str], timeout: float, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """A program's status and output, as `subprocess.run` gives them. Raises TimeoutExpired, and kills it then."""
    process = start(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except Exception:
        process.kill()
        process.wait()
        ended(process)
        raise
    ended(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _end(process: subprocess.Popen[bytes], session: bool) -> None:
    """Kill it, and its workers where it leads a session of its own."""
    if session:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
