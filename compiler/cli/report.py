"""``policyc report``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .lint import Form

HELP = "One page about a policy: each site's path, what each target makes of it, rules and findings."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")] = "policy.yaml",
    target: Annotated[
        list[str] | None, typer.Option(help="For this target; may be given again. Default: those in the policy.")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="The HTML file to write; `-` for the standard output.", metavar="FILE")
    ] = "report.html",
    at: Annotated[
        str | None,
        typer.Option(help="Judge certificates as of this date (YYYY-MM-DD). Default: today.", metavar="DATE"),
    ] = None,
) -> None:
    """Exit status: 0 written, 1 written and the policy has errors, 2 the file is not policyc's, 3 the policy cannot be
    read or the file not written."""
    from datetime import UTC, datetime

    from ..pipeline import examine, has_errors, load
    from ..reports import html, text
    from ..reports.html.file import NotOurs, write
    from ..reports.html.page import named_targets, page
    from . import session

    # By the day and not by the second, so that the page is the same all day.
    moment = session.moment(at or f"{datetime.now(UTC):%Y-%m-%d}")
    targets, asked = session.chosen_targets(target or [])
    loaded = load(policy, targets)
    chosen = asked or named_targets(loaded, targets)
    judged = examine(loaded, targets, chosen, moment)
    if not loaded.readable:
        session.report(loaded.document, judged, Form.TEXT, chosen, readable=False)
        raise typer.Exit(3)
    made = html.render(page(loaded, judged, targets, chosen, f"{moment:%Y-%m-%d}" if at else ""))
    if output == "-":
        sys.stdout.write(made)
    else:
        from ..document import reason

        try:
            write(output, made)
        except NotOurs:
            session.usage(f"{output} exists already, and is no report of policyc", ["name another file with --output"])
        except OSError as error:
            session.unreadable(f"cannot write {output}: {reason(error)}")
        print(f"policyc: wrote {output}: {text.summary(judged)}", file=sys.stderr)
    if has_errors(judged.standing):
        raise typer.Exit(1)
