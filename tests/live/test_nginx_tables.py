"""nginx looks long lists of paths up in maps, which know no case by themselves: against the reference."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from policyc.compiler.decide import Refused
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.plan import Plan

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .test_reference import decided, plan_of, status

NUMBER = 60


def deny(code: int, kind: str, *paths: str, **others: Any) -> dict[str, Any]:
    ignore = {"ignore_case": True} if others.pop("ignore_case", False) else {}
    return {"when": {"path": {kind: list(paths), **ignore}, **others}, "deny": code}


def usual(**others: Any) -> list[dict[str, Any]]:
    """Whole paths and beginnings of several depths, some within others."""
    return [
        {**deny(403, "prefix", "/area/p7/open", **others), "deny": None, "allow": True},
        *(deny(403 + number % 2, "prefix", f"/area/p{number}", **others) for number in range(NUMBER)),
        deny(410, "prefix", "/area/p3/deep/er", "/top", "/area/Mixed/Case", **others),
        deny(409, "exact", "/area", "/area/", "/whole/one", "/area/p4/whole", **others),
        deny(418, "prefix", "/only/below/", **others),
        deny(451, "prefix", "/area", **others),
    ]


LISTS: dict[str, list[dict[str, Any]]] = {
    "exactly": usual(),
    "anyhow": usual(ignore_case=True),
    "twins": [*usual(), deny(422, "prefix", "/AREA/p3/deep/er"), deny(423, "exact", "/Whole/one")],
    "unless": [{**one, "unless": {"source": "127.0.0.2"}} for one in usual() if one.get("deny")],
    "posts": [one for one in usual(method="POST") if one.get("deny")],
    "root": [*usual(), deny(429, "prefix", "/")],
    "between": [*usual()[:-1], {"when": {"path": {"suffix": ".bak"}}, "deny": 404}, *usual()],
}


def scene(certificates: Certificates) -> Scene:
    """A site for each list."""
    rules = {
        name: [{key: value for key, value in rule.items() if value is not None} for rule in listed]
        for name, listed in LISTS.items()
    }
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("tables-all", "*.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": rules,
        "sites": {
            name: {
                "hostnames": [f"{name}.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": [name],
            }
            for name in LISTS
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """nginx alone."""
    return edge_of(edges, "nginx", proxy_program)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("tables"))


SEGMENTS = ("area", "AREA", "Area", "p3", "p7", "P3", "p59", "p60", "deep", "Deep", "er", "top", "Top", "whole", "one")
MORE = ("Whole", "only", "below", "open", "mixed", "Mixed", "Case", "x.bak", "a%20b", "p3")


def paths(seed: str) -> list[str]:
    source = random.Random(seed)
    whole = [text for rule in usual() for texts in rule["when"]["path"].values() for text in texts]
    made = [source.choice(whole) for _ in range(12)]
    made += ["".join(f"/{source.choice((*SEGMENTS, *MORE))}" for _ in range(source.randint(1, 5))) for _ in range(20)]
    made += [source.choice(whole).rstrip("/") + f"/{source.choice(SEGMENTS)}" for _ in range(8)]
    ends = ("", "", "", "/", "?", "?/area/p3", "/?x=/top", "x")
    changed = (str, str, str, str.upper, str.title)
    return ["/", *(source.choice(changed)(path) + source.choice(ends) for path in made)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", LISTS)
def test_the_same_rule_is_found(edge: Edge, plan: Plan, name: str, version: Version) -> None:
    wrong: list[str] = []
    seen: set[int | None] = set()
    for path in paths(f"{name} {version}"):
        if "//" in path:
            continue
        for method, source in (("GET", "127.0.0.1"), ("POST", "127.0.0.2")):
            ask = Ask(path, method, f"{name}.example.com", source=source)
            expected = status(decided(plan, ask, version))
            seen.add(expected)
            outcome = ask.of(edge, version)
            if outcome.status != expected or bool(outcome.arrived) is not (expected == 200):
                wrong.append(f"{method} {path}: {outcome}, not {expected}")
    assert wrong == []
    assert len(seen) > 3


def test_long_paths_are_looked_up_too(edge: Edge, plan: Plan) -> None:
    for path in ("/area/p3/" + "x" * 7000, "/area/p3" + "/x" * 3000, "/x" * 3500, "/p3" * 2000, "/" + "X" * 7000):
        for name in ("exactly", "anyhow", "root"):
            ask = Ask(path, host=f"{name}.example.com")
            assert_decided(ask, ask.of(edge, "h1"), status(decided(plan, ask)) or 0)


def test_they_are_maps_of_texts(edge: Edge) -> None:
    text = (edge.folder / "nginx.conf").read_text()
    for name in LISTS:
        tables = text.count(f"$policyc_table_{name}_")
        # Two of the texts of `twins` differ by their case alone.
        assert bool(tables) is (name != "twins"), name
    assert "policyc_rule_exactly_5 " not in text
    assert "policyc_rule_twins_5 " in text


def test_the_log_tells_the_rule(edge: Edge, plan: Plan) -> None:
    for name, path in (("exactly", "/area/p17/x"), ("anyhow", "/AREA/P18"), ("unless", "/top/x"), ("root", "/other")):
        ask = Ask(f"{path}?log={name}", host=f"{name}.example.com")
        decision = decided(plan, ask)
        assert isinstance(decision, Refused)
        assert decision.rule is not None
        ask.of(edge, "h1")
        assert logged(edge, f"log={name}")["rule"] == decision.rule.id


def logged(edge: Edge, mark: str) -> dict[str, Any]:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for line in (edge.folder / "access.log").read_text().splitlines():
            if mark in line:
                return json.loads(line)
        time.sleep(0.05)
    raise AssertionError(f"nothing is logged of {mark}")
