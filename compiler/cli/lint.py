"""``policyc lint``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..acceptance import Judged
    from ..fixes import Mended
    from ..pipeline import Loaded
    from .session import Targets

HELP = "Check a policy: everything that is wrong, for every target that it names."


class Form(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"
    JUNIT = "junit"


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
    fix: Annotated[bool, typer.Option("--fix", help="Show what can be mended safely as a diff, and mend it.")] = False,
    add_accept: Annotated[
        bool, typer.Option("--add-accept", help="Write an `accept` entry, with a TODO, for each finding that can be.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="With --fix or --add-accept: show the diff, and write nothing.")
    ] = False,
) -> None:
    """Exit status: 0 nothing at or above the threshold (always 0 with --format sarif), 1 some, 3 the policy cannot be
    read, 5 with --diff: something would change."""
    from . import session

    if diff and not (fix or add_accept):
        session.usage("--diff shows what --fix or --add-accept would change: give one of them")
    moment = session.moment(at)
    targets, asked = session.chosen_targets(target or [])
    loaded, judged = _examined(policy, targets, asked, moment)
    if fix or add_accept:
        mended = _mended(policy, targets, asked, moment, fix, add_accept)
        # A program that reads the findings must not stumble over a diff.
        stream = sys.stdout if diff or form is Form.TEXT else sys.stderr
        stream.write(session.coloured_diff(mended.diff(), stream))
        if diff:
            raise typer.Exit(5 if mended.texts else 0)
        session.write_mended(loaded.document, mended)
        if mended.texts:
            loaded, judged = _examined(policy, targets, asked, moment)
    session.report(
        loaded.document,
        judged,
        form,
        asked or list(loaded.settings),
        show_accepted,
        session.severity(fail_on),
        loaded.readable,
    )
    if not loaded.readable:
        raise typer.Exit(3)
    if form is not Form.SARIF and any(one.severity.at_least(session.severity(fail_on)) for one in judged.standing):
        raise typer.Exit(1)


def _examined(
    policy: str,
    targets: Targets,
    asked: Sequence[str],
    moment: datetime | None,
    unsaved: Mapping[str, bytes] | None = None,
) -> tuple[Loaded, Judged]:
    from ..pipeline import examine, load

    loaded = load(policy, targets, unsaved)
    return loaded, examine(loaded, targets, asked or list(loaded.settings), moment)


def _mended(
    policy: str, targets: Targets, asked: Sequence[str], moment: datetime | None, fix: bool, add_accept: bool
) -> Mended:
    """The policy's texts with what was asked for: first mended, then what is left accepted."""
    from ..add_accept import accept_all
    from ..fixes import Mended, mend

    def examine(unsaved: Mapping[str, bytes]) -> tuple[Loaded, Judged]:
        return _examined(policy, targets, asked, moment, unsaved)

    mended = mend(examine) if fix else Mended()
    if add_accept:
        accept_all(examine, mended)
    return mended
