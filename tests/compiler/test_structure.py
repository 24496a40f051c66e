"""Rules of the house that a reader could break without noticing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_compiler_names_no_target() -> None:
    names = re.compile(r"haproxy|nginx|envoy|pan-?os", re.IGNORECASE)
    issues = re.compile(r"https://\S+")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "compiler").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if names.search(issues.sub("", line))
    ]
    assert found == []


def test_the_command_line_is_lazy() -> None:
    """`--version` loads no heavy library: each costs 60 to 130 ms."""
    code = (
        "import sys; sys.argv=['policyc','--version']\n"
        "from policyc.compiler.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = ('yaml', 'cryptography', 'jinja2', 'lxml', 'rich.console', 'policyc.compiler.plan')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_threat_model_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []
