"""JSON with a line for each value, as ``json.dumps(value, indent=1)`` writes it.

With an indentation the standard library goes through every value in Python, once for each level that it is deep in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii
from typing import Any, cast


class Line(dict[str, object]):
    """An object that is written on one line: an entry of a long table."""


def written(value: object, line: str = "\n", depth: int = 1000) -> str:
    """A value as text. What is more than `depth` levels deep is not spread over lines.

    `line` is the end of a line with the indentation of the one that the value begins in. A list that is not so deep may
    be an iterator, so that not all of it is there at once.
    """
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, Line) or len(line) > depth:
        return json.dumps(value)
    inner = line + " "
    if isinstance(value, dict) and value:
        members = cast("dict[str, Any]", value).items()
        parts = [f"{encode_basestring_ascii(name)}: {written(member, inner, depth)}" for name, member in members]
        return "{" + inner + ("," + inner).join(parts) + line + "}"
    if isinstance(value, list | tuple | Iterator):
        items = [written(item, inner, depth) for item in cast("Iterable[Any]", value)]
        return "[" + inner + ("," + inner).join(items) + line + "]" if items else "[]"
    return json.dumps(value)
