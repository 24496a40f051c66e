"""The figures as a table and a plot, for `docs/`."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import Cost


@dataclass(frozen=True, slots=True)
class Start:
    """Of processes that do next to nothing."""

    python: Cost
    version: Cost
    help: Cost
    imports: Cost
    lint: Cost


@dataclass(frozen=True, slots=True)
class Row:
    """Of a policy of so many sites."""

    sites: int
    lint: Cost
    lint_floor: Cost
    build: Cost
    build_floor: Cost
    check: Cost | None
    """Not run for the largest sizes; then there are no `parsers` either."""
    parsers: Mapping[str, Cost]
    steps: Mapping[str, float]
    size: int

    @property
    def check_floor(self) -> Cost | None:
        """The build's floor, and the proxies' parsers one after the other."""
        if self.check is None:
            return None
        parts = [self.build_floor, *self.parsers.values()]
        return Cost(sum(one.cpu for one in parts), sum(one.wall for one in parts), max(one.memory for one in parts))


_HEAD = """\
# Benchmarks

Made by `make bench`. A policy of so many sites, each with a certificate, a key and a backend of its own whose
certificate is known, and two inspection rules that all share; built for HAProxy, nginx, Envoy and PAN-OS at once. Each
figure stands beside its floor, measured in the same run and in turn with it. Only ratios are worth comparing between
machines and runs: CPU time, as wall time moves with the neighbours. Above 10,000 sites, a certificate is shared by
several sites, and so is what a backend presents.

**The floor** of lint is a program that imports the same libraries, reads the policy's YAML as events, validates its
values with pydantic, and reads every certificate and key, once. Build's also writes the same bytes, which it has read
from the finished output: it knows them without deriving them. Check's adds the proxies' own parsers on that output.
Memory is that of the largest process.
"""


def write(folder: Path, start: Start, rows: Sequence[Row]) -> None:
    """`benchmarks.md` and `benchmarks.svg` into a folder."""
    version = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    small = [
        ("bare Python", start.python, start.python),
        ("`policyc --version`", start.version, start.python),
        ("`policyc --help`", start.help, start.python),
        ("imports: typer, pydantic with the models, yaml, cryptography.x509", start.imports, start.python),
        ("`policyc lint` of one site", start.lint, start.imports),
    ]
    text = [
        _HEAD,
        f"{version}.",
        "",
        "![time against sites](benchmarks.svg)",
        "",
        "## Start",
        "",
        *_table(
            ("", "CPU", "wall", "peak memory", "CPU × floor", "floor"),
            (
                (
                    what,
                    *_cost(one),
                    f"{one.cpu / floor.cpu:.2f}",
                    "imports" if floor is start.imports else "bare Python",
                )
                for what, one, floor in small
            ),
        ),
        "## Policies",
        "",
        *_table(
            (
                "sites",
                "",
                "CPU",
                "wall",
                "peak memory",
                "floor: CPU",
                "wall",
                "peak memory",
                "CPU × floor",
                "KiB a site",
            ),
            (
                (
                    f"{row.sites:,}",
                    what,
                    *_cost(one),
                    *_cost(floor),
                    f"{one.cpu / floor.cpu:.2f}",
                    _per_site(rows[0], row, what, one),
                )
                for row in rows
                for what, one, floor in (
                    ("lint", row.lint, row.lint_floor),
                    ("build", row.build, row.build_floor),
                    ("check", row.check, row.check_floor),
                )
                if one is not None and floor is not None
            ),
        ),
        "KiB a site: peak memory above that of the first row's. Of check it would be the proxies'.",
        *_left_out(rows),
        "",
        "## The floor's steps, and the proxies' parsers",
        "",
        "CPU time.",
        "",
        *_table(
            ("sites", *rows[0].steps, *rows[0].parsers, "bytes written"),
            (
                (
                    f"{row.sites:,}",
                    *map(_seconds, row.steps.values()),
                    *(_seconds(row.parsers[name].cpu) if name in row.parsers else "" for name in rows[0].parsers),
                    f"{row.size:,}",
                )
                for row in rows
            ),
        ),
    ]
    (folder / "benchmarks.md").write_text("\n".join(text).rstrip() + "\n")
    (folder / "benchmarks.svg").write_text(_plot(rows))


def _per_site(first: Row, row: Row, what: str, one: Cost) -> str:
    if row.sites == 1 or what == "check":
        return ""
    base: Cost = getattr(first, what)
    return f"{(one.memory - base.memory) * 1024 / row.sites:.0f}"


def _left_out(rows: Sequence[Row]) -> list[str]:
    sizes = ", ".join(f"{row.sites:,}" for row in rows if row.check is None)
    if not sizes:
        return []
    return ["", f"Left out: check of {sizes} sites, where the proxies' own parsers take longer than all else together."]


def _cost(one: Cost) -> tuple[str, str, str]:
    return _seconds(one.cpu), _seconds(one.wall), f"{one.memory:.0f} MiB"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(" ---: " if title else " --- " for title in head) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


_COLOURS = {"lint": "#1f77b4", "build": "#d62728", "check": "#2ca02c"}
_WIDTH, _HEIGHT, _MARGIN = 640, 400, 60


def _plot(rows: Sequence[Row]) -> str:
    """CPU time against sites, both axes logarithmic; floors are dashed."""
    lines = {
        (what, floor): [(row.sites, one.cpu) for row in rows if (one := getattr(row, what + floor)) is not None]
        for what in _COLOURS
        for floor in ("", "_floor")
    }
    times = [time for line in lines.values() for _, time in line]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    right = max(1, math.ceil(math.log10(max(row.sites for row in rows))))

    def across(sites: float) -> float:
        return _MARGIN + math.log10(sites) / right * (_WIDTH - 2 * _MARGIN)

    def up(seconds: float) -> float:
        return _HEIGHT - _MARGIN - (math.log10(seconds) - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for power in range(right + 1):
        x = across(10**power)
        parts += [
            f'<path d="M{x:.1f} {_MARGIN}V{_HEIGHT - _MARGIN}" stroke="#ddd"/>',
            f'<text x="{x:.1f}" y="{_HEIGHT - _MARGIN + 18}" text-anchor="middle">{10**power:,}</text>',
        ]
    for power in range(low, high + 1):
        y = up(10**power)
        parts += [
            f'<path d="M{_MARGIN} {y:.1f}H{_WIDTH - _MARGIN}" stroke="#ddd"/>',
            f'<text x="{_MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{10**power:g} s</text>',
        ]
    for (what, floor), line in lines.items():
        points = " ".join(f"{across(sites):.1f},{up(seconds):.1f}" for sites, seconds in line)
        dash = ' stroke-dasharray="4 4"' if floor else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[what]}" stroke-width="2"{dash}/>')
    for number, (what, colour) in enumerate(_COLOURS.items()):
        y = _MARGIN + 8 + 18 * number
        parts += [
            f'<path d="M{_MARGIN + 12} {y}h24" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{_MARGIN + 42}" y="{y + 4}">{what} (dashed: its floor)</text>',
        ]
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 14}" text-anchor="middle">sites</text>')
    parts.append(f'<text x="{_MARGIN}" y="{_MARGIN - 16}">CPU time</text></svg>')
    return "\n".join(parts) + "\n"
