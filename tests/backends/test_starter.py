"""`policyc init` with the real targets: the starter lints clean for those that it names, and builds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from policyc.compiler.cli import main
from policyc.compiler.document import read
from policyc.compiler.loopback.pki import authority, leaf, write


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of a command line."""
    monkeypatch.setattr(sys, "argv", ["policyc", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code if isinstance(end.value.code, int) else 0


def test_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "init") == 0
    certs = tmp_path / "certs"
    certs.mkdir()
    write(certs, "shop-fullchain", leaf(["shop.example.com"], authority("Public CA", authority("Root"))))
    (certs / "shop-fullchain.key").rename(certs / "shop.key")
    (certs / "internal-ca.pem").write_bytes(authority("Internal CA").pem)
    capsys.readouterr()
    assert run(monkeypatch, "lint", "--fail-on", "warning") == 0
    assert capsys.readouterr().out == "nothing found\n"
    assert set(read("policy.yaml")[0].values["targets"]) == {"envoy", "haproxy", "nginx"}
    assert run(monkeypatch, "build", "policy.yaml") == 0
