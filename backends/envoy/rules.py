"""Rule lists → steps that end the walk, and filters for what rules do to requests that go on.

The route's matcher walks the steps, so it is known when the filters run which step ended the walk: each route names
the filters of the rules before it, and no others run. What is conditional in a filter is tested on the request as it
came: marks are set before anything is edited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ...compiler.diagnostics import Path
from ...compiler.path_tables import PathTable, in_tables
from ...compiler.plan import Allow, Deny, EditHeaders, LimitBody, LogLabel, RateLimit, Redirect, Rule, RuleList
from .conditions import ALWAYS, applies, has, holds
from .model import (
    UPGRADE_HEADER,
    Applied,
    BufferBody,
    EditRequest,
    EditResponse,
    Every,
    Filter,
    LimitLength,
    LimitRate,
    Lookup,
    Mark,
    Not,
    Redirection,
    Refusal,
    Step,
    Test,
)


@dataclass(frozen=True, slots=True)
class Walk:
    """What rule lists become. `filters` in the order in which they run; `to_end` names those of the walk's end."""

    steps: tuple[Step | Lookup, ...]
    filters: tuple[Filter, ...]
    to_end: tuple[str, ...]


def walk(lists: Iterable[RuleList], source: Callable[[Path], str]) -> Walk:
    """The steps and filters of a site's lists. `source` tells a place in the policy."""
    parts: list[_Work] = []
    before = _Names()
    steps: list[Step | Lookup] = []
    for part in in_tables([rule for one in lists for rule in one.rules]):
        if isinstance(part, PathTable) and not part.ignore_case:
            steps.append(_lookup(part, source, before))
            continue
        for rule in part.rules if isinstance(part, PathTable) else (part,):
            work = _Work(rule)
            parts.append(work)
            here = before.and_those_of(work)
            if _ending(rule) is None:
                before = here
            else:
                steps.append(_step(rule, applies(rule) or ALWAYS, source, here))
    filters = (
        *(one for part in parts for one in part.marks),
        # Answers go through the filters in the opposite order.
        *(one for part in reversed(parts) for one in part.responses),
        # What a later rate refuses has been counted by the earlier ones: those that recover soonest come first.
        *(one for _, group in sorted(_rates(parts), key=lambda rate: rate[0]) for one in group),
        # The smallest is the last to say that it decides.
        *(one for _, group in sorted(_bodies(parts), key=lambda body: -body[0]) for one in group),
        *(one for part in parts for one in part.requests),
    )
    return Walk(tuple(steps), filters, before.names)


def _step(rule: Rule, test: Test, source: Callable[[Path], str], names: _Names) -> Step:
    """A rule that ends the walk. `names` are the filters of the rules before it, and its own."""
    ending = _ending(rule)
    if isinstance(ending, Refusal | Redirection):
        return Step(rule.id, source(rule.path), test, ending, names.always)
    return Step(rule.id, source(rule.path), test, None, names.names)


def _lookup(table: PathTable, source: Callable[[Path], str], before: _Names) -> Lookup:
    """A table as a step. Its rules do nothing else than to end the walk: they have no filters."""
    steps = {rule.id: _step(rule, ALWAYS, source, before) for rule in table.rules}
    return Lookup(
        holds(table.when, table.unless),
        tuple((text, steps[rule.id]) for text, rule in table.exact.items()),
        tuple((text, steps[rule.id]) for text, rule in table.beginnings.items()),
    )


def _ending(rule: Rule) -> Allow | Refusal | Redirection | None:
    for action in rule.actions:
        match action:
            case Allow():
                return action
            case Deny(status):
                return Refusal(status)
            case Redirect(to, status):
                return Redirection(status, to)
            case _:
                pass
    return None


class _Work:
    """The filters of one rule."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.marks: list[Filter] = []
        self.responses: list[Filter] = []
        self.requests: list[Filter] = []
        self.rate: tuple[tuple[int, int], list[Filter]] | None = None
        self.body: tuple[int, list[Filter]] | None = None
        # A rule that ends the walk: only the route of its own step names its filters.
        self.test = None if _ending(rule) else applies(rule)
        labels = tuple(action.label for action in rule.actions if isinstance(action, LogLabel))
        edits = [action for action in rule.actions if isinstance(action, EditHeaders)]
        # Behind the marks, the host is no longer as it came.
        if labels or (self.test and (edits or _looks_at_host(rule))):
            self._mark(labels)
        for action in rule.actions:
            match action:
                case EditHeaders(response):
                    work = EditResponse(action) if response else EditRequest(action)
                    group = self.responses if response else self.requests
                    group.append(Filter(f"{'response' if response else 'request'}:{rule.id}", self.test, work))
                case RateLimit(count, period):
                    mark, test = self._decides("rate")
                    self.rate = (period, count), [mark, Filter(f"rate:{rule.id}", test, LimitRate(action))]
                case LimitBody(size):
                    mark, test = self._decides("body")
                    self.body = size, [mark, *self._body(size, test)]
                case _:
                    pass

    def _mark(self, labels: Sequence[str]) -> None:
        applied = self.test is not None
        self.marks.append(
            Filter(f"mark:{self.rule.id}", self.test, Mark(self.rule.id, labels=tuple(labels), applied=applied))
        )
        if applied:
            self.test = Applied(self.rule.id)

    def _decides(self, kind: str) -> tuple[Filter, Test | None]:
        """A mark that this rule decides if the next limit refuses, and the test for what comes behind it."""
        known = self.test is None or isinstance(self.test, Applied)
        mark = Filter(f"{kind}-rule:{self.rule.id}", self.test, Mark(self.rule.id, applied=not known, decides=True))
        return mark, self.test if known else Applied(self.rule.id)

    def _body(self, size: int, test: Test | None) -> list[Filter]:
        # A length that is said is kept to (RFC 9112, 6.3; RFC 9113, 8.1.1). Where none is, the buffer finds it out.
        # The buffer alone lets a last HTTP/2 frame past the limit.
        unsaid = (Not(has("content-length")), Not(has(UPGRADE_HEADER)))
        return [
            Filter(f"buffer:{self.rule.id}", Every((*((test,) if test else ()), *unsaid)), BufferBody(size)),
            Filter(f"length:{self.rule.id}", test, LimitLength(size)),
        ]


def _looks_at_host(rule: Rule) -> bool:
    return any(
        header.name == "host"
        for condition in (rule.when, rule.unless)
        if condition is not None
        for header in condition.headers
    )


def _rates(parts: Iterable[_Work]) -> list[tuple[tuple[int, int], list[Filter]]]:
    return [part.rate for part in parts if part.rate]


def _bodies(parts: Iterable[_Work]) -> list[tuple[int, list[Filter]]]:
    return [part.body for part in parts if part.body]


@dataclass(frozen=True, slots=True)
class _Names:
    """Filters by name: those that also run for requests that are refused, and all."""

    always: tuple[str, ...] = field(default=())
    names: tuple[str, ...] = field(default=())

    def and_those_of(self, part: _Work) -> _Names:
        always = tuple(one.name for one in (*part.marks, *part.responses))
        limits = [one for _, group in filter(None, (part.rate, part.body)) for one in group]
        return _Names(
            (*self.always, *always),
            (*self.names, *always, *(one.name for one in limits), *(one.name for one in part.requests)),
        )
