"""`policyc init`: what a new user starts with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from policyc.compiler.document import read
from policyc.compiler.features import Feature
from policyc.compiler.pipeline import load
from policyc.compiler.starter import FEATURES
from policyc.compiler.target import installed_targets

from .conftest import Ran, self_signed

Printed = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give_certificates(folder: Path) -> None:
    """What the starter names."""
    certs = folder / "certs"
    certs.mkdir()
    self_signed(certs, "shop-fullchain", "shop.example.com")
    (certs / "shop-fullchain.key").rename(certs / "shop.key")
    self_signed(certs, "internal-ca", "shop.internal")


def test_it_lints_clean_once_certificates_are_given(policyc: Printed, folder: Path) -> None:
    ran = policyc("init")
    assert (ran.status, ran.out) == (0, "")
    before = policyc("lint")
    assert before.status == 1
    # All that is wrong is that files are not there yet.
    found = re.findall(r"^[a-z]+\[([a-z-]+)\]", before.out, re.MULTILINE)
    assert set(found) == {"private-key-absent", "unreadable-file"}
    give_certificates(folder)
    after = policyc("lint", "--fail-on", "warning")
    assert (after.status, after.out) == (0, "nothing found\n")
    assert policyc("build", "policy.yaml").status == 0


def test_what_it_asks_of_a_target_is_what_the_policy_uses(policyc: Printed, folder: Path) -> None:
    policyc("init")
    give_certificates(folder)
    plan = load("policy.yaml", installed_targets()).plan
    assert plan is not None
    assert {use.feature for use in plan.uses} == FEATURES


def test_an_editor_finds_the_schema(policyc: Printed, folder: Path) -> None:
    (folder / "edge").mkdir()
    assert policyc("init", "edge/shop.yaml").status == 0
    found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", (folder / "edge" / "shop.yaml").read_text())
    assert found
    schema = json.loads((folder / "edge" / found[1]).read_text())
    validator: Any = Draft202012Validator(schema)
    assert list(validator.iter_errors(read("edge/shop.yaml")[0].values)) == []


def test_nobodys_file_is_overwritten(policyc: Printed, folder: Path) -> None:
    (folder / "policy.yaml").write_text("mine")
    ran = policyc("init")
    assert ran.status == 2
    assert "policy.yaml exists already" in ran.err
    assert (folder / "policy.yaml").read_text() == "mine"
    (folder / "policy.schema.json").write_text('{"mine": true}')
    assert policyc("init", "other.yaml").status == 2
    assert not (folder / "other.yaml").exists()
    (folder / "policy.schema.json").unlink()
    assert policyc("init", "other.yaml").status == 0
    assert policyc("init", "third.yaml").status == 0  # the schema is ours


@pytest.mark.parametrize(
    ("name", "status"), [("policy.txt", 2), ("policy\n.yaml", 2), ("absent/policy.yaml", 3), ("a b.yaml", 0)]
)
def test_names(policyc: Printed, folder: Path, name: str, status: int) -> None:
    assert policyc("init", name).status == status


def test_targets_that_do_not_fit_are_comments(policyc: Printed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policyc.compiler.starter.FEATURES", frozenset(Feature))
    policyc("init")
    text = (folder / "policy.yaml").read_text()
    assert '\n  # example: {version: "2.6"}   # cannot do all of the above' in text
    assert read("policy.yaml")[0].values["targets"] == {}
    policyc("init", "chosen.yaml", "--target", "example")
    assert read("chosen.yaml")[0].values["targets"] == {"example": {"version": "2.6"}}
