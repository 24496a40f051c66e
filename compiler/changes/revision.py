"""A policy as a git revision has it: ``REV:PATH``, with the certificates of that revision.

Only the files that the policy names are taken, and of these no private key: what changes does not depend on keys.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ...schemas.policy import Policy
from ...schemas.target import TargetSettings
from .. import stopping
from ..document import read
from ..pipeline import Loaded, load
from ..target import Target
from ..validate import validate

_TIMEOUT = 60


class NoSuchRevision(Exception):
    """A revision, or a file of one, that cannot be had. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Version:
    """A policy as somebody named it, loaded. `notes`: what was not as that revision has it."""

    name: str
    loaded: Loaded
    notes: tuple[str, ...] = ()


def load_version(name: str, targets: Mapping[str, Target[TargetSettings]]) -> Version:
    """A policy from a file, a folder or, as ``REV:PATH``, from git. Raises NoSuchRevision."""
    revision, colon, path = name.partition(":")
    if os.path.exists(name) or not colon or not revision:
        return Version(name, load(name, targets))
    with _checked_out(revision, path) as (folder, place, notes):
        loaded = load(place, targets)
    # A path that was looked for is told as it is outside: there it was looked for as well.
    loaded.findings[:] = [
        replace(one, help=tuple(line.replace(folder + os.sep, os.sep) for line in one.help)) for one in loaded.findings
    ]
    # Findings are about the revision, not about the place where it lay for a moment.
    loaded.document.name = name
    for file in loaded.document.files:
        file.name = f"{revision}:{path}" + (f"/{os.path.basename(file.name)}" if file.name != place else "")
    return Version(name, loaded, tuple(notes))


@contextmanager
def _checked_out(revision: str, path: str) -> Generator[tuple[str, str, list[str]]]:
    """A temporary folder, and the policy in it at the place that it has on this machine: names like ``../x`` hold.

    The third: what was not as the revision has it.
    """
    root = _git(os.curdir, "rev-parse", "--show-toplevel").decode().rstrip("\n")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}").decode().strip()
    # As git has it: from the top, or with `./` from here.
    base = os.getcwd() if path.startswith(("./", "../")) else root
    inside = os.path.relpath(os.path.normpath(os.path.join(base, path)), root)
    with stopping.temporary_folder("policyc-diff-") as folder:
        here = os.path.join(folder, root.lstrip("/"))
        files = _policy_files(root, commit, inside)
        if not files:
            raise NoSuchRevision(f"there is no policy {path!r} in the revision {revision!r}")
        for name in files:
            _put(os.path.join(here, name), _blob(root, commit, name) or b"")
        place = os.path.join(here, inside)
        yield folder, place, _bring_certificates(place, root, commit, folder, revision)


def _policy_files(root: str, commit: str, inside: str) -> list[str]:
    """The file itself, or a folder's YAML files."""
    found = _listed(root, commit, "" if inside == os.curdir else inside + "/")
    names = [name for name in found if name.endswith((".yaml", ".yml")) and not os.path.basename(name).startswith(".")]
    return names or _listed(root, commit, inside)


def _listed(root: str, commit: str, path: str) -> list[str]:
    # `ls-tree` takes paths as they are: no pattern in them counts.
    listed = _git(root, "ls-tree", "-z", "--name-only", commit, *(["--", path] if path else []))
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _bring_certificates(place: str, root: str, commit: str, folder: str, revision: str) -> list[str]:
    """The certificate files that the policy names, from the revision, or linked to where they are today."""
    notes: list[str] = []
    document, _, readable = read(place)
    policy = validate(document)[0] if readable else None
    for at, written in _certificate_files(policy) if policy else ():
        wanted = document.resolve_path(at, written)
        if not wanted.startswith(folder + os.sep):  # an absolute path is the same today
            notes.append(f"{written} is not in {revision}: it was read as it is now")
            continue
        today = wanted[len(folder) :]
        data = _blob(root, commit, os.path.relpath(today, root)) if today.startswith(root + os.sep) else None
        if data is not None:
            _put(wanted, data)
        elif not os.path.lexists(wanted) and os.path.exists(today):
            os.makedirs(os.path.dirname(wanted), exist_ok=True)
            os.symlink(today, wanted)
            notes.append(f"{written} is not in {revision}: it was read as it is now")
    return notes


def _certificate_files(policy: Policy) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a policy names of certificates and revocation lists, and where. No keys."""
    for name, pair in policy.public_certificates.items():
        yield ("public_certificates", name), pair.cert
    for name, ca in policy.backend_cas.items():
        yield from ((("backend_cas", name), file) for file in (ca.ca, ca.crl) if file)
    for name, backend in policy.backends.items():
        if backend.tls:
            at = ("backends", name)
            yield from ((at, file) for file in backend.tls.certificate or ())
            if backend.tls.client_certificate:
                yield at, backend.tls.client_certificate.cert


def _put(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(data)


def _blob(root: str, commit: str, name: str) -> bytes | None:
    try:
        return _git(root, "cat-file", "blob", f"{commit}:{name}")
    except NoSuchRevision:
        return None


def _git(folder: str, *arguments: str) -> bytes:
    try:
        # Whichever git the user has.
        environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        done = stopping.run(["git", "-C", folder, *arguments], _TIMEOUT, env=environment)
    except (OSError, ValueError) as error:
        raise NoSuchRevision(f"git cannot be run: {error}") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise NoSuchRevision(f"git {arguments[0]}: {why or 'there is no such revision'}")
    return done.stdout
