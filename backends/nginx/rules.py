"""Rule lists → maps: where a request's walk ends, and which rules applied.

`$policyc_walk` is set once a request is in normal form: ``first,web:00003:403:web-3`` says that the lists `first` and
`web` were looked at, and that the third rule of the last one ended the walk with 403; ``first,web:`` that none did.
Whether a rule applied follows from its condition and from this, so that sites can share lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ...compiler.diagnostics import Path
from ...compiler.path_tables import PathTable
from ...compiler.plan import Allow, Deny, Redirect, Rule, RuleList, Site
from .matching import Test, tests
from .model import Case, Ending, Expression, Geo, Joined, Key, Map, Text, Value, Variable
from .naming import digest, slug
from .tables import in_tables, lookup

WALK = Variable("policyc_walk")
ENDS = Variable("policyc_ends")
"""The status that the walk ended with."""
LISTS: Path = ("inspection_rules",)
"""The place of what all sites with the same lists share: that of one of them would change with the others."""
AT_ONCE = 24
"""Variables in one word: "${policyc_rule_…}" of 24 rules fit."""

_ALLOW = "allow"
A = TypeVar("A")
_DIGITS = 5


def walk_key(site: Site) -> str:
    """A name for a site's rule lists, taken together."""
    names = [one.name for one in site.rule_lists]
    return slug(names[0]) if len(names) == 1 else digest(" ".join(names))


def decision(rule: Rule) -> str | None:
    """What a rule that ends the walk decides: a status, or ``allow``."""
    for action in rule.actions:
        match action:
            case Allow():
                return _ALLOW
            case Deny(status) | Redirect(_, status):
                return str(status)
            case _:
                pass
    return None


def refuses(rule: Rule) -> bool:
    """Whether no request passes to which a rule applies."""
    return decision(rule) not in (None, _ALLOW)


def unconditional(rule: Rule) -> bool:
    """Whether a rule applies to every request whose walk comes to it."""
    return rule.when.always and rule.unless is None


def any_of(path: Path, name: str, variables: Sequence[Variable], blocks: list[Map | Geo]) -> Variable:
    """A variable that is not empty where any of these is not."""
    if len(variables) == 1:
        return variables[0]
    if len(variables) > AT_ONCE:
        parts = enumerate(_parts(variables))
        variables = [any_of(path, f"{name}__part_{index}", part, blocks) for index, part in parts]
    blocks.append(Map(path, tuple(variables), name, "1", ((Key(""), ""),)))
    return Variable(name)


def _parts(values: Sequence[A]) -> list[Sequence[A]]:
    """At most `AT_ONCE` parts. All but the last are of one size, which grows by leaps: one more moves no other."""
    size = AT_ONCE
    while size * AT_ONCE < len(values):
        size *= AT_ONCE
    return [values[start : start + size] for start in range(0, len(values), size)]


def first_of(
    path: Path, name: str, pairs: Sequence[tuple[Variable, Value]], default: Value, blocks: list[Map | Geo]
) -> Variable:
    """A variable with the value of the first of these variables that is ``1``."""
    pairs, rest = pairs[:AT_ONCE], pairs[AT_ONCE:]
    if rest:
        default = first_of(path, f"{name}__more", rest, default, blocks)
    source = tuple(part for variable, _ in pairs for part in ("|", variable))
    cases = tuple((Expression(rf"^[|]{{{place}}}1"), value) for place, (_, value) in enumerate(pairs, 1))
    blocks.append(Map(path, source, name, default, cases))
    return Variable(name)


class Rules:
    """The maps of all rule lists that are used. `source`: whose request it is; None: the peer's."""

    def __init__(self, lists: Sequence[RuleList], source: Variable | None) -> None:
        self.blocks: list[Map | Geo] = []
        self._source = source
        self._applied: dict[str, Variable] = {}
        self._places: dict[str, tuple[int, bool]] = {}
        for one in lists:
            ended = False
            for index, rule in enumerate(one.rules, 1):
                self._places[rule.id] = index, ended
                ended = ended or decision(rule) is not None
        self._list_values = {one.name: self._list(one) for one in lists}

    def walk(self, site: Site) -> Value:
        """What `$policyc_walk` is set to for a site's requests."""
        lists = [(one.name, self._list_values[one.name]) for one in site.rule_lists]
        if len(lists) == 1:
            name, value = lists[0]
            return Joined((f"{name}:", *([value] if value else [])))
        seen = [",".join(name for name, _ in lists[: index + 1]) + ":" for index in range(len(lists))]
        ending = [(prefix, value) for prefix, (_, value) in zip(seen, lists, strict=True) if value]
        everything = seen[-1] if seen else ":"
        if not ending:
            return everything
        variable = Variable(f"policyc_lists_{walk_key(site)}")
        cases = tuple(
            (Expression(rf"^[|]{{{index}}}([^|]+)"), Joined((prefix, Variable("1"))))
            for index, (prefix, _) in enumerate(ending)
        )
        source = tuple(part for index, (_, value) in enumerate(ending) for part in ("|" * bool(index), value) if part)
        self.blocks.append(Map(LISTS, source, variable.name, everything, cases))
        return variable

    def endings(self, site: Site) -> list[Ending]:
        """The statuses that a site's walk can end with."""
        rules = [rule for one in site.rule_lists for rule in one.rules]
        denied = {action.status for rule in rules for action in rule.actions if isinstance(action, Deny)}
        endings = [Ending(status) for status in sorted(denied)]
        redirects = [(rule.id, action) for rule in rules for action in rule.actions if isinstance(action, Redirect)]
        if denied or redirects:
            ends = (Expression(r"^[^:]*:[0-9]+:([0-9]+):"), Variable("1"))
            self.blocks.append(Map((), (WALK,), ENDS.name, "", (ends,)))
        if not redirects:
            return endings
        location = Variable(f"policyc_location_{walk_key(site)}")
        cases: list[Case] = [(_ends_by(rule_id), Text(action.to)) for rule_id, action in redirects]
        self.blocks.append(Map(LISTS, (WALK,), location.name, "", tuple(cases)))
        return endings + [Ending(status, location) for status in sorted({action.status for _, action in redirects})]

    def applied(self, rule_list: RuleList, rule: Rule) -> Variable:
        """A variable that is ``1`` where a rule applied, once the walk is known."""
        if rule.id not in self._applied:
            self._applied[rule.id] = self._applied_variable(rule_list, rule)
        return self._applied[rule.id]

    def _applied_variable(self, rule_list: RuleList, rule: Rule) -> Variable:
        index, ended_before = self._places[rule.id]
        ends = rf"(?:,|:(?:\z|(?:{_at_least(index)}):))" if ended_before else "[,:]"
        seen = rf"(?:[^:]*,)?{_literal(rule_list.name)}{ends}"
        fires = self._value(rule)
        if isinstance(fires, Variable):
            source, expression = (fires, " ", WALK), f"^[^ ]+ {seen}"
        else:
            source, expression = (WALK,), f"^{seen}"
        name = f"policyc_applied_{slug(rule.id)}"
        self.blocks.append(Map(rule.path, source, name, "", ((Expression(expression), "1"),)))
        return Variable(name)

    def _list(self, rule_list: RuleList) -> str | Variable:
        """The number, decision and id of the rule that ends the walk in a list; empty where none does."""
        values = [
            self._table(one) if isinstance(one, PathTable) else self._value(one)
            for one in in_tables(rule_list.rules)
            if isinstance(one, PathTable) or decision(one)
        ]
        if len(values) < 2:
            return values[0] if values else ""
        return self._first(rule_list.path, f"policyc_list_{slug(rule_list.name)}", values)

    def _first(self, path: Path, name: str, values: Sequence[str | Variable]) -> Variable:
        """A variable that is the first of several that is not empty."""
        if len(values) > AT_ONCE:
            values = [self._first(path, f"{name}__part_{index}", part) for index, part in enumerate(_parts(values))]
        source = tuple(part for value in values for part in (" ", value))
        self.blocks.append(Map(path, source, name, "", ((Expression("^ *([^ ]+)"), Variable("1")),)))
        return Variable(name)

    def _value(self, rule: Rule) -> str | Variable:
        decides = decision(rule)
        return self._fires(rule, self._ending(rule) if decides else "1", decides == _ALLOW)

    def _ending(self, rule: Rule) -> str:
        index, _ = self._places[rule.id]
        return f"{index:0{_DIGITS}}:{decision(rule)}:{rule.id}"

    def _table(self, table: PathTable) -> str | Variable:
        first = table.rules[0]
        found = lookup(table, first.path, f"policyc_table_{slug(first.id)}", self._ending)
        self.blocks += found
        rest = replace(first, when=table.when, unless=table.unless)
        return self._fires(rest, Variable(found[-1].name), decision(first) == _ALLOW)

    def _fires(self, rule: Rule, value: str | Variable, allows: bool) -> str | Variable:
        """A value where a rule's condition holds, else empty."""
        when = [(test, "when", not allows) for test in tests(rule.when)]
        unless = [(test, "unless", allows) for test in tests(rule.unless)] if rule.unless else []
        name = f"policyc_rule_{slug(rule.id)}"
        names = [
            f"{name}__{word}_{test.name}_{index}"
            for field, word, _ in (*when, *unless)
            for index, test in enumerate(field)
        ]
        names[:1] = [name]
        # From the last step to the first: each names the next one.
        result: str | Variable = value if rule.unless is None else ""
        for field, _, doubt in reversed(unless):
            result = self._field(rule, names, field, doubt, result, value)
        for field, _, doubt in reversed(when):
            result = self._field(rule, names, field, doubt, result, "")
        return result

    def _field(
        self,
        rule: Rule,
        names: list[str],
        field: list[Test],
        doubt: bool,
        if_true: str | Variable,
        if_false: str | Variable,
    ) -> str | Variable:
        for test in reversed(field):
            if_false = self._step(rule, names.pop(), test, doubt, if_true, if_false)
        return if_false

    def _step(
        self, rule: Rule, name: str, test: Test, doubt: bool, if_true: str | Variable, if_false: str | Variable
    ) -> Variable:
        source = test.source
        if test.networks:
            source = Variable(name.replace("policyc_rule_", "policyc_from_", 1))
            self.blocks.append(Geo(rule.path, source.name, test.networks, self._source))
        # A search that nginx gives up (PCRE's match limit) takes the default: it must be the safe side.
        if doubt and test.negative:
            block = Map(rule.path, (source,), name, if_true, tuple((case, if_false) for case in test.negative))
        else:
            block = Map(rule.path, (source,), name, if_false, tuple((case, if_true) for case in test.cases))
        self.blocks.append(block)
        return Variable(name)


@dataclass(frozen=True, slots=True)
class Worked(Generic[A]):
    """An action that lets the walk go on. `sure`: it is done to every request of the site that passes."""

    rule_list: RuleList
    rule: Rule
    action: A
    sure: bool


def working(site: Site, kind: type[A]) -> Iterator[Worked[A]]:
    """The actions of one kind of a site's rules, in the order of the walk."""
    allowed = False
    for rule_list in site.rule_lists:
        for rule in rule_list.rules:
            for action in rule.actions:
                if isinstance(action, kind):
                    yield Worked(rule_list, rule, action, unconditional(rule) and not allowed)
            allowed = allowed or decision(rule) == _ALLOW


def _ends_by(rule_id: str) -> Expression:
    return Expression(f":{_literal(rule_id)}\\z")


def _literal(name: str) -> str:
    return "".join(f"[{one}]" if one in ".+" else one for one in name)


def _at_least(number: int) -> str:
    """An expression for every number of five digits that is not less."""
    digits = f"{number:0{_DIGITS}}"
    alternatives = [digits]
    for place in reversed(range(_DIGITS)):
        if digits[place] < "9":
            rest = _DIGITS - place - 1
            alternatives.append(f"{digits[:place]}[{int(digits[place]) + 1}-9]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return "|".join(alternatives)
