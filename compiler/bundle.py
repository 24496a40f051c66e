"""A target's output as one value: nothing is on disk until it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key that the configuration names by `path`, relative to the target's folder.

    `source` is where it lies on this machine (absolute), `as_written` how the policy calls it.
    """

    path: str
    source: str
    as_written: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Relative path → bytes, and what the operator must add.

    `check` is the command that makes the target's own parser read the result, `run` the one that starts it, both
    to be run in the target's folder, with ``{folder}`` for its absolute path; empty where there is none.
    """

    files: Mapping[str, bytes]
    keys: tuple[KeyFile, ...] = ()
    executable: frozenset[str] = frozenset()
    check: tuple[str, ...] = ()
    check_says: str = ""
    """What `check` prints once it has taken the configuration, where its exit status tells of this machine as well."""
    check_fault: str = ""
    """A pattern for what `check` prints of one fault. Its group is the parser's own words; `^` is a line's begin."""
    run: tuple[str, ...] = ()
    install: str = ""
    """One or two lines for README.txt: how to put it into use."""
