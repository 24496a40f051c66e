"""Long runs of rules on plain paths as one lookup: which of them is the first to hold for a path.

A target that tests rule after rule is slow by the hundredth. Most long lists say the same of many literal paths, and
for those an exact lookup and one for the longest beginning find the rule, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from .plan import Action, Allow, Condition, Deny, PathMatcher, Rule, TextMatch

MANY = 20
"""Paths from which on a run is a table. Measured at 20 (docs/load.md): rule after rule is up to a third slower."""


@dataclass(frozen=True, slots=True)
class PathTable:
    """Consecutive rules that all let pass or all deny, and differ in their paths, ids and statuses only.

    A request's rule is that of its whole path in `exact`, else of the longest of the `beginnings` of its path, else
    none: the first of the rules that holds, as all that hold besides are behind it in the list. Texts are raw paths
    without a query, in lower case where `ignore_case`; beginnings end in ``/``.
    """

    rules: tuple[Rule, ...]
    when: Condition
    """What must hold besides for any of them: it has no paths."""
    unless: Condition | None
    ignore_case: bool
    exact: Mapping[str, Rule]
    beginnings: Mapping[str, Rule]

    @property
    def allows(self) -> bool:
        """Whether they let pass."""
        return isinstance(self.rules[0].actions[0], Allow)

    def rule_of(self, path: str) -> Rule | None:
        """The rule of a raw path, `when` and `unless` apart."""
        path = path.lower() if self.ignore_case else path
        if path in self.exact:
            return self.exact[path]
        return next((self.beginnings[one] for one in reversed(_folders(path)) if one in self.beginnings), None)


def in_tables(rules: Sequence[Rule]) -> Iterator[Rule | PathTable]:
    """Rules in their order, with a table in place of each run of those that have many plain paths together."""
    for kind, group in groupby(rules, _kind):
        run = tuple(group)
        if kind is None or sum(len(rule.when.paths) for rule in run) < MANY:
            yield from run
        else:
            yield _table(run)


def _kind(rule: Rule) -> tuple[Condition, Condition | None, bool, type[Action]] | None:
    """What rules of one table have in common; None for a rule that fits into none.

    Their only action ends the walk without more: what else rules do is asked of each by itself.
    """
    paths = rule.when.paths
    plain = paths and all(one.plain and one.ignore_case is paths[0].ignore_case for one in paths)
    if not plain or len(rule.actions) != 1 or not isinstance(rule.actions[0], Allow | Deny):
        return None
    return replace(rule.when, paths=()), rule.unless, paths[0].ignore_case, type(rule.actions[0])


def _table(rules: tuple[Rule, ...]) -> PathTable:
    ignore_case = rules[0].when.paths[0].ignore_case
    exact: dict[str, int] = {}
    beginnings: dict[str, int] = {}
    for index, rule in enumerate(rules):
        for matcher in rule.when.paths:
            for texts, text in _texts(matcher):
                (exact if texts is TextMatch.EXACT else beginnings).setdefault(text, index)

    def first(text: str, own: int) -> Rule:
        return rules[min([own, *(beginnings[one] for one in _folders(text) if one in beginnings)])]

    return PathTable(
        rules,
        replace(rules[0].when, paths=()),
        rules[0].unless,
        ignore_case,
        {text: first(text, index) for text, index in exact.items()},
        {text: first(text, index) for text, index in beginnings.items()},
    )


def _texts(matcher: PathMatcher) -> Iterator[tuple[TextMatch, str]]:
    """A matcher as whole paths and beginnings: the prefix ``/a`` is ``/a`` and what begins with ``/a/``."""
    text = matcher.text.lower() if matcher.ignore_case else matcher.text
    if matcher.kind is TextMatch.EXACT or not text.endswith("/"):
        yield TextMatch.EXACT, text
    if matcher.kind is TextMatch.PREFIX:
        yield TextMatch.PREFIX, text if text.endswith("/") else text + "/"


def _folders(path: str) -> list[str]:
    """Every beginning of a path that ends in ``/``, the shortest first."""
    return [path[: index + 1] for index, character in enumerate(path) if character == "/"]
