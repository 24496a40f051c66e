"""The rules that a site's requests walk through, and which of them a request can reach.

A list may be shared by many sites, and stands in the Plan once for each way in which its sites read paths. A rule is
judged at its place in the policy: a finding says what holds for every site that uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...schemas import policy as written
from ...schemas.policy import Policy
from ..diagnostics import Diagnostic, Path
from ..plan import Allow, Deny, Hostname, PathMatcher, Plan, Redirect, Route, Rule, Site, TextMatch
from .path_language import Undecided, holds_more
from .request_sets import Applies, Clause, Option, Universe, there_is
from .samples import applies, samples

_LOOKED_BACK = 400
"""How many earlier rules are looked at. In a longer walk fewer rules are found to be out of reach, never more."""


def ends_walk(rule: Rule) -> bool:
    """Whether no later rule is looked at for a request that this one applies to."""
    return any(isinstance(action, Allow | Deny | Redirect) for action in rule.actions)


def written_rule(policy: Policy, rule: Rule) -> written.Rule:
    """A rule as the policy has it."""
    _, name, index = rule.path
    return policy.inspection_rules[str(name)][int(index)]


def path_regexes(plan: Plan) -> Iterator[tuple[Path, PathMatcher]]:
    """Every expression for a path, once for its place in the policy, with the place of its condition."""
    told: set[tuple[Path, str]] = set()
    for path, condition in plan.conditions():
        for matcher in condition.paths:
            if matcher.kind is TextMatch.REGEX and (path, matcher.text) not in told:
                told.add((path, matcher.text))
                yield path, matcher


def refuses(rule: Rule) -> bool:
    """Whether a request that this rule applies to does not reach the backend."""
    return any(isinstance(action, Deny | Redirect) for action in rule.actions)


def route_before(route: Route, before: Sequence[Route]) -> Route | None:
    """The route that takes all paths of a route, of those that are looked at before it."""
    for other in before:
        try:
            if not holds_more(((route.prefix.expression,),), (other.prefix.expression,)):
                return other
        except Undecided:
            continue
    return None


@dataclass(slots=True, eq=False)
class Walk:
    """The rules of one or more sites that have the same ones, end to end."""

    steps: tuple[Applies, ...]
    universe: Universe
    sites: list[Site] = field(default_factory=list[Site])

    def before(self, index: int) -> Sequence[Applies]:
        """The rules before one that can end the walk."""
        return [one for one in self.steps[max(0, index - _LOOKED_BACK) : index] if ends_walk(one.rule)]

    def there_is(self, wanted: Iterable[Option], clauses: Iterable[Clause] = ()) -> bool:
        """Whether one of the options of `wanted` has a request that fulfils all clauses."""
        listed = list(clauses)
        return any(there_is(self.universe, option, listed) for option in wanted)

    def applies_at_all(self, index: int) -> bool:
        """Whether a rule applies to any request, wherever it stands."""
        step = self.steps[index]
        return there_is(self.universe, step.when, step.excepted)

    def reached(self, index: int) -> bool:
        """Whether a rule applies to a request for which no earlier rule has ended the walk."""
        step, before = self.steps[index], self.before(index)
        if not before or self._passes(step.rule, before):
            return True
        return there_is(self.universe, step.when, [*step.excepted, *(one.escaped for one in before)])

    def _passes(self, rule: Rule, before: Sequence[Applies]) -> bool:
        """Whether one of a few requests that a rule applies to gets past the earlier rules: quicker than sets."""
        return any(
            not any(applies(earlier.rule, sample) for earlier in before) for sample in samples(rule, self.universe)
        )

    def in_the_way(self, index: int) -> list[Rule]:
        """The earlier rules that take a rule's requests: one where one is enough, else all that take some."""
        step, before = self.steps[index], self.before(index)
        for one in before:
            if not there_is(self.universe, step.when, [*step.excepted, one.escaped]):
                return [one.rule]
        return [one.rule for one in before if self.overlap(step, one)]

    def overlap(self, some: Applies, others: Applies) -> bool:
        """Whether two rules apply to the same request."""
        return self.there_is(others.cases, [[some.when], *some.excepted])

    def within(self, inner: Applies, outer: Applies) -> bool:
        """Whether `outer` applies to every request that `inner` applies to."""
        return not there_is(self.universe, inner.when, [*inner.excepted, outer.escaped])


Places = Sequence[tuple[Walk, int]]
"""Where a rule of the policy stands in walks: one for each walk that it is in."""


class Walks:
    """All walks of a plan, but for sites that could not be understood as a whole, and for the lists that they use."""

    def __init__(self, plan: Plan, policy: Policy, found: Iterable[Diagnostic] = ()) -> None:
        self._steps: dict[int, tuple[Applies, ...]] = {}
        self._walks: dict[object, Walk] = {}
        broken_lists = {one.primary.path[1] for one in found if one.primary.path[:1] == ("inspection_rules",)}
        whole = {site.name: site for site in plan.sites if len(site.rule_lists) == len(policy.sites[site.name].inspect)}
        self.sound: set[str] = set()
        """The names of the sites whose rules are all here."""
        doubtful: set[str] = set()
        for name, site in policy.sites.items():
            if name in whole and not broken_lists & set(site.inspect):
                self.sound.add(name)
                if site.inspect:
                    self._add(whole[name])
            else:
                doubtful.update(site.inspect)
        self.places: dict[Path, list[tuple[Walk, int]]] = {}
        for walk in self._walks.values():
            for index, step in enumerate(walk.steps):
                if step.rule.path[1] not in doubtful:
                    self.places.setdefault(step.rule.path, []).append((walk, index))

    def __iter__(self) -> Iterator[Walk]:
        return iter(self._walks.values())

    def rules(self) -> Iterator[tuple[Rule, Places]]:
        """Every rule that a site uses, once for its place in the policy."""
        for places in self.places.values():
            walk, index = places[0]
            yield walk.steps[index].rule, places

    def _add(self, site: Site) -> None:
        steps: list[Applies] = []
        for rule_list in site.rule_lists:
            found = self._steps.get(id(rule_list))
            if found is None:
                found = self._steps[id(rule_list)] = tuple(map(Applies, rule_list.rules))
            steps += found
        mentioned = list(dict.fromkeys(_hosts(steps)))
        universe = Universe.of(site, mentioned)
        # Where no rule looks at the host, sites differ in nothing that a walk could tell.
        hosts = universe.hosts if mentioned else ()
        key = (tuple(id(rule_list) for rule_list in site.rule_lists), site.methods, hosts)
        self._walks.setdefault(key, Walk(tuple(steps), universe)).sites.append(site)


def _hosts(steps: Iterable[Applies]) -> Iterator[Hostname]:
    for step in steps:
        for condition in (step.rule.when, step.rule.unless):
            yield from condition.hosts if condition else ()
