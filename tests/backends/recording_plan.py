"""A Plan that writes down which of its fields are read, and is the same Plan in every other respect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from policyc.compiler.plan import Plan

Field = tuple[str, str]
"""Class and field: ``("Server", "weight")``."""

_T = TypeVar("_T")
_read = object.__getattribute__


def recording(plan: Plan) -> tuple[Plan, set[Field]]:
    """The Plan to hand to a backend, and the fields that were read by then."""
    view = _View()
    return view.of(plan), view.reads


def values(part: object) -> Iterator[tuple[Field, object]]:
    """Every field of a part of a Plan and of the parts in it, with its value."""
    if isinstance(part, tuple):
        for one in part:  # pyright: ignore[reportUnknownVariableType]
            yield from values(one)  # pyright: ignore[reportUnknownArgumentType]
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            value = getattr(part, field.name)
            yield (type(part).__name__, field.name), value
            yield from values(value)


class _View:
    """Instances of subclasses, made once for each class, so that `isinstance` and `match` see what they expect."""

    def __init__(self) -> None:
        self.reads: set[Field] = set()
        self.classes: dict[type, type[Any]] = {}
        self.made: dict[int, tuple[object, Any]] = {}  # with the original, so that its id stays its own

    def of(self, part: _T) -> _T:
        if isinstance(part, tuple):
            return tuple(self.of(one) for one in part)  # pyright: ignore
        if not is_dataclass(part) or isinstance(part, type):
            return part
        if id(part) not in self.made:
            kind: type[Any] = type(part)
            if kind not in self.classes:
                self.classes[kind] = self.recorder(kind)
            copy: Any = object.__new__(self.classes[kind])
            for field in fields(part):
                value: Any = getattr(part, field.name)
                object.__setattr__(copy, field.name, self.of(value))
            self.made[id(part)] = part, copy
        return self.made[id(part)][1]

    def recorder(self, kind: type[Any]) -> type[Any]:
        names = tuple(field.name for field in fields(kind))

        def inside(one: object) -> tuple[object, ...]:
            return tuple(_read(one, name) for name in names)

        # To compare, to hash or to ask for emptiness is not yet to read.
        def getattribute(one: object, name: str) -> object:
            if name in names:
                self.reads.add((kind.__name__, name))
            elif name == "always":
                return not any(inside(one))
            return _read(one, name)

        def same(one: object, other: object) -> bool:
            return isinstance(other, kind) and inside(one) == inside(other)

        def digest(one: object) -> int:
            return hash(inside(one))

        methods = {"__getattribute__": getattribute, "__eq__": same, "__hash__": digest, "__slots__": ()}
        return type(kind.__name__, (kind,), methods)
