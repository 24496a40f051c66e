"""nginx has one server for sites that are alike, and finds the site and its upstream by maps.

Two shapes: a location for each of a few upstreams, and one with a variable for many of one kind. Whatever was asked
before on connections and sessions that are kept, an upstream is verified by its own name and CA.
"""

from __future__ import annotations

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_passed, assert_refused
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, every_origin, start_each

NAME = "server.internal"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
FILLERS = 8
"""With these a server has more upstreams than it has locations for."""


FEW, MANY = "few", "many"
SHAPES = (FEW, MANY)
KEPT = ("kept", "closing", "closing12")
"""Origins behind which three sites stand: the good one, and those whose name or CA is wrong."""


def site_names(shape: str) -> list[str]:
    """The sites of a shape."""
    if shape == FEW:
        return ["kept", "kept-name", "kept-ca", "renamed"]
    return [
        *(f"{origin}{suffix}" for origin in KEPT for suffix in ("", "-name", "-ca")),
        *("renamed", "slow", "plain", "plain-2", "routed", "by-name", "wild", "exact"),
        *(f"filler-{number}" for number in range(FILLERS)),
    ]


def hosts(name: str, shape: str) -> list[str]:
    """The hostnames of a site."""
    if name == "wild":
        return ["*.wild.example.com"]
    if name == "exact":
        return ["exact.wild.example.com"]
    if name == "by-name":
        return ["by-name-1.example.com", "by-name-2.example.com"]
    return [f"{name}.{shape}.example.com"]


def scene(certificates: Certificates) -> Scene:
    """Two certificates, one for each shape, and no rules but one."""
    folder = certificates.folder
    stranger = pki.authority("Internal CA")
    (folder / "servers-stranger.pem").write_bytes(stranger.pem)
    good = certificates.inside("servers-good", NAME)
    named = certificates.inside("servers-named", "by-name-1.example.com")
    origins = {
        "kept": Origin("kept", good),
        "closing": Origin("closing", good, respond=lambda _: CLOSES),
        "closing12": Origin("closing12", good, respond=lambda _: CLOSES, max_version=ssl.TLSVersion.TLSv1_2),
        "slow": Origin("slow", good, delay=1.5),
        "named": Origin("named", named),
        "other": Origin("other", good),
        "plain": Origin("plain"),
        "plain-2": Origin("plain-2"),
    }
    usual = {"ca": "internal", "server_name": NAME}
    backends: dict[str, Any] = {}
    behind: dict[str, Sequence[Origin]] = {}

    def backend(name: str, origin: str, tls: Any = None, **more: Any) -> None:
        backends[name] = {"servers": [f"192.0.2.{len(backends) + 1}:443"], "tls": usual if tls is None else tls, **more}
        behind[name] = [origins[origin]]

    for origin in KEPT:
        backend(origin, origin)
        backend(f"{origin}-name", origin, {**usual, "server_name": "else.internal"})
        backend(f"{origin}-ca", origin, {**usual, "ca": "stranger"})
    backend("renamed", "other", host_header="literal.internal")
    backend("slow", "slow", timeouts={"response": "500ms"})
    backend("plain", "plain", tls=False)
    backend("plain-2", "plain-2", tls=False)
    backend("by-name", "named", {"ca": "internal"})
    for name in ("routed", "wild", "exact", *(f"filler-{number}" for number in range(FILLERS))):
        backend(name, "other")
    sites = {
        f"{name}-{shape}": {
            "hostnames": hosts(name, shape),
            "public_certificate": shape,
            "backend": name,
            "inspect": ["rules"],
            **({"routes": [{"path": {"prefix": "/plain"}, "backend": "plain-2"}]} if name == "routed" else {}),
        }
        for shape in SHAPES
        for name in site_names(shape)
    }
    wild = ("*.wild.example.com", "by-name-1.example.com", "by-name-2.example.com")
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {
            FEW: certificates.public_pair("servers-few", "*.few.example.com"),
            MANY: certificates.public_pair("servers-many", "*.many.example.com", *wild),
        },
        "backend_cas": {
            "internal": {"ca": str(folder / "internal-ca.pem")},
            "stranger": {"ca": str(folder / "servers-stranger.pem")},
        },
        "backends": backends,
        "inspection_rules": {"rules": [{"when": {"path": {"prefix": "/denied"}}, "deny": 403}]},
        "sites": sites,
    }
    return Scene(policy, behind)


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """nginx alone."""
    return edge_of(edges, "nginx", proxy_program)


@pytest.fixture(scope="module")
def text(edge: Edge) -> str:
    """What was built."""
    return (edge.folder / "nginx.conf").read_text()


def host(name: str, shape: str = MANY) -> str:
    return hosts(name, shape)[0]


# --- what is written ------------------------------------------------------------------------------------------


def test_one_server_for_each_certificate(text: str) -> None:
    assert text.count('ssl_certificate "certs/') == 2


def test_a_location_for_each_of_few_upstreams_and_for_each_kind_of_many(text: str) -> None:
    few, many = (
        text.partition(f'ssl_certificate "certs/{shape}.pem"')[2].partition("\n    server {")[0] for shape in SHAPES
    )
    assert len(re.findall(r"location @backend_", few)) == 4
    assert "${policyc_upstream}" not in few.split("location", 1)[1]
    # Usual, another CA, slow, plain, and by the name asked for, which is two upstreams with one name each.
    assert len(re.findall(r"location @to_", many)) == 4
    assert many.count('proxy_pass "https://${policyc_upstream}"') == 2
    assert many.count('proxy_pass "http://${policyc_upstream}"') == 1


# --- whose requests they are ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_site_has_its_own_backend(edge: Edge, shape: str, version: Version) -> None:
    arrives = {"kept": "kept", "renamed": "other", "plain": "plain", "plain-2": "plain-2", "closing": "closing"}
    for name, origin in arrives.items():
        if name not in site_names(shape):
            continue
        for target in (f"/{name}?x=%20", "/%41".replace("%41", "a%20b")):
            ask = Ask(target, host=host(name, shape))
            outcome = ask.of(edge, version)
            assert_passed(ask, outcome)
            assert [one.name for one in every_origin(edge.origins) if one.requests] == [origin]
            wanted = b"literal.internal" if name == "renamed" else host(name, shape).encode()
            assert outcome.arrived[0].values("host") == [wanted]
            assert outcome.arrived[0].values("x-forwarded-host") == [host(name, shape).encode()]


@pytest.mark.parametrize("version", VERSIONS)
def test_routes_are_a_sites_own(edge: Edge, version: Version) -> None:
    for name, target, origin in (
        ("routed", "/plain/x", "plain-2"),
        ("routed", "/plain", "plain-2"),
        ("routed", "/plains", "other"),
        ("routed", "/", "other"),
        ("filler-0", "/plain/x", "other"),
    ):
        ask = Ask(target, host=host(name))
        assert_passed(ask, ask.of(edge, version))
        assert [one.name for one in every_origin(edge.origins) if one.requests] == [origin]


PAIRS = [
    *((shape, *pair) for shape in SHAPES for pair in (("kept", "kept-name"), ("kept-name", "kept"))),
    *((MANY, *pair) for pair in (("kept", "filler-1"), ("filler-1", "kept"), ("plain", "plain-2"), ("routed", "kept"))),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("shape", "shown", "asked"), PAIRS)
def test_a_host_of_another_site_of_the_server(edge: Edge, shown: str, asked: str, shape: str, version: Version) -> None:
    sni, other = host(shown, shape), host(asked, shape)
    for spelled in (other, other.upper(), f"{other}:443", f"{other.title()}:8443"):
        assert_refused(Ask(host=spelled, sni=sni).of(edge, version), 421)
    own = Ask(host=f"{sni.upper()}:8443", sni=sni.upper())
    if shown != "kept-name":
        assert_passed(own, own.of(edge, version))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_wildcard_and_an_exact_name_below_it_are_two_sites(edge: Edge, version: Version) -> None:
    for sni, asked, expected in (
        ("a.wild.example.com", "b.wild.example.com", 200),
        ("exact.wild.example.com", "exact.wild.example.com", 200),
        ("a.wild.example.com", "exact.wild.example.com", 421),
        ("exact.wild.example.com", "a.wild.example.com", 421),
        ("a.wild.example.com", "a.b.wild.example.com", 421),
        ("a.wild.example.com", "wild.example.com", 421),
        ("a.wild.example.com", host("kept"), 421),
        (host("kept"), "a.wild.example.com", 421),
        (host("kept"), host("kept", FEW), 421),
    ):
        ask = Ask(host=asked, sni=sni)
        outcome = ask.of(edge, version)
        assert outcome.status == expected, f"{sni} {asked}: {outcome}"
        assert bool(outcome.arrived) is (expected == 200)


@pytest.mark.parametrize(
    "sni", ["nobody.many.example.com", "many.example.com", "wild.example.com", "a.b.wild.example.com", "kept"]
)
def test_nobodys_name_gets_no_handshake(edge: Edge, sni: str) -> None:
    assert_refused(Ask(host=host("kept"), sni=sni).of(edge, "h1"), frozenset({None}))


# --- verification ---------------------------------------------------------------------------------------------

ORDERS = [order for size in (2, 3) for order in permutations(("", "-name", "-ca"), size)]


def resumable(edge: Edge, origin: str) -> bool:
    return any(connection.resumed for connection in edge.origins[origin][0].connections)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("shape", "origin"), [(FEW, "kept"), *((MANY, origin) for origin in KEPT)])
def test_each_upstream_is_verified_whatever_was_asked_before(
    edge: Edge, shape: str, origin: str, version: Version
) -> None:
    wrong: list[str] = []
    for order in ORDERS:
        for suffix in order * 3:
            outcome = Ask("/x", host=host(origin + suffix, shape)).of(edge, version)
            if outcome.status != (502 if suffix else 200) or bool(outcome.arrived) is bool(suffix):
                wrong.append(f"{order}: {suffix or 'good'}: {outcome}")
    assert wrong == []
    connections = edge.origins[origin][0].connections
    if origin == "kept":
        assert any(len(connection.received) for connection in connections)
    else:
        assert resumable(edge, origin), "no session was resumed: nothing is shown by that"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_for_each_host(edge: Edge, version: Version) -> None:
    """The backend's certificate is for the first of the site's two names."""
    for _ in range(3):
        for number, expected in ((1, 200), (2, 502)):
            outcome = Ask(host=f"by-name-{number}.example.com").of(edge, version)
            assert (outcome.status, len(outcome.arrived)) == (expected, expected == 200), str(outcome)
        outcome = Ask(host="by-name-2.example.com", sni="by-name-1.example.com").of(edge, version)
        assert (outcome.status, outcome.arrived) == (502, ())
    assert {one.sni for one in edge.origins["by-name"][0].connections} == {f"by-name-{n}.example.com" for n in (1, 2)}


def test_connections_are_kept(edge: Edge) -> None:
    origin = edge.origins["kept"][0]
    for shape in SHAPES:
        before = len(origin.connections)
        for _ in range(5):
            ask = Ask(host=host("kept", shape))
            assert_passed(ask, ask.of(edge, "h1"))
        # Each worker keeps its own.
        assert len(origin.connections) - before < 5


def test_the_time_for_an_answer_is_the_backends_own(edge: Edge) -> None:
    begin = time.monotonic()
    assert Ask(host=host("slow")).of(edge, "h1").status == 504
    assert 0.4 < time.monotonic() - begin < 1.4


# --- the log --------------------------------------------------------------------------------------------------


def logged(edge: Edge, mark: str) -> dict[str, Any]:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for line in (edge.folder / "access.log").read_text().splitlines():
            if mark in line:
                return json.loads(line)
        time.sleep(0.05)
    raise AssertionError(f"nothing is logged of {mark}")


@pytest.mark.parametrize(
    ("mark", "sni", "asked", "site", "rule", "upstream"),
    [
        ("/log-passed", "kept", "kept", "kept-many", "", "kept"),
        ("/log-routed", "routed", "routed", "routed-many", "", "routed"),
        ("/plain/log-routed", "routed", "routed", "routed-many", "", "plain-2"),
        ("/denied/log", "renamed", "renamed", "renamed-many", "rules-1", ""),
        ("/log-elsewhere", "kept", "plain", "kept-many", "", ""),
        ("/log-wrong-name", "kept-name", "kept-name", "kept-name-many", "", "kept-name"),
    ],
)
def test_the_log_tells_the_site_of_the_certificate(
    edge: Edge, mark: str, sni: str, asked: str, site: str, rule: str, upstream: str
) -> None:
    Ask(mark, host=host(asked), sni=host(sni)).of(edge, "h1")
    line = logged(edge, mark)
    assert (line["site"], line["rule"], line["upstream"]) == (site, rule, upstream)
    assert (line["sni"], line["host"]) == (host(sni), host(asked))


# --- nothing in a map -----------------------------------------------------------------------------------------

GONE: Mapping[str, tuple[str, int]] = {
    "policyc_upstream_public": (r'"[^"]+\.example\.com" "?[$a-z_0-9]+"?;', 500),
    "policyc_asked_public": (r'"[^"]+" "[^"]+";', 421),
    "policyc_kind": (r'"[^"]+" "to_[^"]+";', 500),
    "policyc_backend_name": (r'"[^"]+" "[^"]+";', 502),
}


@pytest.fixture(scope="module", params=GONE)
def crippled(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Edge]]:
    """The same scene, with nothing in one of the maps."""
    variable = str(request.param)
    pattern, _ = GONE[variable]

    def empty(_: str, built: Path) -> None:
        file = built / "nginx.conf"
        head, start, rest = file.read_text().partition(f"${variable} {{\n")
        block, end, tail = rest.partition("\n    }")
        changed, count = re.subn(rf"\n *{pattern}", "", block)
        assert count > 1, block
        file.write_text(head + start + changed + end + tail)

    made = scene(certificates)
    with ExitStack() as stack:
        for origin in every_origin(made.origins):
            stack.enter_context(origin)
        edges = start_each(
            stack,
            tmp_path_factory.mktemp("crippled"),
            {"nginx": {**made.policy, "targets": {}}},
            certificates.folder,
            made.origins,
            certificates.public_root,
            change=empty,
        )
        if "nginx" in edges.failed:
            raise edges.failed["nginx"]
        yield variable, edges.running["nginx"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_no_map_holds_goes_nowhere(crippled: tuple[str, Edge], version: Version) -> None:
    variable, edge = crippled
    for name in ("kept", "renamed", "kept-name", "filler-0"):
        assert_refused(Ask(host=host(name)).of(edge, version), GONE[variable][1])
