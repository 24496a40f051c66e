"""Sites that share a filter chain of Envoy: every request is still of one site, and goes where that site says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided, assert_passed, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges
from .test_access_log import logged, one

NAMES = {
    "red": ["red.example.com"],
    "green": ["green.example.com"],
    "blue": ["blue.example.com", "azure.example.com"],
    "named": ["named.example.com", "alias.example.com"],
    "renamed": ["renamed.example.com"],
    "patient": ["patient.example.com"],
    "other": ["other.example.com"],
    "wild": ["*.wild.example.com", "wild.example.com"],
}
SHARED = {"red", "green", "blue", "named"}
"""One chain; the others have a host of their own to send, another timeout, another certificate, and a wildcard."""
RULES: list[dict[str, Any]] = [
    {"when": {"path": {"prefix": "/denied"}}, "deny": 403, "log": "refused"},
    {"when": {"path": {"prefix": "/moved"}}, "redirect": {"to": "/elsewhere", "status": 302}},
    {"when": {"path": {"prefix": "/open"}}, "allow": True, "request_headers": {"set": {"X-Open": "1"}}},
    {"when": {"path": {"prefix": "/rated"}}, "rate_limit": {"rate": "1/h"}},
    {"request_headers": {"set": {"X-Last": "1"}}},
]


def scene(certificates: Certificates) -> Scene:
    """Sites with the same rules; each has a backend of its name."""
    names = [name for site, names in NAMES.items() if site != "other" for name in names]
    plain: dict[str, Any] = {"tls": False}
    backends: dict[str, Any] = {name: dict(plain) for name in (*NAMES, "api")}
    backends["green"] = {"tls": {"ca": "internal", "server_name": "green.internal"}}
    # Without a name of its own: verified for the one that the visitor asked for.
    backends["named"] = {"tls": {"ca": "internal"}}
    backends["renamed"]["host_header"] = "inside.example.com"
    backends["patient"]["timeouts"] = {"response": "99s"}
    for number, backend in enumerate(backends.values(), 1):
        backend["servers"] = [f"192.0.2.{number}:443"]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {
            "all": certificates.public_pair("groups-all", *names),
            "own": certificates.public_pair("groups-own", *NAMES["other"]),
        },
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": backends,
        "inspection_rules": {"rules": RULES},
        "sites": {
            site: {
                "hostnames": hostnames,
                "public_certificate": "own" if site == "other" else "all",
                "backend": site,
                "inspect": ["rules"],
                "routes": [{"path": {"prefix": "/api"}, "backend": "api"}] if site == "blue" else [],
            }
            for site, hostnames in NAMES.items()
        },
    }
    origins = {name: [Origin(name)] for name in backends}
    origins["green"] = [Origin("green", certificates.inside("groups-green", "green.internal"))]
    origins["named"] = [Origin("named", certificates.inside("groups-named", "named.example.com"))]
    return Scene(policy, origins)


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """Envoy."""
    return edge_of(edges, "envoy", proxy_program)


def backend_of(edge: Edge, ask: Ask, version: Version) -> str:
    """Where a request goes that passes."""
    assert_passed(ask, ask.of(edge, version))
    (name,) = (name for name, group in edge.origins.items() for origin in group if origin.requests)
    return name


def test_who_shares_a_chain(edge: Edge) -> None:
    (listener,) = json.loads((edge.folder / "envoy.json").read_text())["static_resources"]["listeners"]
    names = [chain["name"] for chain in listener["filter_chains"]]
    assert set(names) == {names[0], *(NAMES.keys() - SHARED)}
    chains = listener["filter_chain_matcher"]["matcher_tree"]["exact_match_map"]["map"]
    assert {chains[name]["action"]["name"] for site in SHARED for name in NAMES[site]} == {names[0]}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("site", "host"),
    [
        (site, host)
        for site, hosts in NAMES.items()
        for host in hosts
        if "*" not in host and host != "alias.example.com"
    ],
)
def test_own_backend(edge: Edge, site: str, host: str, version: Version) -> None:
    for ask in (Ask(host=host), Ask(host=host.upper(), sni=host), Ask(host=f"{host}:8443"), Ask("/open?x", host=host)):
        assert backend_of(edge, ask, version) == site
        (seen,) = edge.origins[site][0].requests
        expected = "inside.example.com" if site == "renamed" else host
        assert seen.values("host") == [expected.encode()]
        assert seen.values("x-last") == ([] if ask.target == "/open?x" else [b"1"])
        assert seen.values("policyc_site") == []


@pytest.mark.parametrize("version", VERSIONS)
def test_names_of_one_site(edge: Edge, version: Version) -> None:
    for sni in NAMES["blue"]:
        for host in NAMES["blue"]:
            assert backend_of(edge, Ask(host=host, sni=sni), version) == "blue"
            assert backend_of(edge, Ask("/api/1?x", host=host.title(), sni=sni), version) == "api"
    assert backend_of(edge, Ask("/apix", host="blue.example.com"), version) == "blue"


def test_a_backend_is_verified_for_the_host_asked_for(edge: Edge) -> None:
    for sni in NAMES["named"]:
        assert backend_of(edge, Ask(host="Named.example.com:443", sni=sni), "h1") == "named"
        # Its certificate is for the other name.
        assert_refused(Ask(host="alias.example.com", sni=sni).of(edge, "h1"), 503)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("sni", "host"),
    [
        *(("red", other) for other in ("green", "azure", "other", "renamed", "a.wild")),
        *(("azure", other) for other in ("red", "named", "patient")),
        *((other, "red") for other in ("green", "azure", "other", "renamed", "a.wild")),
    ],
)
def test_another_sites_host(edge: Edge, sni: str, host: str, version: Version) -> None:
    name = f"{host}.example.com"
    for spelled in (name, name.upper(), f"{name}:443", f"{name.title()}:65535"):
        assert_refused(Ask("/denied", host=spelled, sni=f"{sni}.example.com").of(edge, version), 421)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_no_host(edge: Edge, version: Version) -> None:
    for host in ("x@red.example.com", "red.example.com.", "green.example.com|red.example.com", "red.example.com:"):
        outcome = Ask(host=host, sni="red.example.com").of(edge, version)
        assert_refused(outcome, frozenset({400, None}))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_header_is_not_the_visitors(edge: Edge, version: Version) -> None:
    headers = (("policyc_site", "red.example.com|green.example.com"),)
    assert_refused(Ask(host="green.example.com", sni="red.example.com", headers=headers).of(edge, version), 421)
    assert backend_of(edge, Ask(host="red.example.com", headers=headers), version) == "red"


def test_capitals_in_the_sni(edge: Edge) -> None:
    """The door refuses a certificate that is not for the name."""
    for site in ("green", "other"):
        assert backend_of(edge, Ask(host=f"{site}.example.com", sni=f"{site.title()}.EXAMPLE.com"), "h1") == site


def test_strangers(edge: Edge) -> None:
    for sni in ("nobody.example.com", "example.com", "red.example.com.evil.test", "a.b.wild.example.com"):
        assert_decided(ask := Ask(host="red.example.com", sni=sni), ask.of(edge, "h1"), frozenset({None}))


LOGGED = [
    ("red", "red", "/log/1", 200, "", "red"),
    ("green", "green", "/log/2", 200, "", "green"),
    ("blue", "azure", "/api/log/3", 200, "", "api"),
    ("green", "green", "/open/log/4", 200, "rules-3", "green"),
    ("green", "green", "/denied/log/5", 403, "rules-1", ""),
    ("blue", "blue", "/moved/log/6", 302, "rules-2", ""),
    ("red", "red", "//log/7", 400, "", ""),
    ("other", "other", "/log/8", 200, "", "other"),
]


@pytest.mark.parametrize(("site", "host", "target", "status", "rule", "upstream"), LOGGED)
def test_log(edge: Edge, site: str, host: str, target: str, status: int, rule: str, upstream: str) -> None:
    line = one(edge, Ask(target, host=f"{host}.example.com"))
    assert (line["site"], int(line["status"]), line["rule"], line["upstream"]) == (site, status, rule, upstream)
    assert (line["sni"], line["host"]) == (f"{host}.example.com", f"{host}.example.com")
    assert bool(line["upstream_address"]) is bool(upstream)


def test_log_of_what_is_no_sites(edge: Edge) -> None:
    for sni, host, status, target in (
        ("red", "green.example.com", 421, "/log/20"),
        ("azure", "GREEN.example.com:1", 421, "/log/21"),
        ("green", "x@red.example.com", 400, "/log/22"),
    ):
        line = one(edge, Ask(target, host=host, sni=f"{sni}.example.com"))
        expected = "blue" if sni == "azure" else sni
        assert (line["site"], int(line["status"]), line["rule"], line["upstream"]) == (expected, status, "", "")


def test_log_of_a_limit(edge: Edge) -> None:
    statuses = [Ask(f"/rated/log/{n}", host="red.example.com").of(edge, "h1").status for n in range(3)]
    assert statuses == [200, 429, 429]
    (line,) = logged(edge, "/rated/log/2")
    assert (line["site"], line["rule"], line["upstream"]) == ("red", "rules-4", "")
