"""A comparison as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..reports.text import printable
from . import Comparison


def render(comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """Changes under their headings, worst first, and a summary line."""
    lines: list[str] = []
    for kind, changes in groupby(comparison.changes, key=lambda change: change.kind):
        lines.append(kind.heading)
        for change in changes:
            lines.append(f"  {printable(change.message)}")
            if change.witness:
                lines.append(f"    = for example: {printable(change.witness.request)}")
                lines.append(f"      before: {printable(change.witness.before)}")
                lines.append(f"      after:  {printable(change.witness.after)}")
            lines += [f"    = {printable(detail)}" for detail in change.details]
        lines.append("")
    lines += [f"note: {printable(note)}" for note in notes]
    if not comparison.complete:
        lines.append(f"note: {INCOMPLETE}")
    return "\n".join([*lines, summary(comparison)]) + "\n"


INCOMPLETE = "there are too many kinds of requests to try them all: the plainest were tried, others may differ as well"


def summary(comparison: Comparison) -> str:
    """How much changes, in one line."""
    if not comparison.changes:
        return "nothing changes"
    count, affected, served = len(comparison.changes), len(comparison.affected), len(comparison.hosts)
    return (
        f"{count} change{'s' if count != 1 else ''}; something changes for {affected} of {served} "
        f"hostname{'s' if served != 1 else ''} ({comparison.share:.0%})"
    )
