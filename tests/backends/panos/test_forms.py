"""XML, the API's request, set commands and Terraform say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
from policyc.backends.panos import render
from policyc.backends.panos.hcl import Body, Raw, document

from .forms import Block, Said, read_hcl, read_multi_config, read_set, read_terraform, read_xml
from .lab import Lab, compiled, rich

VERSIONS = ("10.0", "10.1", "10.2", "11.2", "12.1")
DEVICE_GROUP = {"device_group": "DG one", "template": "T one"}
LOCATIONS: dict[str, dict[str, str]] = {
    "vsys1": {"vsys": "vsys1"},
    "vsys2": {"vsys": "vsys2"},
    "panorama": DEVICE_GROUP,
    "panorama-post": {**DEVICE_GROUP, "rulebase": "post"},
}
POSITIONS = ("edge", "behind_proxy")
SET: dict[str, list[str]] = {
    "vsys1": [],
    "vsys2": ["vsys", "vsys2"],
    "panorama": ["device-group", "DG one"],
    "panorama-post": ["device-group", "DG one"],
}


def placed(location: str) -> tuple[str, str]:
    """Kind and name of the place, in the API's request."""
    return ("device-group", "DG one") if location.startswith("panorama") else ("vsys", location)


def provider(location: str) -> dict[str, Any]:
    """The same for Terraform."""
    kind, name = placed(location)
    return {kind.replace("-", "_"): {"name": name}}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("version", VERSIONS)
def test_all_forms_say_the_same(lab: Lab, version: str, location: str, position: str) -> None:
    files = compiled(lab.folder, rich(position, version, LOCATIONS[location])).bundle().files
    xml = read_xml(files["panos.xml"])
    assert len(xml.values) > 100
    assert set(xml.order) == {"nat", "decryption", "security"} - ({"nat"} if position == "behind_proxy" else set())
    rulebase = {"panorama": "pre-rulebase", "panorama-post": "post-rulebase"}.get(location, "rulebase")
    assert xml.names(rulebase) == set(xml.order)
    said: dict[str, Said] = {"set": read_set(files["panos.set"], SET[location])}
    if version >= "10.2":
        said["API"] = read_multi_config(files["panos.multi-config.xml"], *placed(location))
        said["Terraform"] = read_terraform(files["terraform/main.tf"], provider(location))
    else:
        assert "panos.multi-config.xml" not in files
        assert "terraform/main.tf" not in files
    for form, found in said.items():
        assert found.values == xml.values, form
        assert found.order == xml.order, form


@pytest.mark.parametrize("form", ["panos.set", "panos.multi-config.xml"])
def test_moves_mend_the_order_of_older_rules(lab: Lab, form: str) -> None:
    """What a second run must do: rules that are there already stay in their place unless moved."""

    def read(data: bytes) -> dict[str, list[str]]:
        return read_set(data, []).order if form == "panos.set" else read_multi_config(data, "vsys", "vsys1").order

    data = compiled(lab.folder, rich("edge")).bundle().files[form]
    wanted = read(data)
    if form == "panos.set":
        lines = data.decode().splitlines()
        rules = [line for line in reversed(lines) if re.match(r"set rulebase ", line)]
        rules.sort(key=lambda line: ["nat", "decryption", "security"].index(line.split()[2]))
        moves = [line for line in lines if line.startswith("move")]
        backwards, mended = "\n".join(rules).encode(), "\n".join(rules + moves).encode()
    else:
        parts = re.findall(rb"<edit.*?</edit>\n|<move[^>]*/>\n", data, re.DOTALL)
        edits = [part for part in reversed(parts) if b"<edit" in part]
        moves_ = [part for part in parts if b"<move" in part]

        def request(parts: list[bytes]) -> bytes:
            return b"<multi-configure-request>" + b"".join(parts) + b"</multi-configure-request>"

        backwards, mended = request(edits), request(edits + moves_)
    assert read(backwards) != wanted
    assert read(mended) == wanted


def test_what_is_loaded_is_all_that_is_written(lab: Lab) -> None:
    """Each kind of thing has its partial load, from where it stands in the file to the same place."""
    for location in LOCATIONS:
        files = compiled(lab.folder, rich("edge", location=LOCATIONS[location])).bundle().files
        text = files["panos.load"].decode()
        loads = re.findall(
            r'^load config partial mode merge from-xpath ("?)(.*)\1 to-xpath \1\2\1 from panos.xml$', text, re.M
        )
        kind, name = placed(location)
        head = f"/config/devices/entry[@name='localhost.localdomain']/{kind}/entry[@name='{name}']/"
        said = read_xml(files["panos.xml"])
        tops = {"/".join(path[: path.index("rules") + 1] if "rules" in path else path[:-2]) for path in said.values}
        kinds = {"tag", "address", "address-group", "service", "profiles/custom-url-category", "profiles/decryption"}
        wanted = {top for top in tops if top.endswith("/rules")} | kinds
        assert {xpath.removeprefix(head) for _, xpath in loads} == wanted
        assert len(loads) == len(wanted)
        assert all(bool(quote) == (" " in xpath) for quote, xpath in loads)


def test_a_request_that_the_api_would_refuse_is_not_written(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    done = compiled(lab.folder, rich("edge"))
    size = len(done.bundle().files["panos.multi-config.xml"])
    monkeypatch.setattr(render, "REQUEST_LIMIT", size - 1)
    bundle = done.bundle()
    assert "panos.multi-config.xml" not in bundle.files
    assert "the API takes 5, and none is written" in bundle.install
    monkeypatch.setattr(render, "REQUEST_LIMIT", size)
    assert "panos.multi-config.xml" in done.bundle().files


# --- HashiCorp's language ---------------------------------------------------------------------------------------


def test_the_layout_of_terraform_fmt() -> None:
    content = {
        "location": {"vsys": {"name": "vsys1"}},
        "a": "x",
        "longer": True,
        "list": ["one"],
        "empty": {},
        "none": [],
        "several": [1, Raw("a.b")],
        "after": 1,
        "several_objects": [{"name": "x", "n": 2}, {"name": "y"}],
        "odd": {"odd key": '${x} %{y} \\ "'},
    }
    text = document(["Comment."], [Body("resource", ("kind", "label"), content), Body("provider", ("p",), {})])
    assert (
        text
        == """\
# Comment.

resource "kind" "label" {
  location = {
    vsys = {
      name = "vsys1"
    }
  }
  a      = "x"
  longer = true
  list   = ["one"]
  empty  = {}
  none   = []
  several = [
    1,
    a.b,
  ]
  after = 1
  several_objects = [
    {
      name = "x"
      n    = 2
    },
    {
      name = "y"
    },
  ]
  odd = {
    "odd key" = "$${x} %%{y} \\\\ \\""
  }
}

provider "p" {}
"""
    )
    (block,) = read_hcl(text.encode())["resource"]
    assert block.content["odd"] == content["odd"]
    assert [*block.content] == [*content]
    _formatted(text.encode())


def _formatted(data: bytes) -> None:
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("NOT TESTED: terraform is not installed")
    ran = subprocess.run([program, "fmt", "-"], input=data, capture_output=True, check=True)
    assert ran.stdout.decode() == data.decode()


@pytest.mark.parametrize("position", POSITIONS)
def test_terraform_would_not_change_it(lab: Lab, position: str) -> None:
    for location in LOCATIONS.values():
        _formatted(compiled(lab.folder, rich(position, location=location)).bundle().files["terraform/main.tf"])


def test_terraform_has_its_provider_and_no_secret(lab: Lab) -> None:
    data = compiled(lab.folder, rich("edge")).bundle().files["terraform/main.tf"]
    blocks = read_hcl(data)
    (settings,) = blocks["terraform"]
    assert settings.content["required_providers"]["panos"] == {"source": "PaloAltoNetworks/panos", "version": "~> 2.0"}
    assert blocks["provider"] == [Block(("panos",), {})]
    assert not re.search(rb"(?i)api_key *=|password|passphrase|BEGIN", data)
