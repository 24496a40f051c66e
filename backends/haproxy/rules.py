"""Inspection lists of a Plan → the steps of HAProxy's walk, and what follows from it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import count, product

from ...compiler.backtracking import elements
from ...compiler.diagnostics import Path
from ...compiler.normal_form import PathOptions, forms
from ...compiler.path_tables import PathTable, in_tables
from ...compiler.plan import (
    Allow,
    Condition,
    Deny,
    EditHeaders,
    HeaderMatcher,
    LimitBody,
    LogLabel,
    Network,
    RateLimit,
    Redirect,
    Rule,
    RuleList,
    Site,
    TextMatch,
)
from .expressions import alternatives, joined_lines, nowhere, other_than, whole
from .limits import BODY_LIMIT, most, window
from .model import (
    SOURCES,
    WILDCARD,
    Acl,
    BodyLimit,
    ClientCertificate,
    Edit,
    Forms,
    Inspection,
    Literal,
    Lookup,
    MapFile,
    Pass,
    Rate,
    RedirectTo,
    Refuse,
    Step,
    Terms,
)

PASSED = "passed"
"""The ACL that tells whether a rule has let the request pass."""
WORDS_LIMIT = 48
"""Patterns on one line. HAProxy refuses a line of more than 64 words."""


def word(name: str) -> str:
    """A name of the Plan in the alphabet of HAProxy's own names. No name of a policy holds a colon."""
    return name.replace("+", ":")


# --- conditions -----------------------------------------------------------------------------------------------


class _Tests:
    """The ACLs of one `when` or `unless`. `doubtful`: where HAProxy gives a search up, it shall count as found."""

    def __init__(self, name: str, condition: Condition, doubtful: bool) -> None:
        self.name = word(name)
        self.doubtful = doubtful
        self.acls: list[Acl] = []
        self.fields: list[tuple[Terms, Terms]] = []
        """For each field of the condition: what holds where it does, and where it does not."""
        self._expressions("path", "path", [one.expression for one in condition.paths])
        self._expressions("query", "pathq", [one.expression_pcre for one in condition.queries])
        if condition.methods:
            self._field("method", [("method", "str", _lines(condition.methods))])
        if condition.hosts:
            exact = [host.name for host in condition.hosts if not host.wildcard]
            below = [str(host) for host in condition.hosts if host.wildcard]
            samples = (("var(txn.host)", exact), (WILDCARD, below))
            self._field("host", [(sample, "str", _lines(names)) for sample, names in samples])
        if condition.sources:
            lines = network_lines(condition.sources)
            self._field("source", [(SOURCES[family], "ip", patterns) for family, patterns in lines.items()])
        if condition.headers:
            self._headers(condition.headers)

    def _acl(self, name: str, sample: str, match: str, lines: Sequence[tuple[str, ...]]) -> Literal:
        self.acls.append(Acl(f"{self.name}:{name}", sample, match, tuple(lines)))
        return Literal(f"{self.name}:{name}")

    def _field(self, name: str, lines: Iterable[tuple[str, str, list[tuple[str, ...]]]]) -> None:
        """One test with several samples: lines of one name are alternatives."""
        for sample, match, patterns in lines:
            if patterns:
                self._acl(name, sample, match, patterns)
        literal = Literal(f"{self.name}:{name}")
        self.fields.append((((literal,),), ((Literal(literal.acl, False),),)))

    def _expressions(self, name: str, sample: str, expressions: Sequence[str]) -> None:
        """What the whole of a sample matches."""
        groups = alternatives(expressions)
        if groups and self.doubtful:
            others = [
                self._acl(f"other-{name}-{index}", sample, "reg", [(other_than(one),)])
                for index, one in enumerate(groups, 1)
            ]
            self.fields.append((tuple((Literal(one.acl, False),) for one in others), (tuple(others),)))
        elif groups:
            self._field(name, [(sample, "reg", [(whole(one),) for one in groups])])

    def _headers(self, headers: Sequence[HeaderMatcher]) -> None:
        """Literals are searched in each line. So are expressions, but where a search that is given up shall count.

        HAProxy asks whether *some* line matches; that none does can only be said of all lines as one text.
        """
        lines: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        searched: dict[str, list[str]] = defaultdict(list)
        for header in headers:
            if header.kind is TextMatch.PRESENT:
                lines[header.name].append((r"[^ \t,]",))
            elif header.kind is TextMatch.REGEX and self.doubtful:
                searched[header.name] += elements(header.expression)
            else:
                lines[header.name] += [(f"(?:{one})",) for one in elements(header.expression)]
        holds: list[tuple[Literal, ...]] = []
        fails: list[list[tuple[Literal, ...]]] = []
        for name, patterns in lines.items():
            self._acl("header", f"req.fhdr({name})", "reg", patterns)
        if lines:
            literal = Literal(f"{self.name}:header")
            holds.append((literal,))
            fails.append([(Literal(literal.acl, False),)])
        for number, (name, expressions) in enumerate(searched.items(), 1):
            there = self._acl(f"there-{number}", f"req.fhdr({name})", "found", [()])
            for index, one in enumerate(alternatives(expressions), 1):
                other = self._acl(f"other-header-{number}-{index}", joined_lines(name), "reg", [(nowhere(one),)])
                holds.append((there, Literal(other.acl, False)))
                fails.append([(other,), (Literal(there.acl, False),)])
        self.fields.append((tuple(holds), tuple(_all_of(fails))))

    def holds(self) -> list[Terms]:
        """For each field, what holds where it does: all must."""
        return [holds for holds, _ in self.fields]

    def fails(self) -> Terms:
        """What holds where the condition does not: any will do."""
        return tuple(term for _, fails in self.fields for term in fails)


def _all_of(fields: Iterable[Sequence[tuple[Literal, ...]]]) -> Iterator[tuple[Literal, ...]]:
    """Every combination of one term of each field."""
    for parts in product(*fields):
        yield tuple(dict.fromkeys(literal for part in parts for literal in part))


def _lines(patterns: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(patterns[start : start + WORDS_LIMIT]) for start in range(0, len(patterns), WORDS_LIMIT)]


def network_lines(networks: Iterable[Network]) -> dict[str, list[tuple[str, ...]]]:
    """The patterns of an ACL for ``ipv4`` and for ``ipv6``: each is for addresses of its own family.

    HAProxy takes `2002:a00::` for an address of `10.0.0.0/8`, and `192.0.2.1` for one of `::/0`.
    """
    by_family: dict[str, list[str]] = {"ipv4": [], "ipv6": []}
    for network in networks:
        by_family["ipv4" if isinstance(network, IPv4Network) else "ipv6"].append(str(network))
    return {family: _lines(patterns) for family, patterns in by_family.items() if patterns}


# --- the walk -------------------------------------------------------------------------------------------------


def _steps(lists: Sequence[RuleList], variables: Mapping[str, str]) -> Iterator[Step | Lookup]:
    passes = False
    variables_of_tables = (f"txn.table{number}" for number in count(1))
    for rule_list in lists:
        numbers = count(1)
        for one in in_tables(rule_list.rules):
            if isinstance(one, PathTable):
                yield _lookup(rule_list.name, next(numbers), one, next(variables_of_tables), passes)
                passes = passes or one.allows
                continue
            ending = _ending(one)
            terms, acls = _terms(one, isinstance(ending, Pass), passes)
            labels = tuple(json.dumps(action.label) for action in one.actions if isinstance(action, LogLabel))
            yield Step(one.path, one.id, acls, terms, variables.get(one.id), labels, ending)
            passes = passes or isinstance(ending, Pass)


def _lookup(list_name: str, number: int, table: PathTable, variable: str, passes: bool) -> Lookup:
    """The `number`-th table of a list. Its files are named after the list, so that all sites with it share them."""
    name = f"{word(list_name)}:table{number}"
    found = Acl(f"{name}:found", f"var({variable})", "found", ((),))
    besides = replace(table.rules[0], id=name, when=table.when)
    terms, acls = _terms(besides, table.allows, passes)
    always = terms == ((),)

    def leads_to(kind: str, rules: Mapping[str, Rule]) -> MapFile | None:
        entries = tuple((text, "/".join((rule.id, *map(str, _statuses(rule))))) for text, rule in rules.items())
        return MapFile(f"rules/{list_name}/{number}-{kind}.map", table.rules[0].path, entries) if entries else None

    return Lookup(
        path=table.rules[0].path,
        rules=len(table.rules),
        found=variable,
        held=variable if always else f"{variable}.held",
        ignore_case=table.ignore_case,
        whole=leads_to("whole", table.exact),
        beginnings=leads_to("beginnings", table.beginnings),
        acls=() if always else (found, *acls),
        terms=() if always else tuple((Literal(found.name), *term) for term in terms),
        refusals=tuple(map(Refuse, sorted({status for rule in table.rules for status in _statuses(rule)}))),
    )


def _statuses(rule: Rule) -> list[int]:
    return [action.status for action in rule.actions if isinstance(action, Deny)]


def _ending(rule: Rule) -> Pass | Refuse | RedirectTo | None:
    for action in rule.actions:
        match action:
            case Allow():
                return Pass()
            case Deny(status):
                return Refuse(status)
            case Redirect(to, status):
                return RedirectTo(status, to)
            case _:
                pass
    return None


def _terms(rule: Rule, allows: bool, passes: bool) -> tuple[Terms, tuple[Acl, ...]]:
    """When a rule applies. In doubt it does, unless it lets the request pass."""
    when = _Tests(rule.id, rule.when, doubtful=not allows)
    unless = _Tests(f"{rule.id}:unless", rule.unless, doubtful=allows) if rule.unless else None
    fields: list[Terms] = [((Literal(PASSED, False),),)] if passes else []
    fields += when.holds()
    if unless is not None:
        fields.append(unless.fails())
    return tuple(_all_of(fields)), tuple(when.acls + (unless.acls if unless else []))


# --- what follows ---------------------------------------------------------------------------------------------


def rate(rule: Rule, limit: RateLimit, applied: str) -> Rate:
    """A rate as HAProxy's sliding window: so many requests in the time in which so many may pass in the long run.

    The table is of the rule as written, whatever variants of it sites with `paths` opt-ins have.
    """
    list_name, index = rule.path[-2:]
    return Rate(rule.path, rule.id, applied, f"rate::{list_name}-{int(index) + 1}", most(limit), window(limit))


def _edits(path: Path, edits: EditHeaders, applied: str) -> Iterator[Edit]:
    for name in edits.remove:
        yield Edit(path, applied, "del-header", name, None)
    for verb, values in (("set-header", edits.set), ("add-header", edits.add)):
        for name, value in values:
            yield Edit(path, applied, verb, name, value)


def _works(rule: Rule) -> bool:
    return any(isinstance(action, RateLimit | LimitBody | EditHeaders | LogLabel) for action in rule.actions)


def forms_of(options: PathOptions) -> Forms:
    """The normal form of a site, as HAProxy asks for it."""
    form = forms(options)
    return Forms(whole(form.f1_pcre), whole(form.f2_pcre), other_than(form.r3))


def maps_of(one: Inspection) -> list[MapFile]:
    """The files of its tables."""
    tables = [step for step in one.steps if isinstance(step, Lookup)]
    return [file for table in tables for file in (table.whole, table.beginnings) if file]


def inspection(name: str, site: Site) -> Inspection:
    """What requests of a site, and of all with the same lists and options, go through."""
    rules = [rule for rule_list in site.rule_lists for rule in rule_list.rules]
    variables = {rule.id: f"txn.applied{index}" for index, rule in enumerate(filter(_works, rules), 1)}
    followed = [(rule, action, variables[rule.id]) for rule in rules if rule.id in variables for action in rule.actions]
    auth = site.client_auth
    return Inspection(
        name=name,
        path=(*site.path, "inspect"),
        forms=forms_of(site.path_options),
        methods=site.methods,
        websocket=site.websocket,
        client=ClientCertificate(auth.path, auth.required, auth.forward_subject) if auth else None,
        steps=tuple(_steps(site.rule_lists, variables)),
        rates=tuple(rate(rule, one, applied) for rule, one, applied in followed if isinstance(one, RateLimit)),
        bodies=tuple(
            BodyLimit(rule.path, rule.id, applied, one.size, one.size <= BODY_LIMIT)
            for rule, one, applied in followed
            if isinstance(one, LimitBody)
        ),
        request_edits=tuple(
            edit
            for rule, one, applied in followed
            if isinstance(one, EditHeaders) and not one.response
            for edit in _edits(rule.path, one, applied)
        ),
        response_edits=tuple(
            edit
            for rule, one, applied in followed
            if isinstance(one, EditHeaders) and one.response
            for edit in _edits(rule.path, one, applied)
        ),
    )
