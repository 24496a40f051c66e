"""Names that are not known: the nearest one that is, as help, and the one that was surely meant, as a fix."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHORTEST = 3
_TWO_SLIPS = 8


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Help for a name that is not known: the nearest one, or all of them where they are few."""
    candidates = sorted(known)
    close = get_close_matches(name, candidates, 1, 0.6)
    if close:
        return [f"did you mean `{close[0]}`?"]
    if 0 < len(candidates) <= 12:
        return ["known here: " + ", ".join(f"`{candidate}`" for candidate in candidates)]
    return []


def typing_error(name: str, known: Iterable[str]) -> str | None:
    """The known name of which this one is a typing error beyond doubt, or None.

    Beyond doubt: one slip of the finger (two in long names), no other known name as near, and the same digits:
    who writes `app2` does not mean `app1`.
    """
    if len(name) < _SHORTEST:
        return None
    allowed = 2 if len(name) >= _TWO_SLIPS else 1
    near = sorted((slips(name.lower(), one.lower()), one) for one in set(known) if abs(len(one) - len(name)) <= allowed)
    if not near or near[0][0] > allowed or (len(near) > 1 and near[1][0] == near[0][0]):
        return None
    found = near[0][1]
    return found if _digits(found) == _digits(name) else None


def slips(one: str, other: str) -> int:
    """How many characters were left out, added, changed or swapped with their neighbour (Damerau-Levenshtein)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, left in enumerate(one):
        older, before, row = before, row, [i + 1]
        for j, right in enumerate(other):
            best = min(before[j + 1] + 1, row[j] + 1, before[j] + (left != right))
            if i and j and left == other[j - 1] and one[i - 1] == right:
                best = min(best, older[j - 1] + 1)
            row.append(best)
    return row[-1]


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))
