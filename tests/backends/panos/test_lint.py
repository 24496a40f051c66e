"""Findings of the firewall's own rules, and its settings."""

from __future__ import annotations

from typing import Any

import pytest
from policyc.backends.panos.lint import platform
from policyc.backends.panos.support import Settings
from policyc.backends.panos.tls import suites_let_through
from policyc.compiler.loopback.pki import authority, leaf
from policyc.compiler.tls_profiles import profile
from pydantic import ValidationError

from .lab import Lab, backend, behind, compiled, edge, key_pair, rich

PANORAMA = {"device_group": "DG", "template": "T"}

# --- certificates -----------------------------------------------------------------------------------------------


def test_the_mismatch(lab: Lab) -> None:
    document = edge()
    document["backends"]["shop"] = backend("192.0.2.10:443", "app", "internal", server_name="app.internal")
    done = compiled(lab.folder, document)
    (told,) = done.of("backend-certificate-mismatch")
    assert told.severity.value == "error"
    assert told.primary.path == ("sites", "shop", "public_certificate")
    assert "CN=shop.example.com from Public CA (SHA-256 " in told.primary.note
    (related,) = told.related
    assert related.path == ("backends", "shop", "tls", "certificate", 0)
    assert related.note.startswith("the server presents CN=app.internal from Internal CA")
    for evidence in (
        "ssl_inbound_cert_mismatch",
        "Server and Firewall's certificate mismatch",
        "certificate verify failed",
        "policy-deny",
        "decrypt-error",
    ):
        assert evidence in told.notes[0]
    assert any("behind_proxy" in line for line in told.help)
    # Behind a proxy it is what is held.
    document["targets"]["panos"] = {"position": "behind_proxy"}
    assert not compiled(lab.folder, document).of("backend-certificate-mismatch")


@pytest.mark.parametrize(("position", "severity"), [("edge", "warning"), ("behind_proxy", "error")])
def test_a_leaf_that_is_not_known(lab: Lab, position: str, severity: str) -> None:
    document = edge(position=position)
    del document["backends"]["shop"]["tls"]["certificate"]
    (told,) = compiled(lab.folder, document).of("backend-certificate-unknown")
    assert told.severity.value == severity
    assert "openssl s_client -connect 192.0.2.10:443 -servername shop.example.com" in told.help[0]


def test_a_public_chain_without_its_intermediate(lab: Lab) -> None:
    below = authority("Below", lab.public)
    issued = leaf(["shop.example.com"], below)
    lab.put("chained", issued)
    document = edge()
    document["public_certificates"]["shop"] = key_pair("chained")
    document["backends"]["shop"] = backend("192.0.2.10:443", "chained", server_name="shop.example.com")
    assert not compiled(lab.folder, document).of("public-chain-missing")
    (lab.folder / "chained.pem").write_bytes(issued.pem)
    (told,) = compiled(lab.folder, document).of("public-chain-missing")
    assert told.severity.value == "warning"
    assert told.sites == ("shop",)
    # With TLS 1.3 alone the server's own chain goes through; and the proxy's own rules are not the firewall's.
    document["listeners"]["public"]["tls"] = {"profile": "modern"}
    assert not compiled(lab.folder, document).of("public-chain-missing")
    assert not compiled(lab.folder, edge()).of("public-chain-missing")  # a root of the policy issued it


# --- TLS --------------------------------------------------------------------------------------------------------


def test_suites_that_pass_by_their_parts() -> None:
    assert suites_let_through(profile("modern")) == []
    assert suites_let_through(profile("intermediate")) == []
    more = suites_let_through(profile("old"))
    assert "ECDHE-RSA-DES-CBC3-SHA" in more
    assert not [suite for suite in more if "RC4" in suite or "MD5" in suite or suite.startswith("DHE-")]


@pytest.mark.parametrize(("name", "more"), [("modern", False), ("intermediate", False), ("old", True)])
def test_what_a_profile_cannot_say(lab: Lab, name: str, more: bool) -> None:
    document = edge()
    document["listeners"]["public"]["tls"] = {"profile": name}
    (told,) = compiled(lab.folder, document).of("tls-settings-by-parts")
    assert told.severity.value == "info"
    assert ("suites pass that are not in the profile" in told.message) is more
    assert "X25519" in told.notes[0]
    document["targets"]["panos"] = {"position": "behind_proxy"}
    assert not compiled(lab.folder, document).of("tls-settings-by-parts")


def test_versions_that_do_not_meet(lab: Lab) -> None:
    document = edge()
    document["backends"]["shop"]["tls"]["min_version"] = "1.3"
    assert not compiled(lab.folder, document).of("tls-versions-do-not-meet")
    document["listeners"]["public"]["tls"] = {"max_version": "1.2"}
    assert "tls-versions-do-not-meet" in compiled(lab.folder, document).errors()


def test_http_1_1_alone_is_not_enforced(lab: Lab) -> None:
    document = edge()
    document["listeners"]["public"]["protocols"] = ["http/1.1"]
    assert compiled(lab.folder, document).of("protocols-not-restricted")


def test_mutual_tls_cannot_be_decrypted(lab: Lab) -> None:
    document = edge()
    document["sites"]["shop"]["client_auth"] = {"ca": "public"}
    assert "unsupported-client-auth" in compiled(lab.folder, document).errors()
    document = behind()
    lab.put("proxy", leaf(["proxy.internal"], lab.internal, usages=["client"]))
    document["backends"]["shop"]["tls"]["client_certificate"] = key_pair("proxy")
    assert "unsupported-backend-client-certificate" in compiled(lab.folder, document).errors()


# --- the platform -----------------------------------------------------------------------------------------------


def test_firewalls_before_10_2_below_a_later_panorama(lab: Lab) -> None:
    """Panorama's version decides the form, the oldest firewall's how many certificates there may be."""
    done = compiled(lab.folder, behind(version="10.1", panorama_version="11.2", location=PANORAMA))
    (told,) = done.of("mixed-device-group")
    assert told.severity.value == "warning"
    assert b"<certificates>" in done.bundle().files["panos.xml"]
    lab.inner("second")
    document = behind(version="10.1", panorama_version="11.2", location=PANORAMA)
    document["backends"]["shop"]["tls"]["certificate"] = ["app.pem", "second.pem"]
    assert "too-many-certificates" in compiled(lab.folder, document).errors()
    document["targets"]["panos"] |= {"version": "10.2"}
    (told,) = compiled(lab.folder, document).of("mixed-device-group")
    assert told.severity.value == "info"
    document["targets"]["panos"] = {"position": "behind_proxy"}
    assert not compiled(lab.folder, document).of("mixed-device-group")


def test_more_than_small_platforms_hold(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not compiled(lab.folder, rich("edge")).of("platform-capacity")
    monkeypatch.setattr(platform, "_CAPACITIES", (("certificates", "certificate", 1), ("NAT rules", "NAT rule", 3)))
    monkeypatch.setattr(platform, "_URLS", 5)
    told = compiled(lab.folder, rich("edge")).of("platform-capacity")
    assert [finding.message.partition(";")[0] for finding in told] == [
        "2 certificates",
        "4 NAT rules",
        "15 entries of custom URL categories",
    ]


def test_tags_that_differ_in_case_alone(lab: Lab) -> None:
    document = edge()
    document["sites"]["SHOP"] = {**document["sites"]["shop"], "hostnames": ["www.shop.example.com"]}
    (told,) = compiled(lab.folder, document).of("panos-name-collision")
    assert "2 objects of the kind tag would be named `lab_shop`" in told.message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"location": {"device_group": "shared", "template": "T"}}, "is no device group"),
        ({"location": {"vsys": "vsys1", "rulebase": "post"}}, "a firewall has one rulebase"),
        ({"location": {"device_group": "DG"}}, "or `{device_group: …, template: …}` for Panorama"),
        ({"panorama_version": "11.2"}, "is for Panorama"),
        ({"location": PANORAMA, "version": "11.2", "panorama_version": "10.2"}, "does not manage firewalls with 11.2"),
        ({"zones": {"public": "any"}}, "names the one zone"),
        ({"proxies": ["192.0.2.5"]}, "needs `position: behind_proxy`"),
        ({"version": "9.1"}, "10.0 to 12.1 are known"),
        ({"applications": ["a b;c"]}, "is not the name of an application"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as found:
        Settings.model_validate(settings)
    assert message in str(found.value)
