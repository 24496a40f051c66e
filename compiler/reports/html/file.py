"""Putting the page on disk: whole or not at all, and never in the place of somebody else's file."""

from __future__ import annotations

import os
import secrets
import stat

from ...folder_exchange import settle
from . import GENERATOR

_BEGINNING = 1000


class NotOurs(Exception):
    """There is something at this place that is not one of our pages."""


def write(file: str, text: str) -> None:
    """Write a page anew. A new file's mode is left to the umask, an old one's stays. Raises NotOurs and OSError."""
    path = os.path.realpath(file)
    folder = os.path.dirname(path)
    mode = _mode(path)
    # Not `tempfile`: that makes files which only their owner may read, and the umask cannot be asked for safely.
    beside = os.path.join(folder, f".{os.path.basename(path)[:100]}.policyc-{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            if mode is not None:
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    settle(folder)


def _mode(path: str) -> int | None:
    """The mode of the page that is there; None for none."""
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise NotOurs
        with open(path, "rb") as stream:
            if found.st_size and GENERATOR.encode() not in stream.read(_BEGINNING):
                raise NotOurs
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode)
