"""A rule's condition as tests: any of the inner ones must hold, all of the outer ones. Each becomes one map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...compiler.backtracking import elements
from ...compiler.normal_form import escape_text
from ...compiler.plan import Condition, HeaderMatcher, Hostname, Network, TextMatch
from .model import Expression, Key, Variable
from .naming import slug

TOKEN_LIMIT = 3500
"""Bytes of one expression as written. nginx refuses a word over 4,096 ("too long parameter")."""
STEPS_LIMIT = 60
"""Maps that one rule may chain. nginx gives up at 100 nested variables, and takes such a one for empty."""

HOST = Variable("host")
TARGET = Variable("request_uri")


@dataclass(frozen=True, slots=True)
class Test:
    """A part of a condition, as one map. `negative`: the cases in which they do not hold, if known."""

    name: str
    source: Variable
    cases: tuple[Key | Expression, ...]
    negative: tuple[Key | Expression, ...] = ()
    networks: tuple[Network, ...] = ()


def written_length(expression: str) -> int:
    """The bytes that an expression takes in the file."""
    return len(expression.encode()) + expression.count("\\") + expression.count('"')


def tests(condition: Condition) -> list[list[Test]]:
    """The tests of a condition."""
    return [field for field in _fields(condition) if field]


def wildcard_expression(host: Hostname) -> str:
    """What one label below a wildcard looks like. nginx's own ``*.`` matches any depth."""
    return f"^[^.]+[.]{escape_text(host.name)}\\z"


def path_expression(alternatives: Iterable[str]) -> str:
    """A request target whose path is one of these, for the place behind a ``^``."""
    return "(?:" + "|".join(alternatives) + r")(?:[?].*)?\z"


def _fields(condition: Condition) -> Iterator[list[Test]]:
    yield [
        Test("path", TARGET, (Expression("^" + one),), (Expression(f"^(?!{one})"),))
        for one in map(path_expression, _groups([matcher.expression for matcher in condition.paths]))
    ]
    if condition.methods:
        method = "|".join(escape_text(name) for name in condition.methods)
        # Not as keys: maps compare those without regard to case.
        yield [Test("method", Variable("request_method"), (Expression(rf"^(?:{method})\z"),))]
    if condition.hosts:
        hosts = sorted(condition.hosts, key=lambda host: host.wildcard)
        cases = (Expression(wildcard_expression(host)) if host.wildcard else Key(host.name) for host in hosts)
        yield [Test("host", HOST, tuple(cases))]
    if condition.sources:
        yield [Test("source", HOST, (Key("1"),), networks=condition.sources)]
    by_name = sorted(condition.headers, key=lambda header: header.name)
    yield [
        test
        for name, headers in groupby(by_name, lambda header: header.name)
        for test in _header_tests(name, list(headers))
    ]
    yield [
        Test("query", TARGET, (Expression(f"^(?:{one})\\z"),), (Expression(f"^(?!(?:{one})\\z)"),))
        for one in map("|".join, _groups([matcher.expression_pcre for matcher in condition.queries]))
    ]


def _header_tests(name: str, headers: Sequence[HeaderMatcher]) -> Iterator[Test]:
    expressions = [
        f"(?:{one})"
        for header in headers
        for one in ([r"[^ \t,]"] if header.kind is TextMatch.PRESENT else elements(header.expression))
    ]
    for group in _groups(expressions):
        any_of = "|".join(group)
        yield Test(
            f"header_{slug(name)}",
            Variable("http_" + name.replace("-", "_")),
            (Expression(any_of),),
            # A map does not try its expressions on an empty text.
            (Key(""), Expression(f"^(?!(?s:.*?)(?:{any_of}))")),
        )


def _groups(expressions: Sequence[str]) -> list[list[str]]:
    """Alternatives in groups that fit into one word of nginx each."""
    groups: list[list[str]] = []
    size = TOKEN_LIMIT
    for expression in expressions:
        length = written_length(expression) + 1
        if size + length > TOKEN_LIMIT:
            groups.append([])
            size = 0
        groups[-1].append(expression)
        size += length
    return groups
