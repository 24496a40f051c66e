"""Every example for the firewall, for each version and place: accepted bytes, and nothing to find for the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from policyc.backends.panos import TARGET
from policyc.compiler.pipeline import compile_for, examine, has_errors, load
from policyc.compiler.reports import text
from policyc.compiler.target import installed_targets
from syrupy.assertion import SnapshotAssertion

from ..conftest import EXAMPLES, TODAY
from ..test_examples import Artefact
from .forms import Said, read_multi_config, read_set, read_terraform, read_xml
from .lab import certificates
from .oracle import check, needs_specifications
from .test_specifications import counted

POLICIES = ("weberlab/behind-proxy.yaml", "firewall/policy.yaml", "firewall/edge.yaml")
VERSIONS = ("10.0", "10.1", "10.2", "11.2", "12.1")


@dataclass(frozen=True)
class Placement:
    """A location of the settings, and how the other forms name it."""

    location: Mapping[str, str]
    kind: str
    name: str
    prefix: tuple[str, ...]
    more: Mapping[str, str]
    """Further settings."""


PLACEMENTS = {
    "vsys1": Placement({"vsys": "vsys1"}, "vsys", "vsys1", (), {}),
    "vsys3": Placement({"vsys": "vsys3"}, "vsys", "vsys3", ("vsys", "vsys3"), {}),
    "panorama-pre": Placement(
        {"device_group": "dmz firewalls", "template": "dmz"},
        "device-group",
        "dmz firewalls",
        ("device-group", "dmz firewalls"),
        {},
    ),
    "panorama-post": Placement(
        {"device_group": "dmz", "template": "dmz", "rulebase": "post"},
        "device-group",
        "dmz",
        ("device-group", "dmz"),
        {"panorama_version": "12.1"},
    ),
}
CASES = [
    pytest.param(policy, version, place, id=f"{policy.removesuffix('.yaml').replace('/', '-')}-{version}-{place}")
    for policy in POLICIES
    for version in VERSIONS
    for place in PLACEMENTS
]
ACCEPTED = [case for case in CASES if case.values[1] != "10.0" and case.values[2] != "vsys3"]
"""Those whose bytes are kept: the others differ in a word or two."""


@dataclass(frozen=True)
class Made:
    """What came of a policy at a place."""

    report: str
    settings: dict[str, Any]
    files: Mapping[str, bytes]


@pytest.fixture
def made(
    examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    policy: str,
    version: str,
    place: str,
) -> Made:
    """An example with the settings of a case, beside its certificates."""
    document = yaml.safe_load((EXAMPLES / policy).read_text())
    placement = PLACEMENTS[place]
    settings = {
        **document["targets"]["panos"],
        "version": version,
        "location": dict(placement.location),
        **placement.more,
    }
    document["targets"]["panos"] = settings
    path = tmp_path / policy
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    (path.parent / "certs").symlink_to(examples / path.parent.name / "certs")
    monkeypatch.chdir(tmp_path)
    targets = installed_targets()
    loaded = load(policy, targets)
    judged = examine(loaded, targets, ["panos"], TODAY)
    report = text.render(loaded.document, judged)
    assert not has_errors(judged.standing), report
    return Made(report, settings, compile_for(loaded, targets[TARGET.name]).files)


@pytest.mark.parametrize(("policy", "version", "place"), ACCEPTED)
def test_output(made: Made, snapshot: SnapshotAssertion, policy: str, version: str, place: str) -> None:
    artefact = snapshot.use_extension(Artefact)
    assert artefact(name="findings.txt") == made.report
    assert artefact(name="panos.xml") == made.files["panos.xml"].decode()
    placement = PLACEMENTS[place]
    xml = read_xml(made.files["panos.xml"])
    said: dict[str, Said] = {"set": read_set(made.files["panos.set"], list(placement.prefix))}
    if "panorama_version" in made.settings or version >= "10.2":
        said["API"] = read_multi_config(made.files["panos.multi-config.xml"], placement.kind, placement.name)
        location = {placement.kind.replace("-", "_"): {"name": placement.name}}
        said["Terraform"] = read_terraform(made.files["terraform/main.tf"], location)
    else:
        assert not {"panos.multi-config.xml", "terraform/main.tf"} & set(made.files)
    for form, found in said.items():
        assert found == xml, form


@needs_specifications
@pytest.mark.parametrize(("policy", "version", "place"), CASES)
def test_nothing_to_find(made: Made, tmp_path: Path, policy: str, version: str, place: str) -> None:
    path = tmp_path / "panos.xml"
    path.write_bytes(made.files["panos.xml"])
    settings = made.settings
    known = {
        "certificate": certificates(made.files),
        "zone": [zone for zones in settings["zones"].values() for zone in zones],
        "profile-group": list(settings.get("profile_groups", {}).values()),
        "log-forwarding": [settings["log_setting"]] if "log_setting" in settings else [],
    }
    expect = counted(read_set(made.files["panos.set"], list(PLACEMENTS[place].prefix)))
    assert all(expect[kind] for kind in ("tag", "address", "service", "decryption-rule", "security-rule"))
    assert check(path, settings.get("panorama_version", version), known, expect) == []
