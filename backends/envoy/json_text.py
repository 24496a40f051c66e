"""JSON with a line for each value, as ``json.dumps(value, indent=1)`` writes it.

With an indentation the standard library goes through every value in Python, once for each level that it is deep in.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii
from typing import Any, cast


def written(value: object, line: str = "\n") -> str:
    """A value as text. `line` is the end of a line with the indentation of the one that the value begins in."""
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    inner = line + " "
    if isinstance(value, dict) and value:
        members = cast("dict[str, Any]", value).items()
        parts = [f"{encode_basestring_ascii(name)}: {written(member, inner)}" for name, member in members]
        return "{" + inner + ("," + inner).join(parts) + line + "}"
    if isinstance(value, list | tuple) and value:
        items = [written(item, inner) for item in cast("list[Any]", value)]
        return "[" + inner + ("," + inner).join(items) + line + "]"
    return json.dumps(value)
