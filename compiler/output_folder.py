"""Putting a bundle on disk: written beside, then renamed into place; whole or not at all.

A target's folder belongs to policyc as far as its manifest says: files that the manifest does not list (the
operator's keys) are carried over and never removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from . import progress
from .bundle import Bundle
from .certificates import BadCertificate, read_clear_key
from .document import Document
from .folder_exchange import InUse, exchange, locked, restored, settle, settle_file_system, settles_at_once
from .stopping import swept

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1

_FEW = 100
"""Up to so many files, each is waited for. To wait for the whole file system may be to wait for other programs' data;
to wait for 10,000 files, one after the other, is a minute."""


class CannotWrite(Exception):
    """The output cannot be written. The message is for the user."""


class NotWrittenByUs(Exception):
    """A file that is no part of an output. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Built:
    """An output as its manifest tells of it."""

    folder: str
    target: str
    policy: str | None
    """The policy's name without its folder; None in outputs of a policyc that did not write it down."""
    digest: str
    """`Document.digest` of the policy that it was built from."""
    files: Mapping[str, str]
    """The path of every file, with the SHA-256 of what was written."""
    keys: Mapping[str, str]
    """The paths of private keys, with what the policy calls them."""


@dataclass(frozen=True, slots=True)
class Output:
    """All files of one target's folder: content and mode."""

    files: Mapping[str, tuple[bytes, int]]
    missing_keys: tuple[str, ...]
    """Keys that the operator must put there."""


def assemble(bundle: Bundle, policy: Document, target: str, version: str, copy_keys: bool) -> Output:
    """The bundle with its manifest and README, and with the private keys in clear where asked for.

    Raises CannotWrite where a key to copy cannot be read.
    """
    files = {path: (data, 0o755 if path in bundle.executable else 0o644) for path, data in bundle.files.items()}
    if copy_keys:
        for key in bundle.keys:
            try:
                files[key.path] = (read_clear_key(key.source), 0o600)
            except BadCertificate as error:
                raise CannotWrite(f"cannot copy the private key {key.as_written!r}: {error}") from None
    files["README.txt"] = (_readme(bundle, target, version, copy_keys).encode(), 0o644)
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "policy": policy.short_name,
        "policy_sha256": policy.digest,
        "target": target,
        "target_version": version,
        "files": {
            path: {"sha256": hashlib.sha256(data).hexdigest()}
            for path, (data, mode) in sorted(files.items())
            if mode != 0o600
        },
        "keys": [
            {"path": key.path, "policy_names": key.as_written, "copied": copy_keys}
            for key in sorted(bundle.keys, key=lambda key: key.path)
        ],
    }
    files[MANIFEST] = ((json.dumps(manifest, indent=2) + "\n").encode(), 0o644)
    return Output(files, () if copy_keys else tuple(key.path for key in bundle.keys))


def _readme(bundle: Bundle, target: str, version: str, copied: bool) -> str:
    lines = [f"Written by policyc for {target} {version}. Do not edit: change the policy and build again."]
    if bundle.keys and not copied:
        lines.append("Private keys to put here (mode 0600): " + ", ".join(key.path for key in bundle.keys))
    if bundle.check:
        lines.append("Check:   " + " ".join(bundle.check).replace("{folder}", "$PWD"))
    if bundle.run:
        lines.append("Run:     " + " ".join(bundle.run).replace("{folder}", "$PWD") + "   (in this folder)")
    if bundle.install:
        lines.append(bundle.install)
    return "\n".join(lines) + "\n"


def changes(folder: str, output: Output) -> list[str]:
    """What writing would change, one line a file: ``+ path``, ``~ path``, ``- path``. Empty for nothing."""
    before = _owned(folder)
    lines: list[str] = []
    for path, (data, _) in sorted(output.files.items()):
        try:
            with open(os.path.join(folder, path), "rb") as stream:
                if stream.read() != data:
                    lines.append(f"~ {path}")
        except FileNotFoundError:
            lines.append(f"+ {path}")
    lines += [f"- {path}" for path in sorted(before - set(output.files))]
    return lines


def built_with(path: str) -> tuple[Built, str]:
    """The output that a file is of, and the file's path in it. Raises NotWrittenByUs."""
    full = os.path.abspath(path)
    folder = os.path.dirname(full)
    while not os.path.isfile(os.path.join(folder, MANIFEST)):
        above = os.path.dirname(folder)
        if above == folder:
            raise NotWrittenByUs(f"{path} is in no folder that policyc wrote: there is no {MANIFEST} above it")
        folder = above
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as stream:
            manifest: Any = json.load(stream)
        files = cast("dict[str, dict[str, str]]", manifest["files"])
        built = Built(
            folder,
            str(manifest["target"]),
            manifest.get("policy"),
            str(manifest["policy_sha256"]),
            {file: str(said["sha256"]) for file, said in files.items()},
            {str(key["path"]): str(key["policy_names"]) for key in manifest["keys"]},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise NotWrittenByUs(f"{os.path.join(folder, MANIFEST)} is not one that policyc wrote") from None
    name = os.path.relpath(full, folder).replace(os.sep, "/")
    if name in built.keys:
        raise NotWrittenByUs(f"{path} is a private key: policyc does not look into it")
    if name != MANIFEST and name not in built.files:
        raise NotWrittenByUs(f"{path} is not one of the files that policyc wrote to {folder}")
    return built, name


def _owned(folder: str) -> set[str]:
    """The files in a folder that an earlier build wrote. Raises CannotWrite for a folder that is not ours."""
    try:
        with open(os.path.join(folder, MANIFEST), "rb") as stream:
            manifest: Any = json.load(stream)
        keys = {str(key["path"]) for key in manifest["keys"] if key["copied"]}
        return {MANIFEST, *cast("dict[str, Any]", manifest["files"]), *keys}
    except FileNotFoundError:
        if os.path.isdir(folder) and os.listdir(folder):
            raise CannotWrite(
                f"{folder} has files and no {MANIFEST}: policyc did not write it; name another folder"
            ) from None
        return set()
    except (OSError, ValueError, KeyError, TypeError):
        raise CannotWrite(
            f"{os.path.join(folder, MANIFEST)} is not one that policyc wrote; name another folder"
        ) from None


def write(folder: str, output: Output) -> None:
    """Write a target's folder, whole or not at all. Raises CannotWrite; then the old content is still there.

    Only one process at a time may do so: see `writing`.
    """
    with staged(folder, output) as new:
        new.put_in_place()


@contextmanager
def staged(folder: str, output: Output) -> Generator[Staged]:
    """A target's new folder, written beside the old one; gone at the end, if it was not put in place.

    So all targets are on the disk before the first takes its place, and none is kept in memory. Raises CannotWrite.
    """
    folder = os.path.realpath(folder)
    with swept(partial(_put_right, folder)):
        new = Staged(folder, output)
        try:
            new.fill(output)
            yield new
        finally:
            new.throw_away()


class Staged:
    """See `staged`."""

    def __init__(self, folder: str, output: Output) -> None:
        self.missing_keys = output.missing_keys
        self._folder = folder
        self._parent = os.path.dirname(folder)
        self._private = any(mode == 0o600 for _, mode in output.files.values())
        self._many = len(output.files) > _FEW and settles_at_once()
        self._ours = set(output.files)
        self._beside: str | None = None

    def fill(self, output: Output) -> None:
        """Write it beside. Raises CannotWrite."""
        with self._refusing():
            os.makedirs(self._parent, exist_ok=True)
            _put_right(self._folder)
            owned = _owned(self._folder)
            self._ours |= owned
            _nothing_of_others(self._folder, output, owned)
            self._beside = tempfile.mkdtemp(prefix=_prefix(self._folder), dir=self._parent)
            _fill(self._beside, output, 0o700 if self._private else 0o755, settled=not self._many)

    def put_in_place(self) -> None:
        """Take the old folder's place, with what is not ours in it. Raises CannotWrite; then the old one is there."""
        folder, beside = self._folder, self._beside
        if beside is None:
            raise ValueError("it is in place already, or was thrown away")
        with self._refusing():
            if os.path.isdir(folder):
                _carry_over(folder, beside, self._ours)
                os.chmod(beside, 0o700 if self._private else stat.S_IMODE(os.stat(folder).st_mode))
                self._settle(beside)
                self._beside = exchange(beside, folder)
                try:
                    # What came into the old folder while the new one was made.
                    _carry_over(self._beside, folder, self._ours)
                except OSError:
                    self._beside = exchange(self._beside, folder)
                    raise
            else:
                os.chmod(beside, 0o700 if self._private else 0o755)
                self._settle(beside)
                os.rename(beside, folder)
                self._beside = None
            settle(self._parent)

    def throw_away(self) -> None:
        """What is beside: the new folder, or the old one once the new one is in place."""
        if self._beside is not None:
            # What cannot be removed now is removed by the next build.
            shutil.rmtree(self._beside, ignore_errors=True)
            self._beside = None

    @contextmanager
    def _refusing(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise CannotWrite(f"cannot write {self._folder}: {(error.strerror or str(error)).lower()}") from None

    def _settle(self, folder: str) -> None:
        if self._many:
            settle_file_system(folder)
            return
        for directory, _, _ in os.walk(folder):
            settle(directory)


@contextmanager
def writing(output: str) -> Generator[None]:
    """Keeps other builds from writing into the folder of all targets. Raises CannotWrite where one does."""
    try:
        with locked(output):
            yield
    except InUse:
        raise CannotWrite(f"another build is writing to {output} at this moment; nothing was written") from None
    except OSError as error:
        raise CannotWrite(f"cannot write {output}: {(error.strerror or str(error)).lower()}") from None


def _prefix(folder: str) -> str:
    return f".{os.path.basename(folder)}.policyc-"


def _put_right(folder: str) -> None:
    """After a build that was stopped or killed: no leftovers, and the old folder in its place if none is."""
    leftovers = _leftovers(folder)
    restored(folder, leftovers)
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True)


def _leftovers(folder: str) -> list[str]:
    """What a build that was killed left beside a folder."""
    parent, prefix = os.path.dirname(folder), _prefix(folder)
    return [os.path.join(parent, name) for name in sorted(os.listdir(parent)) if name.startswith(prefix)]


def _nothing_of_others(folder: str, output: Output, owned: set[str]) -> None:
    """Raises CannotWrite where a file is in the way that policyc did not write."""
    for path, (data, _) in output.files.items():
        full = os.path.join(folder, path)
        if path in owned or not os.path.lexists(full):
            continue
        same = False
        if os.path.isfile(full) and not os.path.islink(full):
            with open(full, "rb") as stream:
                same = stream.read() == data
        if not same:
            raise CannotWrite(f"{full} is in the way, and policyc did not write it: move it elsewhere")


def _fill(folder: str, output: Output, folder_mode: int, *, settled: bool) -> None:
    for path, (data, mode) in progress.counted("writing files", output.files.items()):
        full = os.path.join(folder, path)
        _make_folders(folder, os.path.dirname(path), folder_mode)
        # Private from the first moment, whatever the umask; what is public becomes so when it is whole.
        descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            os.fchmod(descriptor, mode)
            if settled:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _make_folders(root: str, path: str, mode: int) -> None:
    if path and not os.path.isdir(os.path.join(root, path)):
        _make_folders(root, os.path.dirname(path), mode)
        os.mkdir(os.path.join(root, path), 0o700)
        os.chmod(os.path.join(root, path), mode)


def _carry_over(old: str, new: str, ours: set[str]) -> None:
    """What the operator put into the folder goes along, as the same file: a log stays the one that is written to."""
    our_folders = {parent for path in ours for parent in _parents(path)}
    for directory, folders, names in os.walk(old):
        links = [name for name in folders if os.path.islink(os.path.join(directory, name))]
        for name in (*links, *names):
            _take_along(old, new, os.path.relpath(os.path.join(directory, name), old), ours)
        for name in folders:
            path = os.path.relpath(os.path.join(directory, name), old)
            if name not in links and path not in our_folders:
                _make_folders(new, path, stat.S_IMODE(os.stat(os.path.join(old, path)).st_mode))


def _parents(path: str) -> Iterator[str]:
    while path := os.path.dirname(path):
        yield path


def _take_along(old: str, new: str, path: str, ours: set[str]) -> None:
    source, target = os.path.join(old, path), os.path.join(new, path)
    if path in ours or os.path.lexists(target):
        return
    parent = os.path.dirname(path)
    _make_folders(new, parent, stat.S_IMODE(os.stat(os.path.join(old, parent)).st_mode))
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # Not every file system has links, and not everybody may make one of another user's file.
        shutil.copy2(source, target, follow_symlinks=False)
