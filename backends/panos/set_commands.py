"""The tree as commands of the configuration mode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

from .place import Place
from .tree import Node, Tree

_WORD = re.compile(r"[A-Za-z0-9._/:-]+")
_MISREAD = re.compile(r"[^ !#->@-\[\]-~]")


def to_set(tree: Tree) -> bytes:
    """``set`` for everything, and ``move`` to keep the rules' order when there are older ones."""
    written = BytesIO()
    for section in tree.sections:
        path = prefix(tree.place) + " ".join(section.path)
        for name, node in section.entries:
            start = f"set {path} {quoted(name)}"
            written.write("".join([f"{start} {end}\n" for end in _commands(node)]).encode())
        if section.ordered:
            names = [quoted(name) for name, _ in section.entries]
            for before, name in pairwise(names):
                written.write(f"move {path} {name} after {before}\n".encode())
    return written.getvalue()


def prefix(place: Place) -> str:
    """What stands behind the verb: nothing on a firewall with one virtual system, as pan-os-php writes it [PHP]."""
    if place.kind == "device-group":
        return f"device-group {quoted(place.name)} "
    return "" if place.name == "vsys1" else f"vsys {place.name} "


def _commands(node: Node) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, str):
            yield f"{key} {_word(value)}"
        elif isinstance(value, tuple):
            yield from (f"{key} {_word(member)}" for member in value)
        elif value:
            yield from (f"{key} {end}" for end in _commands(value))
        else:
            yield key


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else quoted(text)


def quoted(text: str) -> str:
    """A word for the command line. How it escapes a quotation mark is not documented; nothing here holds one."""
    if _MISREAD.search(text):
        raise ValueError(f"not for the command line: {text!r}")
    return f'"{text}"'
