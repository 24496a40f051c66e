"""A comparison as Markdown, for a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from ..reports.text import printable
from . import Comparison
from .text import INCOMPLETE, summary


def render(old: str, new: str, comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """A heading for each kind of change, worst first, with a request that shows it."""
    lines = [f"### policyc: {_code(old)} → {_code(new)}", "", f"**{summary(comparison)}**", ""]
    for kind, changes in groupby(comparison.changes, key=lambda change: change.kind):
        lines += [f"#### {kind.heading}", ""]
        for change in changes:
            lines.append(f"- {_plain(change.message)}")
            if change.witness:
                witness = change.witness
                lines.append(
                    f"  - {_code(witness.request)}: before {_code(witness.before)}, after {_code(witness.after)}"
                )
            lines += [f"  - {_plain(detail)}" for detail in change.details]
        lines.append("")
    lines += [f"> {_plain(note)}" for note in (*notes, *([] if comparison.complete else [INCOMPLETE]))]
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    """Text without Markdown or HTML in it, and without calling anybody by `@`."""
    return re.sub(r"([\\`*_\[\]<>|~&#])", r"\\\1", printable(text)).replace("@", "`@`")


def _code(text: str) -> str:
    """A code span that nothing in the text can end."""
    shown = printable(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"
