"""Sets of requests, as conditions describe them, and whether there is a request in one and in no other.

The question is put as *wishes*, each about one part of a request, and *clauses*, of which each needs one of its
options. Methods, sources and hostnames are compared exactly; paths by their expressions; headers and parameters by
what one condition says about another. Where something cannot be decided the answer is that there is such a request:
a finding that builds on "there is none" is then never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..plan import Condition, HeaderMatcher, Hostname, Network, QueryMatcher, Rule, Site, TextMatch
from .path_language import Undecided, holds_more

_MAX_BRANCHES = 500


class Wish:
    """One part of a request shall match any of `members`; its `opposite`: none of them. Equal only to itself."""

    __slots__ = ("members", "opposite", "part", "wanted")

    def __init__(self, part: str, members: tuple[object, ...], opposite: Wish | None = None) -> None:
        self.part = part
        self.members = members
        self.wanted = opposite is None
        self.opposite: Wish = opposite or Wish(part, members, self)


Option = Sequence[Wish]
"""Fulfilled where all its wishes are."""
Clause = Sequence[Option]
"""Fulfilled where one of its options is."""


def wishes(condition: Condition) -> list[Wish]:
    """What a condition asks of each part of a request; together they are the condition."""
    parts: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("method", condition.methods),
        ("source", condition.sources),
        ("host", condition.hosts),
        ("path", tuple(dict.fromkeys(matcher.expression for matcher in condition.paths))),
        ("header", condition.headers),
        ("query", condition.queries),
    )
    return [Wish(part, members) for part, members in parts if members]


class Applies:
    """The requests to which a rule applies."""

    __slots__ = ("rule", "unless", "when")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.when: Option = wishes(rule.when)
        self.unless: Option | None = wishes(rule.unless) if rule.unless is not None else None

    @property
    def excepted(self) -> list[Clause]:
        """Beside `when`, what a request must fulfil for the rule to apply."""
        return [[[wish.opposite] for wish in self.unless]] if self.unless is not None else []

    @property
    def escaped(self) -> Clause:
        """Fulfilled by all other requests."""
        options: list[Option] = [[wish.opposite] for wish in self.when]
        return options if self.unless is None else [*options, self.unless]

    @property
    def cases(self) -> list[Option]:
        """Options that together stand for these requests."""
        if self.unless is None:
            return [self.when]
        return [[*self.when, wish.opposite] for wish in self.unless]


@dataclass(frozen=True, slots=True)
class Universe:
    """What the requests of one site can be: its methods, and the hosts that conditions can tell apart."""

    methods: tuple[str, ...]
    hosts: tuple[str, ...]

    @classmethod
    def of(cls, site: Site, mentioned: Iterable[Hostname]) -> Universe:
        """The universe of a site, for conditions that mention these hostnames."""
        points = dict.fromkeys(_point(name) for name in (*site.hostnames, *mentioned))
        return cls(site.methods, tuple(one for one in points if any(name.covers(one) for name in site.hostnames)))


def _point(name: Hostname) -> str:
    """A host that stands for a hostname: one below a wildcard has a label that no policy can name."""
    return f"\0.{name.name}" if name.wildcard else name.name


def there_is(universe: Universe, wanted: Iterable[Wish], clauses: Iterable[Clause] = ()) -> bool:
    """Whether a request fulfils all wishes and clauses. True, too, where that cannot be decided."""
    return _Search(universe).run(list(wanted), list(clauses))


class _Search:
    """A search by cases: always the clause with the fewest options that are left."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.left = _MAX_BRANCHES
        self.known: dict[frozenset[Wish], bool] = {}

    def run(self, wanted: list[Wish], clauses: list[Clause]) -> bool:
        by_part: dict[str, frozenset[Wish]] = {}
        for wish in wanted:
            by_part[wish.part] = by_part.get(wish.part, frozenset()) | {wish}
        return all(self._possible(part) for part in by_part.values()) and self._solve(by_part, clauses)

    def _solve(self, state: Mapping[str, frozenset[Wish]], clauses: list[Clause]) -> bool:
        self.left -= 1
        if self.left < 0:
            return True
        open_clauses: list[list[Option]] = []
        for clause in clauses:
            options: list[Option] = []
            for option in clause:
                if all(not self._fits(state, [wish.opposite]) for wish in option):
                    break  # fulfilled by all that is left
                if self._fits(state, option):
                    options.append(option)
            else:
                if not options:
                    return False
                open_clauses.append(options)
        if not open_clauses:
            return True
        open_clauses.sort(key=len)
        first, *rest = open_clauses
        return any(self._solve(self._with(state, option), list(rest)) for option in first)

    def _with(self, state: Mapping[str, frozenset[Wish]], option: Option) -> Mapping[str, frozenset[Wish]]:
        after = dict(state)
        for wish in option:
            after[wish.part] = after.get(wish.part, frozenset()) | {wish}
        return after

    def _fits(self, state: Mapping[str, frozenset[Wish]], option: Option) -> bool:
        after = self._with(state, option)
        return all(self._possible(after[wish.part]) for wish in option)

    def _possible(self, part: frozenset[Wish]) -> bool:
        found = self.known.get(part)
        if found is None:
            found = self.known[part] = self._judge(part)
        return found

    def _judge(self, part: frozenset[Wish]) -> bool:
        within = [wish.members for wish in part if wish.wanted]
        outside = [member for wish in part if not wish.wanted for member in wish.members]
        match next(iter(part)).part:
            case "method":
                return any(
                    all(method in members for members in within) and method not in outside
                    for method in self.universe.methods
                )
            case "host":
                return any(
                    all(_covered(host, members) for members in within) and not _covered(host, outside)
                    for host in self.universe.hosts
                )
            case "source":
                return _sources_left(within, outside)
            case "path":
                return _paths_left(within, outside)
            case _:
                return all(any(not _refuted(one, outside) for one in members) for members in within)


def _covered(host: str, names: Iterable[object]) -> bool:
    return any(isinstance(name, Hostname) and name.covers(host) for name in names)


def _paths_left(within: Sequence[Sequence[object]], outside: Sequence[object]) -> bool:
    try:
        return holds_more(
            tuple(sorted(tuple(str(one) for one in members) for members in within)),
            tuple(sorted({str(one) for one in outside})),
        )
    except Undecided:
        return True


# --- sources ----------------------------------------------------------------------------------------------------

_Stretch = tuple[int, int]
_EVERY_ADDRESS: tuple[_Stretch, ...] = ((0, (1 << 32) + (1 << 128) - 1),)
"""IPv4 addresses first, then IPv6, on one line."""


def _sources_left(within: Sequence[Sequence[object]], outside: Sequence[object]) -> bool:
    left = _EVERY_ADDRESS
    for members in within:
        left = _common(left, _stretches(tuple(members)))
    return bool(_common(left, _gaps(_stretches(tuple(outside)))))


@lru_cache(4_096)
def _stretches(networks: tuple[Network, ...]) -> tuple[_Stretch, ...]:
    """Networks as stretches of the line of addresses, ascending and apart."""
    merged: list[_Stretch] = []
    for start, end in sorted(_stretch(network) for network in networks):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _stretch(network: Network) -> _Stretch:
    offset = 0 if network.version == 4 else 1 << 32
    return int(network.network_address) + offset, int(network.broadcast_address) + offset


def _gaps(stretches: Iterable[_Stretch]) -> tuple[_Stretch, ...]:
    gaps: list[_Stretch] = []
    start, last = _EVERY_ADDRESS[0]
    for low, high in stretches:
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    return (*gaps, (start, last)) if start <= last else tuple(gaps)


def _common(some: Sequence[_Stretch], others: Sequence[_Stretch]) -> tuple[_Stretch, ...]:
    found: list[_Stretch] = []
    one = two = 0
    while one < len(some) and two < len(others):
        low, high = max(some[one][0], others[two][0]), min(some[one][1], others[two][1])
        if low <= high:
            found.append((low, high))
        if some[one][1] < others[two][1]:
            one += 1
        else:
            two += 1
    return tuple(found)


# --- headers and parameters -------------------------------------------------------------------------------------


def _refuted(one: object, outside: Iterable[object]) -> bool:
    """Whether a condition cannot hold where none of `outside` does."""
    return any(_implies(one, other) for other in outside)


def _implies(one: object, other: object) -> bool:
    if isinstance(one, HeaderMatcher) and isinstance(other, HeaderMatcher) and one.name == other.name:
        if other.kind is TextMatch.REGEX and one.kind is TextMatch.EXACT:
            return _found(other.expression, one.text)
        return _text_implies(one.kind, one.text, other.kind, other.text)
    if isinstance(one, QueryMatcher) and isinstance(other, QueryMatcher) and one.name == other.name:
        return _text_implies(one.kind, one.text, other.kind, other.text)
    return False


def _text_implies(kind: TextMatch, text: str, other_kind: TextMatch, other: str) -> bool:
    """Whether a value that is as the first says is always as the second says."""
    if (kind, text) == (other_kind, other) or other_kind is TextMatch.PRESENT:
        return True
    if kind in (TextMatch.REGEX, TextMatch.PRESENT):
        return False
    match other_kind:
        case TextMatch.PREFIX:
            return kind in (TextMatch.EXACT, TextMatch.PREFIX) and text.startswith(other)
        case TextMatch.SUFFIX:
            return kind in (TextMatch.EXACT, TextMatch.SUFFIX) and text.endswith(other)
        case TextMatch.CONTAINS:
            return other in text
        case _:
            return False


@lru_cache(4_096)
def _found(expression: str, line: str) -> bool:
    # Python spells the end of the text in another way than RE2 and PCRE.
    return re.search(expression.replace(r"\z", r"\Z"), line, re.DOTALL) is not None
