"""``make demo`` is as it should be."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


SHOWN = {"haproxy", "nginx", "envoy", "panos"}


@pytest.mark.skipif(
    not entry_points(group="policyc.backends").names >= SHOWN, reason="NOT WRITTEN YET: the demo shows all four targets"
)
def test_demo() -> None:
    done = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
