"""The load: h2load for requests over connections that stay, wrk for a new connection each time."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from policyc.compiler.native_check import find_program

from .edge import Edge

CONNECTIONS = 8
_SCRIPT = """\
function wrk.resolve(host, service)
  wrk.addrs = wrk.lookup("127.0.0.1", service)
end
function done(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("requests=%d failed=%d duration=%d\\n", summary.requests, failed, summary.duration))
end
"""


class Failed(Exception):
    """A generator could not do what it was asked to, or the proxy refused some of it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run did: requests (or handshakes), seconds of the proxy's CPU for each, how many a second, and the
    99th percentile of their times in seconds, 0 where it is not known."""

    count: int
    cpu: float
    rate: float
    p99: float


def requests(edge: Edge, count: int, protocol: str = "http/1.1") -> Load:
    """So many requests over kept connections to the measured sites. Raises Failed."""
    sites = edge.job.measured
    with tempfile.TemporaryDirectory(prefix="policyc-load-") as folder:
        each = max(1, count // len(sites))
        clients = max(1, min(CONNECTIONS // len(sites), each))
        commands: list[Sequence[str]] = []
        for site in sites:
            # Without a port, as most visitors ask: one in the Host header would be another case.
            listed = Path(folder) / f"{site.name}.txt"
            listed.write_text("".join(f"https://{site.host}{target}\n" for target in edge.job.targets()))
            flags = ["--h1"] if protocol == "http/1.1" else ["-m4"]
            commands.append(
                [
                    *(
                        find_program("h2load"),
                        f"-n{each}",
                        f"-c{clients}",
                        "-t1",
                        f"--connect-to=127.0.0.1:{edge.port}",
                    ),
                    *(f"--input-file={listed}", f"--log-file={folder}/{site.name}.log", *flags),
                ]
            )
        begun = edge.used().cpu, time.monotonic()
        outputs = _together(commands)
        wall = time.monotonic() - begun[1]
        cpu = edge.used().cpu - begun[0]
        lines = [
            line.split("\t") for site in sites for line in (Path(folder) / f"{site.name}.log").read_text().splitlines()
        ]
    done = len(lines)
    if done != each * len(sites) or any(status not in ("200", "403", "404") for _, status, _ in lines):
        raise Failed(f"{edge.target}: {done} of {each * len(sites)} requests\n{outputs[0][-1500:]}")
    times = [int(microseconds) / 1e6 for _, _, microseconds in lines]
    return Load(done, cpu / done, done / wall, quantiles(times, n=100)[-1] if done > 1 else 0)


def handshakes(edge: Edge) -> Load:
    """A second of new connections, each with one request that a rule refuses. Raises Failed."""
    sites = edge.job.measured
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT)
        script.flush()
        commands = [
            [
                *(find_program("wrk"), "-t1", f"-c{max(1, 32 // len(sites))}", "-d1s", "-s", script.name),
                *("-H", "Connection: close", "-H", f"Host: {site.host}"),
                f"https://{site.host}:{edge.port}{edge.job.denied}",
            ]
            for site in sites
        ]
        begun = edge.used().cpu, time.monotonic()
        outputs = _together(commands)
        wall = time.monotonic() - begun[1]
        cpu = edge.used().cpu - begun[0]
    found = [re.search(r"requests=(\d+) failed=(\d+)", output) for output in outputs]
    done = sum(int(one[1]) for one in found if one)
    if not all(found) or not done or any(int(one[2]) for one in found if one):
        raise Failed(f"{edge.target}: {outputs[0][-1500:]}")
    return Load(done, cpu / done, done / wall, 0)


def _together(commands: Sequence[Sequence[str]]) -> list[str]:
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in commands
    ]
    return [process.communicate()[0] for process in running]
