"""Putting other parts into a Plan, which is frozen: a copy in which everything that holds them holds the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

P = TypeVar("P")


def mapped(value: P, replacement: Callable[[object], object]) -> P:
    """A frozen value with its parts replaced, innermost first; what was one part stays one part.

    `replacement` gives what stands for a part, or the part itself where it stays.
    """
    return _mapped(value, replacement, {})


def _mapped(value: P, replacement: Callable[[object], object], seen: dict[int, object]) -> P:
    made: Any = value
    key = id(made)
    if key in seen:
        return cast("P", seen[key])
    if isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        changed = tuple(_mapped(one, replacement, seen) for one in parts)
        if any(new is not old for new, old in zip(changed, parts, strict=True)):
            made = changed
    elif is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        others = {name: _mapped(part, replacement, seen) for name, part in named.items()}
        if any(others[name] is not named[name] for name in named):
            made = replace(cast("Any", value), **others)
        made = replacement(made)
    seen[key] = made
    return cast("P", made)
