"""The reference semantics where no target is compared with it yet."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from policyc.compiler.decide import Connection, Decision, Forwarded, Redirected, Refused, Request, decide
from policyc.compiler.pipeline import load

from .conftest import GOOD

Write = Callable[[str], Path]
Headers = tuple[tuple[bytes, bytes], ...]


def asked(
    policy: Path, target: bytes, headers: Headers = (), peer: str = "203.0.113.1", method: bytes = b"GET"
) -> Decision:
    """What becomes of a request to the shop."""
    plan = load(str(policy), {}).plan
    assert plan is not None
    connection = Connection(plan.listeners[0].name, "shop.example.com", ip_address(peer))
    return decide(plan, connection, Request(method, target, (b"shop.example.com",), headers))


def denied(decision: Decision) -> bool:
    """Whether a rule denied it; anything but that and forwarding fails."""
    assert isinstance(decision, Forwarded) or (isinstance(decision, Refused) and decision.rule), decision
    return isinstance(decision, Refused)


@pytest.mark.parametrize(
    ("match", "query", "hit"),
    [
        ("{name: debug, exact: '1'}", b"debug=1", True),
        ("{name: debug, exact: '1'}", b"a=b&debug=1&c", True),
        ("{name: debug, exact: '1'}", b"%64ebug=%31", True),
        ("{name: debug, exact: '1'}", b"Debug=1", False),
        ("{name: debug, exact: '1'}", b"debug=0&debug=1", False),
        ("{name: debug, exact: '1'}", b"xdebug=1", False),
        ("{name: debug, exact: a b}", b"debug=a+b", True),
        ("{name: debug, exact: a b}", b"debug=a%20b", True),
        ("{name: debug, present: true}", b"debug", True),
        ("{name: debug, present: true}", b"x=debug", False),
        ("{name: debug, regex: '^[0-9]+\\z'}", b"debug=12", True),
        ("{name: debug, regex: '^a/b'}", b"debug=a%2Fb", True),
        ("{name: debug, regex: '^[0-9]+\\z'}", b"debug=12a", False),
        ("{name: debug, regex: 'a{,3}b'}", b"debug=a{,3}b", True),
        ("{name: debug, regex: 'a{,3}b'}", b"debug=aab", False),
    ],
)
def test_query(write_policy: Write, match: str, query: bytes, hit: bool) -> None:
    policy = write_policy(GOOD.replace("path: {prefix: /admin}", f"query: {match}"))
    assert denied(asked(policy, b"/x?" + query)) is hit


@pytest.mark.parametrize(
    ("regex", "lines", "hit"),
    [
        ("^ro+t\\z", [b"root"], True),
        ("^ro+t\\z", [b"user, root"], True),
        ("^ro+t\\z", [b"user", b"rooot"], True),
        ("^ro+t\\z", [b"roots"], False),
        ("a b", [b"x", b"a b ,c"], True),
        ("^.+b\\z", [b"a,b"], False),
    ],
)
def test_header_regex(write_policy: Write, regex: str, lines: list[bytes], hit: bool) -> None:
    policy = write_policy(GOOD.replace("path: {prefix: /admin}", f"header: {{name: X-Role, regex: '{regex}'}}"))
    assert denied(asked(policy, b"/x", tuple((b"x-role", line) for line in lines))) is hit


@pytest.mark.parametrize(
    ("peer", "lines", "source", "told"),
    [
        ("203.0.113.1", [b"10.0.0.1"], False, "203.0.113.1"),
        ("192.0.2.1", [b"10.0.0.1"], True, "10.0.0.1, 192.0.2.1"),
        ("192.0.2.1", [b"10.0.0.1, 198.51.100.1"], False, "10.0.0.1, 198.51.100.1, 192.0.2.1"),
        ("192.0.2.1", [b"10.0.0.1", b"192.0.2.9"], True, "10.0.0.1, 192.0.2.9, 192.0.2.1"),
        ("192.0.2.1", [b""], False, "192.0.2.1"),
        ("192.0.2.1", [], False, "192.0.2.1"),
    ],
)
def test_trusted_proxies(write_policy: Write, peer: str, lines: list[bytes], source: bool, told: str) -> None:
    listeners = "listeners:\n  https: {bind: ['0.0.0.0:443'], trusted_proxies: [192.0.2.0/24]}\nbackends:"
    policy = write_policy(GOOD.replace("backends:", listeners, 1))
    headers = tuple((b"X-Forwarded-For", line) for line in lines)
    # From inside /admin is let through, from elsewhere it is not.
    assert denied(asked(policy, b"/admin", headers, peer)) is not source
    forwarded = asked(policy, b"/", headers, peer)
    assert isinstance(forwarded, Forwarded)
    assert ("X-Forwarded-For", told) in forwarded.added


@pytest.mark.parametrize(
    ("paths", "target", "passes"),
    [
        ("{encoded_slash: true}", b"/a%2Fb", True),
        ("{encoded_slash: true}", b"/a%2F..%2Fb", False),
        ("{encoded_slash: true}", b"/a%2F/b", False),
        ("{encoded_reserved: true}", b"/100%25", True),
        ("{encoded_reserved: true}", b"/a%2Fb", False),
        ("{path_params: true}", b"/a;v=1", True),
        ("{path_params: true}", b"/a/..;/b", False),
        ("{empty_segments: true}", b"/a//b", True),
        ("{empty_segments: true}", b"/a/../b", False),
        ("{strict_segment_end: true}", b"/a.", False),
        ("{strict_segment_end: true}", b"/a%20/b", False),
        ("{strict_segment_end: true}", b"/a.b", True),
        ("{}", b"/a%2Fb", False),
        ("{}", b"/a.", True),
    ],
)
def test_path_options(write_policy: Write, paths: str, target: bytes, passes: bool) -> None:
    decision = asked(write_policy(GOOD.replace("inspect: [web]", f"paths: {paths}")), target)
    assert isinstance(decision, Forwarded) is passes
    if isinstance(decision, Refused):
        assert decision.status == 400


def test_the_longest_route_wins(write_policy: Write) -> None:
    more = "  api: {servers: ['192.0.2.20:80'], tls: false}\n  v2: {servers: ['192.0.2.21:80'], tls: false}\ninspection"
    routes = (
        "inspect: [web]\n    routes:\n      - {path: {prefix: /api}, backend: api}\n"
        "      - {path: {prefix: /api/v2}, backend: v2}"
    )
    policy = write_policy(GOOD.replace("inspection", more, 1).replace("inspect: [web]", routes))
    for target, backend in ((b"/api/v2/x", "v2"), (b"/api/v1", "api"), (b"/apis", "app"), (b"/?/api", "app")):
        decision = asked(policy, target)
        assert isinstance(decision, Forwarded)
        assert decision.upstream.backend.name == backend


def test_redirect(write_policy: Write) -> None:
    policy = write_policy(GOOD.replace("deny: 403", "redirect: {to: /login, status: 303}"))
    decision = asked(policy, b"/admin")
    assert isinstance(decision, Redirected)
    assert (decision.status, decision.to, decision.rule.id) == (303, "/login", "web-1")


@pytest.mark.parametrize(
    "value",
    [
        b"nonsense",
        b"10.0.0.1, nonsense",
        b"10.0.0.1:443",
        b"[2001:db8::1]",
        b"::ffff:10.0.0.1",
        b"fe80::1%eth0",
        b"10.0.0.01",
        b",10.0.0.1",
        b"10.0.0.1,",
        b", ".join([b"10.0.0.1"] * 11),
    ],
)
def test_odd_addresses_of_trusted_proxies(write_policy: Write, value: bytes) -> None:
    listeners = "listeners:\n  https: {bind: ['0.0.0.0:443'], trusted_proxies: [192.0.2.0/24]}\nbackends:"
    policy = write_policy(GOOD.replace("backends:", listeners, 1))
    headers = ((b"x-forwarded-for", value),)
    refused = asked(policy, b"/", headers, "192.0.2.1")
    assert isinstance(refused, Refused)
    assert refused.status == 400
    assert isinstance(asked(policy, b"/", headers, "203.0.113.1"), Forwarded)


def test_a_query_that_a_rule_looks_into_is_plainly_spelled(write_policy: Write) -> None:
    policy = write_policy(GOOD.replace("path: {prefix: /admin}", "query: {name: q, regex: '^[0-9]+\\z'}"))
    for query in (b"q=%31", b"x=%7e", b"%5F", b"%5a", b"%2d"):
        decision = asked(policy, b"/x?" + query)
        assert isinstance(decision, Refused)
        assert decision.status == 400
    for query in (b"q=%20", b"q=%2F", b"%5B", b"%", b"%zz", b"%C3%A9"):
        assert isinstance(asked(policy, b"/x?" + query), Forwarded)


@pytest.mark.parametrize(
    ("paths", "rule", "target", "hit"),
    [
        ("encoded_slash", "{prefix: /a/b}", b"/a%2fb/c", True),
        ("encoded_slash", "{prefix: /a}", b"/a%2Fb", True),
        ("encoded_slash", "{exact: /a}", b"/a%2Fb", False),
        ("encoded_slash", "{suffix: /b}", b"/a%2Fb", True),
        ("encoded_slash", "{regex: ^/a/b}", b"/a%2Fb", True),
        ("encoded_reserved", "{exact: '/c%23'}", b"/c%23", True),
        ("encoded_reserved", "{exact: '/c%25'}", b"/c%2525", False),
        ("path_params", "{prefix: /a/b}", b"/a;x=1/b;y/c", True),
        ("path_params", "{exact: /a/b}", b"/a;x=1/b;y", True),
        ("path_params", "{exact: /a/b}", b"/a;x=1/c", False),
        ("path_params", "{suffix: .php}", b"/a.php;x", True),
        ("path_params", "{suffix: .php}", b"/a;x=.php", True),
        ("path_params", "{exact: /a/}", b"/a;x/", True),
        ("empty_segments", "{prefix: /a/b}", b"//a///b", True),
        ("empty_segments", "{exact: /a}", b"//a", True),
        ("empty_segments", "{exact: /a}", b"//a/", False),
        ("empty_segments", "{prefix: /a/}", b"//a//", True),
        ("empty_segments", "{suffix: /b}", b"/a//b", True),
    ],
)
def test_rules_under_path_options(write_policy: Write, paths: str, rule: str, target: bytes, hit: bool) -> None:
    text = GOOD.replace("path: {prefix: /admin}", f"path: {rule}")
    policy = write_policy(text.replace("inspect: [web]", f"inspect: [web]\n    paths: {{{paths}: true}}"))
    decision = asked(policy, target)
    assert denied(decision) is hit
    # The expression that targets are given says the same.
    plan = load(str(policy), {}).plan
    assert plan is not None
    (matcher,) = plan.sites[0].rule_lists[0].rules[0].when.paths
    assert (re.fullmatch(matcher.expression.encode(), target) is not None) is hit
