"""A walk that several rules share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from ....compiler.diagnostics import Path
from ....compiler.plan import Plan

A = TypeVar("A")


def actions(plan: Plan, kind: type[A]) -> Iterator[tuple[Path, A]]:
    """Every action of one kind, with the place of its rule."""
    for rule_list in plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, kind):
                    yield one.path, action
