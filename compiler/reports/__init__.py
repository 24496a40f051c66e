"""Findings for people and for programs: one module for each form. Each takes a `Report` and gives the text to print."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..acceptance import Judged
from ..diagnostics import Diagnostic, Rule, Severity
from ..document import Document


@dataclass(frozen=True, slots=True)
class Report:
    """What a run found, and what a form needs to tell it."""

    document: Document
    judged: Judged
    targets: Sequence[str]
    """Those that it was checked for."""
    rules: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    """With the pages of at least the rules that found something."""
    fail_on: Severity = Severity.ERROR
    """The lightest finding that makes the run fail."""
    readable: bool = True
    """Whether the policy was YAML at all."""


def told(finding: Diagnostic) -> str:
    """A finding in one line, with its target in front."""
    return f"{finding.target}: {finding.message}" if finding.target else finding.message


def printable(text: str) -> str:
    """Text without anything that a terminal could take for a command, or that turns its direction."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text.replace("\t", "    "))


def from_repository(file: str) -> str:
    """A file's path with slashes, from the root of its git repository; without one, from the working directory.

    That is how services that show findings in a repository name its files. One outside of both keeps its name only.
    """
    path = os.path.abspath(file)
    root = os.path.dirname(path)
    while not os.path.exists(os.path.join(root, ".git")):
        above = os.path.dirname(root)
        if above == root:
            root = os.getcwd()
            break
        root = above
    relative = os.path.relpath(path, root)
    return (os.path.basename(path) if relative.startswith("..") else relative).replace(os.sep, "/")
