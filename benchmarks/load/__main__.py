"""Loads what policyc generates and what experts write, and writes `docs/load.md`.

    python -m benchmarks.load [--sites 1,1000,10000] [--rules 20,1000,10000] [--proxy haproxy] [--output FILE]

Figures are read by people; that both sides do the same job is asserted before any is taken.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from policyc.compiler.loopback.ports import free_port
from policyc.compiler.loopback.proxy import Missing, program, version
from policyc.compiler.native_check import ProgramMissing, find_program

from .comparing import Compared, Effort, Origin, Side, compare
from .generators import CONNECTIONS
from .job import Ground, Job, origin_certificates, policy
from .report import write

_CACHE = Path(__file__).resolve().parent.parent / ".cache"
_POLICYC = str(Path(sys.executable).with_name("policyc"))
_PROXIES = ("haproxy", "nginx", "envoy")
_LARGE = 2000
"""Sites from which a start takes long enough to be measured once."""


def _measure(job: Job, targets: list[str], backend: Origin, rounds: int) -> list[Compared]:
    """A job on each proxy."""
    effort = Effort(1 if len(job.sites) > _LARGE else 3, rounds)
    with tempfile.TemporaryDirectory(prefix="policyc-load-") as name:
        folder = Path(name)
        generated, expert = free_port(), free_port()
        built = folder / "generated"
        command = [_POLICYC, "build", str(policy(job, folder, generated)), "-o", str(built), "--keys", "copy"]
        done = subprocess.run(
            [*command, *(f"--target={target}" for target in targets)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            return [Compared(job, target, {}, done.stdout + done.stderr) for target in targets]
        found: list[Compared] = []
        for target in targets:
            print(f"{job.title}, {target} ...", file=sys.stderr)
            by_hand = folder / "expert" / target
            by_hand.mkdir(parents=True)
            importlib.import_module(f"benchmarks.expert.{target}").write(job, by_hand, expert)
            sides = Side(built / target, generated), Side(by_hand, expert)
            found.append(compare(job, target, sides, backend, effort))
        return found


def _present(targets: list[str]) -> list[str]:
    """The proxies that are installed; without the generators, or with no proxy, it ends here."""
    found: list[str] = []
    for target in targets:
        try:
            program(target)
            found.append(target)
        except Missing as missing:
            print(f"{missing}: left out", file=sys.stderr)
    try:
        for name in ("h2load", "wrk", "nginx"):
            find_program(name)
    except ProgramMissing as missing:
        sys.exit(f"{missing}: it makes the load, or is the backend")
    return found or sys.exit("no proxy to measure")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sites", default="1,1000,10000", help="numbers of sites, with the usual rules")
    parser.add_argument("--rules", default="20,1000,10000", help="numbers of path prefixes that one site refuses")
    parser.add_argument("--proxy", default=",".join(_PROXIES), help="only these")
    parser.add_argument("--rounds", type=int, default=8, help="of load on each side")
    parser.add_argument("--output", type=Path, default=Path("docs/load.md"))
    chosen = parser.parse_args()
    asked: list[str] = chosen.proxy.split(",")
    if unknown := set(asked) - set(_PROXIES):
        parser.error(f"no proxy {', '.join(sorted(unknown))}: {', '.join(_PROXIES)}")
    targets = _present(asked)
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})  # generators and the origin inherit it; the first core is the proxies'
    _CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="policyc-load-") as folder:
        ca, trusted, untrusted = origin_certificates(Path(folder))
        backend = Origin(free_port(), trusted, untrusted)
        ground = Ground(_CACHE, f"127.0.0.1:{backend.port}", ca)
        counts = [int(text) for text in chosen.rules.split(",") if text]
        jobs = [
            *(ground.sites(int(text)) for text in chosen.sites.split(",") if text),
            *(ground.rules(count, together=False) for count in counts),
            *(ground.rules(count, together=True) for count in counts),
        ]
        found: list[Compared] = []
        for job in jobs:
            found += _measure(job, targets, backend, chosen.rounds)
            write(chosen.output, {target: version(program(target)) for target in targets}, found, CONNECTIONS)


main()
