"""Conditions of rules, and what every request must be before them, as tests on headers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...compiler.normal_form import FORWARDED_FOR, HOST, PathOptions, escape_text, forms
from ...compiler.plan import Condition, Hostname, Network, PathMatcher, Rule, TextMatch
from .model import (
    CONNECTION_HEADER,
    PEER_HEADER,
    UPGRADE_HEADER,
    Every,
    FromNetworks,
    Match,
    Not,
    Test,
    every,
    some,
)
from .program_size import MAX_PROGRAM_SIZE, program_size

CANONICAL_HOST = "[a-z0-9._-]+"
"""A host that needs neither lower-casing nor a port taken off."""

PLAIN_HOST = Match(":authority", HOST)
"""A host that is plainly spelled."""

_PIECE = MAX_PROGRAM_SIZE // 2
"""Many paths are one expression, and so a single pass over the path, up to this size; then a second one begins."""

_ANYTHING = r"\C*"
"""Any bytes: ``.`` does not match one that is not UTF-8 (up to 1.38.3)."""

_OPTION_OF_CONNECTION = "(?:close|keep-alive|te|upgrade)?"


# --- before any rule ------------------------------------------------------------------------------------------


def normal(
    methods: Sequence[str], options: PathOptions, *, websocket: bool = False, trusted: Sequence[Network] = ()
) -> Test:
    """What every request must be before rules are looked at."""
    form = forms(options)
    tests: list[Test] = [
        _method(methods),
        some((Not(has(UPGRADE_HEADER)), _WEBSOCKET)) if websocket else Not(has(UPGRADE_HEADER)),
        Match(":path", form.f1),
        Match(":path", form.f2),
        # `f1` has matched: there is no byte that this expression could stumble over.
        Not(Match(":path", form.r3)),
    ]
    if trusted:
        plain = Match("x-forwarded-for", FORWARDED_FOR)
        from_elsewhere = Not(FromNetworks(tuple(trusted), PEER_HEADER))
        tests.append(some((from_elsewhere, Not(has("x-forwarded-for")), plain)))
    return Every(tuple(tests))


def has(header: str) -> Test:
    """Whether a header is there."""
    return Match(header, _ANYTHING)


def told_by_proxies(trusted: Sequence[Network]) -> Test:
    """Whether X-Forwarded-For is believed and says something."""
    return Every((FromNetworks(tuple(trusted), PEER_HEADER), Match("x-forwarded-for", r"\C*[0-9A-Fa-f:]\C*")))


# HTTP/2 messages with an Upgrade are malformed, and their streams are reset (RFC 9113, 8.2.2).
_WEBSOCKET = Every(
    (
        Match(":method", "GET"),
        Match(UPGRADE_HEADER, r"(?i)[ \t]*websocket[ \t]*"),
        Match(
            CONNECTION_HEADER,
            rf"(?i)[ \t]*(?:{_OPTION_OF_CONNECTION}[ \t]*,[ \t]*)*{_OPTION_OF_CONNECTION}[ \t]*",
        ),
        Match(CONNECTION_HEADER, r"(?i)(?:\C*[, \t])?upgrade(?:[, \t]\C*)?"),
    )
)


def _method(methods: Sequence[str]) -> Test:
    return Match(":method", "|".join(map(escape_text, methods)))


# --- hosts ----------------------------------------------------------------------------------------------------


def one_label(host: Hostname) -> str:
    """An expression for the SNIs that a wildcard stands for."""
    return "[^.]+[.]" + escape_text(host.name)


def host_is(host: Hostname) -> Test:
    """The host, in any case and with any port. It is ASCII by then: `PLAIN_HOST` comes first."""
    name = "[^.:]+[.]" + escape_text(host.name) if host.wildcard else escape_text(host.name)
    return Match(":authority", f"(?i){name}(?::[0-9]+)?")


# --- rules ----------------------------------------------------------------------------------------------------


def applies(rule: Rule) -> Test | None:
    """Whether a rule applies to a request; None: to every one."""
    return holds(rule.when, rule.unless)


def holds(when: Condition, unless: Condition | None) -> Test | None:
    """Whether the one holds and the other does not; None: always."""
    parts = [] if when.always else list(_condition(when))
    if unless is not None:
        parts.append(Not(every(tuple(_condition(unless)))))
    return every(tuple(parts)) if parts else None


def path_is(matchers: Sequence[PathMatcher]) -> Test:
    """Whether the path is what one of these wants."""
    return some(tuple(_paths(matchers)))


def _condition(condition: Condition) -> Iterator[Test]:
    if condition.paths:
        yield path_is(condition.paths)
    if condition.methods:
        yield _method(condition.methods)
    if condition.headers:
        yield some(
            tuple(
                Match(
                    # Envoy knows the Host field by its HTTP/2 name only.
                    ":authority" if header.name == "host" else header.name,
                    r"\C*[^, \t]\C*" if header.kind is TextMatch.PRESENT else rf"\C*(?:{header.expression})\C*",
                )
                for header in condition.headers
            )
        )
    if condition.queries:
        yield some(tuple(Match(":path", query.expression) for query in condition.queries))
    if condition.sources:
        yield FromNetworks(condition.sources)
    if condition.hosts:
        yield some(tuple(map(host_is, condition.hosts)))
    if condition.always:
        yield ALWAYS


ALWAYS = Match(":path", ".*")
"""For where a test must stand."""


def _paths(paths: Sequence[PathMatcher]) -> Iterable[Test]:
    piece: list[str] = []
    size = 0
    for matcher in paths:
        size += program_size(matcher.expression)
        if piece and size > _PIECE:
            yield _path_is(piece)
            piece, size = [], program_size(matcher.expression)
        piece.append(matcher.expression)
    yield _path_is(piece)


def _path_is(expressions: Sequence[str]) -> Test:
    return Match(":path", f"(?:{'|'.join(expressions)})(?:[?].*)?")
