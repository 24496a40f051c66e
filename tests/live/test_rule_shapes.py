"""Rules of every shape: what `when`, `unless`, `allow` and long lists become on a target, against the reference."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.plan import Plan

from .asks import Ask, assert_decided
from .conftest import Certificates, Scene
from .edges import Edge
from .test_reference import decided, plan_of, status

MANY = [f"/many/{'x' * 60}{number}" for number in range(200)]
NETWORKS = [f"10.{number}.0.0/16" for number in range(120)] + ["127.0.0.2"]


def scene(certificates: Certificates) -> Scene:
    """One site with the shapes, another with the second list alone."""
    rules = {
        "first": [
            {
                "when": {"path": {"prefix": "/open"}},
                "unless": {"path": {"prefix": "/open/not"}, "method": ["POST", "PUT"]},
                "allow": True,
            },
            {"when": {"path": {"exact": "/both"}}, "unless": {"path": {"exact": "/both"}}, "allow": True},
            {"when": {"path": {"prefix": MANY}}, "unless": {"source": NETWORKS, "method": "GET"}, "deny": 410},
            {"unless": {"path": [{"prefix": ["/open", "/free"]}, {"suffix": ".ok"}]}, "deny": 403},
        ],
        "second": [
            {"when": {"path": {"prefix": "/open/late"}}, "deny": 404},
            {"when": {"host": ["b.example.com", "*.w.example.com"], "method": "DELETE"}, "deny": 405},
            {"when": {"source": NETWORKS}, "unless": {"host": ["a.example.com", "*.w.example.com"]}, "allow": True},
            {"when": {"path": {"regex": "[0-9]{3}$"}}, "deny": 409},
        ],
    }
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("shapes-all", "*.example.com", "*.w.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": rules,
        "sites": {
            "ab": {
                "hostnames": ["a.example.com", "b.example.com", "*.w.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["first", "second"],
            },
            "c": {
                "hostnames": ["c.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["second"],
            },
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


PATHS = [
    *("/", "/open", "/open/not", "/open/not/x", "/opening", "/open/late", "/both", "/x.ok", "/x.okay", "/free/123"),
    *("/free/12", "/x.123", MANY[0], f"{MANY[199]}/y", f"{MANY[120]}0", "/many"),
]
HOSTS = ["a.example.com", "b.example.com", "x.w.example.com", "c.example.com"]
ASKS = [
    Ask(path, method, host, source=source)
    for path, method, host, source in product(PATHS, ["GET", "POST", "DELETE"], HOSTS, [None, "127.0.0.2"])
]


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    folder: Path = tmp_path_factory.mktemp("shapes")
    return plan_of(scene(certificates), folder)


def test_the_requests_tell_the_rules_apart(plan: Plan) -> None:
    """Every decision occurs, so that the comparison below says something."""
    assert {status(decided(plan, ask)) for ask in ASKS} == {200, 403, 404, 405, 409, 410}


@pytest.mark.parametrize("host", HOSTS)
def test_shapes(edge: Edge, plan: Plan, host: str) -> None:
    wrong: list[str] = []
    for ask in ASKS:
        if ask.host == host:
            outcome, expected = ask.of(edge, "h1"), status(decided(plan, ask))
            assert expected is not None
            try:
                assert_decided(ask, outcome, expected)
            except AssertionError:
                wrong.append(f"{ask.method} {ask.target} from {ask.source}: expected {expected}, got {outcome}")
    assert wrong == []
