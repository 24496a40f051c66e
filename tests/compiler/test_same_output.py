"""Same in, same out: what is written and printed does not depend on the machine, its time zone, locale or hash seed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import make_certificates
import pytest
import yaml

from ..forked import interpreter

EXAMPLES = Path(make_certificates.__file__).parent

SITE_CUSTOMIZE = """
import os, socket

class Turned:
    def __init__(self, entries): self.entries = iter(list(entries)[::-1])
    def __iter__(self): return self
    def __next__(self): return next(self.entries)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass

scandir, listdir = os.scandir, os.listdir
os.scandir = lambda *a: Turned(scandir(*a))
os.listdir = lambda *a: sorted(listdir(*a), reverse=True)
socket.gethostname = lambda: "another-machine"
"""


@dataclass(frozen=True)
class Machine:
    """How a machine differs from another one."""

    name: str
    environment: dict[str, str] = field(default_factory=dict[str, str])
    umask: int = 0o022
    turned: bool = False
    """Folders list their files in another order."""
    split: bool = False
    """The files of the policy were written in another order."""


PLAIN = Machine("plain", {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"})
OTHERS = [
    Machine("far east", {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1"}),
    Machine("far west", {"TZ": "<-12>12", "LC_ALL": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "latin-1"}),
    Machine("no text", {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "4242"}),
    Machine("another order", {"HOME": "/nonexistent", "COLUMNS": "40"}, umask=0o077, turned=True, split=True),
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An example with its certificates, made once."""
    make_certificates.make("two-sites")
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLES / "two-sites", folder, dirs_exist_ok=True)
    return folder


def _put(example: Path, folder: Path, machine: Machine) -> None:
    """The example as a folder of files, one for each part of it, and a version that differs."""
    shutil.copytree(example / "certs", folder / "certs")
    values = yaml.safe_load((example / "policy.yaml").read_text())
    for name in ("policy", "changed"):
        (folder / name).mkdir()
        parts = list(values.items())
        for key, value in reversed(parts) if machine.split else parts:
            text = yaml.safe_dump({key: value}, sort_keys=False).replace("certs/", "../certs/")
            if name == "changed":
                text = text.replace("- /manage\n", "- /café\n").replace("192.0.2.21", "192.0.2.99")
            (folder / name / f"{key}.yaml").write_text(text)


def _environment(machine: Machine) -> dict[str, str]:
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "LANG", "POLICYC"))},
        **PLAIN.environment,
        **machine.environment,
    }


@dataclass(frozen=True)
class Result:
    """Everything that came out."""

    printed: dict[tuple[str, ...], tuple[int, bytes]]
    written: dict[str, tuple[bytes, int]]


COMMANDS = [
    ("lint", "policy", "--at", "2026-11-01"),
    ("lint", "policy", "--at", "2026-11-01", "--format", "json"),
    ("diff", "policy", "changed"),
    ("diff", "policy", "changed", "--format", "json"),
    ("diff", "policy", "changed", "--format", "markdown"),
    ("trace", "policy", "https://shop.example.com/admin"),
    ("targets", "policy"),
    ("schema",),
    ("report", "policy", "-o", "-", "--at", "2026-11-01"),
    ("build", "policy", "-o", "out", "--keys", "copy"),
]


def _result(example: Path, folder: Path, machine: Machine) -> Result:
    folder.mkdir(parents=True)
    _put(example, folder, machine)
    printed: dict[tuple[str, ...], tuple[int, bytes]] = {}
    outputs = folder.with_name("printed")
    outputs.mkdir()
    before = f"import os; os.umask({machine.umask})\n" + (SITE_CUSTOMIZE if machine.turned else "")
    with interpreter(folder, _environment(machine), outputs, before) as policyc:
        for command in COMMANDS:
            ran = policyc.run(*command)
            assert ran.returncode in (0, 1, 5), (machine, command, ran.stderr.decode())
            printed[command] = ran.returncode, ran.stdout
    files = [path for path in (folder / "out").rglob("*") if path.is_file()]
    return Result(
        printed,
        {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files},
    )


@pytest.fixture(scope="module")
def plain(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """What comes out on a plain machine."""
    result = _result(example, tmp_path_factory.mktemp("plain") / "folder", PLAIN)
    assert len(result.written) > 15
    assert all(printed for status, (_, printed) in result.printed.items() if status[0] != "build")
    assert "/café" in result.printed["diff", "policy", "changed"][1].decode()
    return result


@pytest.mark.parametrize("machine", OTHERS, ids=lambda machine: machine.name)
def test_same_in_same_out(example: Path, plain: Result, machine: Machine, tmp_path: Path) -> None:
    result = _result(example, tmp_path / "a place with another name", machine)
    for command, printed in result.printed.items():
        assert printed == plain.printed[command], (machine, command)
    assert result.written == plain.written
