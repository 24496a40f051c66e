"""Other backends for other paths: the longest prefix of whole segments wins, on the path as it came."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policyc.compiler.decide import Forwarded
from policyc.compiler.features import Feature
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.plan import Plan

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .supported import TARGETS, skip_without
from .test_reference import decided, plan_of, status

BACKENDS = ("main", "api", "api-v2", "files", "tilde", "host")


def scene(certificates: Certificates) -> Scene:
    """Sites with routes: beside rules, with several hosts, a wildcard, and backends that differ in all they can."""
    routes = [
        {"path": {"prefix": "/api"}, "backend": "api"},
        {"path": {"prefix": "/api/v2"}, "backend": "api-v2"},
        {"path": {"prefix": "/files/"}, "backend": "files"},
        {"path": {"prefix": "/~me (x)"}, "backend": "tilde"},
        {"path": {"prefix": "/Case", "ignore_case": True}, "backend": "host"},
    ]
    site = {"public_certificate": "all", "backend": "main", "inspect": ["rules"], "routes": routes}
    hosts = ["a.example.com", "b.example.com", "*.w.example.com"]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("routes-all", "one.example.com", *hosts)},
        "backends": {
            **{name: {"servers": ["192.0.2.1:80"], "tls": False} for name in BACKENDS},
            "host": {"servers": ["192.0.2.1:80"], "tls": False, "host_header": "fixed.internal"},
        },
        "inspection_rules": {
            "rules": [
                {"when": {"path": {"prefix": "/api/open"}}, "allow": True},
                {"when": {"path": {"prefix": "/api/closed"}}, "deny": 403},
                {"when": {"method": "DELETE"}, "deny": 405},
            ]
        },
        "sites": {
            "one": {**site, "hostnames": ["one.example.com"]},
            "several": {**site, "hostnames": hosts},
        },
    }
    return Scene(policy, {name: [Origin(name)] for name in BACKENDS})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can do it."""
    skip_without(str(request.param), Feature.ROUTES)
    return edge_of(edges, str(request.param), proxy_program)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("routes"))


CASES = [
    ("/", "main"),
    ("/apis", "main"),
    ("/api", "api"),
    ("/api/", "api"),
    ("/api?x=/files/", "api"),
    ("/api/v2", "api-v2"),
    ("/api/v2/x?y", "api-v2"),
    ("/api/v20", "api"),
    ("/API", "main"),
    ("/files", "main"),
    ("/files/", "files"),
    ("/files/x", "files"),
    ("/~me%20(x)", "tilde"),
    ("/%7Eme%20%28x%29/y", "tilde"),
    ("/%7eme%20(x%29", "tilde"),
    ("/~me%20(x)y", "main"),
    ("/cAsE/x", "host"),
    ("/casex", "main"),
    ("/api/open/x", "api"),
    ("/api/closed/x", None),
    ("/api//x", None),
]
HOSTS = ["one.example.com", "a.example.com", "B.example.com:8443", "x.w.example.com"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("target", "backend"), CASES)
def test_route(edge: Edge, plan: Plan, target: str, backend: str | None, host: str, version: Version) -> None:
    for method in ("GET", "DELETE"):
        ask = Ask(target, method, host)
        decision = decided(plan, ask)
        outcome = ask.of(edge, version)
        expected = status(decision)
        assert expected is not None
        assert_decided(ask, outcome, expected)
        if isinstance(decision, Forwarded):
            # A rule that allows an `/api/open` does so with any method.
            assert decision.upstream.backend.name == backend
            ((name, seen),) = [(name, seen) for name in BACKENDS for seen in edge.origins[name][0].requests]
            assert name == backend
            assert seen.values("host") == [decision.host.encode()]
            assert seen.values("x-forwarded-host") == [host.partition(":")[0].lower().encode()]
