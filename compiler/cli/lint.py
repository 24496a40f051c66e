"""``policyc lint``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

HELP = "Check a policy: everything that is wrong, for every target that it names."


class Form(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"


class Threshold(StrEnum):
    """The lightest finding that makes the command fail."""

    ERROR = "error"
    WARNING = "warning"


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")] = "policy.yaml",
    target: Annotated[
        list[str] | None, typer.Option(help="Only for this target. Default: those in the policy.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print findings.")] = Form.TEXT,
    fail_on: Annotated[Threshold, typer.Option(help="The lightest finding that fails.")] = Threshold.ERROR,
    at: Annotated[
        str | None, typer.Option(help="Judge certificates as of this date (YYYY-MM-DD).", metavar="DATE")
    ] = None,
    show_accepted: Annotated[bool, typer.Option("--show-accepted", help="Also print what the policy accepts.")] = False,
) -> None:
    """Exit status: 0 nothing at or above the threshold, 1 some, 3 the policy cannot be read."""
    from ..diagnostics import Severity
    from ..pipeline import examine, load
    from . import session

    moment = session.moment(at)
    targets, asked = session.chosen_targets(target or [])
    loaded = load(policy, targets)
    chosen = asked or list(loaded.settings)
    judged = examine(loaded, targets, chosen, moment)
    session.report(loaded.document, judged, form, chosen, show_accepted)
    if not loaded.readable:
        raise typer.Exit(3)
    if any(finding.severity.at_least(Severity(fail_on)) for finding in judged.standing):
        raise typer.Exit(1)
