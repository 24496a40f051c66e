"""What the rules say: which sessions they are for, what becomes of them, and in which order they stand."""

from __future__ import annotations

import pytest
from lxml import etree

from .lab import Lab, backend, behind, compiled, edge, rich
from .rulebase import Rules, xml_of

VERSIONS = ("10.0", "10.1", "10.2", "11.2", "12.1")


def test_the_weberlab_case_at_the_edge(lab: Lab) -> None:
    """One decryption rule with the public certificate, and a denial above the permission."""
    document = edge()
    document["inspection_rules"] = {
        "public-web": [
            {
                "when": {"path": {"prefix": "/admin"}},
                "unless": {"source": ["10.0.0.0/8", "2001:db8::/32"]},
                "deny": 403,
            }
        ]
    }
    document["sites"]["shop"] |= {"inspect": ["public-web"], "public_addresses": ["198.51.100.10"]}
    done = compiled(lab.folder, document)
    data = done.bundle().files["panos.xml"]
    leaf_digest = done.plan.certificates[0].leaf.sha256[:8]
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    assert list(decryption) == ["lab_198-51-100-10-443"]
    (name,) = decryption
    assert decryption.members(name, "type/ssl-inbound-inspection/certificates") == [f"lab_shop_{leaf_digest}"]
    assert decryption.members(name, "destination") == ["lab_host-198-51-100-10"]
    assert decryption.text(name, "description") == "policy.yaml: sites.shop"
    assert list(security) == ["lab_quic_udp", "lab_quic", "lab_shop_public-web-1", "lab_198-51-100-10-443"]
    *_, deny, allow = security
    assert security.text(deny, "action") == "reset-both"
    assert security.text(deny, "negate-source") == "yes"
    assert security.members(deny, "source") == ["lab_net-10-0-0-0-8", "lab_net-2001-db8---32"]
    assert security.members(deny, "category") == ["lab_shop_public-web-1"]
    assert security.text(deny, "description") == "policy.yaml: sites.shop, inspection_rules.public-web[0]"
    urls = etree.fromstring(data).findall(".//custom-url-category/entry/list/member")
    assert [url.text for url in urls] == ["shop.example.com/admin", "shop.example.com/admin/"]
    assert security.text(allow, "action") == "allow"
    assert security.members(allow, "application") == ["ssl", "web-browsing"]


def test_the_inner_leg_has_the_servers_certificate(lab: Lab) -> None:
    done = compiled(lab.folder, behind())
    assert not done.errors()
    bundle = done.bundle()
    decryption = Rules(bundle.files["panos.xml"], "decryption")
    (name,) = decryption
    tls = done.plan.backends[0].tls
    assert tls is not None
    certificate = f"lab_app-internal_{tls.leaves[0].sha256[:8]}"
    assert decryption.members(name, "type/ssl-inbound-inspection/certificates") == [certificate]
    assert decryption.members(name, "source") == ["lab_host-192-0-2-5"]
    assert decryption.members(name, "destination") == ["lab_host-192-0-2-10"]
    assert decryption.members(name, "service") == ["lab_tcp-8443"]
    assert bundle.files[f"certs/{certificate}.pem"].decode() == tls.leaves[0].pem
    assert bundle.keys == ()  # the policy does not know this key


@pytest.mark.parametrize("version", VERSIONS)
def test_one_certificate_as_text_before_10_2(lab: Lab, version: str) -> None:
    entry = next(iter(Rules(xml_of(lab, edge(version=version)), "decryption").entries.values()))
    node = entry.find("type/ssl-inbound-inspection")
    if version in ("10.0", "10.1"):
        assert node.text.startswith("lab_shop_")
        assert len(node) == 0
    else:
        assert [member.text[:9] for member in node.findall("certificates/member")] == ["lab_shop_"]


def test_sites_at_one_address_share_a_rule_and_denials_come_first(lab: Lab) -> None:
    data = xml_of(lab, rich("edge"))
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    shared = decryption.members("lab_203-0-113-1-443", "type/ssl-inbound-inspection/certificates")
    assert [name.split("_")[1] for name in shared] == ["apps", "shop"]
    alone = decryption.members("lab_2001-db8-1--1-443", "type/ssl-inbound-inspection/certificates")
    assert [name.split("_")[1] for name in alone] == ["shop"]
    actions = [security.text(name, "action") for name in security]
    assert list(dict.fromkeys(actions)) == ["deny", "reset-both", "allow"]
    assert actions == sorted(actions, key=["deny", "reset-both", "allow"].index)
    # The site's address is shared, so that even a rule on the source must say whose it is.
    by_source = next(name for name in security if "net-198-51-100-0-24" in "".join(security.members(name, "source")))
    assert security.members(by_source, "category") != ["any"]


def test_backends_on_one_server_share_a_rule(lab: Lab) -> None:
    lab.inner("second")
    document = behind()
    document["backends"]["second"] = backend(
        ["192.0.2.10:8443", "192.0.2.20:8443"], "second", "internal", server_name="second.internal"
    )
    document["sites"]["shop2"] = {**document["sites"]["shop"], "hostnames": ["www.shop.example.com"]}
    document["sites"]["second"] = {
        "hostnames": ["plain.example.com"],
        "public_certificate": "shop",
        "backend": "second",
    }
    decryption = Rules(xml_of(lab, document), "decryption")
    certificates = {
        name: [one.split("_")[1] for one in decryption.members(name, "type/ssl-inbound-inspection/certificates")]
        for name in decryption
    }
    assert certificates == {
        "lab_192-0-2-10-8443": ["app-internal", "second-internal"],
        "lab_192-0-2-20-8443": ["second-internal"],
    }
    description = decryption.text("lab_192-0-2-10-8443", "description")
    assert description == "policy.yaml: backends.second, sites.second, backends.shop, sites.shop, sites.shop2"


def test_what_passes_through_stands_above(lab: Lab) -> None:
    data = xml_of(lab, rich("edge"))
    decryption, security = Rules(data, "decryption"), Rules(data, "security")
    actions = [decryption.text(name, "action") for name in decryption]
    assert actions == sorted(actions, reverse=True)
    assert set(actions) == {"decrypt", "no-decrypt"}
    # Alone at an address the SNI does not matter; at a shared one it is all there is.
    assert decryption.members("lab_203-0-113-9-443_passthrough", "category") == ["any"]
    assert decryption.members("lab_203-0-113-1-443_passthrough", "category") == ["lab_203-0-113-1-443_passthrough"]
    assert security.members("lab_203-0-113-9-443", "application") == ["ssl"]


def test_plaintext_behind_a_proxy_is_allowed_and_not_decrypted(lab: Lab) -> None:
    data = xml_of(lab, rich("behind_proxy"))
    assert "lab_192-0-2-12-8080" not in list(Rules(data, "decryption"))
    assert Rules(data, "security").members("lab_192-0-2-12-8080", "application") == ["web-browsing"]


_SWITCHES = {
    "modern": ("tls1-3", "max", set[str]()),
    "intermediate": ("tls1-2", "max", set[str]()),
    "old": (
        "tls1-0",
        "max",
        {"keyxchg-algo-rsa", "enc-algo-3des", "enc-algo-aes-128-cbc", "enc-algo-aes-256-cbc", "auth-algo-sha1"},
    ),
}
_ALWAYS = {
    "keyxchg-algo-ecdhe",
    "enc-algo-aes-128-gcm",
    "enc-algo-aes-256-gcm",
    "enc-algo-chacha20-poly1305",
    "auth-algo-sha256",
    "auth-algo-sha384",
}


@pytest.mark.parametrize("profile", _SWITCHES)
def test_tls_profiles_as_switches(lab: Lab, profile: str) -> None:
    document = edge()
    document["listeners"]["public"]["tls"] = {"profile": profile}
    settings = etree.fromstring(xml_of(lab, document)).find(".//ssl-protocol-settings")
    assert settings is not None
    low, high, more = _SWITCHES[profile]
    values = {str(child.tag): child.text for child in settings}
    assert (values.pop("min-version"), values.pop("max-version")) == (low, high)
    assert {switch for switch, on in values.items() if on == "yes"} == _ALWAYS | more
    assert set(values.values()) <= {"yes", "no"}
    assert len(values) == 14


def test_what_cannot_be_decrypted_is_blocked(lab: Lab) -> None:
    proxy = etree.fromstring(xml_of(lab, edge())).find(".//ssl-inbound-proxy")
    assert proxy is not None
    assert {child.text for child in proxy} == {"yes"}
    assert len(proxy) == 5
