"""The checker of PAN-OS configurations that lies beside the repository, with the vendor's specifications."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared"
TOOL, SPECS = SHARED / "tools" / "panos_check.py", SHARED / "data" / "panos-specs"

needs_specifications = pytest.mark.skipif(
    not (TOOL.exists() and SPECS.exists()), reason="the checker and the specifications are not beside the repository"
)


def check(path: Path, version: str, known: Mapping[str, Iterable[str]], expect: Mapping[str, int]) -> list[str]:
    """Its findings. `known`: what exists already, by kind. `expect`: how many entries of a kind there must be."""
    command = [sys.executable, str(TOOL), str(path), "--specs", str(SPECS), "--panos-version", version]
    command += [word for kind, names in known.items() for name in names for word in ("--known", f"{kind}={name}")]
    command += [word for kind, count in expect.items() for word in ("--expect", f"{kind}={count}")]
    ran = subprocess.run([*command, "--strict-names"], capture_output=True, text=True, check=False)
    assert ran.returncode in (0, 1), ran.stderr
    assert bool(ran.stdout) == (ran.returncode == 1)
    return ran.stdout.splitlines()
