"""Rules on request headers: on every field line and every element of a list, however long or odd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene, edge_of
from .edges import BuildFailed, Edge, Edges
from .supported import TARGETS


def scene(certificates: Certificates) -> Scene:
    """One site with rules on headers."""
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("headers-all", "www.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {
            "headers": [
                {"when": {"header": {"name": "X-Role", "exact": ["root", "admin"]}}, "deny": 403},
                {"when": {"header": {"name": "X-Debug", "present": True}}, "deny": 404},
                {"when": {"header": {"name": "User-Agent", "prefix": "bad-"}}, "deny": 406},
                {"when": {"header": {"name": "User-Agent", "suffix": "/0.1"}}, "deny": 410},
                {"when": {"header": {"name": "User-Agent", "contains": "sql(map)"}}, "deny": 418},
                {
                    "when": {"path": {"prefix": "/internal"}},
                    "unless": {"header": {"name": "X-Token", "exact": "open sesame"}},
                    "deny": 401,
                },
            ]
        },
        "sites": {
            "main": {
                "hostnames": ["www.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["headers"],
            }
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module", params=[target for target in TARGETS if target != "nginx"])
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets whose version here sees every field line."""
    return edge_of(edges, str(request.param), proxy_program)


@pytest.mark.skipif("nginx" not in TARGETS, reason="policyc has no backend for nginx")
def test_nginx_that_sees_one_line_only_is_refused(edges: Edges, proxy_program: Callable[[str], str]) -> None:
    """nginx before 1.23 sees the first of repeated field lines only: a rule could be evaded, so there is no build."""
    proxy_program("nginx")
    error = edges.failed.get("nginx")
    assert isinstance(error, BuildFailed)
    assert "ended with 1" in str(error)
    assert "match-header" in str(error)


CASES: list[tuple[tuple[tuple[str, str], ...], int]] = [
    ((), 200),
    ((("X-Role", "root"),), 403),
    ((("x-role", "admin"),), 403),
    ((("X-ROLE", "root"),), 403),
    ((("X-Role", "user,root"),), 403),
    ((("X-Role", "user , root , guest"),), 403),
    ((("X-Role", "\troot"),), 403),
    ((("X-Role", "user"), ("X-Role", "root")), 403),
    ((("X-Role", "user"), ("X-Other", "1"), ("X-Role", "guest,admin")), 403),
    ((("X-Role", "\xff,root"),), 403),
    ((("X-Role", "root,\xff"),), 403),
    ((("X-Role", "a," * 3500 + "root"),), 403),
    ((("X-Role", "a" * 7000 + ",root"),), 403),
    ((("X-Role", "Root"),), 200),
    ((("X-Role", "roots"),), 200),
    ((("X-Role", "user root"),), 200),
    ((("X-Role", "r,oot"),), 200),
    ((("X-Role", ""),), 200),
    ((("X-Roles", "root"),), 200),
    ((("X_Role", "root"),), 200),
    ((("X-Debug", "0"),), 404),
    ((("X-Debug", "1"),), 404),
    ((("X-Debug", ""), ("X-Debug", "1")), 404),
    ((("X-Debug", ""),), 200),
    ((("User-Agent", "bad-bot"),), 406),
    ((("User-Agent", "good, bad-bot"),), 406),
    ((("User-Agent", "not-bad-bot"),), 200),
    ((("User-Agent", "tool/0.1"),), 410),
    ((("User-Agent", "tool/0x1"),), 200),
    ((("User-Agent", "tool/0.12"),), 200),
    ((("User-Agent", "a sql(map) b"),), 418),
    ((("User-Agent", "a" * 7000 + "sql(map)"),), 418),
    ((("User-Agent", "sqlmap"),), 200),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("headers", "expected"), CASES, ids=lambda value: ascii(value)[:60])
def test_header(edge: Edge, headers: tuple[tuple[str, str], ...], expected: int, version: Version) -> None:
    one = Ask("/x", headers=headers)
    assert_decided(one, one.of(edge, version), expected)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("token", "expected"),
    [("open sesame", 200), ("x, open sesame", 200), ("open", 401), ("", 401), ("Open sesame", 401)],
)
def test_unless_header(edge: Edge, token: str, expected: int, version: Version) -> None:
    one = Ask("/internal/x", headers=(("X-Token", token),))
    assert_decided(one, one.of(edge, version), expected)


def test_connection_does_not_bring_a_header_past_a_rule(edge: Edge) -> None:
    """A header named in Connection is gone for some proxies before their rules look; then it must be gone behind, too.

    RFC 9110, 7.6.1.
    """
    outcome = Ask("/x", headers=(("Connection", "X-Role"), ("X-Role", "root"))).of(edge, "h1")
    assert outcome.status in (200, 400, 403)
    assert [seen.values("x-role") for seen in outcome.arrived] == ([[]] if outcome.status == 200 else [])
