"""A proxy under measurement: started on a core of its own, and what it used as the kernel counted it."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from policyc.compiler.loopback.proxy import DidNotStart, Proxy, program
from policyc.compiler.loopback.visitor import Door, Refused

from ..measure import Cost, cost
from .job import Job, Site

_CHECKS = {
    "haproxy": ("-c", "-f", "haproxy.cfg"),
    "nginx": ("-t", "-p", "{folder}/", "-c", "{folder}/nginx.conf"),
    "envoy": ("--mode", "validate", "-c", "envoy.json"),
}
_TIMEOUT = 600


@contextmanager
def on_core(number: int) -> Generator[None]:
    """Processes that are started in this context run on this core alone, where the machine has it."""
    before = os.sched_getaffinity(0)
    if number < (os.cpu_count() or 1):
        os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Used:
    """What a proxy used so far, all its processes together: seconds of CPU, and MiB that are its own."""

    cpu: float
    memory: float


class Edge:
    """A proxy that serves a job from a folder. A context manager.

    `starts`: from each start to its first handshake, CPU and wall time.
    """

    def __init__(self, target: str, folder: Path, port: int, job: Job) -> None:
        self.target = target
        self.folder = folder.resolve()
        self.port = port
        self.job = job
        self.proxy = Proxy(target, self.folder, [("127.0.0.1", port)])
        self.starts: list[Cost] = []

    def __str__(self) -> str:
        return f"{self.target}, {self.folder.parent.name}"

    def door(self, site: Site, sni: str | None = None) -> Door:
        """The way in, for a site's visitors; with another SNI to see whether it is refused."""
        return Door(self.port, self.job.root, sni or site.host)

    def check(self) -> Cost:
        """What the proxy's own check of its configuration costs."""
        arguments = [word.replace("{folder}", str(self.folder)) for word in _CHECKS[self.target]]
        with on_core(0):
            return cost(["/usr/bin/env", "-C", str(self.folder), program(self.target), *arguments])

    def __enter__(self) -> Self:
        begin = time.monotonic()
        with on_core(0):
            self.proxy.launch()
        try:
            while not self._serves():
                if not self.proxy.pid or time.monotonic() > begin + _TIMEOUT:
                    raise DidNotStart(f"{self.target} did not start:\n{self.proxy.log[-2000:]}")
                time.sleep(0.005)
        except BaseException:
            self.proxy.stop()
            raise
        self.starts.append(Cost(self.used().cpu, time.monotonic() - begin, 0))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.proxy.stop()

    def _serves(self) -> bool:
        try:
            self.door(self.job.measured[-1]).connect().close()
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, Refused):
            return False
        return True

    def used(self) -> Used:
        """What all its processes used so far."""
        cpu = memory = 0.0
        for process in _session(self.proxy.pid):
            # Nanoseconds that each thread ran; `stat` counts in ticks of 10 ms.
            cpu += sum(int((task / "schedstat").read_text().split()[0]) for task in (process / "task").iterdir()) / 1e9
            parts = (process / "smaps_rollup").read_text().splitlines()
            memory += next(int(line.split()[1]) for line in parts if line.startswith("Pss:")) / 1024
        return Used(cpu, memory)


def _session(leader: int) -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):  # it has ended meanwhile
            if os.getsid(int(process.name)) == leader:
                yield process
