"""Header values of characters that mean something to a proxy's configuration: they arrive as they are written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .supported import TARGETS

VALUES = (
    *('"', "'", "`", 'a"b', "a'b", '"a b"', "'; }", '"; }', "a;b", "{}", "{a", "a}", "#", "a # b", "\\", "a\\", "\\n"),
    *("\\\\", '\\"', "\\x41", "$", "$host", "${host}", "${HOME}", "$(id)", "`id`", "%", "%%", "%[src]", "%{x}", "%41"),
    *("%REQ(x)%", "<a>", "&amp;", "--", "-i", "~", "~*a", "!", "=", "|", "a|b", "*", ".", "a.c", "?", "(", ")", "[a]"),
    *("^a", "a$", "@", "default", "(?i)q", "\\E", "{{ x }}", "{% x %}"),
)


def scene(certificates: Certificates) -> Scene:
    """One site that denies by odd values."""
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("odd-values-all", "www.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {
            "odd": [
                {"when": {"header": {"name": "X-Exact", "exact": VALUES}}, "deny": 403},
                {"when": {"header": {"name": "X-Part", "contains": [f"q{value}q" for value in VALUES]}}, "deny": 410},
                {"when": {"header": {"name": "X-Begin", "prefix": [f"{value}:" for value in VALUES]}}, "deny": 423},
                {"when": {"header": {"name": "X-End", "suffix": [f":{value}" for value in VALUES]}}, "deny": 404},
            ]
        },
        "sites": {
            "main": {
                "hostnames": ["www.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["odd"],
            }
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.fixture(scope="module", params=[target for target in TARGETS if target != "nginx"])
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets whose version here sees every field line."""
    return edge_of(edges, str(request.param), proxy_program)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("value", VALUES, ids=ascii)
def test_value(edge: Edge, value: str, version: Version) -> None:
    other = re.sub(r"[^A-Za-z0-9 ]", "z", value)
    if other == value:
        other += "z"
    for name, form, expected in (
        ("X-Exact", "{}", 403),
        ("X-Part", "xq{}qx", 410),
        ("X-Begin", "{}:x", 423),
        ("X-End", "x:{}", 404),
    ):
        for text, status in ((value, expected), (other, 200), (value + "z", 200)):
            one = Ask("/x", headers=((name, form.replace("{}", text)),))
            assert_decided(one, one.of(edge, version), status)
