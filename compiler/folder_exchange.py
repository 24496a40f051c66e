"""A folder's content replaced in one step, so that whoever looks, or pulls the plug, finds the old or the new one."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial

from .stopping import swept

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
"""How a kernel or a file system says that it cannot exchange two names."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL}
_TELLS_OF_FAILURE = (5, 8)
OLD = ".old"


class InUse(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(folder: str) -> Generator[None]:
    """Keeps others from writing into a folder, which is made if need be. Raises InUse, or OSError.

    The lock is on the folder itself and ends with the process: nothing is left behind. File systems without locks
    (some network ones) go without.
    """
    import fcntl

    absent = _absent(folder)
    with swept(partial(_removed_if_empty, absent)):
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(folder) from None
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            yield
        finally:
            os.close(descriptor)
            _removed_if_empty(absent)  # where nothing came into it: an error ended the work


def _absent(folder: str) -> list[str]:
    """The folder and those above it that are not there, from below."""
    folder, absent = os.path.abspath(folder), list[str]()
    while not os.path.lexists(folder):
        absent.append(folder)
        folder = os.path.dirname(folder)
    return absent


def _removed_if_empty(folders: list[str]) -> None:
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)


def exchange(new: str, folder: str) -> str:
    """Puts a folder in the place of another one on the same file system; gives where the other is now.

    In one step where the kernel can exchange two names (Linux since 3.15, macOS). Elsewhere in two: between them
    neither is in place, and `restored` mends that when it is called the next time.
    """
    try:
        _exchange(new, folder)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        old = new + OLD
        os.rename(folder, old)
        try:
            os.rename(new, folder)
        except OSError:
            os.rename(old, folder)
            raise
        return old
    return new


def restored(folder: str, leftovers: list[str]) -> bool:
    """Puts the old folder back that an `exchange` in two steps was ended between. Whether there was one."""
    if os.path.lexists(folder):
        return False
    old = next((path for path in leftovers if path.endswith(OLD)), None)
    if old is not None:
        os.rename(old, folder)
    return old is not None


def _exchange(one: str, other: str) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, ctypes.c_uint(_RENAME_SWAP))
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_EXCHANGE))
    else:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one)


def settle(path: str) -> None:
    """Waits until a folder's own entries are on the disk, as far as its file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settles_at_once() -> bool:
    """Whether all that was written to a file system can be waited for in one step, and is told of if it failed.

    Linux tells since 5.8: https://man7.org/linux/man-pages/man2/sync.2.html#VERSIONS
    """
    if not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "syncfs"):
        return False
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return found is not None and (int(found[1]), int(found[2])) >= _TELLS_OF_FAILURE


def settle_file_system(path: str) -> None:
    """Waits until all that was written to the file system of a folder is on the disk. Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if library.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
