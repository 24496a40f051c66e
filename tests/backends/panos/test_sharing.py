"""Several sites at one address: one rule with all certificates, or one for each by the name in the SNI."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from .lab import Compiled, Lab, backend, behind, compiled, edge, key_pair
from .rulebase import Rules

CERTIFICATES = "type/ssl-inbound-inspection/certificates"


def shared(lab: Lab, sites: dict[str, list[str]], passed: dict[str, list[str]], **panos: Any) -> Compiled:
    """Sites at one server's address, each with its certificate; `passed` ones are not decrypted."""
    document = edge(**panos)
    document["public_certificates"], document["backends"], document["sites"] = {}, {}, {}
    for name, hosts in sites.items():
        lab.seen(f"site-{name}", *hosts)
        document["public_certificates"][name] = key_pair(f"site-{name}")
        document["backends"][name] = backend("192.0.2.10:443", f"site-{name}", server_name=hosts[0].replace("*", "x"))
        document["sites"][name] = {"hostnames": hosts, "public_certificate": name, "backend": name}
    for name, hosts in passed.items():
        document["backends"][name] = {"servers": ["192.0.2.10:443"]}
        document["sites"][name] = {"hostnames": hosts, "decrypt": False, "backend": name}
    return compiled(lab.folder, document)


def walk(done: Compiled) -> list[tuple[str, str, list[str], list[str]]]:
    """The decryption rules from the top: action, name, the hosts of the category, the certificates' labels."""
    data = done.bundle().files["panos.xml"]
    rules = Rules(data, "decryption")
    categories = {
        str(entry.get("name")): [str(member.text) for member in entry.findall("list/member")]
        for entry in etree.fromstring(data).findall(".//custom-url-category/entry")
    }
    return [
        (
            rules.text(name, "action"),
            name.removeprefix("lab_192-0-2-10-443"),
            [url for category in rules.members(name, "category") for url in categories.get(category, [category])],
            [certificate.split("_")[1] for certificate in rules.members(name, CERTIFICATES)],
        )
        for name in rules
    ]


def test_one_rule_with_all_certificates(lab: Lab) -> None:
    done = shared(lab, {"b": ["b.example.com"], "a": ["a.example.com"]}, {})
    assert not done.errors()
    assert walk(done) == [("decrypt", "", ["any"], ["a", "b"])]


def test_a_rule_for_each_site_the_most_specific_first(lab: Lab) -> None:
    done = shared(
        lab,
        {"wild": ["*.example.com"], "both": ["www.shop.net", "*.shop.net"], "one": ["one.example.com"]},
        {"legacy": ["legacy.example.com", "*.legacy.net"]},
        decryption_rules="per_site",
    )
    assert walk(done) == [
        ("decrypt", "_both", ["www.shop.net/"], ["both"]),
        ("decrypt", "_one", ["one.example.com/"], ["one"]),
        ("no-decrypt", "_passthrough", ["legacy.example.com/", "^.legacy.net/"], []),
        ("decrypt", "_both_wildcards", ["^.shop.net/"], ["both"]),
        ("decrypt", "_wild_wildcards", ["^.example.com/"], ["wild"]),
        ("decrypt", "", ["any"], ["both", "one", "wild"]),
    ]


def test_a_wildcard_that_passes_does_not_take_a_site_along(lab: Lab) -> None:
    done = shared(lab, {"shop": ["shop.example.com"], "far": ["shop.example.net"]}, {"rest": ["*.example.com"]})
    assert walk(done) == [
        ("decrypt", "_exact", ["shop.example.com/"], ["shop"]),
        ("no-decrypt", "_passthrough", ["^.example.com/"], []),
        ("decrypt", "", ["any"], ["far", "shop"]),
    ]


@pytest.mark.parametrize(("version", "count"), [("10.1", 2), ("11.2", 13)])
def test_more_certificates_than_a_rule_holds(lab: Lab, version: str, count: int) -> None:
    sites = {f"s{number:02}": [f"s{number:02}.example.com"] for number in range(count)}
    done = shared(lab, sites, {}, version=version)
    (told,) = done.of("too-many-certificates")
    assert "decryption_rules: per_site" in told.help[0]
    done = shared(lab, sites, {}, version=version, decryption_rules="per_site")
    assert not done.errors()
    assert walk(done)[:-1] == [
        ("decrypt", f"_{name}", [f"{name}.example.com/"], [name] if count > 2 else []) for name in sites
    ]
    assert len(Rules(done.bundle().files["panos.xml"], "decryption").entries) == count + 1
    (told,) = done.of("catch-all-incomplete")
    assert told.message.endswith(f"are decrypted with {count - 1} of {count} certificates")


def test_as_many_as_a_rule_holds(lab: Lab) -> None:
    done = shared(lab, {f"s{number:02}": [f"s{number:02}.example.com"] for number in range(12)}, {})
    assert not done.errors()
    (rule,) = walk(done)
    assert len(rule[3]) == 12


def test_backends_on_one_server_by_the_name_that_the_proxy_asks_for(lab: Lab) -> None:
    lab.inner("second")
    document = behind(decryption_rules="per_site")
    document["backends"]["second"] = backend(
        "192.0.2.10:8443", "second", "internal", server_name="second.internal", min_version="1.3"
    )
    document["sites"]["second"] = {
        "hostnames": ["www.shop.example.com"],
        "public_certificate": "shop",
        "backend": "second",
    }
    done = compiled(lab.folder, document)
    assert not done.errors()  # each rule has its own profile
    data = done.bundle().files["panos.xml"]
    rules = Rules(data, "decryption")
    assert [rules.text(name, "profile") for name in rules] == [
        "lab_backend-tls-1-3",
        "lab_backend-tls-1-2",
        "lab_backend-tls-1-3",
    ]
    urls = etree.fromstring(data).findall(".//custom-url-category/entry/list/member")
    assert [url.text for url in urls] == ["second.internal/", "app.internal/"]
    document["targets"]["panos"]["decryption_rules"] = "per_address"
    assert "conflicting-tls-settings" in compiled(lab.folder, document).errors()
