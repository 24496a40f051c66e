"""The expressions that targets are given, against the reference, which reads requests by itself."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from itertools import product
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, quote_plus

import pytest
import re2
from policyc.compiler.decide import Connection, Decision, Forwarded, Refused, Request, decide
from policyc.compiler.normal_form import FORWARDED_FOR, STRICT, PathOptions, forms
from policyc.compiler.pipeline import load
from policyc.compiler.plan import Plan, Rule

from .conftest import GOOD

Write = Callable[[str], Path]
Headers = tuple[tuple[bytes, bytes], ...]

_FULLMATCH = cast("Callable[[bytes, bytes], object]", cast("Any", re2).fullmatch)
_SEARCH = cast("Callable[[bytes, bytes], object]", cast("Any", re2).search)


def re2_matches(expression: str, text: bytes) -> bool:
    """As the one target reads it: the whole text, bytes as they are."""
    return _FULLMATCH(expression.encode(), text) is not None


def pcre_matches(expression: str, text: bytes) -> bool:
    """As the other two read it, near enough: Python's engine backtracks and knows possessive loops."""
    return re.fullmatch(expression.replace(r"\z", r"\Z").encode(), text, re.DOTALL) is not None


def plan_with(write_policy: Write, rules: Sequence[dict[str, Any]], paths: dict[str, bool] | None = None) -> Plan:
    """The shop with these rules, each of which only writes a label: the walk meets all of them."""
    text = re.sub(r"(?s)inspection_rules:.*?\nsites:", "inspection_rules: {web: RULES}\nsites:", GOOD)
    text = text.replace("RULES", json.dumps([{**rule, "log": "hit"} for rule in rules]))
    loaded = load(
        str(write_policy(text.replace("inspect: [web]", f"inspect: [web]\n    paths: {json.dumps(paths or {})}"))), {}
    )
    assert [finding.message for finding in loaded.findings if finding.primary.path[0] != "targets"] == []
    assert loaded.plan is not None
    return loaded.plan


def asked(plan: Plan, target: bytes, headers: Headers = ()) -> Decision:
    """What becomes of a GET to the shop."""
    connection = Connection(plan.listeners[0].name, "shop.example.com", ip_address("203.0.113.1"))
    return decide(plan, connection, Request(b"GET", target, (b"shop.example.com",), headers))


def hits(plan: Plan, target: bytes, headers: Headers = ()) -> list[tuple[Rule, bool]]:
    """Every rule, and whether it applies; nothing where the request is refused before."""
    decision = asked(plan, target, headers)
    return list(decision.walk) if isinstance(decision, Forwarded) else []


# --- queries ----------------------------------------------------------------------------------------------------

NAMES = ("q", "ab", "a b", "a=b", "a&b", "é", "a+", "~", "a;b")
VALUES = ("", "1", "x=1", "a b", "a+b", "ü", "&", "#", "10")
TOKENS = (
    *("q", "ab", "a", "b", "1", "0", "x", "=", "&", "&&", "+", ";", "?", "/", "~", "A"),
    *("%71", "%61", "%62", "%20", "%3D", "%3d", "%26", "%2B", "%C3%A9", "%c3%a9", "%C3", "%c3%bc", "%7E", "%3B"),
    *("%", "%z", "%6", "%6z", "%31", "%23"),
)


def queries(count: int) -> Iterator[bytes]:
    chance = random.Random(7)
    for name, value in product(NAMES, VALUES):
        yield f"{quote(name, safe='')}={quote(value)}".encode()
        yield f"{quote_plus(name)}x&{quote_plus(name)}={quote_plus(value)}&".encode()
    for _ in range(count):
        yield "".join(chance.choices(TOKENS, k=chance.randint(0, 9))).encode()


def test_query_expressions(write_policy: Write) -> None:
    conditions = [{"name": name, "present": True} for name in NAMES]
    conditions += [{"name": name, "exact": value} for name, value in product(NAMES, VALUES)]
    plan = plan_with(write_policy, [{"when": {"query": one}} for one in conditions])
    told: set[tuple[str, bool]] = set()
    for query in queries(3000):
        target = b"/x?" + query
        for rule, hit in hits(plan, target):
            (matcher,) = rule.when.queries
            told.add((rule.id, hit))
            assert re2_matches(matcher.expression, target) is hit, (matcher, target)
            assert pcre_matches(matcher.expression_pcre, target) is hit, (matcher, target)
    # Each of them is met and missed: the comparison says something.
    assert len(told) == 2 * len(conditions)


def test_query_regexes(write_policy: Write) -> None:
    regexes = ("^1", "^[0-9]+$", "a b", "x=", "^$", "[a-c].", "[^1]1$", "(?i)A", "^(a|10)$", "/")
    plan = plan_with(write_policy, [{"when": {"query": {"name": "q", "regex": one}}} for one in regexes])
    told: set[tuple[str, bool]] = set()
    values = ["1", "10", "a+b", "a%20b", "x%3D1", "x=1", "", "b1", "11", "A", "a/", "%2f", "%C3%A91"]
    every = [f"q={value}".encode() for value in values] + [b"q", b"p=1&q=2&q=1", *queries(2000)]
    for query in every:
        target = b"/x?" + query
        for rule, hit in hits(plan, target):
            (matcher,) = rule.when.queries
            told.add((rule.id, hit))
            assert re2_matches(matcher.expression, target) is hit, (matcher, target)
            assert pcre_matches(matcher.expression_pcre, target) is hit, (matcher, target)
    assert len(told) == 2 * len(regexes)


def test_long_queries(write_policy: Write) -> None:
    plan = plan_with(write_policy, [{"when": {"query": {"name": "q", "exact": "1"}}}])
    for before in (b"a&" * 3900, b"qq=1&" * 1500, b"&" * 7800, b"%71q&" * 1500):
        for target in (b"/x?" + before + b"q=1", b"/x?" + before + b"q=2", b"/x?" + before):
            ((rule, hit),) = hits(plan, target)
            (matcher,) = rule.when.queries
            assert re2_matches(matcher.expression, target) is pcre_matches(matcher.expression_pcre, target) is hit


# --- headers ----------------------------------------------------------------------------------------------------


def test_header_regexes(write_policy: Write) -> None:
    regexes = ("^admin$", "adm[^i]n", "^.$", "a.c", "(?i)^ROOT", "[0-9]+$", "b$", "^(a|b)")
    plan = plan_with(write_policy, [{"when": {"header": {"name": "X-Role", "regex": one}}} for one in regexes])
    chance = random.Random(8)
    tokens = ("admin", "admxn", "a", "b", "c", ",", ", ", " ", "\t", "root", "1", "\xff", "\xc3\xa9", "\x00")
    told: set[tuple[str, bool]] = set()
    for _ in range(3000):
        lines = ["".join(chance.choices(tokens, k=chance.randint(0, 6))).strip().encode("latin-1") for _ in range(2)]
        headers = tuple((b"X-Role", line) for line in lines)
        for rule, hit in hits(plan, b"/x", headers):
            (matcher,) = rule.when.headers
            told.add((rule.id, hit))
            assert any(pcre_finds(matcher.expression, line) for line in lines) is hit, (matcher, lines)
    assert len(told) == 2 * len(regexes)


def pcre_finds(expression: str, text: bytes) -> bool:
    """Searched, as header matchers are."""
    return re.search(expression.replace(r"\z", r"\Z").encode(), text, re.DOTALL) is not None


# --- paths ------------------------------------------------------------------------------------------------------

PATH_TOKENS = (
    *(
        "/",
        "/",
        "a",
        "b",
        "A",
        ".",
        "..",
        ";",
        ";x=1",
        "~",
        "%7E",
        "%7e",
        "%20",
        "%2F",
        "%2f",
        "%23",
        "%25",
        "%3B",
        "%3F",
    ),
    *("é", "%C3%A9", "%c3%A9", "%61", "%2E", "//", "/a", "/b", "/a/b", "%", "\\", "?", "?a", "'", "%27"),
)
RULES = [
    *({"exact": one} for one in ("/", "/a", "/a/", "/a/b", "/~", "/é", "/a b", "/a'b")),
    *({"prefix": one} for one in ("/", "/a", "/a/", "/a/b", "/a/b/")),
    *({"suffix": one} for one in ("a", "/b", "b/", ".b", "~")),
    *({"regex": one} for one in ("^/a$", "^/a/b", "/[ab]", "b$")),
    {"prefix": "/A", "ignore_case": True},
    {"exact": "/a/B", "ignore_case": True},
]
OPTIONS = [
    STRICT,
    *(replace(STRICT, **{name: True}) for name in ("encoded_slash", "encoded_reserved", "path_params")),
    replace(STRICT, empty_segments=True),
    replace(STRICT, strict_segment_end=True),
    PathOptions(False, True, True, True, True),
    PathOptions(True, True, False, False, True),
]


def paths(count: int) -> Iterator[bytes]:
    chance = random.Random(9)
    for _ in range(count):
        yield "".join(("/", *chance.choices(PATH_TOKENS, k=chance.randint(0, 8)))).encode("latin-1")


def written(options: PathOptions) -> dict[str, bool]:
    return dict.fromkeys(options.names, True)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "+".join(options.names) or "strict")
def test_forms_and_path_rules(write_policy: Write, options: PathOptions) -> None:
    plan = plan_with(write_policy, [{"when": {"path": rule}} for rule in RULES], written(options))
    form = forms(options)
    told: set[bool] = set()
    for target in paths(6000):
        decision = asked(plan, target)
        normal = not isinstance(decision, Refused)
        told.add(normal)
        ascii_only = target.isascii()  # RE2 reads characters; what is not ASCII is refused by F1 in either reading
        by_re2 = ascii_only and re2_matches(form.f1, target) and re2_matches(form.f2, target)
        assert (by_re2 and not re2_matches(form.r3, target)) is normal, target
        by_pcre = pcre_matches(form.f1_pcre, target) and pcre_matches(form.f2_pcre, target)
        assert (by_pcre and not pcre_matches(form.r3, target)) is normal, target
        if isinstance(decision, Forwarded):
            path = target.partition(b"?")[0]
            for rule, hit in decision.walk:
                (matcher,) = rule.when.paths
                assert re2_matches(matcher.expression, path) is hit, (matcher, target)
                assert pcre_matches(matcher.expression, path) is hit, (matcher, target)
    assert told == {True, False}


# --- addresses --------------------------------------------------------------------------------------------------

ADDRESSES = (
    *("10.0.0.1", "255.255.255.255", "0.0.0.0", "256.0.0.1", "1.2.3", "01.2.3.4", "1.2.3.4.5", ""),
    *("::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::3::4"),
    *("1:2:3:4:5:6:7:8:9", "1::8", "1:2::7:8", "::ffff:1.2.3.4", "fe80::1%1", "12345::", "g::", ":", ":::", "1:"),
)


def test_addresses_of_trusted_proxies() -> None:
    def plain(text: str) -> bool:
        try:
            ip_address(text)
        except ValueError:
            return False
        return "%" not in text and not (":" in text and "." in text)

    for one in ADDRESSES:
        expected = plain(one) or one == ""
        assert re2_matches(FORWARDED_FOR, one.encode()) is pcre_matches(FORWARDED_FOR, one.encode()) is expected, one
    for one, other in product(ADDRESSES, repeat=2):
        text = f"{one} ,\t{other}".encode()
        expected = (plain(one) and plain(other)) or one == other == ""
        assert re2_matches(FORWARDED_FOR, text) is pcre_matches(FORWARDED_FOR, text) is expected
    assert re2_matches(FORWARDED_FOR, b", ".join([b"1::2"] * 10))
    assert not re2_matches(FORWARDED_FOR, b", ".join([b"1::2"] * 11))
