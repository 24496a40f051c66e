"""Long runs of rules on plain paths, which Envoy looks up: what decides is the rule that the reference finds."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from policyc.compiler.decide import Forwarded, Refused
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.path_tables import MANY, PathTable, in_tables
from policyc.compiler.plan import Plan, Rule

from .asks import Ask
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .test_reference import decided, plan_of

SEGMENTS = ("a", "b", "ab", "A", "a.b")


def path(source: random.Random, depth: int) -> str:
    """One that others begin with."""
    folders = "".join(f"/{source.choice(SEGMENTS)}" for _ in range(source.randint(1, depth)))
    return folders + source.choice(["", "/"])


def run(
    seed: int, when: dict[str, Any], unless: dict[str, Any] | None, endings: list[dict[str, Any]], **more: Any
) -> list[Any]:
    """Rules that are one table."""
    source = random.Random(seed)
    rules: list[Any] = []
    for _ in range(MANY):
        paths = {source.choice(["exact", "prefix"]): [f"/{seed}{path(source, 3)}" for _ in range(source.randint(1, 3))]}
        rules.append({"when": {"path": {**paths, **more}, **when}, **source.choice(endings)})
        if unless:
            rules[-1]["unless"] = unless
    return rules


DENY: list[dict[str, Any]] = [{"deny": 403}, {"deny": 404}, {"deny": 410}]
RULES: list[Any] = [
    *run(1, {}, None, DENY),
    {"request_headers": {"set": {"X-Behind": "first"}}, "response_headers": {"set": {"X-Behind": "first"}}},
    *run(2, {"method": ["GET"]}, {"header": {"name": "X-Key", "exact": "1"}}, [{"allow": True}]),
    *run(3, {}, None, DENY, ignore_case=True),
    {"when": {"path": {"prefix": ["/1/a", "/2/a", "/3/a"]}}, "deny": 409},
]


def scene(certificates: Certificates) -> Scene:
    """One site alone, and two that share a chain."""
    names = [f"{name}.example.com" for name in ("alone", "one", "two")]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("tables-all", *names)},
        "backends": {name: {"servers": ["192.0.2.1:80"], "tls": False} for name in ("alone", "shared")},
        "inspection_rules": {"long": RULES},
        "sites": {
            name.partition(".")[0]: {
                "hostnames": [name],
                "public_certificate": "all",
                "backend": "alone" if name.startswith("alone") else "shared",
                "inspect": ["long"],
                "methods": ["PURGE"] if name.startswith("alone") else [],
            }
            for name in names
        },
    }
    return Scene(policy, {name: [Origin(name)] for name in ("alone", "shared")})


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """Envoy."""
    return edge_of(edges, "envoy", proxy_program)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("tables"))


def test_these_rules_are_tables(plan: Plan) -> None:
    (rules,) = plan.rule_lists
    kinds = [type(one) for one in in_tables(rules.rules)]
    assert kinds == [PathTable, Rule, PathTable, PathTable, Rule]


@pytest.mark.parametrize("host", ["alone.example.com", "one.example.com"])
def test_what_decides(edge: Edge, plan: Plan, host: str) -> None:
    source = random.Random(host)
    asks = [
        Ask(
            f"/{source.randint(1, 3)}{path(source, 4)}{source.choice(['', '?', '?x=/a/', '?/a'])}",
            source.choice(["GET", "GET", "POST"]),
            host=host,
            headers=source.choice([(), (), (("X-Key", "1"),)]),
        )
        for _ in range(150)
    ]
    wrong: list[object] = []
    rules: list[str] = []
    start = len(edge.proxy.log)
    for ask in asks:
        decision = decided(plan, ask)
        outcome = ask.of(edge, "h1")
        assert outcome.answer is not None
        assert isinstance(decision, Forwarded | Refused)
        rule = decision.allowed_by if isinstance(decision, Forwarded) else decision.rule
        rules.append(rule.id if rule else "")
        behind = [value for name, value in outcome.answer.headers if name.lower() == "x-behind"]
        got = outcome.status, behind
        expected = (
            decision.status if isinstance(decision, Refused) else 200,
            ["first"] if decision.working else [],
        )
        if got != expected:
            wrong.append((ask, got, expected, rule))
    assert wrong == [], "\n".join(map(str, wrong[:8]))
    assert len(set(rules)) > 20
    end = time.monotonic() + 5
    while edge.proxy.log[start:].count("{") < len(asks) and time.monotonic() < end:
        time.sleep(0.05)
    logged = [json.loads(line)["rule"] for line in edge.proxy.log[start:].splitlines() if line.startswith("{")]
    assert logged == rules
