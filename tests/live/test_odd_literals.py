"""Path literals of characters that mean something to a proxy's configuration: they arrive as they are written."""

from __future__ import annotations

import re

import pytest
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene
from .edges import Edge

LITERALS = (
    *("/a b", "/a'b", '/a"b', "/a`b", "/a$b", "/a$(id)", "/a${host}", "/a$host", "/a{b}", "/{{ x }}", "/{}", "/a^b"),
    *(
        "/a<b>",
        "/a|b",
        "/a||b",
        "/a&b",
        "/a&&b",
        "/a*b",
        "/a+b",
        "/a=b",
        "/a@b",
        "/a!b",
        "/a,b",
        "/a:b",
        "/a~b",
        "/a(b",
    ),
    *("/[a]", "/a%5Bb", "/a.b", "/default", "/-f", "/ä", "/日本", "/a\u2028b", "/a\u202eb", "/\xa0"),
)
ENDS = ("$host", "'}", '"{', "`id`", " x", "$", "=é")
RAW = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@\[\]|/-]*\Z")


def scene(certificates: Certificates) -> Scene:
    """One site that denies by odd literals."""
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("odd-all", "www.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {
            "odd": [
                {"when": {"path": {"exact": LITERALS}}, "deny": 403},
                {"when": {"path": {"prefix": [f"/p{literal}" for literal in LITERALS]}}, "deny": 410},
                {"when": {"path": {"suffix": [f".end{end}" for end in ENDS]}}, "deny": 423},
                {"when": {"path": {"regex": r"^/q[\x22'$`{}]$"}}, "deny": 404},
                {"when": {"path": {"prefix": "/m"}, "method": ["$HOST", "GET'", "%SRC", "G#T", "A|B"]}, "deny": 405},
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


def encoded(text: str) -> str:
    """With triplets wherever the normal form lets one stand."""
    text = text.replace("%5B", "[")
    return "".join(
        one if one.isascii() and (one.isalnum() or one in "-._/") else "".join(f"%{byte:02X}" for byte in one.encode())
        for one in text
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("literal", LITERALS, ids=ascii)
def test_path(edge: Edge, literal: str, version: Version) -> None:
    spellings = {encoded(literal), encoded(literal).lower(), *([literal] if RAW.match(literal) else [])}
    odd = re.compile(r"[^A-Za-z0-9/]")
    others = {encoded(literal) + "x", "/x" + encoded(literal), odd.sub("-", literal) + "-", odd.sub("", literal) + "0"}
    for target, expected in (
        *((spelling, 403) for spelling in spellings),
        *((f"/p{spelling}/x", 410) for spelling in spellings),
        *((other, 200) for other in others),
        *((f"/p{other}", 200) for other in others if not other.startswith("/x")),
    ):
        one = Ask(target)
        assert_decided(one, one.of(edge, version), expected)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("end", ENDS, ids=ascii)
def test_end_of_a_path(edge: Edge, end: str, version: Version) -> None:
    for target, expected in ((f"/x.end{encoded(end)}", 423), (f"/x.end{encoded(end)}x", 200), ("/x.end", 200)):
        one = Ask(target)
        assert_decided(one, one.of(edge, version), expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_class(edge: Edge, version: Version) -> None:
    for character, expected in (*((one, 404) for one in "\"'$`{}"), *((one, 200) for one in "2x&()")):
        one = Ask("/q" + encoded(character))
        assert_decided(one, one.of(edge, version), expected)
