"""Rules on queries, path options and expressions in headers, against the reference."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.plan import Plan

from .asks import VERSIONS, Ask, Version, assert_decided
from .conftest import Certificates, Scene
from .edges import Edge
from .supported import TARGETS, able, skip_without
from .test_reference import decided, plan_of, status

OPTIONS = {
    "encoded_slash": Feature.ENCODED_SLASH,
    "encoded_reserved": Feature.ENCODED_RESERVED,
    "path_params": Feature.PATH_PARAMS,
    "empty_segments": Feature.EMPTY_SEGMENTS,
    "strict_segment_end": Feature.STRICT_SEGMENT_END,
}
PATH_RULES: list[dict[str, Any]] = [
    {"when": {"path": {"prefix": "/admin/sub"}}, "deny": 403},
    {"when": {"path": {"exact": "/exact/x y"}}, "deny": 404},
    {"when": {"path": {"suffix": "/end.php"}}, "deny": 405},
    {"when": {"path": {"prefix": "/case", "ignore_case": True}}, "deny": 406},
    {"when": {"path": {"regex": "^/re/[a-z]+/x$"}}, "deny": 409},
]
QUERY_RULES: list[dict[str, Any]] = [
    {"when": {"query": {"name": "debug", "exact": ["1", "a b&=", ""]}}, "deny": 403},
    {"when": {"query": {"name": "Debug", "present": True}}, "deny": 404},
    {"when": {"query": {"name": "ä b", "exact": "ö"}}, "deny": 405},
]
QUERY_REGEX_RULES: list[dict[str, Any]] = [
    {"when": {"query": {"name": "id", "regex": ["^[0-9]+$", "(?i)union.select"]}}, "deny": 403},
    {"when": {"query": {"name": "q", "regex": "<[a-z]"}}, "deny": 404},
]
HEADER_RULES: list[dict[str, Any]] = [
    {"when": {"header": {"name": "X-Role", "regex": "^ro.t$"}}, "deny": 403},
    {"when": {"header": {"name": "User-Agent", "regex": ["(?i)sql[^a-z]*map", "bot/[0-9]{1,3}$"]}}, "deny": 404},
    {
        "when": {"path": {"prefix": "/internal"}},
        "unless": {"header": {"name": "X-Token", "regex": "^[a-f0-9]{8}$"}},
        "deny": 401,
    },
]


COMBINED = {
    "slashes": ("encoded_slash", "encoded_reserved", "strict_segment_end"),
    "parameters": ("encoded_reserved", "path_params", "empty_segments", "strict_segment_end"),
}
PATH_SITES: dict[str, tuple[str, ...]] = {
    **{name.replace("_", "-"): (name,) for name in OPTIONS},
    **COMBINED,
    "strict": (),
}
"""Site → its path options."""
NEEDED: dict[str, tuple[Feature, ...]] = {
    **{name: tuple(OPTIONS[option] for option in options) for name, options in PATH_SITES.items()},
    "query": (Feature.MATCH_QUERY,),
    "query-regex": (Feature.MATCH_QUERY,),
    "headers": (Feature.MATCH_HEADER_REGEX,),
}
"""Site → what a target must be able to do to have it."""


def scene(certificates: Certificates) -> Scene:
    """A site for each path option, some with several, one with none; sites with rules on queries and on headers."""
    origin = Origin("main")
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("query-all", "*.example.com")},
        "backends": {name: {"servers": ["192.0.2.1:80"], "tls": False} for name in NEEDED},
        "inspection_rules": {
            "paths": PATH_RULES,
            "query": QUERY_RULES,
            "query-regex": QUERY_REGEX_RULES,
            "headers": HEADER_RULES,
        },
        "sites": {
            name: {
                "hostnames": [f"{name}.example.com"],
                "public_certificate": "all",
                "backend": name,
                "inspect": ["paths" if name in PATH_SITES else name],
                "paths": dict.fromkeys(PATH_SITES.get(name, ()), True),
            }
            for name in NEEDED
        },
    }
    lacking = {target: [name for name, features in NEEDED.items() if not able(target, *features)] for target in TARGETS}
    return Scene(policy, {name: [origin] for name in NEEDED}, lacking=lacking)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("query"))


def wrong(edge: Edge, plan: Plan, asks: Sequence[Ask], version: Version) -> list[str]:
    """Where the edge does something else than the reference says. Skips the test where the target has no such site."""
    for name in {(ask.host or "").partition(".")[0] for ask in asks}:
        skip_without(edge.target, *NEEDED[name])
    found: list[str] = []
    for ask in asks:
        expected = status(decided(plan, ask))
        outcome = ask.of(edge, version)
        assert expected is not None
        try:
            assert_decided(ask, outcome, expected)
        except AssertionError:
            found.append(f"{ask.host} {ask.target!a} {ask.headers!a}: expected {expected}, got {outcome}")
    return found


# --- paths ------------------------------------------------------------------------------------------------------

TOKENS = (
    *("/", "/", "//", "%2F", "%2f", "%23", "%25", "%3B", "%3F", "%3f", ";", ";a=1", ".", "..", "%20", "%5C", "%2e"),
    *("admin", "sub", "exact", "x%20y", "x y", "end.php", "CASE", "case", "re", "ab", "x", "?", "?a=/../;%2F"),
)
KNOWN = (
    *("/admin/sub/x", "/exact/x%20y", "/x/end.php", "/case/x", "/re/ab/x", "/"),
    *("/admin/sub", "/admin%2Fsub", "/admin%2fsub/x", "//admin/sub", "/admin//sub", "/admin;x/sub", "/admin;x/sub;y/z"),
    *("/admin/sub;jsessionid=1", "/admin/subx", "/admin/sub.", "/admin/sub%20", "/admin/sub%20/x", "/admin/;/sub"),
    *("/a/%2F/b", "/a%2F%2Fb", "/a/..%2Fb", "/a/..;/b", "/a/.;x/b", "/a/%2e%2e/b", "/a/.%2F", "/%2F", "/;", "/a/;x"),
    *("/exact/x%20y", "/exact//x%20y", "/exact%2Fx%20y", "/exact;p/x%20y", "/exact/x%20y;p=/", "/x/end.php;a"),
    *("/x%2Fend.php", "/CASE", "/Case;x/y", "/re/ab/x", "/re//ab/x", "/re%2Fab%2Fx", "/re;a/ab/x", "/c%23", "/100%25"),
    *("/a%3Bb", "/a%3Fb", "/a%3fb", "/a%2525", "/a%25%32", "/x.", "/x./y", "/x%20", "/x;a.", "/x;a%20;b", "/" * 50),
    *("/" + "a/" * 3000, "/" + "%2F" * 2000, "/" + "a;" * 3000, "/a" + "." * 3000, "/" + "a%25" * 1500),
)


def targets() -> list[str]:
    """The known ones, and random ones of the same tokens."""
    chance = random.Random(3)
    made = {"/" + "".join(chance.choices(TOKENS, k=chance.randint(1, 6))) for _ in range(60)}
    return [*KNOWN, *sorted(target for target in made if " " not in target)]


PATH_HOSTS = [f"{name}.example.com" for name in PATH_SITES]


def test_the_paths_tell_the_options_apart(plan: Plan) -> None:
    """Each option decides some target otherwise than the strict form does, and every rule applies to one."""
    strict = [status(decided(plan, Ask(target, host="strict.example.com"))) for target in targets()]
    for host in PATH_HOSTS[:-1]:
        found = [status(decided(plan, Ask(target, host=host))) for target in targets()]
        assert found != strict, host
        assert {200, 400, 403, 404, 405, 406, 409} == set(found), host


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", PATH_HOSTS)
def test_paths(edge: Edge, plan: Plan, host: str, version: Version) -> None:
    # One connection for each: in HTTP/2, which is read by the same rules, every third will do.
    asked = targets()[:: 3 if version == "h2" else 1]
    assert wrong(edge, plan, [Ask(target, host=host) for target in asked], version) == []


# --- queries ----------------------------------------------------------------------------------------------------

QUERIES = [
    *("", "?", "?debug", "?debug=", "?debug=1", "?debug=2", "?debug=11", "?debu=1", "?debugx=1", "?Debug", "?DEBUG=1"),
    *("?x=debug=1", "?x&debug=1", "?&debug=1", "?&&debug=1", "?debug=2&debug=1", "?debug=1&debug=2", "?%64ebug=1"),
    *("?d%65bu%67=%31", "?debug=%31&x", "?debug=%2531", "?debug%3D1", "?debug=1=1", "?debug;x=1", "?x=1;debug=1"),
    *("?debug=a+b%26%3D", "?debug=a%20b%26=", "?debug=a+b&=", "?debug=A+b%26%3d", "?debug=%", "?debug=%3", "?debug=1%"),
    *("?%&debug=1", "?%6&debug=1", "?%64&debug=1", "?debug%00=1", "?debug=1?x", "?a?debug=1", "??debug=1", "?debug=1/"),
    *("?%C3%A4+b=%C3%B6", "?%c3%a4%20b=%c3%b6", "?%C3%A4+b=%C3%96", "?%C3+b=%C3%B6", "?%C3%A4%2Bb=%C3%B6"),
    *("?" + "x=1&" * 2000 + "debug=1", "?" + "x" * 7000 + "&debug=1", "?" + "debug&" * 5 + "debug=1"),
    *(
        "?" + "%64" * 2000 + "=1&debug=1",
        "?" + "%64ebu&" * 900 + "debug=1",
        "?D%65bug",
        "?Debu&Debug=",
        "?" + "&" * 7000,
    ),
]
QUERY_REGEXES = [
    *("?id=1", "?id=123", "?id=a1", "?id=", "?id", "?id=%31", "?id=1&id=a", "?id=a&id=1", "?ID=1", "?i%64=1"),
    *("?id=union+select", "?id=x+UNION%20SELECT", "?id=UnIoN.sElEcT", "?id=union%0Aselect", "?id=unionselect"),
    *("?id=un%69on+select", "?q=%3Cb", "?q=<b", "?q=%3CB", "?q=<", "?q=%253Cb", "?q=%3c%62", "?x=<b", "?q=a&q=<b"),
    *(
        "?q=" + "a" * 7000 + "<b",
        "?" + "a=1&" * 1900 + "q=<b",
        "?q=" + "<" * 7000,
        "?id=" + "1" * 7500,
        "?q=%7E",
        "?q=~",
    ),
    *("?q=%41", "?q=%2D", "?q=%5F", "?%71=<b", "?q=%5f<b", "?q=<%62", "?q=%%3Cb", "?q=%3C%", "?a=%&q=<b"),
]


def generated_queries() -> list[str]:
    """Random pairs of what matters."""
    chance = random.Random(4)
    parts = [
        "debug",
        "Debug",
        "d%65bug",
        "=",
        "=1",
        "&",
        "%31",
        "1",
        "+",
        "%20",
        "%C3%A4",
        "%",
        "%6",
        "id",
        "q",
        "<",
        "b",
    ]
    return ["?" + "".join(chance.choices(parts, k=chance.randint(1, 8))) for _ in range(60)]


@pytest.mark.parametrize("host", ["query.example.com", "query-regex.example.com"])
def test_the_queries_tell_the_rules_apart(plan: Plan, host: str) -> None:
    found = {status(decided(plan, Ask(f"/x{query}", host=host))) for query in (*QUERIES, *QUERY_REGEXES)}
    assert found == ({200, 403, 404, 405} if host == "query.example.com" else {200, 400, 403, 404})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", ["query.example.com", "query-regex.example.com"])
def test_queries(edge: Edge, plan: Plan, host: str, version: Version) -> None:
    queries = list(dict.fromkeys([*QUERIES, *QUERY_REGEXES, *generated_queries()]))[:: 3 if version == "h2" else 1]
    assert wrong(edge, plan, [Ask(f"/x{query}", host=host) for query in queries], version) == []


# --- headers ----------------------------------------------------------------------------------------------------

ROLES = (
    *("root", "rost", "roo", "xroot", "roott", "user,root", "user, root ,x", "ro,t", "ro\xfft", "ro\xc3\xa4t", "ro\tt"),
    *("\xff,root", "root,\xff", "user;root", ",root", "root,", "Root", "a," * 3500 + "root", "a" * 7500 + ",root"),
)
AGENTS = (
    *(
        "sqlmap",
        "SQLMap",
        "sql - map",
        "sql\xffmap",
        "sql,map",
        "sqlxmap",
        "bot/1",
        "bot/1234",
        "bot/12, x",
        "x bot/999",
    ),
    *("sql" + "-" * 7000 + "map", "x" * 7500 + "sqlmap", "s" * 7500, "bot/" + "1" * 5000, "bot/1;"),
)
TOKENS_OF_HEADERS = ("0123abcd", "x, 0123abcd", "0123abcde", "0123ABCD", "", "\xff", "0123abcd,", "0123,abcd")
HEADERS: list[tuple[str, tuple[tuple[str, str], ...]]] = [
    *(("/x", (("X-Role", value),)) for value in ROLES),
    *(("/x", (("X-Role", one), ("X-Role", other))) for one, other in product(("user", "\xff", "ro"), ("root", "t"))),
    *(("/x", (("User-Agent", value),)) for value in AGENTS),
    *(("/internal", (("X-Token", value),)) for value in TOKENS_OF_HEADERS),
    ("/internal", ()),
]


def test_the_headers_tell_the_rules_apart(plan: Plan) -> None:
    found = {status(decided(plan, Ask(path, host="headers.example.com", headers=headers))) for path, headers in HEADERS}
    assert found == {200, 401, 403, 404}


@pytest.mark.parametrize("version", VERSIONS)
def test_headers(edge: Edge, plan: Plan, version: Version) -> None:
    asks = [Ask(path, host="headers.example.com", headers=headers) for path, headers in HEADERS]
    assert wrong(edge, plan, asks, version) == []
