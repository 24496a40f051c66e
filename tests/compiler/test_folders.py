"""A policy in a folder: read once, errors in the right file, and what may stand in which of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from policyc.compiler import document as document_module

from .conftest import GOOD, Ran

EDGE = GOOD[: GOOD.index("backends:")]
TEAM = GOOD[GOOD.index("backends:") : GOOD.index("targets:")]
TARGETS = GOOD[GOOD.index("targets:") :]
OTHER = """\
backends:
  other:
    servers: [192.0.2.11:443]
    tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}
sites:
  other: {hostnames: [other.example.com], public_certificate: shop, backend: other, inspect: [web]}
"""


@pytest.fixture
def folder(tmp_path: Path, certificates: Path) -> Callable[..., Path]:
    """Writes files into a folder of policies."""

    def write(**files: str) -> Path:
        path = tmp_path / "policies"
        path.mkdir(exist_ok=True)
        for name, text in files.items():
            (path / f"{name}.yaml").write_text(text.replace("CERTS", str(certificates)))
        return path

    return write


Folder = Callable[..., Path]
Policyc = Callable[..., Ran]


def test_each_file_is_read_and_parsed_once(
    folder: Folder, policyc: Policyc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(edge=EDGE, shop=TEAM, other=OTHER, targets=TARGETS)
    opened: Counter[str] = Counter()
    parsed: list[str] = []
    read_bytes = document_module.read_bytes
    events = document_module._events  # pyright: ignore[reportPrivateUsage]

    def counting(name: str, limit: int = document_module.MAX_BYTES) -> bytes:
        opened[os.path.basename(name)] += 1
        return read_bytes(name, limit)

    def noting(text: str) -> object:
        parsed.append(text)
        return events(text)

    monkeypatch.setattr(document_module, "read_bytes", counting)
    monkeypatch.setattr(document_module, "_events", noting)
    ran = policyc("build", path, "-o", tmp_path / "out")
    assert ran.status == 0, ran.out
    assert opened == Counter(["edge.yaml", "shop.yaml", "other.yaml", "targets.yaml"])
    assert len(parsed) == 4
    built = (tmp_path / "out" / "example" / "example.conf").read_text()
    assert built == "# policies\nother: other.example.com\nshop: shop.example.com\n"


def test_a_finding_names_the_file_that_it_is_about(folder: Folder, policyc: Policyc) -> None:
    path = folder(edge=EDGE, shop=TEAM, other=OTHER.replace("inspect: [web]", "inspect: [wbe]"), targets=TARGETS)
    ran = policyc("lint", path)
    assert ran.status == 1
    assert f"--> {path}/other.yaml:6:" in ran.out
    assert "there is no `wbe` in `inspection_rules`" in ran.out
    assert "did you mean `web`?" in ran.out


@pytest.mark.parametrize(
    ("twice", "what", "line"),
    [
        ("sites:\n  shop: {}\n", "`sites.shop` is given in two files of this policy", 2),
        ("backends:\n  app: {}\n", "`backends.app` is given in two files of this policy", 2),
        ('targets:\n  example: {version: "2.6"}\n', "`targets.example` is given in two files of this policy", 2),
        ("version: true\n", "`version` is given in two files of this policy, and not alike", 1),
        ("sites: []\n", "`sites` is given in two files of this policy, and not alike", 1),
    ],
)
def test_what_is_given_twice_is_shown_at_both_places(
    folder: Folder, policyc: Policyc, twice: str, what: str, line: int
) -> None:
    # In whatever order the files are read, each is shown with its own line.
    for name in ("a", "z"):
        path = folder(m=GOOD, **{name: twice})
        ran = policyc("lint", path)
        assert ran.status == 1
        assert what in ran.out
        assert f"{path}/{name}.yaml:{line}:1" in ran.out or f"{path}/{name}.yaml:{line}:3" in ran.out
        assert f"{path}/m.yaml:" in ran.out
        (path / f"{name}.yaml").unlink()


def test_a_hostname_of_two_files(folder: Folder, policyc: Policyc) -> None:
    path = folder(edge=EDGE, shop=TEAM, other=OTHER.replace("[other.", "[shop."), targets=TARGETS)
    ran = policyc("lint", path)
    assert ran.status == 1
    assert "`shop.example.com` is claimed by the sites `other` and `shop`" in ran.out
    assert f"{path}/other.yaml:6:" in ran.out
    assert f"{path}/shop.yaml:{TEAM[: TEAM.index('[shop.ex')].count(chr(10)) + 1}:" in ran.out


def test_what_all_say_alike_may_stand_in_several(folder: Folder, policyc: Policyc) -> None:
    path = folder(edge=EDGE + "name: one\n", shop="version: 1\nname: one\n" + TEAM, targets=TARGETS)
    assert policyc("lint", path).status == 0
    folder(shop="version: 1\nname: two\n" + TEAM)
    ran = policyc("lint", path)
    assert ran.status == 1
    assert "`name` is given in two files of this policy, and not alike" in ran.out
    assert "help: say it in one of them" in ran.out


def test_what_is_accepted_joins(folder: Folder, policyc: Policyc) -> None:
    known = "accept: [{finding: certificate-validity-too-long, reason: tried}]\n"
    path = folder(a=GOOD + known, b="accept: [{finding: no-such-finding, reason: tried}]\n")
    ran = policyc("lint", path)
    assert "no-such-finding" in ran.out
    assert f"{path}/b.yaml:1:20" in ran.out


def test_no_file_says_the_version(folder: Folder, policyc: Policyc) -> None:
    path = folder(a=TEAM, b=EDGE.replace("version: 1\n", ""), c=TARGETS)
    ran = policyc("lint", path)
    assert ran.status == 1
    assert "`version`" in ran.out


def test_what_is_no_policy_is_not_read(folder: Folder, policyc: Policyc) -> None:
    path = folder(a=GOOD)
    (path / "tests").mkdir()
    (path / "tests" / "requests.yaml").write_text("tests: []")
    (path / ".hidden.yaml").write_text("nonsense: [")
    (path / "notes.yaml~").write_text("nonsense: [")
    assert policyc("lint", path).status == 0


def test_a_folder_that_cannot_be_read(policyc: Policyc, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(a=GOOD)

    def refused(_: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(document_module.os, "listdir", refused)
    ran = policyc("lint", path)
    assert ran.status == 3
    assert f"cannot read '{path}': permission denied" in ran.out


def test_a_folder_by_any_name_is_the_same(
    policyc: Policyc, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(edge=EDGE, shop=TEAM, targets=TARGETS)
    built: list[bytes] = []
    for name, here in (("policies", tmp_path), ("policies/", tmp_path), (".", path), (str(path), path), ("./", path)):
        monkeypatch.chdir(here)
        assert policyc("build", name, "-o", tmp_path / "out").status == 0
        built.append((tmp_path / "out" / "example" / "example.conf").read_bytes())
    assert built[0].startswith(b"# policies\n")
    assert set(built) == {built[0]}
