"""Sites with certificates of their own in one filter chain of Envoy: each visitor is shown the right one."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from policyc.compiler.loopback.origin import Origin

from .asks import VERSIONS, Ask, Version, assert_decided, assert_passed, assert_refused
from .conftest import Certificates, edge_of
from .edges import Edge, Edges, every_origin, start_each
from .test_access_log import one

CARRIED = {
    "red": ["red.example.com", "*.red.example.com"],
    "green": ["green.example.com"],
    "blue": ["blue.example.com", "azure.example.com", "unused.example.com"],
    "star": ["*.star.example.com"],
    "below": ["below.star.example.com"],
    "shout": ["SHOUT.example.com"],
    "first": ["first.example.com", "second.example.com"],
    "second": ["second.example.com"],
}
"""Certificate → its names."""
SITES = {
    "red": ("red", ["red.example.com", "www.red.example.com"]),
    "green": ("green", ["green.example.com"]),
    "blue": ("blue", ["blue.example.com", "azure.example.com"]),
    "one": ("star", ["one.star.example.com"]),
    "two": ("star", ["two.star.example.com"]),
    "below": ("below", ["below.star.example.com"]),
    "first": ("first", ["first.example.com"]),
    "shout": ("shout", ["shout.example.com"]),
    "second": ("second", ["second.example.com"]),
}
"""Site → its certificate and hostnames."""
ALONE = {"shout", "second"}
"""Envoy would not find the certificate of the one by its name, and for the name of the other it would find two."""
HOSTS = [(site, certificate, host) for site, (certificate, hosts) in SITES.items() for host in hosts]


@pytest.fixture(scope="module")
def edges(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    """Envoy alone, with the setting."""
    backends: dict[str, Any] = {
        site: {"servers": [f"192.0.2.{number}:443"], "tls": {"ca": "internal", "server_name": f"{site}.internal"}}
        for number, site in enumerate(SITES, 1)
    }
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {
            name: certificates.public_pair(f"chains-{name}", *names) for name, names in CARRIED.items()
        },
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": backends,
        "inspection_rules": {"rules": [{"when": {"path": {"prefix": "/denied"}}, "deny": 403}]},
        "sites": {
            site: {"hostnames": hosts, "public_certificate": certificate, "backend": site, "inspect": ["rules"]}
            for site, (certificate, hosts) in SITES.items()
        },
        "targets": {"envoy": {"shared_chains": True}},
    }
    # What stands behind `two` is not who it should be.
    names = {site: "one.internal" if site == "two" else f"{site}.internal" for site in SITES}
    origins = {site: [Origin(site, certificates.inside(f"chains-at-{site}", name))] for site, name in names.items()}
    folder = tmp_path_factory.mktemp("edges")
    with ExitStack() as stack:
        for origin in every_origin(origins):
            stack.enter_context(origin)
        yield start_each(stack, folder, {"envoy": policy}, Path(), origins, certificates.public_root)


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """Envoy."""
    return edge_of(edges, "envoy", proxy_program)


def shown(edge: Edge, sni: str, version: Version) -> str:
    """The certificate that a visitor is shown who does not look at its names."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([{"h1": "http/1.1", "h2": "h2"}[version]])
    address = edge.relocated.ports["public"][0]
    with socket.create_connection(address, 10) as raw, context.wrap_socket(raw, server_hostname=sni) as connection:
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = names.get_values_for_type(x509.DNSName)
    return next(certificate for certificate, carried in CARRIED.items() if carried == found)


def test_who_shares_a_chain(edge: Edge) -> None:
    (listener,) = json.loads((edge.folder / "envoy.json").read_text())["static_resources"]["listeners"]
    shared, *alone = listener["filter_chains"]
    assert {chain["name"] for chain in alone} == ALONE
    files = [
        one["certificate_chain"]["filename"]
        for one in shared["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"]
    ]
    # In the order of the sites.
    assert files == [f"certs/{name}.pem" for name in ("below", "blue", "first", "green", "star", "red")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("site", "certificate", "host"), HOSTS)
def test_its_own_certificate_and_backend(edge: Edge, site: str, certificate: str, host: str, version: Version) -> None:
    assert shown(edge, host, version) == certificate
    ask = Ask(host=host)
    outcome = ask.of(edge, version)
    if site == "two":
        assert_refused(outcome, 503)
    else:
        assert_passed(ask, outcome)
        assert len(edge.origins[site][0].requests) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("_site", "_certificate", "sni"), HOSTS)
def test_another_sites_host(edge: Edge, _site: str, _certificate: str, sni: str, version: Version) -> None:
    for site, _, host in HOSTS:
        if site != _site:
            for spelled in (host, f"{host.upper()}:443"):
                assert_refused(Ask("/denied", host=spelled, sni=sni).of(edge, version), 421)


@pytest.mark.parametrize(
    "sni",
    ["nobody.example.com", "unused.example.com", "other.red.example.com", "x.star.example.com", "star.example.com"],
)
def test_strangers(edge: Edge, sni: str) -> None:
    """Also those for which a certificate of the chain would be good."""
    ask = Ask(host="red.example.com", sni=sni)
    assert_decided(ask, ask.of(edge, "h1"), frozenset({None}))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shown(edge, sni, "h1")


def test_capitals_in_the_sni(edge: Edge) -> None:
    """What `envoy-sni-in-capitals` tells: the chain's first certificate, or one with a wildcard for the name."""
    assert shown(edge, "GREEN.example.com", "h1") == "below"
    assert shown(edge, "Red.example.com", "h1") == "below"
    assert shown(edge, "BELOW.star.example.com", "h1") == "star"
    assert shown(edge, "SHOUT.Example.com", "h1") == "shout"


@pytest.mark.parametrize(
    ("site", "host"), [("green", "green"), ("blue", "azure"), ("one", "one.star"), ("second",) * 2]
)
def test_log(edge: Edge, site: str, host: str) -> None:
    line = one(edge, Ask(f"/log/{host}", host=f"{host}.example.com"))
    assert (line["site"], line["upstream"], line["sni"]) == (site, site, f"{host}.example.com")
    line = one(edge, Ask(f"/log/421/{host}", host="red.example.com", sni=f"{host}.example.com"))
    assert (line["site"], line["upstream"], int(line["status"])) == (site, "", 421)
