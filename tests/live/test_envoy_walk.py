"""Envoy's two ways to let rules work on requests that go on, against the reference: filters that routes switch on, and,
behind trusted proxies where rules ask for the source, filters that go by what the second choice of a route says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from policyc.compiler.decide import Forwarded, Redirected, Refused
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import Answer
from policyc.compiler.plan import EditHeaders, LogLabel, Plan

from .asks import VERSIONS, Ask, Version
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .test_reference import decided, plan_of

ANSWERED = (("X-Gone", "1"), ("X-Kept", "0"))
"""What the backend answers with."""

RULES: list[dict[str, Any]] = [
    {"response_headers": {"set": {"Strict-Transport-Security": "max-age=1"}, "add": {"X-Order": "1"}}},
    {
        "when": {"header": {"name": "X-Role", "exact": "root"}},
        "log": "root",
        "request_headers": {"set": {"X-Role": "none"}, "remove": ["X-Secret"], "add": {"X-Seen": "one"}},
        "response_headers": {"add": {"X-Order": "2"}},
    },
    {
        "when": {"path": {"prefix": "/open"}},
        "allow": True,
        "log": "open",
        "request_headers": {"set": {"X-Via": "open"}},
        "response_headers": {"set": {"X-Kept": "open"}},
    },
    {
        "when": {"header": {"name": "X-Role", "exact": "root"}, "path": {"prefix": "/root"}},
        "request_headers": {"set": {"X-Percent": "1%20%REQ(:path)%%"}, "add": {"X-Seen": "two"}},
        "response_headers": {"remove": ["X-Gone"], "set": {"X-Order": "3%"}},
    },
    {"when": {"header": {"name": "X-Role", "exact": "none"}}, "deny": 418},
    {
        "when": {"source": ["127.0.0.2", "2001:db8::/32"]},
        "deny": 403,
        "log": "second",
        "response_headers": {"set": {"X-Why": "denied"}},
    },
    {"when": {"path": {"prefix": "/go"}}, "redirect": {"to": "https://x.example:8443/a%20b?c=1", "status": 307}},
    {"when": {"source": ["127.0.0.3"]}, "log": "third", "request_headers": {"add": {"X-Third": "1"}}},
    {"when": {"query": {"name": "debug", "exact": "1"}}, "deny": 404},
    {"request_headers": {"set": {"X-Last": "yes"}}},
]


def answer(_: object) -> bytes:
    """What the backend says to everything."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in ANSWERED)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n".encode()


def scene(certificates: Certificates) -> Scene:
    """The same rules at a listener for anybody, and at one behind trusted proxies."""
    names = ["walk.example.com", "other.example.com"]
    twin = "twin.example.com"
    policy = {
        "version": 1,
        "listeners": {
            "public": {"bind": ["0.0.0.0:443"]},
            "proxied": {"bind": ["0.0.0.0:8443"], "trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]},
        },
        "public_certificates": {"all": certificates.public_pair("walk-all", *names, twin)},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {"rules": RULES},
        "sites": {
            "walk": {"hostnames": names, "public_certificate": "all", "backend": "main", "inspect": ["rules"]},
            # So at one of the listeners a filter chain is shared.
            "twin": {
                "hostnames": [twin],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["rules"],
                "listeners": ["proxied"],
            },
        },
    }
    return Scene(policy, {"main": [Origin("main", respond=answer)]})


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """Envoy."""
    return edge_of(edges, "envoy", proxy_program)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("walk"))


def edited(headers: Sequence[tuple[str, str]], edits: EditHeaders) -> list[tuple[str, str]]:
    """First removed, then set, then added."""
    gone = {*edits.remove, *(name.lower() for name, _ in edits.set)}
    kept = [(name, value) for name, value in headers if name.lower() not in gone]
    return [*kept, *edits.set, *edits.add]


def all_edited(
    headers: Sequence[tuple[str, str]], decision: Forwarded | Refused | Redirected, response: bool
) -> list[tuple[str, str]]:
    """What the working rules make of headers."""
    for _, action in decision.working:
        if isinstance(action, EditHeaders) and action.response is response:
            headers = edited(headers, action)
    return list(headers)


def lists(headers: Sequence[tuple[str, str]], names: Sequence[str]) -> dict[str, list[str]]:
    """The values of some headers, lines and elements of lists alike."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for name, value in headers:
        if name.lower() in found:
            found[name.lower()] += [element.strip() for element in value.split(",")]
    return found


REQUEST_NAMES = ("x-role", "x-secret", "x-seen", "x-via", "x-percent", "x-third", "x-last", "x-forwarded-for")
RESPONSE_NAMES = ("strict-transport-security", "x-order", "x-gone", "x-kept", "x-why", "location")
ROLES: list[tuple[tuple[str, str], ...]] = [
    (),
    (("X-Role", "root"), ("X-Secret", "s"), ("X-Seen", "zero")),
    (("X-Role", "none"),),
]
WHO: list[tuple[str, str | None, str | None]] = [
    ("public", None, None),
    ("public", "127.0.0.2", None),
    ("public", "127.0.0.3", "127.0.0.2"),
    ("proxied", None, None),
    ("proxied", None, "127.0.0.2"),
    ("proxied", None, "127.0.0.3, 10.0.0.1"),
    ("proxied", None, "127.0.0.2, 127.0.0.3,10.0.0.1"),
    ("proxied", None, "2001:DB8::1"),
    ("proxied", None, ""),
    ("proxied", None, "unknown"),
    ("proxied", "127.0.0.2", "127.0.0.3"),
    ("proxied", "127.0.0.3", "127.0.0.2"),
]
PATHS = ["/", "/open/x", "/root/x", "/go", "/x?debug=1", "/open?debug=1", "/root//x"]
ASKS = [
    Ask(
        path,
        host=host,
        sni="walk.example.com",
        headers=(*role, *((("X-Forwarded-For", told),) if told is not None else ())),
        listener=listener,
        source=source,
    )
    for path, role, (listener, source, told), host in product(PATHS, ROLES, WHO, ["walk.example.com"])
] + [
    Ask("/root/y", host="WALK.example.com:8443", sni="walk.example.com", headers=ROLES[1], listener=listener)
    for listener in ("public", "proxied")
]


def judged(edge: Edge, plan: Plan, ask: Ask, version: Version) -> str | None:
    """What is other than the reference says."""
    decision = decided(plan, ask)
    outcome = ask.of(edge, version)
    assert isinstance(outcome.answer, Answer), str(outcome)
    got = lists(outcome.answer.headers, RESPONSE_NAMES)
    match decision:
        case Forwarded():
            expected = 200, all_edited(ANSWERED, decision, response=True)
            sent = [(name, value) for name, value in ask.headers if name != "X-Forwarded-For"]
            wanted = lists([*all_edited(sent, decision, response=False), *decision.added], REQUEST_NAMES)
            (seen,) = outcome.arrived
            arrived = {
                name: [part.strip() for value in seen.values(name) for part in value.decode().split(",")]
                for name in REQUEST_NAMES
            }
            if arrived != wanted:
                return f"arrived {arrived}, wanted {wanted}"
            if b"policyc" in seen.head:
                return f"arrived {seen.head!r}"
        case Refused(status):
            expected = status, all_edited((), decision, response=True)
        case Redirected(status, to):
            expected = status, [("Location", to), *all_edited((), decision, response=True)]
        case _:
            raise AssertionError(decision)
    if (outcome.status, got) != (expected[0], lists(expected[1], RESPONSE_NAMES)):
        return f"got {outcome.status} {got}, wanted {expected}"
    if outcome.status != 200 and outcome.arrived:
        return f"arrived {outcome}"
    return None


def test_the_requests_tell_the_rules_apart(plan: Plan) -> None:
    """Every rule applies to some request, and does not to others."""
    walks = [getattr(decided(plan, ask), "walk", ()) for ask in ASKS]
    (rules,) = plan.rule_lists
    always = {"rules-1", "rules-10"}
    for rule in rules.rules:
        hits = {hit for walk in walks for one, hit in walk if one is rule}
        assert hits == ({True} if rule.id in always else {True, False}), rule.id


@pytest.mark.parametrize("version", VERSIONS)
def test_what_becomes_of_requests(edge: Edge, plan: Plan, version: Version) -> None:
    wrong = [(ask, why) for ask in ASKS if (why := judged(edge, plan, ask, version))]
    assert wrong == [], "\n".join(map(str, wrong[:8]))


def test_what_is_logged_of_requests(edge: Edge, plan: Plan) -> None:
    """The source, the rule that decided and the labels."""
    for number, ask in enumerate(ASKS):
        marked = replace(ask, target=f"{ask.target}{'&' if '?' in ask.target else '?'}n={number}.")
        marked.of(edge, "h1")
    lines: dict[int, dict[str, Any]] = {}
    end = time.monotonic() + 5
    while len(lines) < len(ASKS) and time.monotonic() < end:
        for text in edge.proxy.log.splitlines():
            if text.startswith("{") and "n=" in text:
                line = json.loads(text)
                lines[int(line["target"].partition("n=")[2].strip("."))] = line
    wrong: list[object] = []
    for number, ask in enumerate(ASKS):
        decision = decided(plan, ask)
        assert isinstance(decision, Forwarded | Refused | Redirected)
        rule = decision.allowed_by if isinstance(decision, Forwarded) else decision.rule
        labels = [action.label for _, action in decision.working if isinstance(action, LogLabel)]
        line = lines[number]
        got: tuple[Any, ...] = (line["rule"] or "", line["labels"] or [], line["listener"])
        if got != (rule.id if rule else "", labels, ask.listener):
            wrong.append((ask, got, rule, labels))
        if isinstance(decision, Forwarded) and line["source"] != str(decision.source):
            wrong.append((ask, line["source"], decision.source))
    assert wrong == [], "\n".join(map(str, wrong[:8]))
