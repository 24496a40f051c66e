"""The rules of one rulebase of ``panos.xml``, for assertions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from .lab import Lab, compiled


class Rules:
    """The rules of one rulebase, by name, in order."""

    def __init__(self, data: bytes, kind: str) -> None:
        root = etree.fromstring(data)
        entries = root.findall(f".//{kind}/rules/entry")
        self.entries: dict[str, Any] = {str(entry.get("name")): entry for entry in entries}

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def members(self, name: str, path: str) -> list[str]:
        return [str(member.text) for member in self.entries[name].findall(f"{path}/member")]

    def text(self, name: str, path: str) -> str:
        return str(self.entries[name].findtext(path))


def xml_of(lab: Lab, document: dict[str, Any]) -> bytes:
    """``panos.xml`` for a policy, built even if there are errors."""
    return compiled(lab.folder, document).bundle().files["panos.xml"]
