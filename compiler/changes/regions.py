"""Which requests a change is about, in words: by the policies' literals where these say it, else by an example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from .candidates import Choice, Dimension

Label = tuple[str, Callable[[Choice], bool]]


_NAMED = 3
_PAIRED = 30


@dataclass(frozen=True, slots=True)
class Judged:
    """A dimension around a witness: each choice, and whether the request with it is changed in the same way.

    `labels` are parts of the dimension that the policies have words for.
    """

    dimension: Dimension
    choices: tuple[tuple[Choice, bool], ...]
    witness: Choice
    labels: Sequence[Label]


def region(judged: Sequence[Judged]) -> str:
    """The requests in words; empty for all of them."""
    return ", ".join(
        words for one in judged if not all(keeps for _, keeps in one.choices) for words in _words(one) if words
    )


def _words(judged: Judged) -> Iterator[str]:
    what, name = judged.dimension.what, judged.dimension.name
    kept = [choice for choice, keeps in judged.choices if keeps]
    lost = [choice for choice, keeps in judged.choices if not keeps]
    match what:
        case "path":
            yield _covered(kept, lost, judged, "on ", "on paths other than ", lambda choice: choice.path or "/")
        case "source":
            yield _covered(kept, lost, judged, "from ", "from outside ", _source)
        case "method":
            few = len(kept) <= len(lost)
            yield ("with " if few else "with a method other than ") + ", ".join(
                str(choice.method) for choice in (kept if few else lost)
            )
        case "header":
            yield _carried(judged, lambda choice: "".join(f"{key}: {value}" for key, value in choice.headers))
        case "parameter":
            yield _carried(judged, lambda choice: f"?{choice.pair}" if choice.pair else "")
        case "query":
            yield "with a query that encodes what needs no encoding"
        case _:
            yield "as WebSocket" if judged.witness.headers else f"other than WebSocket{name}"


def _source(choice: Choice) -> str:
    through = " through a trusted proxy" if choice.headers else ""
    return "".join(value for _, value in choice.headers) + through if choice.headers else str(choice.peer)


def _carried(judged: Judged, written: Callable[[Choice], str]) -> str:
    """A header or parameter: the witness's own, or without those that make the difference."""
    if written(judged.witness):
        return f"with {written(judged.witness)}"
    other = next(choice for choice, keeps in judged.choices if not keeps)
    return f"without {written(other)}"


def _covered(
    kept: list[Choice], lost: list[Choice], judged: Judged, inside: str, outside: str, written: Callable[[Choice], str]
) -> str:
    """By labels that cover what is kept and nothing else; or all that is lost, where the plainest choice is kept."""
    plainest, keeps_plainest = judged.choices[0]
    if keeps_plainest:
        named, rest = _cover(lost, kept, judged.labels)
        if named and not rest:
            return outside + _few(named)
    named, rest = _cover(kept, lost, judged.labels)
    for text, holds in judged.labels:
        # A part with exceptions, where these can be told.
        within = [choice for choice in rest if holds(choice)]
        exceptions, untold = _cover([choice for choice in lost if holds(choice)], kept, judged.labels)
        if within and not untold:
            named.append(f"{text} but for {_few(exceptions)}")
            rest = [choice for choice in rest if choice not in within]
    if rest and len(judged.labels) <= _PAIRED:
        # What two parts have in common.
        by_kind = sorted(judged.labels, key=lambda label: label[0].startswith("/"))
        for (text, holds), (other, within) in permutations(by_kind, 2):
            common = [choice for choice in rest if holds(choice) and within(choice)]
            if common and not any(holds(choice) and within(choice) for choice in lost):
                named.append(f"{text} within {other}")
                rest = [choice for choice in rest if choice not in common]
    if rest:
        # What no words cover is shown by an example.
        example = judged.witness if judged.witness in rest else rest[0]
        named = [*([] if keeps_plainest else named), written(plainest if keeps_plainest else example)]
    return inside + _few(named) + (" and others" if len(rest) > 1 else "")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def _cover(wanted: list[Choice], unwanted: list[Choice], labels: Sequence[Label]) -> tuple[list[str], list[Choice]]:
    """Names of labels without anything unwanted, widest first, and what none of them covers."""
    usable: list[tuple[str, list[Choice]]] = []
    for text, holds in labels:
        if not any(holds(choice) for choice in unwanted):
            usable.append((text, [choice for choice in wanted if holds(choice)]))
    named: list[str] = []
    left: list[Choice] = list(wanted)
    while left:
        covered = {text: sum(choice in left for choice in members) for text, members in usable}
        best = max(covered, key=lambda text: covered[text], default=None)
        if best is None or not covered[best]:
            break
        named.append(best)
        members = dict(usable)[best]
        left = [choice for choice in left if choice not in members]
    return named, left
