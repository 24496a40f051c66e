"""A target's own parser on a bundle, in a temporary folder, with throwaway keys where the real ones are absent."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass

from . import stopping
from .bundle import Bundle, KeyFile
from .certificates import is_clear_key

_TIMEOUT = 120


class ProgramMissing(Exception):
    """The target's program is not on this machine."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the parser said."""

    accepted: bool
    throwaway_keys: bool
    said: str
    """In its own words, with paths relative to the bundle."""


def find_program(name: str) -> str:
    """A program's path: from PATH, beside this Python (wheels put it there), or from the system's own folders.

    Raises ProgramMissing.
    """
    folders = [
        os.environ.get("PATH", os.defpath),
        os.path.dirname(sys.executable),
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
    ]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise ProgramMissing(f"the program {name!r} is not installed here")
    return found


def native_check(bundle: Bundle) -> Result:
    """Run the bundle's check command. Raises ProgramMissing where the program is not installed."""
    program = find_program(bundle.check[0])
    with stopping.temporary_folder("policyc-check-") as folder:
        for path, data in bundle.files.items():
            _put(folder, path, data)
        throwaway = False
        for key in bundle.keys:
            if is_clear_key(key.source):
                # Named and not copied: a private key is in no temporary file.
                os.makedirs(os.path.dirname(os.path.join(folder, key.path)), exist_ok=True)
                os.symlink(os.path.abspath(key.source), os.path.join(folder, key.path))
            else:
                throwaway = True
                _put_throwaway(folder, key, bundle)
        command = [program, *(argument.replace("{folder}", folder) for argument in bundle.check[1:])]
        done = stopping.run(command, _TIMEOUT, cwd=folder)
        text = (done.stdout + done.stderr).decode(errors="replace").replace(folder + "/", "")
    accepted = done.returncode == 0 or (bundle.check_says != "" and bundle.check_says in text)
    return Result(accepted, throwaway, text)


def _put(folder: str, path: str, data: bytes) -> None:
    full = os.path.join(folder, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(data)


def _put_throwaway(folder: str, key: KeyFile, bundle: Bundle) -> None:
    """A fresh key, and in place of its certificate a self-signed one with the same names and kind of key.

    Parsers compare the two, so the real certificate cannot stay.
    """
    from .throwaway import stand_in

    stem = key.path.removesuffix(".key")
    chain_path = next(path for path in (f"{stem}.pem", f"{stem}.crt") if path in bundle.files)
    certificate, private = stand_in(bundle.files[chain_path])
    _put(folder, chain_path, certificate)
    _put(folder, key.path, private)
