"""Rules compared by what becomes of requests: which are decided otherwise, in few words and with a witness each.

Requests that every condition of both policies judges alike are decided alike, so one of each such kind is enough:
kinds are told apart by a bit for each condition, dimension by dimension, and the plainest request of each is decided
by the reference semantics under both policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..decide import Connection, Decision, Request, VisitorCertificate, decide, holds, not_normal, visitor
from ..normal_form import PathOptions
from ..plan import Condition, HostGroup, Listener, Network, PathMatcher, Plan, Rule, Site
from . import candidates
from .candidates import Choice, Dimension, question
from .effects import Effect, effects
from .regions import Judged, region

MOST_KINDS = 20_000
"""Kinds of requests that are decided for one hostname. Past that the plainest are, and the comparison says so."""


@dataclass(frozen=True, slots=True)
class Served:
    """A hostname as one policy serves it: `host` is asked for as SNI and as Host."""

    plan: Plan
    listener: Listener
    site: Site
    group: HostGroup

    @property
    def rules(self) -> Iterator[Rule]:
        """The site's rules, in order."""
        return (rule for rule_list in self.site.rule_lists for rule in rule_list.rules)


@dataclass(frozen=True, slots=True)
class Found:
    """Requests that are decided otherwise. `where` says which, `connection` and `request` are the plainest of them."""

    effect: Effect
    where: str
    connection: Connection
    request: Request
    before: Decision
    after: Decision


def differences(old: Served, new: Served, host: str) -> tuple[list[Found], bool]:
    """The requests for a host that the two decide otherwise, and whether all kinds of requests were tried."""
    return _Search(old, new, host).run()


def looks_at_hosts(served: Served) -> bool:
    """Whether a rule tells hostnames of its site apart."""
    return any(condition.hosts or _names(condition, "host") for condition in _conditions(served))


def _conditions(served: Served) -> Iterator[Condition]:
    for rule in served.rules:
        yield rule.when
        if rule.unless is not None:
            yield rule.unless


def _names(condition: Condition, header: str) -> bool:
    return any(matcher.name == header for matcher in condition.headers)


Test = tuple[Condition, PathOptions, tuple[Network, ...]]
"""A condition, and what its meaning depends on beside the request: equal ones of both policies are one."""


class _Search:
    def __init__(self, old: Served, new: Served, host: str) -> None:
        self.old, self.new, self.host = old, new, host
        self.visitor = VisitorCertificate(
            "CN=visitor", frozenset(one.name for served in (old, new) for one in served.plan.anchors)
        )
        tests = [
            (condition, served.site.path_options, served.listener.trusted_proxies)
            for served in (old, new)
            for condition in _conditions(served)
            if not condition.always and (not condition.hosts or any(one.covers(host) for one in condition.hosts))
        ]
        self.tests: list[Test] = list(dict.fromkeys(tests))
        self.bits: dict[tuple[object, ...], int] = {}
        self.normal: dict[tuple[str, ...], dict[bytes, bool]] = {
            served.site.path_options.names: {} for served in (old, new)
        }
        self.patterns = {one.expression: re.compile(one.expression.encode(), re.DOTALL) for one in self.path_matchers()}
        self.dimensions = self._dimensions()
        self.masks = [[self._mask(dimension, choice) for choice in dimension.choices] for dimension in self.dimensions]

    def _dimensions(self) -> list[Dimension]:
        both = (self.old, self.new)
        conditions = [test[0] for test in self.tests]
        options = {served.site.path_options for served in both}
        found = [
            candidates.paths(self.path_matchers(), probe=len(options) > 1),
            candidates.methods(
                [
                    *(name for served in both for name in served.site.methods),
                    *(name for condition in conditions for name in condition.methods),
                ]
            ),
            candidates.sources(
                (network for condition in conditions for network in condition.sources),
                (network for served in both for network in served.listener.trusted_proxies),
            ),
            *candidates.headers(conditions),
            *candidates.parameters(conditions, probe=len({one.plain_query for one in options}) > 1),
        ]
        if self.old.site.websocket is not self.new.site.websocket:
            found.append(candidates.upgrade())
        return found

    def path_matchers(self) -> list[PathMatcher]:
        """Every matcher of paths: of rules, then of routes."""
        found = [matcher for condition, _, _ in self.tests for matcher in condition.paths]
        found += [route.prefix for served in (self.old, self.new) for route in served.group.routes]
        return list(dict.fromkeys(found))

    # --- kinds of requests ------------------------------------------------------------------------------------

    def _mask(self, dimension: Dimension, choice: Choice) -> int:
        """The bits that a choice leaves standing: a kind of requests is what all its choices leave."""
        mask = -1
        for key, holding in self._judged(dimension, choice):
            bit = self.bits.setdefault(key, 1 << len(self.bits))
            if not holding:
                mask &= ~bit
        return mask

    def _judged(self, dimension: Dimension, choice: Choice) -> Iterator[tuple[tuple[object, ...], bool]]:
        _, request = question([choice], self.old.listener.name, self.host, self.visitor)
        for served in (self.old, self.new):
            site = served.site
            match dimension.what:
                case "path" | "query" | "parameter":
                    why = not_normal(request.target, site.path_options)
                    # Within what is refused, opt-ins of the two sites may make a difference, rules do not.
                    yield ("normal", site.path_options), why is None
                case "method":
                    yield ("method", site.methods), choice.method in site.methods
                case "source":
                    trusted = served.listener.trusted_proxies
                    believed = any(choice.peer in one for one in trusted if choice.peer is not None)
                    bad = any(value == candidates.UNREADABLE for _, value in choice.headers)
                    yield ("unreadable", trusted), not (believed and bad)
                case "upgrade":
                    yield ("upgrade",), not choice.headers
                case _:
                    pass
            if dimension.what == "path" and not_normal(request.target, site.path_options) is None:
                for route in served.group.routes:
                    yield ("route", route.prefix), self._on(route.prefix, choice, site.path_options)
        for test in self.tests:
            yield from self._tested(test, dimension, choice, request)

    def _tested(
        self, test: Test, dimension: Dimension, choice: Choice, request: Request
    ) -> Iterator[tuple[tuple[object, ...], bool]]:
        """What one dimension of a request means for one condition."""
        condition, options, trusted = test
        match dimension.what:
            case "path" if condition.paths:
                yield (test,), any(self._on(matcher, choice, options) for matcher in condition.paths)
            case "method" if condition.methods:
                yield (test,), choice.method in condition.methods
            case "source" if condition.sources and choice.peer is not None:
                listener = replace(self.old.listener, trusted_proxies=trusted)
                readable = all(value != candidates.UNREADABLE for _, value in choice.headers)
                source = visitor(listener, choice.peer, request.headers if readable else ())
                yield (test,), any(source in network for network in condition.sources)
            case "header" if _names(condition, dimension.name):
                part = tuple(one for one in condition.headers if one.name == dimension.name)
                alone = len({one.name for one in condition.headers}) == 1
                # Of several names any may hold, so that each has a bit of its own.
                key = (test,) if alone else (test, "header", dimension.name)
                yield key, self._holds(Condition(headers=part), request, options)
            case "parameter" if any(one.name == dimension.name for one in condition.queries):
                queries = tuple(one for one in condition.queries if one.name == dimension.name)
                alone = len({one.name for one in condition.queries}) == 1
                key = (test,) if alone else (test, "parameter", dimension.name)
                yield key, self._holds(Condition(queries=queries), request, options)
            case _:
                pass

    def _holds(self, condition: Condition, request: Request, options: PathOptions) -> bool:
        return holds(condition, self.host, candidates.USUAL_SOURCES[0], request, options)

    def kinds(self) -> tuple[list[tuple[Choice, ...]], bool]:
        """The plainest request of each kind, plainest first, and whether these are all kinds."""
        states: dict[int, tuple[int, tuple[Choice, ...]]] = {-1: (0, ())}
        complete = True
        for dimension, masks in zip(self.dimensions, self.masks, strict=True):
            plainest: dict[int, Choice] = {}
            for choice, mask in zip(dimension.choices, masks, strict=True):
                if mask not in plainest or choice.cost < plainest[mask].cost:
                    plainest[mask] = choice
            following: dict[int, tuple[int, tuple[Choice, ...]]] = {}
            for so_far, (cost, chosen) in states.items():
                for mask, choice in plainest.items():
                    both, sum_of_costs = so_far & mask, cost + choice.cost
                    if both not in following or sum_of_costs < following[both][0]:
                        following[both] = (sum_of_costs, (*chosen, choice))
            ordered = sorted(following.items(), key=lambda item: item[1][0])
            complete = complete and len(ordered) <= MOST_KINDS
            states = dict(ordered[:MOST_KINDS])
        return [chosen for _, chosen in states.values()], complete

    # --- what is decided otherwise ----------------------------------------------------------------------------

    def ask(self, chosen: Iterable[Choice]) -> tuple[Connection, Request, Decision, Decision]:
        """A request, decided under both policies."""
        connection, request = question(chosen, self.old.listener.name, self.host, self.visitor)
        after = replace(connection, listener=self.new.listener.name)
        return connection, request, decide(self.old.plan, connection, request), decide(self.new.plan, after, request)

    def run(self) -> tuple[list[Found], bool]:
        """All differences, and whether all kinds of requests were tried."""
        kinds, complete = self.kinds()
        groups: dict[Effect, list[tuple[Choice, ...]]] = {}
        for chosen in kinds:
            _, _, before, after = self.ask(chosen)
            for effect in effects(before, after):
                groups.setdefault(effect, []).append(chosen)
        found = [one for effect, members in groups.items() for one in self._regions(effect, members)]
        return found, complete

    def _regions(self, effect: Effect, members: Sequence[tuple[Choice, ...]]) -> Iterator[Found]:
        """A group of requests as few regions: in each, the dimensions do not depend on one another."""
        left = list(members)
        while left:
            witness = left[0]
            judged = [self._along(effect, witness, index) for index in range(len(self.dimensions))]
            within = [{id(choice) for choice, keeps in one.choices if keeps} for one in judged]
            left = [
                chosen
                for chosen in left[1:]
                if not all(id(choice) in allowed for choice, allowed in zip(chosen, within, strict=True))
            ]
            yield Found(effect, region(judged), *self.ask(witness))

    def _along(self, effect: Effect, witness: tuple[Choice, ...], index: int) -> Judged:
        """Each choice of a dimension: whether the witness with it instead is changed in the same way."""
        by_mask: dict[int, bool] = {}
        choices: list[tuple[Choice, bool]] = []
        for choice, mask in zip(self.dimensions[index].choices, self.masks[index], strict=True):
            if mask not in by_mask:
                _, _, before, after = self.ask((*witness[:index], choice, *witness[index + 1 :]))
                by_mask[mask] = effect in effects(before, after)
            choices.append((choice, by_mask[mask]))
        return Judged(self.dimensions[index], tuple(choices), witness[index], self._labels(self.dimensions[index]))

    def _labels(self, dimension: Dimension) -> list[tuple[str, Callable[[Choice], bool]]]:
        """The parts of a dimension that the policies have words for."""
        if dimension.what == "path":
            options = self.new.site.path_options
            return [(_path_label(one), self._within(one, options)) for one in self.path_matchers()]
        networks = [network for test in self.tests for network in test[0].sources]
        return [(str(network), _from(network)) for network in dict.fromkeys(networks)]

    def _within(self, matcher: PathMatcher, options: PathOptions) -> Callable[[Choice], bool]:
        return lambda choice: self._on(matcher, choice, options)

    def _on(self, matcher: PathMatcher, choice: Choice, options: PathOptions) -> bool:
        """Whether a path is in normal form and what a matcher means.

        By its expression, which is much faster than the reference semantics: this only tells kinds of requests apart.
        """
        path = (choice.path or "/").encode()
        normal = self.normal[options.names]
        if path not in normal:
            normal[path] = not_normal(path, options) is None
        return normal[path] and self.patterns[matcher.expression].fullmatch(path) is not None


def _from(network: Network) -> Callable[[Choice], bool]:
    return lambda choice: choice.peer is not None and choice.peer in network


def _path_label(matcher: PathMatcher) -> str:
    words = {
        "exact": f"{matcher.text}",
        "prefix": f"{matcher.text} and below" if not matcher.text.endswith("/") else f"below {matcher.text}",
        "suffix": f"…{matcher.text}",
        "regex": f"paths that match {matcher.text}",
    }
    return words[matcher.kind] + (" in any case" if matcher.ignore_case and matcher.kind != "regex" else "")
