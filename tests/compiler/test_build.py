"""Writing a target's folder: whole or not at all, and never somebody else's files."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from policyc.compiler import output_folder

from .conftest import GOOD, Ran


@pytest.fixture
def build(write_policy: Callable[[str], Path], policyc: Callable[..., Ran], tmp_path: Path) -> Callable[..., Ran]:
    """Build the good policy, or another text, into ``out``."""

    def run(*options: str, text: str = GOOD) -> Ran:
        return policyc("build", write_policy(text), "-o", tmp_path / "out", *options)

    return run


def test_build_writes_the_files_and_says_which_keys_are_missing(build: Callable[..., Ran], tmp_path: Path) -> None:
    ran = build()
    folder = tmp_path / "out" / "example"
    assert ran.status == 0, ran.out
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == [
        "README.txt",
        "example.conf",
        "manifest.json",
        "shop.pem",
    ]
    assert f"put the private key at {folder}/certs/shop.key" in ran.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["keys"] == [
        {"path": "certs/shop.key", "policy_names": manifest["keys"][0]["policy_names"], "copied": False}
    ]
    assert set(manifest["files"]) == {"README.txt", "example.conf", "certs/shop.pem"}


def test_copied_keys_are_for_their_owner_only(build: Callable[..., Ran], tmp_path: Path) -> None:
    assert build("--keys", "copy").status == 0
    folder = tmp_path / "out" / "example"
    key = folder / "certs" / "shop.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    body = key.read_text().split("\n")[1]
    for path in folder.rglob("*"):
        if path.is_file() and path != key:
            assert body not in path.read_text()


def test_check_says_what_would_change(build: Callable[..., Ran], tmp_path: Path) -> None:
    assert build("--check").status == 5
    assert not (tmp_path / "out").exists()
    assert build().status == 0
    same = build("--check")
    assert (same.status, same.out) == (0, "")
    other = build("--check", text=GOOD.replace("[shop.example.com]", "[shop.example.com, x.example.com]"))
    assert other.status == 5
    assert f"~ {tmp_path}/out/example/example.conf" in other.out


def test_rebuild_keeps_what_the_operator_put_there_and_removes_what_is_gone(
    build: Callable[..., Ran], tmp_path: Path
) -> None:
    assert build().status == 0
    folder = tmp_path / "out" / "example"
    (folder / "certs" / "shop.key").write_text("the operator's")
    renamed = GOOD.replace("  shop: {cert", "  store: {cert").replace(
        "public_certificate: shop", "public_certificate: store"
    )
    assert build(text=renamed).status == 0
    assert (folder / "certs" / "shop.key").read_text() == "the operator's"
    assert (folder / "certs" / "store.pem").exists()
    assert not (folder / "certs" / "shop.pem").exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["example"]


def test_a_folder_of_somebody_else_is_left_alone(build: Callable[..., Ran], tmp_path: Path) -> None:
    folder = tmp_path / "out" / "example"
    folder.mkdir(parents=True)
    (folder / "precious").write_text("mine")
    ran = build()
    assert ran.status == 1
    assert "policyc did not write it" in ran.err
    assert [path.name for path in folder.iterdir()] == ["precious"]


def test_a_failed_write_leaves_the_old_output(
    build: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert build().status == 0
    folder = tmp_path / "out" / "example"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output_folder, "_carry_over", full_disk)
    ran = build(text=GOOD.replace("[shop.example.com]", "[x.example.com]"))
    assert ran.status == 1
    assert "no space left on device" in ran.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["example"]


def test_a_build_with_an_error_writes_nothing(build: Callable[..., Ran], tmp_path: Path) -> None:
    assert build(text=GOOD.replace("backend: app", "backend: ap")).status == 1
    assert not (tmp_path / "out").exists()


def test_a_bug_is_called_one(
    write_policy: Callable[[str], Path], policyc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("policyc.compiler.pipeline.resolve", broken)
    ran = policyc("build", write_policy(GOOD), "-o", tmp_path / "out")
    assert ran.status == 4
    assert "this is a bug of policyc" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "out").exists()


def test_check_command(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> None:
    ran = policyc("check", write_policy(GOOD))
    assert (ran.status, ran.out) == (0, "example: accepted by true\n")
    without_key = GOOD.replace("public.key}", "absent.key}")
    assert "with throwaway keys" in policyc("check", write_policy(without_key)).out


def test_wrong_usage(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> None:
    assert policyc("build", write_policy(GOOD), "--target", "exampel").status == 2
    assert policyc("lint", write_policy(GOOD), "--at", "tomorrow").status == 2
    assert policyc("nonsense").status == 2
    assert policyc("--version").out.startswith("policyc ")


def test_targets_matrix(policyc: Callable[..., Ran]) -> None:
    ran = policyc("targets")
    assert ran.status == 0
    assert "example 2.6" in ran.out
    assert "since 3.0" in ran.out
    rows = json.loads(policyc("targets", "--format", "json").out)["features"]
    assert {row["feature"]: row["targets"]["example"]["supported"] for row in rows}["scan"] is False
