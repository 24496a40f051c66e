"""What policyc writes for the examples: every byte of it is a promise, and each target's own parser takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.bundle import Bundle
from policyc.compiler.document import read
from policyc.compiler.native_check import native_check
from policyc.compiler.output_folder import assemble
from policyc.compiler.pipeline import compile_for, examine, has_errors, load, settings_for
from policyc.compiler.reports import text
from policyc.compiler.target import installed_targets
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.types import SnapshotIndex

from ..live.edges import run_policyc
from ..live.supported import TARGETS as PROXIES
from .conftest import EXAMPLES, POLICIES, TODAY


def document(policy: str) -> dict[str, Any]:
    """An example as values."""
    return read(str(EXAMPLES / policy))[0].values


TARGETS = installed_targets()
CASES = [
    pytest.param(policy, target, id=f"{policy.removesuffix('.yaml').replace('/', '-')}-{target}")
    for policy in POLICIES
    for target in document(policy)["targets"]
]
CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
REFUSED = [("weberlab/policy.yaml", "panos", "backend-certificate-mismatch")]


def cases(*targets: str) -> list[Any]:
    """Those of the cases that are about `targets` and give an output."""
    refused = {(policy, target) for policy, target, _ in REFUSED}
    return [case for case in CASES if case.values[1] in targets and case.values not in refused]


class Artefact(SingleFileSnapshotExtension):
    """A file for each artefact, under its own name, so that diffs and editors see what it is."""

    file_extension = ""
    _write_mode = WriteMode.TEXT  # so that a difference is shown by lines

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        return f"{test_location.snapshot_name}.{index}"

    def is_snapshot_location(self, *, location: str) -> bool:
        return True  # whatever its suffix: else a file that is written no more would not be told


@pytest.fixture
def artefact(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """The accepted artefacts of this test."""
    return snapshot.use_extension(Artefact)


@dataclass(frozen=True)
class Made:
    """What came of an example for a target."""

    report: str
    bundle: Bundle | None
    """None: it is refused."""
    files: Mapping[str, bytes]
    """As ``policyc build`` writes them, manifest and README included."""


def made(policy: str | Path, target: str) -> Made:
    """As ``policyc build POLICY --target TARGET`` on the day of the certificates."""
    loaded = load(str(policy), TARGETS)
    judged = examine(loaded, TARGETS, [target], TODAY)
    report = text.render(loaded.document, judged)
    if has_errors(judged.standing):
        return Made(report, None, {})
    bundle = compile_for(loaded, TARGETS[target])
    version = settings_for(loaded, TARGETS[target]).version
    output = assemble(bundle, loaded.document, target, version, copy_keys=False)
    return Made(report, bundle, {path: data for path, (data, _) in output.files.items()})


@pytest.mark.parametrize(("policy", "target"), CASES)
def test_output(
    examples: Path, artefact: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch, policy: str, target: str
) -> None:
    monkeypatch.chdir(examples)
    done = made(policy, target)
    assert artefact(name="findings.txt") == done.report
    for path, data in done.files.items():
        if CERTIFICATE not in data:  # the manifest has their digests
            assert artefact(name=path.replace("/", "-")) == data.decode()
    assert (done.bundle is None) == ((policy, target) in {(one, other) for one, other, _ in REFUSED})


@pytest.mark.parametrize(("policy", "target"), cases(*TARGETS))
def test_the_same_from_anywhere(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str, target: str
) -> None:
    monkeypatch.chdir(examples)
    here = made(policy, target).files
    monkeypatch.chdir(tmp_path)
    assert made(examples / policy, target).files == here
    assert not any(str(examples).encode() in data for data in here.values())
    assert not any(b"PRIVATE KEY-----" in data for data in here.values())


@pytest.mark.parametrize(("policy", "target", "rule"), REFUSED)
def test_nothing_is_written_for_what_is_refused(
    examples: Path, tmp_path: Path, policy: str, target: str, rule: str
) -> None:
    ran = run_policyc("build", str(examples / policy), "--target", target, "-o", str(tmp_path / "out"))
    assert ran.returncode == 1
    assert f"error[{rule}]: {target}: " in ran.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("policy", "target"), cases(*PROXIES))
def test_its_own_parser_takes_it(examples: Path, proxy_program: Callable[[str], str], policy: str, target: str) -> None:
    proxy_program(target)
    bundle = made(examples / policy, target).bundle
    assert bundle is not None
    result = native_check(bundle)
    assert result.accepted, result.said
    assert not result.throwaway_keys
    files = {path: data if CERTIFICATE in data else data + b"\nnonsense" for path, data in bundle.files.items()}
    assert not native_check(replace(bundle, files=files)).accepted


def test_the_support_matrix_in_docs_is_the_targets_own() -> None:
    ran = run_policyc("targets", "--format", "markdown")
    assert (EXAMPLES.parent / "docs" / "targets.md").read_text() == ran.stdout, "run `make docs`"


def test_a_difference_of_placement_is_told_as_a_policy_writes_it(examples: Path) -> None:
    folder = examples / "weberlab"
    ran = run_policyc("diff", str(folder / "policy.yaml"), str(folder / "behind-proxy.yaml"), "--target", "panos")
    assert "PAN-OS: zones is now from proxies, to dmz (was from untrust, to dmz)\n" in ran.stdout
    assert "PAN-OS: proxies is now 192.0.2.5/32 (was none)\n" in ran.stdout
