"""What long work says of how far it is. Nobody listens unless `told_to` is in use: then a step costs a call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Listener(Protocol):
    """Is called at each step, on the thread that does the work."""

    def __call__(self, stage: str, done: int | None = None, of: int | None = None) -> None: ...


def _nobody(stage: str, done: int | None = None, of: int | None = None) -> None:
    pass


_listener: ContextVar[Listener | Callable[..., None]] = ContextVar("progress", default=_nobody)


@contextmanager
def told_to(listener: Listener) -> Generator[None]:
    """Has every step in the block told to a listener."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def stage(name: str) -> None:
    """A stage begins that cannot be counted."""
    _listener.get()(name)


def counted(stage: str, items: Collection[_T]) -> Iterator[_T]:
    """The items, telling before each how many were there before: ``certificates 1200 of 10000``."""
    listener, of = _listener.get(), len(items)
    for done, item in enumerate(items):
        listener(stage, done, of)
        yield item
