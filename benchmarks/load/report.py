"""The figures as tables, for `docs/load.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .comparing import Compared, Figure

_TITLES = {"haproxy": "HAProxy", "nginx": "nginx", "envoy": "Envoy"}
_HEAD = """\
# Under load

Made by `make load`. What policyc generates beside what an expert writes by hand for the same job
(`benchmarks/expert`): certificates of the sites, unknown SNI refused, 421 for a host that is not the SNI's, the strict
form of requests, the rules, the headers that backends are told, backends' certificates verified, and a JSON access log.
Before anything is measured both must give the same answers to some eighty requests, and be told the same of them at the
backend (`benchmarks/load/agreement.py`).

**Method.** Proxies run on one core, generators and the origin on the other; both sides run at once and are loaded in
turn, in short rounds. A ratio is generated : expert, the median of the rounds' ratios. **CPU is the figure to read**,
as the kernel counted it for all of a proxy's processes and threads: requests a second and p99 move with the neighbours.
Requests are GETs with random paths over {connections} kept connections (h2load), to four sites from all over the list,
a tenth of them refused by a rule; the backend is an nginx on loopback with TLS. A handshake is a new connection, in
full and never resumed, with one request that a rule refuses (wrk). Memory is the proportional share (PSS) of all
processes. *Check* is the proxy's own test of the configuration, *start* is until the first handshake is served.

**The budget**: CPU of requests and handshakes at most 1.02, and no more CPU to load and no more memory, which is 1.00
within what the noise of a run allows. What is over 1.05 is **bold**.
"""
_TAIL = """\
## What was left out

- Resumption: policyc lets no session outlive a change of the policy, and so do the experts here. One who allows tickets
  saves most of a handshake's CPU for visitors who come back.
- Bodies of any size, slow visitors, WebSockets, client certificates, rate limits, health checks, redirects.
- Reloads, and connections to backends: those are kept, and their handshakes are not part of a request's CPU.
- The experts' log lines hold the same fields, but not what policyc's promise beside: nginx's may hold bytes that are no
  UTF-8 where a refused request did.
- More than one worker: every proxy has one core. nginx starts as many workers on it as the machine
  has cores.
"""


def write(path: Path, versions: Mapping[str, str], found: Sequence[Compared], connections: int) -> None:
    """All of it into a file."""
    targets = list(dict.fromkeys(one.target for one in found))
    text = [
        _HEAD.format(connections=connections),
        ", ".join(f"{_TITLES[target]} {versions[target]}" for target in targets) + ".",
        "",
    ]
    for title in dict.fromkeys(one.job.title for one in found):
        row = [one for one in found if one.job.title == title]
        text += [f"## {title}", "", *_table(row), *_reasons(row)]
    path.write_text("\n".join([*text, _TAIL]))


def _table(row: Sequence[Compared]) -> list[str]:
    head = ["", *(f"{_TITLES[one.target]}: {part}" for one in row for part in ("generated", "expert", "ratio"))]
    names = list(dict.fromkeys(name for one in row for name in one.figures))
    lines = [[name, *(cell for one in row for cell in _cells(name, one.figures.get(name)))] for name in names]
    rule = "|" + "|".join(" ---: " if title else " --- " for title in head) + "|"
    return ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(line) + " |" for line in lines), ""]


def _reasons(row: Sequence[Compared]) -> list[str]:
    lines: list[str] = []
    for one in row:
        if one.reason:
            lines += [f"{_TITLES[one.target]} has not all figures:", "", "```", one.reason[:600].strip(), "```", ""]
    return lines


def _cells(name: str, figure: Figure | None) -> tuple[str, str, str]:
    if figure is None:
        return "", "", ""
    ratio = f"{figure.ratio:.2f}"
    over = figure.ratio > 1.05 and not name.endswith("a second")
    return _value(name, figure.generated), _value(name, figure.expert), f"**{ratio}**" if over else ratio


def _value(name: str, value: float) -> str:
    if name.endswith("a second"):
        return f"{value:,.0f}"
    if name.startswith("memory"):
        return f"{value:,.1f} MiB" if value < 100 else f"{value:,.0f} MiB"
    if value < 1e-2:
        return f"{value * 1e6:,.1f} µs" if value < 1e-4 else f"{value * 1e6:,.0f} µs"
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:.1f} s"
