"""Edits of headers, on the way to the backend and on the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback.origin import Origin, Seen

from .asks import VERSIONS, Ask, Version
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, Outcome
from .supported import TARGETS, skip_without

HOST = "www.example.com"
ODD = "50% of 'a' \"b\" $host ${host} %[src] %h %REQ(host)% \\ \\n \\x41 {x} ; , `id` #"
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: origin/1\r\nX-Powered-By: a\r\nX-Powered-By: b\r\nX-Kept: 1\r\nX-Set: old\r\n"
    b"Cache-Control: public\r\nVary: Origin\r\nX-Added: first\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
    b"Content-Length: 2\r\n\r\nok"
)


def scene(certificates: Certificates) -> Scene:
    """A site with edits, one whose backend is down, and one without edits."""

    def answer(seen: Seen) -> bytes | None:
        return _RESPONSE if seen.target.startswith(b"/out") else None

    down = Origin("down")
    rules = [
        {"response_headers": {"set": {"Strict-Transport-Security": "max-age=63072000"}}},
        {
            "when": {"path": {"prefix": "/in"}},
            "request_headers": {
                "remove": ["X-Gone", "x-set", "X-Back"],
                "set": {"X-Set": "new", "X-Odd": ODD, "x-lower": "l"},
                "add": {"X-Add": "one", "X-Back": "b", "Accept-Language": "de"},
            },
        },
        # Each looks at the request as it came.
        {"when": {"header": {"name": "X-Set", "exact": "new"}}, "deny": 403},
        {"when": {"header": {"name": "X-Gone", "present": True}}, "request_headers": {"set": {"X-Was-There": "1"}}},
        {
            "when": {"path": {"prefix": "/in/twice"}},
            "request_headers": {"set": {"X-Set": "newer"}, "add": {"X-Add": "two"}, "remove": ["X-Lower"]},
        },
        {
            "when": {"path": {"prefix": "/out"}},
            "response_headers": {
                "remove": ["Server", "x-powered-by"],
                "set": {"X-Set": "new", "X-Odd": ODD, "Cache-Control": "no-store"},
                "add": {"X-Added": "second", "Vary": "Cookie", "Set-Cookie": "c=3"},
            },
        },
        {"when": {"path": {"prefix": "/out/more"}}, "response_headers": {"set": {"X-Set": "newest"}}},
        {
            "when": {"header": {"name": "X-Client", "exact": "yes"}},
            "request_headers": {"remove": ["X-Client"]},
            "response_headers": {"set": {"X-Client": "seen"}},
        },
        {
            "when": {"path": {"prefix": "/deny"}},
            "deny": 403,
            "response_headers": {"set": {"X-Own": "denied"}, "add": {"X-More": "1"}},
        },
        {
            "when": {"path": {"prefix": "/redirect"}},
            "redirect": {"to": "/x"},
            "response_headers": {"set": {"X-Own": "redirected"}},
        },
        {
            "when": {"path": {"prefix": "/allow"}},
            "allow": True,
            "request_headers": {"set": {"X-Allowed": "1"}},
            "response_headers": {"set": {"X-Own": "allowed"}},
        },
        {
            "when": {"path": {"prefix": ["/deny", "/redirect", "/allow"]}},
            "request_headers": {"set": {"X-Late": "1"}},
            "response_headers": {"set": {"X-Late": "1"}},
        },
        {"response_headers": {"set": {"X-End": "1"}}},
    ]

    def at(host: str, backend: str, *inspect: str) -> dict[str, object]:
        return {"hostnames": [host], "public_certificate": "all", "backend": backend, "inspect": list(inspect)}

    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("edits-all", "*.example.com")},
        "backends": {
            "main": {"servers": ["192.0.2.1:80"], "tls": False},
            "down": {"servers": ["192.0.2.2:80"], "tls": False},
        },
        "inspection_rules": {"edits": rules},
        "sites": {
            "main": at(HOST, "main", "edits"),
            "down": at("down.example.com", "down", "edits"),
            "plain": at("plain.example.com", "main"),
        },
    }
    return Scene(policy, {"main": [Origin("main", respond=answer)], "down": [down]}, down=[down])


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that can edit headers."""
    skip_without(
        request.param, Feature.REQUEST_HEADERS, Feature.RESPONSE_HEADERS, Feature.MATCH_HEADER, Feature.REDIRECT
    )
    return edge_of(edges, request.param, proxy_program)


def elements(values: list[str]) -> list[str]:
    """The elements of a list, on however many lines it is (RFC 9110, 5.3)."""
    return [element.strip() for value in values for element in value.split(",")]


def arrived(outcome: Outcome, name: str) -> list[str]:
    assert outcome.status == 200, str(outcome)
    (seen,) = outcome.arrived
    return [value.decode("latin-1") for value in seen.values(name)]


def answered(outcome: Outcome, name: str) -> list[str]:
    assert outcome.answer is not None, str(outcome)
    return [value for key, value in outcome.answer.headers if key == name.lower()]


# --- to the backend -------------------------------------------------------------------------------------------

SENT = (("X-Gone", "a"), ("x-gone", "b"), ("X-SET", "old"), ("X-Set", "older"), ("X-Add", "zero"), ("X-Kept", "k"))


@pytest.mark.parametrize("version", VERSIONS)
def test_request_edits(edge: Edge, version: Version) -> None:
    headers = (*SENT, ("X-Back", "gone"), ("Accept-Language", "en"))
    outcome = Ask("/in", headers=headers).of(edge, version)
    assert arrived(outcome, "x-gone") == []
    assert arrived(outcome, "x-set") == ["new"]
    assert arrived(outcome, "x-odd") == [ODD]
    assert arrived(outcome, "x-lower") == ["l"]
    assert elements(arrived(outcome, "x-add")) == ["zero", "one"]
    assert arrived(outcome, "x-back") == ["b"]
    assert elements(arrived(outcome, "accept-language")) == ["en", "de"]
    assert arrived(outcome, "x-kept") == ["k"]
    assert arrived(outcome, "x-was-there") == ["1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_request_edits_of_what_is_not_there(edge: Edge, version: Version) -> None:
    outcome = Ask("/in").of(edge, version)
    assert arrived(outcome, "x-set") == ["new"]
    assert arrived(outcome, "x-add") == ["one"]
    assert arrived(outcome, "x-was-there") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_request_edits_in_order(edge: Edge, version: Version) -> None:
    outcome = Ask("/in/twice", headers=SENT).of(edge, version)
    assert arrived(outcome, "x-set") == ["newer"]
    assert elements(arrived(outcome, "x-add")) == ["zero", "one", "two"]
    assert arrived(outcome, "x-lower") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_conditions_look_at_the_request_as_it_came(edge: Edge, version: Version) -> None:
    """A rule sets X-Set to `new`, the next refuses who sends that: the former does not make the latter apply."""
    assert Ask("/in").of(edge, version).status == 200
    assert Ask("/in", headers=(("X-Set", "new"),)).of(edge, version).status == 403


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_edited_elsewhere(edge: Edge, version: Version) -> None:
    outcome = Ask("/x", headers=(*SENT[1:], ("X-Late", "v"))).of(edge, version)
    assert arrived(outcome, "x-set") == ["old", "older"]
    assert arrived(outcome, "x-gone") == ["b"]
    assert arrived(outcome, "x-late") == ["v"]
    assert arrived(outcome, "x-odd") == []


# --- to the visitor -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_response_edits(edge: Edge, version: Version) -> None:
    outcome = Ask("/out").of(edge, version)
    assert "origin/1" not in answered(outcome, "server")
    assert answered(outcome, "x-powered-by") == []
    assert answered(outcome, "x-kept") == ["1"]
    assert answered(outcome, "x-set") == ["new"]
    assert answered(outcome, "x-odd") == [ODD]
    assert answered(outcome, "cache-control") == ["no-store"]
    assert elements(answered(outcome, "x-added")) == ["first", "second"]
    assert elements(answered(outcome, "vary")) == ["Origin", "Cookie"]
    assert answered(outcome, "set-cookie") == ["a=1", "b=2", "c=3"]
    assert answered(outcome, "strict-transport-security") == ["max-age=63072000"]
    assert answered(outcome, "x-end") == ["1"]
    assert answered(Ask("/out/more").of(edge, version), "x-set") == ["newest"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "status", "own"), [("/deny", 403, "denied"), ("/redirect", 308, "redirected"), ("/allow", 200, "allowed")]
)
def test_response_edits_of_a_walk_that_ends(edge: Edge, version: Version, path: str, status: int, own: str) -> None:
    """What applied before the end holds for every answer, the edge's own too; what stands behind the end does not."""
    outcome = Ask(path, headers=(("X-Late", "sent"),)).of(edge, version)
    assert outcome.status == status
    assert answered(outcome, "x-own") == [own]
    assert answered(outcome, "strict-transport-security") == ["max-age=63072000"]
    assert answered(outcome, "x-late") == []
    assert answered(outcome, "x-end") == []
    assert [seen.values("x-late") for seen in outcome.arrived] == ([[b"sent"]] if status == 200 else [])
    assert [seen.values("x-allowed") for seen in outcome.arrived] == ([[b"1"]] if status == 200 else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_response_edits_of_a_backend_that_is_down(edge: Edge, version: Version) -> None:
    outcome = Ask("/out", host="down.example.com").of(edge, version)
    assert outcome.status in (502, 503)
    assert answered(outcome, "x-set") == ["new"]
    assert answered(outcome, "strict-transport-security") == ["max-age=63072000"]


@pytest.mark.parametrize("version", VERSIONS)
def test_response_edits_look_at_the_request_as_it_came(edge: Edge, version: Version) -> None:
    """The header is gone by then."""
    outcome = Ask("/x", headers=(("X-Client", "yes"),)).of(edge, version)
    assert arrived(outcome, "x-client") == []
    assert answered(outcome, "x-client") == ["seen"]
    assert answered(Ask("/x").of(edge, version), "x-client") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_refused_before_the_rules_is_not_edited(edge: Edge, version: Version) -> None:
    for ask, status in ((Ask("/deny//x"), 400), (Ask("/deny", host="plain.example.com", sni=HOST), 421)):
        outcome = ask.of(edge, version)
        assert outcome.status == status
        assert answered(outcome, "strict-transport-security") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_other_sites_are_not_edited(edge: Edge, version: Version) -> None:
    outcome = Ask("/out", host="plain.example.com").of(edge, version)
    assert answered(outcome, "x-set") == ["old"]
    assert answered(outcome, "x-powered-by") == ["a", "b"]
    assert answered(outcome, "strict-transport-security") == []
