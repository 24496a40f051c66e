"""What a decision does to messages: the headers that a backend gets, and what is changed in an answer.

A part of the reference semantics; as pure as `decide.py`, and no target's code is used by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .decide import Forwarded, Redirected, Refused, Request, Working
from .plan import EditHeaders

Fields = tuple[tuple[str, str], ...]

_NAME = re.compile(rb"[A-Za-z0-9-]+\Z")
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)
"""What belongs to one connection and is never forwarded (RFC 9110, 7.6.1)."""


def arriving(decision: Forwarded, request: Request) -> Fields:
    """The header lines that the backend gets, names in lower case, without Host and what frames the body.

    Values are latin-1. Lines of one name keep their order.
    """
    gone = {name.lower() for name in (*decision.removed, *(name for name, _ in decision.added))} | HOP_BY_HOP
    lines = [
        (name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1"))
        for name, value in request.headers
        if _NAME.match(name)
    ]
    lines = [line for line in lines if line[0] not in gone and line[0] not in ("content-length", "expect")]
    lines = _edited(lines, edits_of(decision.working, response=False))
    if decision.websocket:
        lines += [("connection", "upgrade"), ("upgrade", "websocket")]
    return (*lines, *((name.lower(), value) for name, value in decision.added))


def answered(decision: Forwarded | Refused | Redirected, headers: Iterable[tuple[str, str]]) -> Fields:
    """The header lines of an answer, given those that the backend (or the edge itself) wrote. Names in lower case."""
    lines = [(name.lower(), value) for name, value in headers]
    return tuple(_edited(lines, edits_of(decision.working, response=True)))


def edits_of(working: Working, *, response: bool) -> list[EditHeaders]:
    """The edits of one direction, in order."""
    return [action for _, action in working if isinstance(action, EditHeaders) and action.response is response]


def _edited(lines: list[tuple[str, str]], edits: Sequence[EditHeaders]) -> list[tuple[str, str]]:
    for edit in edits:
        gone = {*edit.remove, *(name.lower() for name, _ in edit.set)}
        lines = [line for line in lines if line[0] not in gone]
        lines += [(name.lower(), value) for name, value in (*edit.set, *edit.add)]
    return lines
