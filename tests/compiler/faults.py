"""Stops a function at each of its steps on the file system, in a process of its own: killed, or with an error."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from policyc.compiler import folder_exchange
from policyc.compiler.output_folder import CannotWrite

STEPS = ("open", "write", "fsync", "fchmod", "chmod", "mkdir", "rename", "link", "symlink", "unlink", "rmdir")
NEED_SPACE = ("open", "write", "fsync", "mkdir", "link", "symlink")
WRONG = 99


@dataclass(frozen=True)
class Fault:
    """What happens at step `at` (counted from 0): killed before it, or refused (`error`), `once` or ever after.

    `half`: of a write the first half is done before.
    """

    at: int
    error: int | None = None
    once: bool = False
    half: bool = False
    exchange: bool = True
    """False: the file system cannot exchange two names."""


@dataclass(frozen=True)
class Ended:
    """How the process ended: killed, with CannotWrite and its message, or well. `steps`: how many there were."""

    killed: bool
    refused: str | None
    steps: int


def run(work: Callable[[], object], fault: Fault) -> Ended:
    """Does the work in a child process with a fault in it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(work, fault, writing)
    os.close(writing)
    with open(reading, "rb") as stream:
        told = stream.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return Ended(True, None, fault.at)
    assert os.WEXITSTATUS(status) == 0, told
    steps, _, refused = told.partition(" ")
    return Ended(False, refused or None, int(steps))


def _in_child(work: Callable[[], object], fault: Fault, pipe: int) -> None:
    real_write, leave = os.write, os._exit
    steps = 0

    def stepping(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal steps
            reads = name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if reads or (name == "write" and arguments[0] == pipe):
                return real(*arguments, **named)
            number, steps = steps, steps + 1
            if number == fault.at and name == "write" and fault.half:
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if fault.error is None and number == fault.at:
                os.kill(os.getpid(), signal.SIGKILL)
            if fault.error is not None and (number == fault.at or (number > fault.at and not fault.once)):
                needed = NEED_SPACE if fault.error == errno.ENOSPC else (*STEPS, "exchange")
                if name in needed:
                    raise OSError(fault.error, os.strerror(fault.error))
            return real(*arguments, **named)

        return step

    def no_exchange(*_: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    told = ""
    try:
        for name in STEPS:
            setattr(os, name, stepping(name, getattr(os, name)))
        real = folder_exchange._exchange if fault.exchange else no_exchange  # pyright: ignore[reportPrivateUsage]
        folder_exchange._exchange = stepping("exchange", real)  # pyright: ignore[reportPrivateUsage]
        work()
    except CannotWrite as error:
        told = str(error)
    except BaseException as error:  # noqa: BLE001  # a forked test process must not go on as one
        real_write(pipe, repr(error).encode())
        leave(WRONG)
    real_write(pipe, f"{steps} {told}".encode())
    leave(0)
