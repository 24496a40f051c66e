"""Sets of request paths, as the expressions of rules describe them: whether one holds a path that others do not.

The expressions are those of `PathMatcher.expression`: classes, groups, alternatives, and repetitions of single
classes. They become automata over bytes, and the question is answered by walking all of them at once. What would
take too long, or is written in a way that is not known here, stays undecided, and then no rule says anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_ALL = (1 << 256) - 1
_EVERY_PATH = "/[^?]*"
_MAX_STATES = 4_000
"""Of one automaton: an expression such as ``[a-z]{1000}`` has a state for each repetition."""
_MAX_STEPS = 3_000
"""Of one question, in states of all automata together."""
_SIGNS = frozenset("()*+?{}|^$")
_REPEAT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")


class Undecided(Exception):
    """The question is too large, or the expression is not one of those known here."""


@dataclass(slots=True)
class _Automaton:
    """Nondeterministic, without empty moves once built. A move is a set of bytes, as the bits of a number."""

    moves: list[list[tuple[int, int]]]
    starts: frozenset[int]
    ends: frozenset[int]
    classes: frozenset[int]
    steps: dict[tuple[frozenset[int], int], frozenset[int]] = field(default_factory=dict)

    def step(self, states: frozenset[int], byte: int) -> frozenset[int]:
        key = (states, byte)
        found = self.steps.get(key)
        if found is None:
            found = frozenset(to for state in states for mask, to in self.moves[state] if mask >> byte & 1)
            self.steps[key] = found
        return found


def holds_more(within: tuple[tuple[str, ...], ...], outside: tuple[str, ...]) -> bool:
    """Whether a path matches one expression of every tuple of `within`, and none of `outside`.

    Raises Undecided.
    """
    found = _answer(within, outside)
    if found is None:
        raise Undecided
    return found


@lru_cache(65_536)
def _answer(within: tuple[tuple[str, ...], ...], outside: tuple[str, ...]) -> bool | None:
    """As `holds_more`; None where it is undecided: a cache keeps no exceptions, and a large question is asked often."""
    if not outside and len(within) == 1 and any(one.startswith("/") for one in within[0]):
        return True
    if any(set(expressions) <= set(outside) for expressions in within):
        return False
    automata: list[_Automaton] = []
    for expressions in ((_EVERY_PATH,), *within, *([outside] if outside else [])):
        automaton = _automaton(expressions)
        if automaton is None:
            return None
        automata.append(automaton)
    wanted = 1 + len(within)
    alphabet = _representatives({one for automaton in automata for one in automaton.classes})
    first = tuple(automaton.starts for automaton in automata)
    seen = {first}
    waiting = [first]
    while waiting:
        states = waiting.pop()
        accepted = [bool(now & automaton.ends) for now, automaton in zip(states, automata, strict=True)]
        if all(accepted[:wanted]) and not any(accepted[wanted:]):
            return True
        for byte in alphabet:
            after = tuple(automaton.step(now, byte) for now, automaton in zip(states, automata, strict=True))
            if after not in seen and all(after[:wanted]):
                if len(seen) >= _MAX_STEPS:
                    return None
                seen.add(after)
                waiting.append(after)
    return False


def _representatives(classes: Iterable[int]) -> list[int]:
    """One byte of each set of bytes that all classes treat alike."""
    parts = [_ALL]
    for one in classes:
        parts = [piece for part in parts for piece in (part & one, part & ~one) if piece]
    return [(part & -part).bit_length() - 1 for part in parts]


@lru_cache(4_096)
def _automaton(expressions: Sequence[str]) -> _Automaton | None:
    """What matches any of the expressions; None where that is too large, or not known."""
    builder = _Builder()
    try:
        pairs = [builder.expression(text) for text in expressions]
    except Undecided:
        return None
    return builder.finish([start for start, _ in pairs], [end for _, end in pairs])


class _Builder:
    """Thompson's construction, by recursive descent over the expression."""

    def __init__(self) -> None:
        self.moves: list[list[tuple[int, int]]] = []
        self.empty: list[list[int]] = []
        self.text = ""
        self.at = 0

    def expression(self, text: str) -> tuple[int, int]:
        self.text, self.at = text, 0
        found = self._alternatives()
        if self.at < len(text):
            raise Undecided
        return found

    def finish(self, starts: Iterable[int], ends: Iterable[int]) -> _Automaton:
        """Without its empty moves."""
        reached = [self._closure(state) for state in range(len(self.moves))]
        final = set(ends)
        return _Automaton(
            [[(mask, to) for mask, target in moves for to in reached[target]] for moves in self.moves],
            frozenset(state for start in starts for state in reached[start]),
            frozenset(state for state in range(len(self.moves)) if reached[state] & final),
            frozenset(mask for moves in self.moves for mask, _ in moves),
        )

    def _closure(self, state: int) -> frozenset[int]:
        seen, waiting = {state}, [state]
        while waiting:
            for to in self.empty[waiting.pop()]:
                if to not in seen:
                    seen.add(to)
                    waiting.append(to)
        # Only states that go on by a byte, or end, are worth carrying along.
        return frozenset(one for one in seen if self.moves[one] or not self.empty[one])

    def _state(self) -> int:
        if len(self.moves) >= _MAX_STATES:
            raise Undecided
        self.moves.append([])
        self.empty.append([])
        return len(self.moves) - 1

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _alternatives(self) -> tuple[int, int]:
        start, end = self._state(), self._state()
        while True:
            first, last = self._sequence()
            self.empty[start].append(first)
            self.empty[last].append(end)
            if not self._take("|"):
                return start, end

    def _sequence(self) -> tuple[int, int]:
        start = now = self._state()
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            first, last = self._piece()
            self.empty[now].append(first)
            now = last
        return start, now

    def _piece(self) -> tuple[int, int]:
        if self._take("(?:"):
            first, last = self._alternatives()
            if not self._take(")"):
                raise Undecided
            if self._take("?"):
                self.empty[first].append(last)
            elif self.at < len(self.text) and self.text[self.at] in "*+{":
                raise Undecided  # expressions of rules repeat single classes only
            return first, last
        mask = self._class()
        low, high = self._times()
        start = now = self._state()
        for _ in range(low):
            now = self._move(now, mask)
        if high is None:
            self.moves[now].append((mask, now))
            return start, self._after(now)
        stops = [now]
        for _ in range(high - low):
            now = self._move(now, mask)
            stops.append(now)
        end = self._state()
        for stop in stops:
            self.empty[stop].append(end)
        return start, end

    def _move(self, state: int, mask: int) -> int:
        to = self._state()
        self.moves[state].append((mask, to))
        return to

    def _after(self, state: int) -> int:
        to = self._state()
        self.empty[state].append(to)
        return to

    def _times(self) -> tuple[int, int | None]:
        for sign, times in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return times
        match = _REPEAT.match(self.text, self.at)
        if not match:
            return 1, 1
        self.at = match.end()
        low = int(match[1])
        return low, low if match[2] is None else int(match[3]) if match[3] else None

    def _class(self) -> int:
        """One character, class or ``.``, as the set of its bytes."""
        character = self._character()
        if character == ".":
            return _ALL
        if character != "[":
            if character in _SIGNS:
                raise Undecided
            return 1 << self._byte(character)
        negated = self._take("^")
        mask = 0
        while not self._take("]"):
            low = self._byte(self._character())
            high = self._byte(self._character()) if self._take("-") else low
            mask |= sum(1 << byte for byte in range(low, high + 1))
        return _ALL & ~mask if negated else mask

    def _byte(self, character: str) -> int:
        """The byte that a character stands for, or the escape that it begins."""
        if character != "\\":
            code = ord(character)
        elif self._take("x"):
            code = int(self._character() + self._character(), 16)
        else:
            code = ord(self._character())
            if chr(code).isalnum():
                raise Undecided
        if code >= 0x80 and character != "\\":
            raise Undecided
        return code

    def _character(self) -> str:
        if self.at >= len(self.text):
            raise Undecided
        self.at += 1
        return self.text[self.at - 1]
