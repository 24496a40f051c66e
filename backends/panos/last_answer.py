"""What lint rules ask for again and again, each for itself: the last answer is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


def last_answer(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function of values that nobody changes: asked for the very same objects again, it gives the same answer.

    Not by equality, as `functools.lru_cache` does: to hash a plan is to go through all of it.
    """
    kept: list[tuple[tuple[object, ...], _T]] = []

    @wraps(function)
    def ask(*arguments: _P.args, **named: _P.kwargs) -> _T:
        asked = (*arguments, *named.values())
        for known, answer in kept:
            if len(known) == len(asked) and all(one is other for one, other in zip(known, asked, strict=True)):
                return answer
        answer = function(*arguments, **named)
        kept[:] = [(asked, answer)]
        return answer

    return ask
