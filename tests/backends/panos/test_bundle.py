"""The files as a whole: the same every time, without keys, and readable by what they are for."""

from __future__ import annotations

import re

import pytest
from policyc.backends.panos import TARGET
from policyc.backends.panos.naming import describe
from policyc.compiler.loopback.pki import authority, leaf
from policyc.compiler.pipeline import compile_for, load

from .forms import read_set, read_xml
from .lab import TARGETS, Lab, backend, certificates, compiled, edge, key_pair, rich
from .rulebase import Rules

POSITIONS = ("edge", "behind_proxy")


@pytest.mark.parametrize("position", POSITIONS)
def test_same_in_same_out_and_no_key_inside(lab: Lab, position: str) -> None:
    one, two = (compiled(lab.folder, rich(position)).bundle() for _ in range(2))
    assert one == two
    assert not any(b"PRIVATE KEY" in data for data in one.files.values())
    assert not any(str(lab.folder).encode() in data for data in one.files.values())
    assert one.executable == {"import-certificates.sh"}


def test_the_chain_goes_into_the_certificates_file(lab: Lab) -> None:
    intermediate = authority("Public CA 2", lab.public)
    lab.put("chained", leaf(["shop.example.com"], intermediate))
    document = edge()
    document["public_certificates"]["shop"] = key_pair("chained")
    document["backends"]["shop"] = backend("192.0.2.10:443", "chained")
    files = compiled(lab.folder, document).bundle().files
    (name,) = certificates(files)
    assert files[f"certs/{name}.pem"].count(b"BEGIN CERTIFICATE") == 2


def test_descriptions_fit_and_hold_nothing_that_the_command_line_misreads(lab: Lab) -> None:
    document = edge()
    for number in range(60):
        document["sites"][f"{'long-name-' * 5}{number}"] = {
            **document["sites"]["shop"],
            "hostnames": [f"h{number}.apps.example.com"],
            "public_certificate": "apps",
        }
    document["public_certificates"]["apps"] = key_pair("apps")
    path = lab.folder / 'odd "name" of? a\\policy.yaml'
    compiled(lab.folder, document)
    (lab.folder / "policy.yaml").rename(path)
    files = compile_for(load(str(path), TARGETS), TARGET).files  # pyright: ignore[reportArgumentType]
    path.unlink()
    rules = Rules(files["panos.xml"], "decryption")
    assert rules.text(next(iter(rules)), "description") == "odd _name_ of_ a_policy.yaml: many of sites"
    few = describe("policy.yaml", [("sites", f"{'long-name-' * 5}{number}") for number in range(8)], 255)
    assert 190 < len(few) <= 255
    assert re.search(r"and \d+ more$", few)
    for line in files["panos.set"].decode().splitlines():
        assert not re.search(r"[?\\']", line)
        assert line.count('"') % 2 == 0
    assert read_xml(files["panos.xml"]) == read_set(files["panos.set"], [])
