"""Measures policyc and writes `docs/benchmarks.md` and its plot.

    python -m benchmarks [--sizes 1,100,1000,10000,100000] [--output FOLDER]

Nothing is asserted: figures are read by people, and only ratios of one run are worth comparing. The larger a policy,
the fewer rounds: all sizes together take a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from compileall import compile_dir
from pathlib import Path

from .measure import Cost, Failed, alternately, cost, python
from .report import Row, Start, write

_ROOT = Path(__file__).resolve().parents[1]
_CACHE = _ROOT / "benchmarks" / ".cache"
_POLICYC = str(Path(sys.executable).with_name("policyc"))
_PROXIES = ("haproxy", "nginx", "envoy")
_CHECKED = 10_000
"""Beyond so many sites, the proxies' own parsers take longer than all else together."""


def _start(rounds: int) -> Start:
    found = alternately(
        rounds,
        lambda: cost(python("-c", "pass")),
        lambda: cost([_POLICYC, "--version"]),
        lambda: cost([_POLICYC, "--help"]),
        lambda: cost(python("-m", "benchmarks.floors")),
        lambda: cost([_POLICYC, "lint", str(_CACHE / "policy-1.yaml")]),
    )
    return Start(*found)


def _row(sites: int, rounds: int, folder: Path) -> Row:
    """All of one size. Floors are run in turn with what they are the floor of."""
    policy = str(_CACHE / f"policy-{sites}.yaml")
    built, copy, steps = folder / "built", folder / "copy", folder / "steps.json"
    values = folder / "values.json"
    values.write_text(_output(python("-m", "benchmarks.values", policy)))
    floor = python("-m", "benchmarks.floors", policy, str(values))
    build = [_POLICYC, "build", policy, "-o", str(built)]

    def fresh(command: list[str], made: Path, told: Path | None = None) -> Cost:
        shutil.rmtree(made, ignore_errors=True)
        return cost(command, told)

    lint, lint_floor, build_, build_floor = alternately(
        rounds,
        lambda: cost([_POLICYC, "lint", policy]),
        lambda: cost(floor),
        lambda: fresh(build, built),
        lambda: fresh([*floor, str(built), str(copy)], copy, steps),
    )
    size = sum(path.stat().st_size for path in built.rglob("*") if path.is_file())
    shutil.rmtree(copy)
    check, parsers = _check(policy, [*build, "--keys", "copy"], built, rounds) if sites <= _CHECKED else (None, {})
    return Row(sites, lint, lint_floor, build_, build_floor, check, parsers, json.loads(steps.read_bytes()), size)


def _check(policy: str, build: list[str], built: Path, rounds: int) -> tuple[Cost | None, dict[str, Cost]]:
    """And the proxies' own parsers, on a copy with the keys. None where one of them does not come to an end."""
    shutil.rmtree(built)
    cost(build)
    check = [_POLICYC, "check", policy, *(f"--target={name}" for name in _PROXIES)]
    try:
        found = alternately(
            rounds, lambda: cost(check), *(lambda one=one: cost(_parser(one, built)) for one in _PROXIES)
        )
    except Failed as error:
        print(error, file=sys.stderr)
        return None, {}
    return found[0], dict(zip(_PROXIES, found[1:], strict=True))


def _parser(target: str, built: Path) -> list[str]:
    """A proxy's own check of what was built for it, run in its folder."""
    from policyc.compiler.native_check import find_program

    program, at = find_program(target), str(built / target)
    arguments = {
        "haproxy": ["-c", "-f", "haproxy.cfg"],
        "nginx": ["-t", "-p", f"{at}/", "-c", f"{at}/nginx.conf"],
        "envoy": ["--mode", "validate", "-c", "envoy.json"],
    }
    return ["/usr/bin/env", "-C", at, program, *arguments[target]]


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="1,100,1000,10000,100000", help="numbers of sites")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="the folder for table and plot")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; from 1,000 sites on once")
    chosen = parser.parse_args()
    sizes = [int(text) for text in chosen.sizes.split(",")]
    # As pip leaves what it installs: without byte code, half the time of a short command would be the compiler's.
    for package in ("compiler", "backends", "schemas", "benchmarks"):
        compile_dir(_ROOT / package, quiet=2)
    subprocess.run(python("-m", "benchmarks.policies", str(_CACHE), *map(str, {1, *sizes})), check=True)
    start = _start(min(9, 3 * chosen.rounds))
    rows: list[Row] = []
    for sites in sizes:
        print(f"{sites} sites ...", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="policyc-benchmark-", dir=os.environ.get("TMPDIR")) as folder:
            rows.append(_row(sites, chosen.rounds if sites < 1000 else 1, Path(folder)))
        write(chosen.output, start, rows)


main()
