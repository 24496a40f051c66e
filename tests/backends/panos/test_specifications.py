"""The output against the vendor's own machine-readable specifications, and ten ways to break it that are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from .forms import Said, read_hcl, read_set
from .lab import Lab, certificates, compiled, rich
from .oracle import SPECS, check, needs_specifications
from .test_forms import LOCATIONS, POSITIONS, SET, VERSIONS

pytestmark = needs_specifications


def known(files: Mapping[str, bytes]) -> dict[str, list[str]]:
    """What the laboratory's policies name and do not make."""
    return {
        "certificate": certificates(files),
        "zone": ["untrust", "guest net", "dmz"],
        "profile-group": ["Inbound Strict"],
        "log-forwarding": ["forward all"],
    }


def counted(said: Said) -> dict[str, int]:
    """How many entries of each kind another form of the output has."""
    kinds = {
        "tag": said.names("tag"),
        "address": said.names("address"),
        "address-group": said.names("address-group"),
        "service": said.names("service"),
        "custom-url-category": said.names("profiles", "custom-url-category"),
        "decryption-profile": said.names("profiles", "decryption"),
        **{f"{kind}-rule": set(names) for kind, names in said.order.items()},
    }
    return {kind: len(names) for kind, names in kinds.items()}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_to_find(lab: Lab, tmp_path: Path, version: str, location: str, position: str) -> None:
    files = compiled(lab.folder, rich(position, version, LOCATIONS[location])).bundle().files
    path = tmp_path / "panos.xml"
    path.write_bytes(files["panos.xml"])
    expect = counted(read_set(files["panos.set"], SET[location]))
    assert all(expect[kind] for kind in ("tag", "address", "service", "decryption-rule", "security-rule"))
    assert check(path, version, known(files), expect) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<action>decrypt</action>", "<action>decipher</action>"),
        ("keyxchg-algo-ecdhe>", "keyxchg-algo-ecdh>"),
        ("<member>lab_tcp-443</member>", "<member>lab_tcp-444</member>"),
        ("rulebase>", "pre-rulebase>"),
        ("<min-version>tls1-2<", "<min-version>1.2<"),
        ("<service>lab_tcp-443</service>", "<service><member>lab_tcp-443</member></service>"),
        ("<distribution>round-robin<", "<distribution>random<"),
        ("<translated-port>8443<", "<translated-port>84430<"),
        ("<ip-netmask>192.0.2.10<", "<ip-netmask>192.0.2.256<"),
        ("<member>lab_203-0-113-1-443_passthrough</member>", "<member>lab_nowhere</member>"),
        ('name="lab_public"', 'name="a-name-of-a-profile-that-is-too-long"'),
        ("<certificates>", "<certificate>"),
        ("<member>legacy.example.com/</member>", "<member>https://legacy.example.com/</member>"),
        ("<nat-type>ipv4<", "<nat-type>ipv5<"),
    ],
)
def test_what_is_broken_is_found(lab: Lab, tmp_path: Path, old: str, new: str) -> None:
    files = compiled(lab.folder, rich("edge")).bundle().files
    text = files["panos.xml"].decode()
    assert old in text
    broken = text.replace(old, new).replace(f"</{old[1:]}", f"</{new[1:]}")
    path = tmp_path / "panos.xml"
    path.write_text(broken)
    assert check(path, "11.2", known(files), {})


@pytest.mark.parametrize(("version", "other"), [("10.1", "10.2"), ("10.2", "10.1")])
def test_each_form_of_a_decryption_rule_is_refused_by_the_other_version(
    lab: Lab, tmp_path: Path, version: str, other: str
) -> None:
    files = compiled(lab.folder, rich("edge", version)).bundle().files
    path = tmp_path / "panos.xml"
    path.write_bytes(files["panos.xml"])
    assert check(path, version, known(files), {}) == []
    assert check(path, other, known(files), {})


# --- Terraform's attributes, which the provider makes from the specifications -----------------------------------

_FILES = {
    "panos_administrative_tag": "objects/administrative-tag.yaml",
    "panos_addresses": "objects/address.yaml",
    "panos_address_group": "objects/address-group.yaml",
    "panos_service": "objects/service.yaml",
    "panos_custom_url_category": "objects/custom-url-category.yaml",
    "panos_decryption_profile": "objects/profiles/decryption-profile.yaml",
    "panos_nat_policy_rules": "policies/network-address-translation.yaml",
    "panos_decryption_policy_rules": "policies/decryption-policy.yaml",
    "panos_security_policy_rules": "policies/security-policy-rule.yaml",
}
_TYPES = {"string": str, "enum": str, "bool": bool, "int64": int, "list": list, "object": dict}


def _attributes(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Parameters by the names of the provider's attributes."""
    found: dict[str, dict[str, Any]] = {}
    for parameter in (*spec.get("params", ()), *spec.get("variants", ())):
        override = parameter.get("codegen_overrides", {}).get("terraform", {})
        found[override.get("name", parameter["name"]).replace("-", "_")] = parameter
    return found


def _fits(values: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    attributes = _attributes(spec)
    for name, value in values.items():
        assert name in attributes
        kind = attributes[name]["type"]
        assert isinstance(value, _TYPES[kind]), name
        if kind == "object":
            _fits(cast("Mapping[str, Any]", value), attributes[name]["spec"])


@pytest.mark.parametrize("position", POSITIONS)
def test_terraform_has_attributes_of_the_provider(lab: Lab, position: str) -> None:
    data = compiled(lab.folder, rich(position)).bundle().files["terraform/main.tf"]
    for block in read_hcl(data)["resource"]:
        kind = block.labels[0]
        specification = yaml.safe_load((SPECS / _FILES[kind]).read_text())
        provider = specification["terraform_provider_config"]
        plural = "plural" in provider["resource_variants"] and kind.endswith(("_rules", "addresses"))
        assert kind == "panos_" + (provider["plural_suffix"] if plural else provider["suffix"])
        content = block.content
        if plural:
            listed: Any = content[provider["plural_name"]]
            entries: list[dict[str, Any]] = list(listed.values()) if kind == "panos_addresses" else listed
        else:
            entries = list(content["for_each"].values())
        assert entries
        for entry in entries:
            _fits({key: value for key, value in entry.items() if key != "name"}, specification["spec"])
