"""Security rules: what inspection rules become, what is let in, and what is denied beside decrypted sites."""

from __future__ import annotations

from typing import Any

import pytest

from .lab import Lab, behind, compiled, edge, rich
from .rulebase import Rules, xml_of


def inspecting(*rules: dict[str, Any], **panos: Any) -> dict[str, Any]:
    document = edge(**panos)
    document["inspection_rules"] = {"web": list(rules)}
    document["sites"]["shop"]["inspect"] = ["web"]
    return document


INSIDE = {"source": ["10.0.0.0/8"]}
ADMIN = {"path": {"prefix": "/admin"}}


def test_allow_by_source_stands_where_the_policy_has_it(lab: Lab) -> None:
    document = inspecting({"when": INSIDE, "allow": True}, {"when": ADMIN, "deny": 403})
    done = compiled(lab.folder, document)
    assert done.errors() == {"path-deny-evadable"}
    rules = Rules(done.bundle().files["panos.xml"], "security")
    allow, deny = list(rules)[2:4]
    assert (rules.text(allow, "action"), rules.text(deny, "action")) == ("allow", "reset-both")
    assert rules.members(allow, "source") == ["lab_net-10-0-0-0-8"]
    assert rules.members(allow, "category") == ["any"]
    assert rules.members(allow, "application") == ["ssl", "web-browsing"]


def test_allow_that_is_not_exact_is_refused(lab: Lab) -> None:
    assert "inexpressible-rule" in compiled(lab.folder, inspecting({"when": ADMIN, "allow": True})).errors()
    document = inspecting({"when": INSIDE, "allow": True})
    document["sites"]["other"] = {
        "hostnames": ["www.shop.example.com"],
        "public_certificate": "shop",
        "backend": "shop",
    }
    done = compiled(lab.folder, document)
    (told,) = done.of("inexpressible-rule")
    assert told.sites == ("shop",)
    assert [name for name in Rules(done.bundle().files["panos.xml"], "security") if "web" in name] == []


@pytest.mark.parametrize(
    "rule",
    [
        {"when": {"path": {"exact": "/admin"}}, "deny": 403},
        {"when": {"path": {"suffix": ".php"}}, "deny": 403},
        {"when": {"path": {"prefix": "/a*b"}}, "deny": 403},
        {"when": {"path": {"prefix": "/a b"}}, "deny": 403},
        {"when": ADMIN, "unless": {"path": {"prefix": "/admin/open"}}, "deny": 403},
        {"when": {**ADMIN, **INSIDE}, "unless": {"source": ["10.1.0.0/16"]}, "deny": 403},
        {"when": ADMIN, "unless": INSIDE, "allow": True},
    ],
)
def test_what_cannot_be_said_is_refused_and_not_written(lab: Lab, rule: dict[str, Any]) -> None:
    done = compiled(lab.folder, inspecting(rule))
    assert "inexpressible-rule" in done.errors()
    assert [name for name in Rules(done.bundle().files["panos.xml"], "security") if "web" in name] == []


@pytest.mark.parametrize(
    ("rule", "feature"),
    [
        ({"when": {"method": ["POST"]}, "deny": 403}, "match-method"),
        ({"when": {"header": {"name": "x", "present": True}}, "deny": 403}, "match-header"),
        ({"when": {"query": {"name": "q", "present": True}}, "deny": 403}, "match-query"),
        ({"when": {"path": {"regex": "^/x"}}, "deny": 403}, "match-path-regex"),
        ({"when": ADMIN, "redirect": {"to": "/"}}, "redirect"),
        ({"when": ADMIN, "rate_limit": {"rate": "1/s"}}, "rate-limit"),
        ({"when": ADMIN, "limit_body": "1MB"}, "limit-body"),
        ({"request_headers": {"remove": ["x"]}}, "request-headers"),
        ({"response_headers": {"remove": ["x"]}}, "response-headers"),
    ],
)
def test_the_rest_has_a_finding_each(lab: Lab, rule: dict[str, Any], feature: str) -> None:
    assert f"unsupported-{feature}" in compiled(lab.folder, inspecting(rule)).errors()
    document = inspecting(rule)
    document["targets"]["panos"] = {"position": "behind_proxy"}
    assert f"unsupported-{feature}" not in compiled(lab.folder, document).errors()


def test_quic_is_denied_beside_decrypted_sites(lab: Lab) -> None:
    rules = Rules(xml_of(lab, rich("edge")), "security")
    by_port, by_name = list(rules)[:2]
    assert rules.text(by_port, "action") == rules.text(by_name, "action") == "deny"
    assert rules.members(by_port, "service") == ["lab_udp-8443", "lab_udp-443"]
    assert rules.members(by_port, "application") == ["any"]
    assert rules.members(by_name, "service") == ["any"]
    assert rules.members(by_name, "application") == ["quic"]
    # The passed-through site's own address is not concerned, and no NAT rule leads UDP into the servers' zone.
    assert rules.members(by_name, "destination") == ["lab_host-203-0-113-1", "lab_host-2001-db8-1--1"]
    assert rules.members(by_name, "to") == ["any"]
    # Proxies come by TCP.
    assert not [name for name in Rules(xml_of(lab, behind()), "security") if "quic" in name]


def test_applications_that_are_let_in(lab: Lab) -> None:
    document = edge(applications=["soap", "web-browsing"])
    document["sites"]["shop"]["websocket"] = True
    rules = Rules(xml_of(lab, document), "security")
    assert rules.members("lab_192-0-2-10-443", "application") == ["ssl", "web-browsing", "websocket", "soap"]


def test_the_profile_group_of_the_scan(lab: Lab) -> None:
    document = edge(profile_groups={"strict": "Inbound Strict"}, log_setting="to siem")
    assert [finding.sites for finding in compiled(lab.folder, document).of("not-scanned")] == [("shop",)]
    document["sites"]["shop"]["scan"] = "strict"
    done = compiled(lab.folder, document)
    assert not done.of("not-scanned")
    rules = Rules(done.bundle().files["panos.xml"], "security")
    assert rules.members("lab_192-0-2-10-443", "profile-setting/group") == ["Inbound Strict"]
    assert rules.text("lab_192-0-2-10-443", "log-setting") == "to siem"
    decryption = Rules(done.bundle().files["panos.xml"], "decryption")
    for key, value in (("log-success", "yes"), ("log-fail", "yes"), ("log-setting", "to siem")):
        assert decryption.text("lab_192-0-2-10-443", key) == value


def test_tags_say_whose_it_is(lab: Lab) -> None:
    data = xml_of(lab, rich("edge"))
    shop = "lab_shop-one_bab45ec4"
    decryption = Rules(data, "decryption")
    assert decryption.members("lab_203-0-113-1-443", "tag") == ["policyc", "lab_apps", shop]
    assert decryption.members("lab_2001-db8-1--1-8443", "tag") == ["policyc", shop]
    assert Rules(data, "nat").members("lab_203-0-113-9-443", "tag") == ["policyc", "lab_legacy"]


def test_a_source_that_all_sites_at_an_address_deny_needs_no_hostname(lab: Lab) -> None:
    document = inspecting({"when": {"source": ["198.51.100.0/24"]}, "deny": 403})
    document["sites"]["other"] = {
        "hostnames": ["www.shop.example.com"],
        "public_certificate": "shop",
        "backend": "shop",
        "inspect": ["web"],
    }
    done = compiled(lab.folder, document)
    assert not done.errors()
    rules = Rules(done.bundle().files["panos.xml"], "security")
    assert rules.members("lab_shop_web-1", "category") == rules.members("lab_other_web-1", "category") == ["any"]
    del document["sites"]["other"]["inspect"]
    done = compiled(lab.folder, document)
    assert done.errors() == {"path-deny-evadable"}  # only the Host tells whom it is for
    assert Rules(done.bundle().files["panos.xml"], "security").members("lab_shop_web-1", "category") != ["any"]
