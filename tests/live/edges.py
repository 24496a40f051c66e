"""One policy as a running edge of each target, and what became of one request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.loopback.proxy import DidNotStart, Missing, Proxy, program
from policyc.compiler.loopback.relocate import Relocated, relocate
from policyc.compiler.loopback.visitor import Answer, Door, Refused

from .supported import TARGETS, VERSIONS

Policy = Mapping[str, Any]
STREAM_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"

# What a parser may answer to a message that is malformed before any rule of ours sees it (semantics.md: the decision
# is the same, the status is the parser's own). None stands for a closed connection or a reset stream.
MALFORMED: frozenset[int | None] = frozenset({None, 400, 404, 405, 414, 426, 431, 501, 505})


@dataclass(frozen=True)
class Outcome:
    """What the visitor got, and what arrived anywhere behind the edge meanwhile."""

    answer: Answer | None
    """None: the connection or the stream was ended instead."""
    arrived: tuple[Seen, ...]
    why: str = ""

    @property
    def status(self) -> int | None:
        """The status, or None without an answer."""
        return self.answer.status if self.answer else None

    def __str__(self) -> str:
        lines = [seen.head.split(b"\r\n")[0] for seen in self.arrived]
        return f"status {self.status} {self.why}; arrived: {lines or 'nothing'}"


@dataclass
class Edge:
    """A policy, built by ``policyc build`` for one target and running, with its origins behind it."""

    target: str
    relocated: Relocated
    folder: Path
    proxy: Proxy
    origins: Mapping[str, Sequence[Origin]]
    trusts: Path
    """The public root, which is all that visitors trust."""

    def wait(self) -> Edge:
        """Itself, once its ports are open. Raises DidNotStart."""
        self.proxy.wait()
        return self

    def door(self, sni: str | None, listener: str = "public", *, ipv6: bool = False, **options: Any) -> Door:
        """A TLS door of a listener."""
        return Door(trusts=self.trusts, sni=sni, **self._place(self.relocated.ports[listener], ipv6), **options)

    def plain_door(self, listener: str = "public") -> Door:
        """A redirect socket of a listener."""
        return Door(**self._place(self.relocated.plain[listener], False))

    def try_(self, ask: Callable[[], Answer]) -> Outcome:
        """Ask, and tell what arrived behind the edge because of it."""
        everyone = every_origin(self.origins)
        for origin in everyone:
            origin.forget()
        answer, why = None, ""
        try:
            answer = ask()
        except Refused as refused:
            why = str(refused)
        except ConnectionRefusedError as error:
            raise AssertionError(f"{self.target} does not listen any more:\n{self.proxy.log[-2000:]}") from error
        return Outcome(answer, tuple(seen for origin in everyone for seen in origin.requests), why)

    def _place(self, sockets: Sequence[tuple[str, int]], ipv6: bool) -> dict[str, Any]:
        address, port = next(where for where in sockets if (":" in where[0]) is ipv6)
        return {"address": address, "port": port}


@dataclass
class Edges:
    """One policy on every target, started together; what went wrong on one target is told by its own tests."""

    running: dict[str, Edge] = field(default_factory=dict[str, Edge])
    failed: dict[str, Exception] = field(default_factory=dict[str, Exception])


def every_origin(origins: Mapping[str, Sequence[Origin]]) -> list[Origin]:
    """Each origin once: backends may share one."""
    return list(dict.fromkeys(origin for group in origins.values() for origin in group))


class BuildFailed(Exception):
    """``policyc build`` did not end with 0. The message holds what it printed."""


def build(policy_file: Path, target: str, output: Path) -> Path:
    """``policyc build POLICY --target T -o DIR --keys copy``; the target's folder. Raises BuildFailed."""
    done = run_policyc("build", str(policy_file), "--target", target, "-o", str(output), "--keys", "copy")
    if done.returncode != 0:
        raise BuildFailed(f"policyc build --target {target} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return output / target


def run_policyc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in a process of its own."""
    command = [str(Path(sys.executable).with_name("policyc")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def without(policy: Policy, backends: Sequence[str]) -> Policy:
    """The policy without some backends, the sites of their names and what is accepted of them."""
    if not backends:
        return policy
    accepted = [
        {**entry, "backends": [name for name in entry["backends"] if name not in backends]}
        for entry in policy.get("accept", [])
    ]
    return {
        **policy,
        **{
            part: {name: one for name, one in policy[part].items() if name not in backends}
            for part in ("backends", "sites")
        },
        "accept": [entry for entry in accepted if entry["backends"]],
    }


def start_everywhere(
    stack: ExitStack,
    folder: Path,
    policy: Policy,
    base: Path,
    origins: Mapping[str, Sequence[Origin]],
    trusts: Path,
    lacking: Mapping[str, Sequence[str]],
) -> Edges:
    """Start, side by side, an edge on each target; `stack` stops them.

    `base`: what the policy's names of files are relative to. `origins`: backend → one for each of its servers.
    `lacking`: target → backends that it cannot have. Each edge listens on ports of its own.
    """
    policies: dict[str, Policy] = {
        target: {**without(policy, lacking.get(target, ())), "targets": {}} for target in TARGETS
    }
    return start_each(stack, folder, policies, base, origins, trusts)


def placement(target: str, runtime: Path) -> dict[str, str]:
    """``targets.<target>`` for this machine. `runtime` is a folder of the proxy's own."""
    return {
        "haproxy": {"version": VERSIONS["haproxy"], "runtime_dir": str(runtime)},
        "nginx": {"version": VERSIONS["nginx"], "stream_module": STREAM_MODULE, "runtime_dir": str(runtime)},
        "envoy": {"version": VERSIONS["envoy"]},
    }[target]


def start_each(
    stack: ExitStack,
    folder: Path,
    policies: Mapping[str, Policy],
    base: Path,
    origins: Mapping[str, Sequence[Origin]],
    trusts: Path,
    *,
    programs: Mapping[str, str] | None = None,
    change: Callable[[str, Path], None] = lambda _target, _built: None,
) -> Edges:
    """Start, side by side, an edge on each target with a policy of its own. As `start_everywhere`.

    `programs`: target → its program, where it is not the one that is installed. What a policy says under ``targets``
    goes before the placement for this machine. `change` may touch what was built, before the proxy starts.
    """
    edges = Edges()
    # Not below `folder`: the path of a Unix socket must be short.
    runtimes = {target: Path(stack.enter_context(TemporaryDirectory(prefix="policyc-"))) for target in policies}

    def prepare(target: str) -> Edge:
        file = (programs or {}).get(target) or program(target)
        policy = policies[target]
        servers = {name: [one.socket for one in group] for name, group in origins.items() if name in policy["backends"]}
        settings = {**placement(target, runtimes[target]), **policy.get("targets", {}).get(target, {})}
        relocated = relocate({**policy, "targets": {target: settings}}, base, servers)
        written = folder / f"{target}.yaml"
        written.write_text(relocated.text)
        built = build(written, target, folder / f"{target}-build")
        change(target, built)
        return Edge(target, relocated, built, Proxy(target, built, relocated.sockets, file), origins, trusts)

    def attempt(target: str, step: Callable[[], Edge]) -> None:
        try:
            edges.running[target] = step()
        except (Missing, BuildFailed, DidNotStart) as error:
            edges.running.pop(target, None)
            edges.failed[target] = error

    with ThreadPoolExecutor() as pool:
        preparing = {target: pool.submit(prepare, target) for target in policies}
    for target, future in preparing.items():
        attempt(target, future.result)
    for edge in edges.running.values():
        stack.callback(edge.proxy.stop)
        edge.proxy.launch()
    for target, edge in list(edges.running.items()):
        attempt(target, edge.wait)
    return edges
