"""Putting a bundle on disk: written beside, then renamed into place; whole or not at all.

A target's folder belongs to policyc as far as its manifest says: files that the manifest does not list (the
operator's keys) are carried over and never removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from .bundle import Bundle

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1


class CannotWrite(Exception):
    """The output cannot be written. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Output:
    """All files of one target's folder: content and mode."""

    files: Mapping[str, tuple[bytes, int]]
    missing_keys: tuple[str, ...]
    """Keys that the operator must put there."""


def assemble(bundle: Bundle, target: str, version: str, digest: str, copy_keys: bool) -> Output:
    """The bundle with its manifest and README, and with the private keys where asked for.

    Raises CannotWrite where a key to copy cannot be read.
    """
    files = {path: (data, 0o755 if path in bundle.executable else 0o644) for path, data in bundle.files.items()}
    if copy_keys:
        for key in bundle.keys:
            try:
                with open(key.source, "rb") as stream:
                    files[key.path] = (stream.read(), 0o600)
            except OSError as error:
                raise CannotWrite(
                    f"cannot copy the private key {key.as_written!r}: {(error.strerror or str(error)).lower()}"
                ) from None
    files["README.txt"] = (_readme(bundle, target, version, copy_keys).encode(), 0o644)
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "policy_sha256": digest,
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
    """Write a target's folder, whole or not at all. Raises CannotWrite; then the old content is still there."""
    owned = _owned(folder)
    parent = os.path.dirname(os.path.abspath(folder))
    staged = None
    try:
        os.makedirs(parent, exist_ok=True)
        staged = tempfile.mkdtemp(prefix=f".{os.path.basename(folder)}.", dir=parent)
        _fill(staged, output)
        if os.path.isdir(folder):
            _carry_over(folder, staged, owned | set(output.files))
            shutil.copymode(folder, staged)
            old = staged + ".old"
            os.rename(folder, old)
            try:
                os.rename(staged, folder)
            except OSError:
                os.rename(old, folder)
                raise
            shutil.rmtree(old)
        else:
            os.chmod(staged, 0o700 if any(mode == 0o600 for _, mode in output.files.values()) else 0o755)
            os.rename(staged, folder)
        staged = None
    except OSError as error:
        raise CannotWrite(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from None
    finally:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)


def _fill(folder: str, output: Output) -> None:
    for path, (data, mode) in output.files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(data)
            os.fchmod(descriptor, mode)


def _carry_over(old: str, new: str, ours: set[str]) -> None:
    """What the operator put into the folder goes along."""
    for directory, _, names in os.walk(old):
        for name in names:
            full = os.path.join(directory, name)
            path = os.path.relpath(full, old)
            if path in ours or not (os.path.isfile(full) or os.path.islink(full)):
                continue
            target = os.path.join(new, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(full, target, follow_symlinks=False)
