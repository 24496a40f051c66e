"""What the commands that read a policy share: loading it, choosing targets, and ending with the right status."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn

import typer

from ...schemas.target import TargetSettings
from ..acceptance import Judged
from ..document import Document
from ..pipeline import Loaded, has_errors
from ..target import Target, installed_targets
from ..validate import nearest

Targets = Mapping[str, Target[TargetSettings]]


def usage(message: str, help: Sequence[str] = ()) -> NoReturn:
    """Ends with status 2: wrong usage."""
    print(f"policyc: {message}", *(f"  {line}" for line in help), sep="\n", file=sys.stderr)
    raise typer.Exit(2)


def unreadable(message: str) -> NoReturn:
    """Ends with status 3: an input that cannot be read."""
    print(f"policyc: {message}", file=sys.stderr)
    raise typer.Exit(3)


def chosen_targets(names: Sequence[str]) -> tuple[Targets, list[str]]:
    """All installed targets, and those asked for (``a,b`` and repeated options alike), known and in order."""
    targets = installed_targets()
    asked = [name for text in names for name in text.split(",") if name]
    for name in asked:
        if name not in targets:
            usage(f"there is no target {name!r}", nearest(name, targets))
    return targets, list(dict.fromkeys(asked))


def moment(text: str | None) -> datetime | None:
    """``--at``: a date stands for its end, so that a certificate's last day counts as expired."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) + (
            timedelta(days=1) if len(text) == 10 else timedelta()
        )
    except ValueError:
        usage(f"--at {text!r} is not a date: write 2027-03-31")


def wants_colour() -> bool:
    """On a terminal, and not where NO_COLOR is set (no-color.org) or the terminal is dumb."""
    import os

    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def report(document: Document, judged: Judged, form: str, targets: Sequence[str], show_accepted: bool = False) -> None:
    """Print findings on stdout."""
    if form == "json":
        from ..reports import json

        sys.stdout.write(json.render(document, judged, targets))
    else:
        from ..reports import text

        sys.stdout.write(text.render(document, judged, wants_colour(), show_accepted))


def stop_on_errors(loaded: Loaded, judged: Judged, form: str, targets: Sequence[str]) -> None:
    """Print the findings and end with status 3 or 1 where there is an error among them."""
    if has_errors(judged.standing):
        report(loaded.document, judged, form, targets)
        raise typer.Exit(1 if loaded.readable else 3)
