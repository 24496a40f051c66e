"""``policyc diff``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..changes import Comparison
    from ..changes.revision import Version
    from .session import Targets

HELP = "What changes between two versions of a policy: for visitors, backends and targets, worst first."


class Form(StrEnum):
    """How changes are printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def command(
    old: Annotated[str, typer.Argument(help="Policy file or folder, or REV:PATH of a git revision.")],
    new: Annotated[str, typer.Argument(help="The same; what OLD becomes.")],
    target: Annotated[
        list[str] | None, typer.Option(help="The target; may be given again. Default: those in the policies.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Text, Markdown for a pull request, or JSON.")] = Form.TEXT,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with status 5 where anything changes.")] = False,
    at: Annotated[
        str | None, typer.Option(help="Judge the policy's `accept` list as of this date (YYYY-MM-DD).", metavar="DATE")
    ] = None,
) -> None:
    """Exit status: 0, 3 a policy cannot be read, 5 with --exit-code: something changes."""
    from . import session

    moment = session.moment(at)
    targets, asked = session.chosen_targets(target or [])
    before, after = (version(name, targets) for name in (old, new))
    comparison = compared(before, after, targets, asked, moment)
    notes = (*before.notes, *after.notes)
    if form is Form.JSON:
        from ..changes import json

        sys.stdout.write(json.render(old, new, comparison, notes))
    elif form is Form.MARKDOWN:
        from ..changes import markdown

        sys.stdout.write(markdown.render(old, new, comparison, notes))
    else:
        from ..changes import text

        sys.stdout.write(text.render(comparison, notes))
    if exit_code and comparison.changes:
        raise typer.Exit(5)


def version(name: str, targets: Targets) -> Version:
    """A version of a policy whose meaning is known; else its findings are printed and the status is 3."""
    from ..acceptance import Judged
    from ..changes.revision import NoSuchRevision, load_version
    from ..pipeline import has_errors
    from . import session

    try:
        found = load_version(name, targets)
    except NoSuchRevision as error:
        print(f"policyc: {name}: {error}", file=sys.stderr)
        raise typer.Exit(3) from None
    if found.loaded.plan is None or has_errors(found.loaded.findings):
        session.report(found.loaded.document, Judged(standing=found.loaded.findings, accepted=[]), "text", [])
        raise typer.Exit(3)
    return found


def compared(
    before: Version, after: Version, targets: Targets, asked: Sequence[str], moment: datetime | None
) -> Comparison:
    """All changes, those of targets among them."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from ..changes import worst_first
    from ..changes.compare import compare
    from ..changes.support import compare_targets

    assert before.loaded.plan is not None
    assert after.loaded.plan is not None
    today = (moment or datetime.now(UTC)).date()
    found = compare(before.loaded.plan, after.loaded.plan)
    more = compare_targets(before.loaded, after.loaded, targets, asked, today)
    return replace(found, changes=worst_first((*found.changes, *more)))
