"""Parts of a Plan in the policy's own words, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...plan import (
    Action,
    Allow,
    Condition,
    Deny,
    EditHeaders,
    HeaderMatcher,
    LimitBody,
    LogLabel,
    PathMatcher,
    QueryMatcher,
    RateLimit,
    Redirect,
    Rule,
    TextMatch,
)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way in which a key of a condition may hold: ``path prefix`` and the texts of which any does."""

    key: str
    texts: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule as the page tells it."""

    title: str
    when: Sequence[Sequence[Alternative]]
    """All must hold, and of each any alternative. Empty: always."""
    unless: Sequence[Sequence[Alternative]]
    actions: Sequence[tuple[str, str]]
    """Key and value."""


def rule_words(rule: Rule) -> RuleWords:
    """A rule in the policy's words."""
    return RuleWords(
        rule.name or f"rule {int(rule.path[-1]) + 1}",
        list(_clauses(rule.when)),
        list(_clauses(rule.unless)) if rule.unless is not None else [],
        [_action(action) for action in rule.actions],
    )


def _clauses(condition: Condition) -> Iterator[Sequence[Alternative]]:
    for matchers in (condition.paths, condition.headers, condition.queries):
        if matchers:
            yield _matchers(matchers)
    for key, texts in (
        ("method", condition.methods),
        ("source", tuple(map(str, condition.sources))),
        ("host", tuple(map(str, condition.hosts))),
    ):
        if texts:
            yield [Alternative(key, texts)]


def _matchers(matchers: Iterable[PathMatcher | HeaderMatcher | QueryMatcher]) -> Sequence[Alternative]:
    """Matchers of one kind together, as they were mostly written."""
    texts: dict[tuple[str, str], list[str]] = {}
    for one in matchers:
        what = {PathMatcher: "path", HeaderMatcher: "header", QueryMatcher: "query"}[type(one)]
        note = "in any case" if isinstance(one, PathMatcher) and one.ignore_case else ""
        named = "" if isinstance(one, PathMatcher) else f" {one.name}"
        found = texts.setdefault((f"{what}{named} {one.kind.value}", note), [])
        if one.kind is not TextMatch.PRESENT:
            found.append(one.text)
    return [Alternative(key, tuple(found), note) for (key, note), found in texts.items()]


def _action(action: Action) -> tuple[str, str]:
    match action:
        case Allow():
            return "allow", ""
        case Deny(status):
            return "deny", str(status)
        case Redirect(to, status):
            return "redirect", f"{status} to {to}"
        case RateLimit(count, period, burst):
            more = f", {burst} more at once" if burst else ""
            return "rate_limit", f"{count} in {period / 1000:g} s of one source{more}"
        case LimitBody(size):
            return "limit_body", f"{size} bytes"
        case LogLabel(label):
            return "log", label
        case EditHeaders():
            steps = (
                *(f"remove {name}" for name in action.remove),
                *(f"set {name}: {value}" for name, value in action.set),
                *(f"add {name}: {value}" for name, value in action.add),
            )
            return ("response_headers" if action.response else "request_headers"), "; ".join(steps)
