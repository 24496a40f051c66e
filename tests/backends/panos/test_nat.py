"""Destination NAT at the edge: from what visitors reach to the servers, or a finding that says why not."""

from __future__ import annotations

from typing import Any

import pytest

from .lab import Compiled, Lab, backend, behind, compiled, edge
from .rulebase import Rules


def site(document: dict[str, Any], **keys: Any) -> dict[str, Any]:
    document["sites"]["shop"] |= keys
    return document


def nat(done: Compiled) -> Rules:
    return Rules(done.bundle().files["panos.xml"], "nat")


def test_one_server(lab: Lab) -> None:
    document = site(edge(), public_addresses=["203.0.113.1", "203.0.113.2"])
    document["backends"]["shop"] = backend("192.0.2.10:8443", "shop", server_name="shop.example.com")
    done = compiled(lab.folder, document)
    assert not done.errors()
    rules = nat(done)
    assert list(rules) == ["lab_203-0-113-1-443"]
    (name,) = rules
    # Of the original packet: the zone that the public addresses are in, the address and port that visitors reach.
    assert rules.members(name, "from") == ["untrust"]
    assert rules.members(name, "to") == ["untrust"]
    assert rules.members(name, "destination") == ["lab_host-203-0-113-1", "lab_host-203-0-113-2"]
    assert rules.text(name, "service") == "lab_tcp-443"
    assert rules.text(name, "destination-translation/translated-address") == "lab_host-192-0-2-10"
    assert rules.text(name, "destination-translation/translated-port") == "8443"
    # The others: address and port before NAT, zone after it.
    for kind in ("decryption", "security"):
        rules = Rules(done.bundle().files["panos.xml"], kind)
        assert rules.members(name, "destination") == ["lab_host-203-0-113-1", "lab_host-203-0-113-2"]
        assert rules.members(name, "service") == ["lab_tcp-443"]
        assert rules.members(name, "to") == ["dmz"]


@pytest.mark.parametrize(
    ("balance", "distribution"),
    [("round_robin", "round-robin"), ("least_connections", "least-sessions"), ("source_hash", "source-ip-hash")],
)
def test_several_servers(lab: Lab, balance: str, distribution: str) -> None:
    document = site(edge(), public_addresses=["203.0.113.1"])
    document["backends"]["shop"] |= {"servers": ["192.0.2.10:443", "192.0.2.11:443"], "balance": balance}
    done = compiled(lab.folder, document)
    assert not done.errors()
    (told,) = done.of("unsupported-several-servers")
    assert told.severity.value == "warning"
    assert "no health check" in told.notes[0]
    rules = nat(done)
    (name,) = rules
    place = "dynamic-destination-translation"
    assert rules.text(name, f"{place}/translated-address") == "lab_203-0-113-1-443_servers"
    assert rules.text(name, f"{place}/distribution") == distribution
    assert rules.entries[name].find(f"{place}/translated-port") is None
    assert rules.entries[name].find("destination-translation") is None
    xml = done.bundle().files["panos.xml"].decode()
    group = xml[xml.index("<address-group>") : xml.index("</address-group>")]
    assert "<member>lab_host-192-0-2-10</member>" in group
    assert "<member>lab_host-192-0-2-11</member>" in group


def test_none_where_visitors_reach_the_server_itself(lab: Lab) -> None:
    for document in (edge(), site(edge(), public_addresses=["192.0.2.10"]), behind()):
        assert list(nat(compiled(lab.folder, document))) == []


def test_one_for_sites_that_share_address_and_servers(lab: Lab) -> None:
    document = site(edge(), public_addresses=["203.0.113.1"])
    document["sites"]["apps"] = {
        "hostnames": ["*.apps.example.com"],
        "public_certificate": "shop",
        "backend": "shop",
        "public_addresses": ["203.0.113.1"],
    }
    rules = nat(compiled(lab.folder, document))
    assert list(rules) == ["lab_203-0-113-1-443"]
    assert rules.text("lab_203-0-113-1-443", "description") == "policy.yaml: sites.apps, sites.shop"


def test_existing_nat_is_left_alone_and_told(lab: Lab) -> None:
    done = compiled(lab.folder, site(edge(nat="existing"), public_addresses=["203.0.113.1"]))
    assert list(nat(done)) == []
    (told,) = done.of("destination-nat-needed")
    assert told.severity.value == "info"
    done = compiled(lab.folder, site(edge(), public_addresses=["203.0.113.1"]))
    assert done.of("destination-nat-needed") == []


def test_the_public_zone(lab: Lab) -> None:
    both = {"from": ["untrust", "partners"], "to": ["dmz"]}
    document = site(edge(zones=both), public_addresses=["203.0.113.1"])
    assert "public-zone-unknown" in compiled(lab.folder, document).errors()
    document["targets"]["panos"]["zones"] = {**both, "public": "internet"}
    done = compiled(lab.folder, document)
    assert not done.errors()
    assert nat(done).members("lab_203-0-113-1-443", "from") == ["untrust", "partners"]
    assert nat(done).members("lab_203-0-113-1-443", "to") == ["internet"]
    # Where nothing is translated nobody asks.
    assert not compiled(lab.folder, edge(zones=both)).errors()


@pytest.mark.parametrize(
    ("servers", "addresses", "why"),
    [
        (["192.0.2.10:443", "192.0.2.11:8443"], ["203.0.113.1"], "different ports"),
        (["192.0.2.10:443"], ["2001:db8:1::1"], "no server has an IPv6 address"),
        (["[2001:db8::10]:443"], ["2001:db8:1::1"], "no destination NAT is documented"),
    ],
)
def test_what_cannot_be_translated(lab: Lab, servers: list[str], addresses: list[str], why: str) -> None:
    document = site(edge(), public_addresses=addresses)
    document["backends"]["shop"]["servers"] = servers
    done = compiled(lab.folder, document)
    (told,) = done.of("untranslatable-address")
    assert why in told.notes[0]
    assert "untranslatable-address" in done.errors()
    assert list(nat(done)) == []
    document["targets"]["panos"]["nat"] = "existing"
    assert "untranslatable-address" not in compiled(lab.folder, document).errors()


def test_sites_that_share_an_address_and_not_the_servers(lab: Lab) -> None:
    document = site(edge(), public_addresses=["203.0.113.1"])
    document["backends"]["other"] = {**document["backends"]["shop"], "servers": ["192.0.2.99:443"]}
    document["sites"]["other"] = {
        "hostnames": ["www.shop.example.com"],
        "public_certificate": "shop",
        "backend": "other",
        "public_addresses": ["203.0.113.1"],
    }
    done = compiled(lab.folder, document)
    (told,) = done.of("untranslatable-address")
    assert told.sites == ("other", "shop")
    assert "different servers" in told.notes[0]


def test_several_servers_without_nat(lab: Lab) -> None:
    document = edge()
    document["backends"]["shop"] |= {"servers": ["192.0.2.10:443", "192.0.2.11:443"]}
    (told,) = compiled(lab.folder, document).of("balancing-needs-nat")
    assert told.severity.value == "warning"
    document["backends"]["shop"]["balance"] = "source_hash"
    (told,) = compiled(lab.folder, document).of("balancing-needs-nat")
    assert told.severity.value == "error"


def test_backup_servers_get_no_sessions(lab: Lab) -> None:
    document = site(edge(), public_addresses=["203.0.113.1"])
    document["backends"]["shop"]["servers"] = ["192.0.2.10:443", {"address": "192.0.2.11:443", "backup": True}]
    done = compiled(lab.folder, document)
    assert done.of("unsupported-backup-server")
    rules = nat(done)
    assert rules.text("lab_203-0-113-1-443", "destination-translation/translated-address") == "lab_host-192-0-2-10"
