"""Requests on one decrypted site: host, normal form, methods, rules and forwarding, alike on every target."""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass

import pytest
from policyc.compiler import normal_form
from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.loopback.visitor import Answer, Refused, Visitor, ask

from .asks import VERSIONS, Ask, Version, assert_decided, assert_passed, assert_refused
from .conftest import Certificates, Scene
from .edges import MALFORMED, Edge

_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: origin/1\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nX-Accel-Redirect: /elsewhere\r\n"
    b"X-Accel-Buffering: no\r\nX-Custom: a\r\nX-Custom: b\r\nContent-Length: 2\r\n\r\nok"
)


def scene(certificates: Certificates) -> Scene:
    """Three sites that overlap by wildcard, one with every kind of rule."""

    def special(seen: Seen) -> bytes | None:
        return _RESPONSE if seen.target == b"/response" else None

    origins = {
        "main": [Origin("main", certificates.inside("requests-main", "main.internal"), respond=special)],
        "other": [Origin("other")],
    }
    inside = {"source": ["127.0.0.2", "10.0.0.0/8", "2001:db8::/32"]}
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443", "[::]:443"]}},
        "public_certificates": {
            "all": certificates.public_pair("requests-all", "*.example.com", "*.wild.example.com"),
        },
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": {
            "main": {"servers": ["192.0.2.1:443"], "tls": {"ca": "internal", "server_name": "main.internal"}},
            "other": {"servers": ["192.0.2.2:80"], "tls": False},
        },
        "inspection_rules": {
            "first": [
                {"when": {"path": {"exact": "/admin/status"}, "method": ["GET", "HEAD"]}, "allow": True},
                {"when": {"path": {"prefix": "/admin"}}, "unless": inside, "deny": 403},
                {"when": {"path": {"prefix": "/v6only"}}, "unless": {"source": "::1"}, "deny": 403},
                {"when": {"path": {"prefix": "/both"}}, "unless": {**inside, "method": ["GET"]}, "deny": 403},
                {"when": {"path": {"suffix": [".bak", "~"], "ignore_case": True}}, "deny": 404},
                {"when": {"path": {"prefix": "/api"}, "method": ["DELETE", "PUT"]}, "deny": 405},
                {"when": {"path": {"regex": "^/v[0-9]+/old|[.]php[^/]*$"}}, "deny": 410},
                {"when": {"path": {"regex": "secret"}, "method": "POST"}, "deny": 401},
            ],
            "second": [
                {"when": {"path": {"exact": ["/maintenance", "/wartung"]}}, "deny": 503},
                {"when": {"path": {"prefix": ["/~root", "/café", "/a b", "/(x)"]}}, "deny": 403},
                {"when": {"host": "alias.example.com", "path": {"prefix": "/private"}}, "deny": 451},
                {"when": {"host": "*.wild.example.com", "path": {"prefix": "/private"}}, "deny": 409},
                {"when": {"path": {"prefix": "/open/door"}}, "allow": True},
                {"when": {"path": {"prefix": "/open"}}, "deny": 423},
                {"when": {"path": {"prefix": "/MixedCase", "ignore_case": True}}, "deny": 403},
            ],
        },
        "sites": {
            "main": {
                "hostnames": ["www.example.com", "alias.example.com", "*.wild.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["first", "second"],
            },
            "other": {
                "hostnames": ["other.example.com", "exact.wild.example.com"],
                "public_certificate": "all",
                "backend": "other",
            },
        },
    }
    return Scene(policy, origins)


# --- hosts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostCase:
    """SNI, host, and what becomes of it; `arrives` is the Host that the backend gets."""

    sni: str
    host: str
    expected: int | frozenset[int | None]
    arrives: str = ""
    versions: tuple[Version, ...] = VERSIONS


HOSTS = [
    HostCase("www.example.com", "www.example.com", 200, "www.example.com"),
    HostCase("www.example.com", "WWW.Example.COM", 200, "www.example.com"),
    HostCase("WWW.EXAMPLE.com", "www.example.com", 200, "www.example.com"),
    HostCase("www.example.com", "www.example.com:443", 200, "www.example.com"),
    HostCase("www.example.com", "www.example.com:8443", 200, "www.example.com"),
    HostCase("www.example.com", "Alias.example.com", 200, "alias.example.com"),
    HostCase("alias.example.com", "www.example.com", 200, "www.example.com"),
    HostCase("other.example.com", "other.example.com", 200, "other.example.com"),
    # wildcards: one label, and exact names first
    HostCase("a.wild.example.com", "a.wild.example.com", 200, "a.wild.example.com"),
    HostCase("A.WILD.example.com", "A.Wild.example.com:443", 200, "a.wild.example.com"),
    HostCase("a.wild.example.com", "b.wild.example.com", 200, "b.wild.example.com"),
    HostCase("www.example.com", "a.wild.example.com", 200, "a.wild.example.com"),
    HostCase("a.wild.example.com", "www.example.com", 200, "www.example.com"),
    HostCase("exact.wild.example.com", "exact.wild.example.com", 200, "exact.wild.example.com"),
    HostCase("exact.wild.example.com", "a.wild.example.com", 421),
    HostCase("a.wild.example.com", "exact.wild.example.com", 421),
    HostCase("www.example.com", "exact.wild.example.com", 421),
    HostCase("a.wild.example.com", "a.b.wild.example.com", 421),
    HostCase("a.wild.example.com", "wild.example.com", 421),
    # another site than the SNI's, or none
    HostCase("www.example.com", "other.example.com", 421),
    HostCase("other.example.com", "www.example.com", 421),
    HostCase("www.example.com", "nobody.example.com", 421),
    HostCase("www.example.com", "evil.test", 421),
    HostCase("www.example.com", "127.0.0.1", 421),
    HostCase("www.example.com", "wwwXexample.com", 421),
    HostCase("www.example.com", "www.example.com.evil.test", 421),
    HostCase("www.example.com", "evil-www.example.com", 421),
    HostCase("www.example.com", ".www.example.com", 421),
    # oddly spelled
    HostCase("www.example.com", "www.example.com.", 400),
    HostCase("www.example.com", "www.example.com.:443", 400),
    HostCase("www.example.com", "x@www.example.com", MALFORMED),
    HostCase("www.example.com", "www.example.com@evil.test", MALFORMED),
    HostCase("www.example.com", "www.example.com,evil.test", MALFORMED),
    HostCase("www.example.com", "www.example.com:44a", MALFORMED),
    HostCase("www.example.com", "www.example.com/", MALFORMED),
    HostCase("www.example.com", "www.example.com/x", MALFORMED),
    HostCase("www.example.com", "www.example.com?x", MALFORMED),
    HostCase("www.example.com", "www.example.com#x", MALFORMED),
    HostCase("www.example.com", "www%2eexample.com", MALFORMED),
    HostCase("www.example.com", "www.exam ple.com", MALFORMED),
    HostCase("www.example.com", "*.wild.example.com", MALFORMED),
    HostCase("www.example.com", "[::1]", MALFORMED),
    HostCase("www.example.com", "www.example.com\xe9", MALFORMED),
    HostCase("www.example.com", "https://www.example.com", MALFORMED | {421}),
    HostCase("www.example.com", "..", MALFORMED),
    HostCase("www.example.com", "", MALFORMED),
    HostCase("www.example.com", ":443", MALFORMED),
    # HAProxy's HTTP/2 takes a last port that is empty or 443 away before anything sees it.
    HostCase("www.example.com", "www.example.com:", 400, versions=("h1",)),
    HostCase("www.example.com", "www.example.com:443:443", MALFORMED, versions=("h1",)),
]


@pytest.mark.parametrize(
    ("case", "version"),
    [pytest.param(c, v, id=f"{v} {c.sni}->{c.host!a}") for c in HOSTS for v in c.versions],
)
def test_host(edge: Edge, case: HostCase, version: Version) -> None:
    one = Ask("/x", sni=case.sni, host=case.host)
    outcome = one.of(edge, version)
    assert_decided(one, outcome, case.expected)
    if case.expected == 200:
        seen = outcome.arrived[0]
        assert seen.values("host") == [case.arrives.encode()]
        assert seen.values("x-forwarded-host") == [case.arrives.encode()]


REFUSED_SNI = [
    "nobody.example.com",
    "evil.test",
    "wild.example.com",
    "a.b.wild.example.com",
    "www.example.com.evil.test",
]


@pytest.mark.parametrize("sni", REFUSED_SNI)
@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_sni_is_refused(edge: Edge, sni: str, version: Version) -> None:
    outcome = Ask(host="www.example.com", sni=sni).of(edge, version)
    assert_refused(outcome, frozenset({None}))


def test_no_sni_is_refused(edge: Edge) -> None:
    with pytest.raises(Refused, match="handshake"):
        edge.door(None).connect()


RAW_HOSTS = {
    "two different": b"Host: www.example.com\r\nHost: other.example.com\r\n",
    "two different, ours last": b"Host: evil.test\r\nHost: www.example.com\r\n",
    "none": b"X-Nothing: 1\r\n",
    "folded": b"Host: www.example.com\r\n evil.test\r\n",
}


@pytest.mark.parametrize("name", RAW_HOSTS)
def test_host_lines_in_http1(edge: Edge, name: str) -> None:
    raw = b"GET / HTTP/1.1\r\n" + RAW_HOSTS[name] + b"\r\n"
    outcome = edge.try_(lambda: ask(edge.door("www.example.com"), raw))
    assert_refused(outcome, MALFORMED)


def test_equal_host_lines_are_refused_or_one(edge: Edge) -> None:
    """HAProxy takes equal lines for one, the others answer 400 (RFC 9112, 3.2)."""
    raw = b"GET / HTTP/1.1\r\nHost: www.example.com\r\nHost: www.example.com\r\n\r\n"
    outcome = edge.try_(lambda: ask(edge.door("www.example.com"), raw))
    assert outcome.status in (200, 400)
    assert [seen.values("host") for seen in outcome.arrived] == [[b"www.example.com"]] * (outcome.status == 200)


def test_no_authority_in_http2(edge: Edge) -> None:
    assert_refused(Ask(host=None, sni="www.example.com").of(edge, "h2"), MALFORMED)


def test_each_request_of_a_connection_is_judged(edge: Edge) -> None:
    good, foreign, denied = Ask("/1").h1(), Ask("/2", host="other.example.com").h1(), Ask("/admin").h1()

    def three() -> Answer:
        with Visitor(edge.door("www.example.com")) as visitor:
            assert visitor.ask(good).status == 200
            assert visitor.ask(good).status == 200
            return visitor.ask(foreign)

    assert edge.try_(three).status == 421

    def two() -> Answer:
        with Visitor(edge.door("www.example.com")) as visitor:
            assert visitor.ask(good).status == 200
            return visitor.ask(denied)

    outcome = edge.try_(two)
    assert outcome.status == 403
    assert [seen.target for seen in outcome.arrived] == [b"/1"]


# --- normal form ----------------------------------------------------------------------------------------------

NORMAL = [
    *("/", "/a", "/a/", "/a/b.c", "/...", "/..a", "/a..", "/a.", "/.hidden", "/a/.../b", "/.well-known/x", "/a-_.~b"),
    *("/%7Eu", "/%7eu", "/a%20b", "/a%20", "/caf%C3%A9", "/caf%c3%a9", "/%F0%9F%98%80", "/%e2%82%AC", "/%21%2A%2c"),
    *("/a+b", "/a:b@c=d&e$f!g'h(i)*j,k", "/[x]|y", "/%5Bx%5d", "/%22", "/%3C%3e", "/%7b%7C%7d", "/%5e%60", "/%40"),
    *("/?", "/?a=b", "/a?b?c", "/?/../admin", "/?//", "/?%2e%2e/%2fadmin", "/x?a=%zz", "/x?%", '/x?"<>\\^`{|};'),
    *("/" + "a" * 8000, "/?" + "a" * 8000, "/" + "%20" * 2600, "/" + "%C3%A9" * 1300, "/" + "a/" * 4000),
]
ABNORMAL = [
    # slashes and dots
    *("//", "//admin", "/a//b", "/a//", "///", "/./admin", "/x/../admin", "/..", "/.", "/a/..", "/a/.", "/../admin"),
    *("/a/..?x", "/a/./b", "/?/../x".replace("?", ""), "//www.example.com/admin", "/admin/../public", "/a/b/../../c"),
    # encoded dots, slashes, letters, digits
    *("/%2e%2e/admin", "/%2E/admin", "/.%2e/admin", "/%2e./admin", "/a/%2e%2e", "/%2fadmin", "/x%2fadmin", "/x%2Fy"),
    *("/x/..%2fadmin", "/%61dmin", "/admi%6e", "/%41dmin", "/a%2Db", "/%5Fa", "/a%30", "/%2d", "/..%2f", "/%2e"),
    # backslashes, double encoding, what ends strings, path parameters
    *("/%5cadmin", "/\\admin", "/x\\..\\admin", "/x%5C..%5Cadmin", "/%2561dmin", "/%25", "/%252e%252e/admin"),
    *("/%00admin", "/admin%00", "/a%0ab", "/a%0d%0ab", "/a%09", "/a%7f", "/a%1F", "/admin;x", "/;/admin"),
    *("/x/..;/admin", "/a%3Bb", "/a%23b", "/a%3fb", "/;", "/a;jsessionid=1"),
    # broken triplets and UTF-8
    *("/%", "/a%", "/a%2", "/a%zz", "/%%32%65", "/%u0061dmin", "/%c0%af", "/%c0%ae%c0%ae/", "/%c1%81dmin"),
    *("/%e0%80%af", "/%ed%a0%80", "/%80", "/%c3", "/%c3a", "/%c3%28", "/%c2%85", "/%f5%80%80%80", "/%f0%80%80%af"),
    *("/%f8%88%80%80%af", "/%fe", "/%ff", "/%e2%82", "/%F0%9F%98"),
    # bytes that never stand raw in a path
    *('/"', "/<x>", "/^", "/{x}", "/`", "/a>b", "/\x80", "/\xc0\xafadmin", "/\xc3\xa9", "/a\x7f", "/a\x01b"),
    *("/?a#b", "/#frag", "/admin#frag", "/public#/admin", "/?\xc3\xa9", "/?a\x7f", "/?\x80", "/a b", "/?a b"),
    # other forms than the origin's
    *("admin", "*", "*/admin", "@www.example.com/admin", "?x", "http://www.example.com/x", "https://www.example.com/x"),
    *("https://evil.test/admin", "www.example.com:443", "http:/admin", "%2fadmin", "\\admin", ".", "../admin"),
    # long: what overflows a JIT's stack must still be refused
    *(
        "/" + "a" * 8000 + "/../admin",
        "/" + "%20" * 2600 + "//x",
        "/" + "a/" * 4000 + "%2e",
        "/" + "%C3%A9" * 1300 + "%C3",
    ),
    *("/" + "a" * 8000 + ";x", "/" + "a" * 8000 + "%00", "/" * 4000, "/." * 3000),
]


def judged(target: str) -> bool:
    """Whether a target is in normal form, by the expressions that the targets are given."""
    raw = target.encode("latin-1")
    return all(
        (re.fullmatch(expression.encode(), raw) is not None) is wanted
        for expression, wanted in ((normal_form.F1, True), (normal_form.F2, True), (normal_form.R3, False))
    )


def expected_for(target: str) -> int | frozenset[int | None]:
    """200, or 400; parsers may have an opinion of their own on what is no path of printable ASCII at all."""
    if judged(target):
        return 200
    plain = target.startswith("/") and all("!" <= character <= "~" and character != "#" for character in target)
    return 400 if plain else MALFORMED


def _shown(target: str) -> str:
    return ascii(target if len(target) < 50 else f"{target[:12]}..{target[-12:]}({len(target)})")


def test_the_lists_agree_with_the_definition() -> None:
    assert [target for target in NORMAL if not judged(target)] == []
    assert [target for target in ABNORMAL if judged(target)] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("target", [*NORMAL, *ABNORMAL], ids=_shown)
def test_normal_form(edge: Edge, target: str, version: Version) -> None:
    one = Ask(target, host="other.example.com")
    assert_decided(one, one.of(edge, version), expected_for(target))


def fuzzed(count: int) -> list[str]:
    """Targets made of the parts that normal form is about; always the same ones."""
    source = random.Random(2026)
    parts = [
        *(
            "/",
            "/",
            "/",
            "//",
            ".",
            "..",
            "%2e",
            "%2F",
            "%5c",
            "\\",
            ";",
            "%25",
            "%00",
            "a",
            "admin",
            "%61",
            "%7E",
            "~",
        ),
        *(
            "%20",
            "+",
            "?",
            "?",
            "%C3%A9",
            "%c3",
            "%A9",
            "%E2%82%AC",
            "%zz",
            "%",
            "&",
            "=",
            "x",
            "[",
            "|",
            '"',
            "^",
            "%22",
        ),
        *string.digits,
    ]
    return ["/" + "".join(source.choices(parts, k=source.randint(1, 7))) for _ in range(count)]


@pytest.mark.parametrize("version", VERSIONS)
def test_fuzzed_targets(edge: Edge, version: Version) -> None:
    wrong: list[str] = []
    for target in fuzzed(150):
        one = Ask(target, host="other.example.com")
        outcome = one.of(edge, version)
        try:
            assert_decided(one, outcome, 200 if judged(target) else 400)
        except AssertionError:
            wrong.append(f"{target}: normal is {judged(target)}, got {outcome}")
    assert wrong == []


# --- methods and versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", normal_form.USUAL_METHODS)
def test_usual_methods_pass(edge: Edge, method: str, version: Version) -> None:
    one = Ask("/m", method, body=b"x=1" if method in ("POST", "PUT", "PATCH") else b"")
    outcome = one.of(edge, version)
    assert_passed(one, outcome)
    assert outcome.arrived[0].body == one.body


METHODS: dict[str, int | frozenset[int | None]] = {
    **dict.fromkeys(("PROPFIND", "MKCOL", "PURGE", "PUTX", "GETS", "LOCK"), 400),
    **dict.fromkeys(("TRACE", "CONNECT", "get", "Get", "G\xc9T", "GET-", ""), MALFORMED),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS, ids=ascii)
def test_other_methods_are_refused(edge: Edge, method: str, version: Version) -> None:
    assert_refused(Ask("/m", method).of(edge, version), METHODS[method])


RAW_VERSIONS: dict[str, tuple[bytes, int | frozenset[int | None]]] = {
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n", 400),
    "HTTP/1.0 without host": (b"GET / HTTP/1.0\r\n\r\n", 400),
    "HTTP/1.0 keep-alive": (b"GET / HTTP/1.0\r\nHost: www.example.com\r\nConnection: keep-alive\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", MALFORMED),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: www.example.com\r\n\r\n", MALFORMED),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: www.example.com\r\n\r\n", MALFORMED),
    "http/1.1": (b"GET / http/1.1\r\nHost: www.example.com\r\n\r\n", MALFORMED),
    "h2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", MALFORMED),
}


@pytest.mark.parametrize("name", RAW_VERSIONS)
def test_other_versions_are_refused(edge: Edge, name: str) -> None:
    raw, expected = RAW_VERSIONS[name]
    assert_refused(edge.try_(lambda: ask(edge.door("www.example.com"), raw)), expected)


# --- rules ----------------------------------------------------------------------------------------------------

INSIDE = "127.0.0.2"
LONG = "a" * 8000


@dataclass(frozen=True)
class RuleCase:
    """A request and its decision."""

    ask: Ask
    expected: int


RULES = [
    # a prefix ends on a segment border, and is case-sensitive
    *[
        RuleCase(Ask(path), 403)
        for path in ("/admin", "/admin/", "/admin/x", "/admin?x", "/admin/?x", f"/admin/{LONG}")
    ],
    *[RuleCase(Ask(path), 200) for path in ("/administrator", "/Admin", "/x/admin", "/?/admin", "/admin.html", "/adm")],
    *[RuleCase(Ask(path), 403) for path in ("/mixedcase", "/MIXEDCASE/x", "/MixedCase?y")],
    # unless: every key of it must hold
    *[RuleCase(Ask(path, source=INSIDE), 200) for path in ("/admin", "/admin/x", f"/admin/{LONG}")],
    RuleCase(Ask("/admin", source="127.0.0.3"), 403),
    RuleCase(Ask("/admin", source=INSIDE, headers=(("X-Forwarded-For", "192.0.2.1"),)), 200),
    RuleCase(Ask("/admin", headers=(("X-Forwarded-For", "10.0.0.1"),)), 403),
    RuleCase(Ask("/admin", headers=(("X-Real-IP", "10.0.0.1"), ("Forwarded", "for=10.0.0.1"))), 403),
    RuleCase(Ask("/admin", ipv6=True), 403),
    RuleCase(Ask("/v6only", ipv6=True), 200),
    RuleCase(Ask("/v6only"), 403),
    RuleCase(Ask("/both", source=INSIDE), 200),
    RuleCase(Ask("/both", "POST", source=INSIDE), 403),
    RuleCase(Ask("/both"), 403),
    # the first of allow and deny that fires ends the walk
    RuleCase(Ask("/admin/status"), 200),
    RuleCase(Ask("/admin/status?x=1"), 200),
    RuleCase(Ask("/admin/status", "HEAD"), 200),
    RuleCase(Ask("/admin/status", "POST"), 403),
    RuleCase(Ask("/admin/status/"), 403),
    RuleCase(Ask("/open/door"), 200),
    RuleCase(Ask("/open/door/x"), 200),
    RuleCase(Ask("/open/doors"), 423),
    RuleCase(Ask("/open"), 423),
    RuleCase(Ask("/open/door/x.bak"), 404),
    # suffix, regex, exact: on the path alone
    *[RuleCase(Ask(path), 404) for path in ("/x.bak", "/x.BAK", "/x.Bak?y", "/x~", "/x%7E", f"/{LONG}.bak", "/a/.bak")],
    *[RuleCase(Ask(path), 200) for path in ("/x.bak/", "/x.bak2", "/x?y.bak", "/~x", f"/{LONG}.bakx")],
    *[
        RuleCase(Ask(path), 410)
        for path in ("/v1/old", "/v12/older/x", "/a.php", "/a.phpx", f"/{LONG}.php", "/a/b.php5?x")
    ],
    *[RuleCase(Ask(path), 200) for path in ("/v/old", "/x/v1/old", "/a.php/x", "/?a.php", f"/{LONG}.ph")],
    RuleCase(Ask("/x/secret/y", "POST"), 401),
    RuleCase(Ask(f"/{LONG}secret", "POST"), 401),
    RuleCase(Ask("/x/secret/y"), 200),
    RuleCase(Ask("/x?secret", "POST"), 200),
    *[RuleCase(Ask(path), 503) for path in ("/maintenance", "/maintenance?x", "/wartung")],
    *[RuleCase(Ask(path), 200) for path in ("/maintenance/", "/Maintenance", "/maintenance/x")],
    # methods
    *[RuleCase(Ask("/api/x", method), 405) for method in ("PUT", "DELETE")],
    *[RuleCase(Ask("/api/x", method), 200) for method in ("GET", "POST", "PATCH")],
    # every spelling that is let through is the same path
    *[RuleCase(Ask(path), 403) for path in ("/~root", "/%7Eroot", "/%7eroot/x", "/a%20b", "/a%20b/c")],
    *[RuleCase(Ask(path), 403) for path in ("/caf%C3%A9", "/caf%c3%a9/x", "/caf%C3%a9?y", "/caf%c3%A9")],
    *[RuleCase(Ask(path), 403) for path in ("/(x)", "/%28x)", "/(x%29/y", "/%28x%29")],
    *[RuleCase(Ask(path), 200) for path in ("/a+b", "/caf%C3%89", "/cafe", "/(x)y", "/~roots")],
    # hosts
    RuleCase(Ask("/private", host="alias.example.com"), 451),
    RuleCase(Ask("/private", host="ALIAS.example.com:443"), 451),
    RuleCase(Ask("/private", host="alias.example.com", sni="www.example.com"), 451),
    RuleCase(Ask("/private", host="a.wild.example.com"), 409),
    RuleCase(Ask("/private", host="A.Wild.example.com"), 409),
    RuleCase(Ask("/private"), 200),
    RuleCase(Ask("/private", sni="alias.example.com", host="www.example.com"), 200),
    # another site has no rules
    RuleCase(Ask("/admin", host="other.example.com"), 200),
    # normal form comes before any allow
    RuleCase(Ask("/open/door/../x"), 400),
    RuleCase(Ask("/admin/status//"), 400),
]


def _named(case: RuleCase) -> str:
    one = case.ask
    return f"{one.method} {one.host}{_shown(one.target)} from {one.source or ('::1' if one.ipv6 else '127.0.0.1')}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", RULES, ids=_named)
def test_rules(edge: Edge, case: RuleCase, version: Version) -> None:
    assert_decided(case.ask, case.ask.of(edge, version), case.expected)


# --- forwarding -----------------------------------------------------------------------------------------------

FORGED = (
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.2, 10.0.0.3"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Port", "80"),
    ("Forwarded", "for=10.0.0.1;host=evil.test;proto=http"),
    ("X_Forwarded_For", "10.0.0.4"),
    ("X-Envoy-Internal", "true"),
    ("X.Dotted", "1"),
    ("Under_Score", "1"),
)


@pytest.mark.parametrize("forged", [(), FORGED], ids=["plain", "forged"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2", "::1"])
def test_forwarding_headers(edge: Edge, version: Version, source: str, forged: tuple[tuple[str, str], ...]) -> None:
    ipv6 = source == "::1"
    one = Ask("/f", headers=(*forged, ("X-Kept", "1")), ipv6=ipv6, source=None if ipv6 else source)
    outcome = one.of(edge, version)
    assert_passed(one, outcome)
    seen = outcome.arrived[0]
    assert seen.version == b"HTTP/1.1"
    names = {line.partition(b":")[0].lower() for line in seen.head.split(b"\r\n")[1:-2]}
    allowed = {b"host", b"x-kept", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
    assert names - {b"x-envoy-internal"} == allowed
    assert seen.values("x-forwarded-for") == [source.encode()]
    assert seen.values("x-forwarded-proto") == [b"https"]
    assert seen.values("x-forwarded-host") == [b"www.example.com"]
    assert seen.values("x-kept") == [b"1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_response_is_the_backends(edge: Edge, version: Version) -> None:
    one = Ask("/response")
    outcome = one.of(edge, version)
    assert_passed(one, outcome)
    assert outcome.answer is not None
    assert outcome.answer.body == b"ok"
    fields = sorted(field for field in outcome.answer.headers if field[0] not in ("connection", "keep-alive"))
    assert fields == [
        ("content-length", "2"),
        ("date", "Tue, 24 Nov 2026 00:00:00 GMT"),
        ("server", "origin/1"),
        ("x-accel-buffering", "no"),
        ("x-accel-redirect", "/elsewhere"),
        ("x-custom", "a"),
        ("x-custom", "b"),
    ]


CONNECTION_HEADERS: dict[str, tuple[tuple[tuple[str, str], ...], int | frozenset[int | None]]] = {
    "close": ((("Connection", "close"),), 200),
    "keep-alive": ((("Connection", "Keep-Alive"),), 200),
    "te": ((("TE", "trailers"), ("Connection", "TE")), 200),
    "upgrade websocket": ((("Connection", "Upgrade"), ("Upgrade", "websocket")), 400),
    "upgrade anything": ((("Connection", "upgrade"), ("Upgrade", "foo/1")), 400),
    "names ours": ((("Connection", "X-Forwarded-For"),), 400),
    "names host": ((("Connection", "Host"),), 400),
}


@pytest.mark.parametrize("name", CONNECTION_HEADERS)
def test_connection_headers(edge: Edge, name: str) -> None:
    headers, expected = CONNECTION_HEADERS[name]
    one = Ask("/c", headers=headers)
    outcome = one.of(edge, "h1")
    assert_decided(one, outcome, expected)
    for seen in outcome.arrived:
        assert seen.values("connection") in ([], [b"keep-alive"])
        assert seen.values("upgrade") == []


def test_connection_names_another_header(edge: Edge) -> None:
    """Envoy takes the header away before anything sees it (RFC 9110, 7.6.1), the others answer 400."""
    outcome = Ask("/c", headers=(("Connection", "close, X-Role"), ("X-Role", "root"))).of(edge, "h1")
    assert outcome.status in (200, 400)
    assert [seen.values("x-role") for seen in outcome.arrived] == ([[]] if outcome.status == 200 else [])


def test_h2c_is_never_agreed(edge: Edge) -> None:
    headers = (("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"))
    outcome = Ask("/h2c", headers=headers).of(edge, "h1")
    assert outcome.status in (200, 400)
    assert [name for seen in outcome.arrived for name in ("upgrade", "http2-settings") if seen.values(name)] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
def test_bodies_pass_whole(edge: Edge, version: Version, size: int) -> None:
    one = Ask("/upload", "POST", body=random.Random(size).randbytes(size))
    outcome = one.of(edge, version)
    assert_passed(one, outcome)
    assert outcome.arrived[0].body == one.body


def test_chunked_bodies_pass_whole(edge: Edge) -> None:
    one = Ask("/upload", "POST", headers=(("Transfer-Encoding", "chunked"),))
    raw = one.h1() + b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
    outcome = edge.try_(lambda: ask(edge.door("www.example.com"), raw))
    assert_passed(one, outcome)
    assert outcome.arrived[0].body == b"abcdefg"


SMUGGLED = {
    "two lengths": b"Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc",
    "length and chunked": (
        b"Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + b"GET /admin HTTP/1.1\r\nHost: x\r\n\r\n"
    ),
    "obfuscated chunked": b"Content-Length: 3\r\nTransfer-Encoding: xchunked\r\n\r\nabc",
    "underscored": b"Content-Length: 3\r\nTransfer_Encoding: chunked\r\n\r\nabc",
    "bad length": b"Content-Length: +3\r\n\r\nabc",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_a_message_has_one_length(edge: Edge, name: str) -> None:
    """Refused, or forwarded once and in one reading only; what follows is never taken for a request of its own."""
    raw = b"POST /p HTTP/1.1\r\nHost: www.example.com\r\n" + SMUGGLED[name]
    outcome = edge.try_(lambda: ask(edge.door("www.example.com"), raw))
    assert [seen.target for seen in outcome.arrived] in ([], [b"/p"]), str(outcome)
    for seen in outcome.arrived:
        lengths = seen.values("content-length") + seen.values("transfer-encoding")
        assert len(lengths) == 1
        assert seen.values("transfer_encoding") == []
