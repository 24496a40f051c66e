"""The access log: a JSON object for each request, which tells who asked for what, and which rule decided."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .supported import TARGETS, skip_without

FEATURES = (Feature.ACCESS_LOG, Feature.LOG_LABEL, Feature.REDIRECT, Feature.RATE_LIMIT, Feature.LIMIT_BODY)


def scene(certificates: Certificates) -> Scene:
    """A site where rules do everything that is logged, and one that is passed through."""
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("log-all", "www.example.com")},
        "backends": {
            "main": {"servers": ["192.0.2.1:80"], "tls": False},
            "passed": {"servers": ["192.0.2.2:443"]},
        },
        "inspection_rules": {
            "first": [
                {"when": {"path": {"prefix": "/labelled"}}, "log": 'one "quoted" \\ label'},
                {"when": {"path": {"exact": "/labelled/twice"}}, "log": "two"},
                {"when": {"path": {"prefix": "/denied"}}, "deny": 403, "log": "refused"},
                {"when": {"path": {"prefix": "/moved"}}, "redirect": {"to": "/elsewhere", "status": 302}},
                {"when": {"path": {"prefix": "/allowed"}}, "allow": True},
                {"when": {"path": {"prefix": "/rated"}}, "rate_limit": {"rate": "1/min"}},
                {"when": {"path": {"prefix": "/sized"}}, "limit_body": "1000B"},
            ]
        },
        "sites": {
            "main": {
                "hostnames": ["www.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["first"],
            },
            "passed": {"hostnames": ["passed.example.com"], "decrypt": False, "backend": "passed"},
        },
    }
    shown = certificates.serve("log-passed", pki.leaf(["passed.example.com"], certificates.public))
    return Scene(policy, {"main": [Origin("main")], "passed": [Origin("passed", shown)]})


class Chunked(Ask):
    """1,001 bytes in one chunk."""

    def h1(self) -> bytes:
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: {self.host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head.encode() + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The targets that write a log."""
    skip_without(str(request.param), *FEATURES)
    return edge_of(edges, str(request.param), proxy_program)


def logged(edge: Edge, mark: str) -> list[dict[str, Any]]:
    """The lines with this mark in their target, once there is one. Every line of the log is read as JSON."""
    end = time.monotonic() + 5
    while True:
        file = edge.folder / "access.log"
        text = file.read_bytes().decode() if file.exists() else edge.proxy.log
        lines = [cast("dict[str, Any]", json.loads(line)) for line in text.splitlines() if line.startswith("{")]
        found = [line for line in lines if mark in str(line.get("target"))]
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def one(edge: Edge, ask: Ask, version: Version = "h1") -> dict[str, Any]:
    """The one line of a request, whose target holds a mark of its own."""
    ask.of(edge, version)
    (line,) = logged(edge, ask.target)
    return line


def labels(line: dict[str, Any]) -> list[str]:
    """As a list, however the target writes it."""
    value = line["labels"]
    return value.split(",") if isinstance(value, str) and value else value or []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_told_of_a_request(edge: Edge, version: Version) -> None:
    line = one(edge, Ask(f"/plain?{version}=1", host="www.example.com", source="127.0.0.2"), version)
    assert line["listener"] == "public"
    assert line["site"] == "main"
    assert line["source"] == "127.0.0.2"
    assert line["sni"] == "www.example.com"
    assert line["tls_version"] == "TLSv1.3"
    assert line["host"] == "www.example.com"
    assert line["method"] == "GET"
    assert line["target"] == f"/plain?{version}=1"
    assert int(line["status"]) == 200
    assert line["upstream"] == "main"
    assert line["upstream_address"] == edge.origins["main"][0].socket
    assert float(line["duration_ms"]) >= 0
    assert line["time"]
    assert not line["rule"]
    assert labels(line) == []


@pytest.mark.parametrize(
    ("ask", "status", "rule"),
    [
        (Ask("/denied/a"), 403, "first-3"),
        (Ask("/moved/a"), 302, "first-4"),
        (Ask("/allowed/a"), 200, "first-5"),
        (Ask("/sized/a", "POST", body=b"x" * 1000), 200, ""),
        (Ask("/sized/b", "POST", body=b"x" * 1001), 413, "first-7"),
        (Chunked("/sized/c", "POST"), 413, "first-7"),
        (Ask("/not//normal"), 400, ""),
        (Ask("/misdirected", host="other.example.com", sni="www.example.com"), 421, ""),
    ],
    ids=lambda value: value.target if isinstance(value, Ask) else str(value),
)
def test_the_rule_that_decided(edge: Edge, ask: Ask, status: int, rule: str) -> None:
    line = one(edge, ask)
    assert (int(line["status"]), line["rule"] or "") == (status, rule)
    assert bool(line["upstream_address"]) is (status == 200)


def test_the_rate_that_decided(edge: Edge) -> None:
    statuses = [one(edge, Ask(f"/rated/{number}", source="127.0.0.9")) for number in range(3)]
    assert [(int(line["status"]), line["rule"] or "") for line in statuses] == [
        (200, ""),
        (429, "first-6"),
        (429, "first-6"),
    ]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/labelled/x", ['one "quoted" \\ label']),
        ("/labelled/twice", ['one "quoted" \\ label', "two"]),
        ("/denied/labelled", ["refused"]),
        ("/unlabelled", []),
    ],
)
def test_labels(edge: Edge, target: str, expected: list[str]) -> None:
    assert labels(one(edge, Ask(target))) == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("byte", ['"', "\\", "'", "{", "\x7f", "\xe4", "\xff", "\xc3\xa4", "%22", "\\u0022", "\x1b"])
def test_what_is_sent_is_data(edge: Edge, byte: str, version: Version) -> None:
    """Every line that the log holds by now is read as JSON, whatever visitors sent."""
    mark = f"/data-{version}-{byte.encode('latin-1').hex()}"
    for ask in (
        Ask(f"{mark}?{byte}"),
        Ask(mark, f"GE{byte}T"),
        Ask(mark, host=f"www.example.com{byte}", sni="www.example.com"),
        Ask(mark, headers=(("User-Agent", byte), ("Referer", byte), ("X-Forwarded-For", byte))),
    ):
        ask.of(edge, version)
    Ask(f"{mark}/end").of(edge, version)
    lines = logged(edge, f"{mark}/end")
    assert [int(line["status"]) for line in lines] == [200]


def test_a_connection_passed_through(edge: Edge) -> None:
    """Where it is logged at all, by site and SNI."""
    Ask("/hidden", host="passed.example.com").of(edge, "h1")
    end = time.monotonic() + 5
    lines: list[dict[str, Any]] = []
    while not lines and time.monotonic() < end:
        file = edge.folder / "access.log"
        text = file.read_text() if file.exists() else edge.proxy.log
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{") and '"passed"' in line]
    assert [(line["site"], line["sni"], line["upstream"]) for line in lines] == [
        ("passed", "passed.example.com", "passed")
    ]
