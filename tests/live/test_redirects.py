"""Redirects by rules: status as given, Location exactly as written, and nothing goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .supported import TARGETS, skip_without

HOST = "www.example.com"
PLACES = [
    ("/elsewhere", 308),
    ("/", 301),
    ("/a/../b//c/%2f%41;x", 302),
    ("https://other.example.com/", 303),
    ("https://other.example.com:8443/x?y=$host&z=%[src]#part", 307),
    ("http://other.example.com/%h%%20${host}$1\\1{x}\\x41", 308),
    ("//other.example.com/x", 301),
    ("https://other.example.com/\"quoted\"/'too'/`id`", 302),
    ("/%REQ(host)%/%DOWNSTREAM_LOCAL_PORT%", 307),
    ("https://other.example.com", 308),
]


def scene(certificates: Certificates) -> Scene:
    """One site with a redirect for each place, and some that other rules come before."""
    rules = [
        {"when": {"path": {"prefix": "/first/denied"}}, "deny": 403},
        {"when": {"path": {"prefix": "/first/allowed"}}, "allow": True},
        {"when": {"path": {"prefix": "/first"}}, "redirect": {"to": "/first-redirect", "status": 302}},
        {"when": {"path": {"prefix": "/first/again"}}, "redirect": {"to": "/second-redirect"}},
        {"when": {"path": {"prefix": "/first"}}, "deny": 404},
        {"when": {"path": {"prefix": "/usual"}}, "redirect": {"to": "/the-usual-status"}},
        {
            "when": {"path": {"prefix": "/but"}},
            "unless": {"method": ["POST"], "header": {"name": "X-Stay", "present": True}},
            "redirect": {"to": "/not-stayed", "status": 303},
        },
        *(
            {"when": {"path": {"exact": f"/{number}"}}, "redirect": {"to": to, "status": status}}
            for number, (to, status) in enumerate(PLACES)
        ),
    ]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("redirects-all", HOST)},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {"redirects": rules},
        "sites": {
            "main": {
                "hostnames": [HOST],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["redirects"],
            }
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can redirect."""
    skip_without(request.param, Feature.REDIRECT, Feature.MATCH_HEADER)
    return edge_of(edges, request.param, proxy_program)


def assert_redirected(edge: Edge, ask: Ask, version: Version, status: int, to: str) -> None:
    outcome = ask.of(edge, version)
    assert_refused(outcome, status)
    assert outcome.answer is not None
    assert [value for name, value in outcome.answer.headers if name == "location"] == [to]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("number", range(len(PLACES)), ids=[f"{to} {status}" for to, status in PLACES])
def test_place(edge: Edge, number: int, method: str, version: Version) -> None:
    to, status = PLACES[number]
    body = b"x" * 2000 if method == "POST" else b""
    assert_redirected(edge, Ask(f"/{number}?q=1", method, body=body), version, status, to)


@pytest.mark.parametrize("version", VERSIONS)
def test_order(edge: Edge, version: Version) -> None:
    assert_decided(one := Ask("/first/denied"), one.of(edge, version), 403)
    assert_decided(one := Ask("/first/allowed"), one.of(edge, version), 200)
    for path in ("/first", "/first/x", "/first/again"):
        assert_redirected(edge, Ask(path), version, 302, "/first-redirect")
    assert_redirected(edge, Ask("/usual"), version, 308, "/the-usual-status")


@pytest.mark.parametrize("version", VERSIONS)
def test_condition(edge: Edge, version: Version) -> None:
    assert_redirected(edge, Ask("/but"), version, 303, "/not-stayed")
    assert_redirected(edge, Ask("/but", "POST"), version, 303, "/not-stayed")
    assert_redirected(edge, Ask("/but", headers=(("X-Stay", "1"),)), version, 303, "/not-stayed")
    stays = Ask("/but", "POST", headers=(("X-Stay", "1"),))
    assert_decided(stays, stays.of(edge, version), 200)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_checked_before(edge: Edge, version: Version) -> None:
    assert_refused(Ask("/usual//x").of(edge, version), 400)
    assert_refused(Ask("/usual", host="nobody.example.com", sni=HOST).of(edge, version), 421)
