"""Names: legal, stable when other things come and go, and never the same for two things."""

from __future__ import annotations

import copy
import re

import pytest
from lxml import etree
from policyc.backends.panos.naming import certificate_name, object_name

from .lab import Lab, backend, certificates, compiled, edge, key_pair, rich
from .rulebase import Rules, xml_of


def _named(data: bytes) -> dict[tuple[str, ...], bytes]:
    """Every entry with a name, by its place."""
    place = etree.fromstring(data).find("devices/entry/*/entry")
    assert place is not None
    found: dict[tuple[str, ...], bytes] = {}
    for entry in place.iter("entry"):
        if entry is not place:
            parent = entry.getparent()
            assert parent is not None
            above = parent.getparent()
            assert above is not None
            found[(str(above.tag), str(parent.tag), str(entry.get("name")))] = etree.tostring(entry, method="c14n")
    return found


def test_names_and_rules_stay_when_other_sites_come(lab: Lab) -> None:
    lab.seen("other")
    before = edge()
    before["inspection_rules"] = {"web": [{"when": {"path": {"prefix": "/admin"}}, "deny": 403}]}
    before["sites"]["shop"]["inspect"] = ["web"]
    after = copy.deepcopy(before)
    after["public_certificates"] = {"other": key_pair("other"), **after["public_certificates"]}
    after["backends"] = {"other": backend("192.0.2.99:443", "other"), **after["backends"]}
    after["sites"] = {
        "other": {"hostnames": ["other.example.com"], "public_certificate": "other", "backend": "other"},
        **after["sites"],
    }
    old, new = _named(xml_of(lab, before)), _named(xml_of(lab, after))
    assert set(old) < set(new)
    sites = rb"sites\.\w+(, )?|<tag>.*?</tag>"
    changed = {
        key
        for key in old
        if re.sub(sites, b"", old[key], flags=re.DOTALL) != re.sub(sites, b"", new[key], flags=re.DOTALL)
    }
    # These hold for all sites at once.
    assert changed == {("security", "rules", "lab_quic"), ("security", "rules", "lab_quic_udp")}


def test_a_rule_keeps_its_name_when_a_site_joins_its_address(lab: Lab) -> None:
    before = rich("edge")
    after = copy.deepcopy(before)
    del before["sites"]["apps"]
    assert "lab_203-0-113-1-443" in list(Rules(xml_of(lab, before), "decryption"))
    assert "lab_203-0-113-1-443" in list(Rules(xml_of(lab, after), "decryption"))


def test_a_renewed_certificate_has_a_new_name(lab: Lab) -> None:
    lab.seen("shop", "shop.example.com", "www.shop.example.com", "plain.example.com")
    first = _named(xml_of(lab, edge()))
    lab.seen("shop", "shop.example.com", "www.shop.example.com", "plain.example.com")
    bundle = compiled(lab.folder, edge()).bundle()
    second = _named(bundle.files["panos.xml"])
    assert set(first) == set(second)
    rules = [key for key in first if first[key] != second[key]]
    assert rules == [("decryption", "rules", "lab_192-0-2-10-443")]
    (name,) = certificates(bundle.files)
    assert f"<member>{name}</member>".encode() in bundle.files["panos.xml"]
    assert [key.path for key in bundle.keys] == [f"certs/{name}.key"]


_PARTS = ["a", "b", "a_b", "b_c", "c", "a-b", "a.b", "shop.example.com", "x" * 40, "x" * 41, "9", "A"]


@pytest.mark.parametrize("limit", [31, 63])
def test_object_names_are_legal_and_never_the_same(limit: int) -> None:
    inputs = [("lab", one) for one in _PARTS] + [("lab", one, two) for one in _PARTS for two in _PARTS]
    names = {parts: object_name(limit, *parts) for parts in inputs}
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) and len(name) <= limit for name in names.values())
    assert len(set(names.values())) == len(inputs)
    assert names["lab", "a", "b"] == "lab_a_b"


def test_certificate_names_suit_panorama(lab: Lab) -> None:
    done = compiled(lab.folder, edge())
    names = {
        certificate_name(policy, label, done.plan.certificates[0].leaf)
        for policy, label in (("lab", "shop"), ("l" * 63, "x"), ("lab", "*.example.com"), ("lab", "ü" * 60))
    }
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", name) for name in names)
