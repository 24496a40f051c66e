"""Where a policy uses the names that it defines: for fixes, and for editors that follow or complete them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from .diagnostics import Path
from .document import Document

_ANY = None

_USES: tuple[tuple[tuple[str | None, ...], str], ...] = (
    (("sites", _ANY, "public_certificate"), "public_certificates"),
    (("sites", _ANY, "backend"), "backends"),
    (("sites", _ANY, "listeners", _ANY), "listeners"),
    (("sites", _ANY, "inspect", _ANY), "inspection_rules"),
    (("sites", _ANY, "routes", _ANY, "backend"), "backends"),
    (("sites", _ANY, "client_auth", "ca"), "backend_cas"),
    (("backends", _ANY, "tls", "ca"), "backend_cas"),
    (("accept", _ANY, "target"), "targets"),
    (("accept", _ANY, "sites", _ANY), "sites"),
    (("accept", _ANY, "backends", _ANY), "backends"),
)
"""Paths whose value is the name of an entry of a section; None stands for any key or index."""

SYSTEM = "system"
"""The one name that stands for something outside the policy: see `backend_cas`."""


def section_of(path: Path) -> str | None:
    """The section whose entries a value at this path names, or None where it is no name."""
    for pattern, section in _USES:
        if len(pattern) == len(path) and all(one in (_ANY, part) for one, part in zip(pattern, path, strict=True)):
            return section
    return None


def defined(document: Document, section: str) -> list[str]:
    """The names of a section's entries."""
    found = document.values.get(section)
    return list(cast("dict[str, Any]", found)) if isinstance(found, dict) else []


def uses(document: Document) -> Iterator[tuple[Path, str, str]]:
    """Every place that names an entry: its path, the section and the name."""
    for path, value in _texts(document.values, ()):
        section = section_of(path)
        if section:
            yield path, section, value


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _texts(item, (*path, index))
