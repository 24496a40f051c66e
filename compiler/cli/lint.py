"""``policyc lint``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..acceptance import Judged
    from ..fixes import Examine, Mended
    from ..pipeline import Loaded

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
    from ..pipeline import examine, load
    from . import session
    from .progress import shown

    if diff and not (fix or add_accept):
        session.usage("--diff shows what --fix or --add-accept would change: give one of them")
    moment = session.moment(at)
    targets, asked = session.chosen_targets(target or [])

    def examined(unsaved: Mapping[str, bytes] | None = None) -> tuple[Loaded, Judged]:
        with shown():
            loaded = load(policy, targets, unsaved)
            return loaded, examine(loaded, targets, asked or list(loaded.settings), moment)

    # A program that reads the findings must not stumble over a diff.
    stream = sys.stdout if diff or form is Form.TEXT else sys.stderr
    if diff:
        mended = _mended(examined, fix, add_accept)
        stream.write(session.coloured_diff(mended.diff(), stream))
        raise typer.Exit(5 if mended else 0)
    # What is mended is written first, so that only what is left is accepted.
    for steps in ((fix, False), (False, add_accept)):
        if any(steps):
            mended = _mended(examined, *steps)
            stream.write(session.coloured_diff(mended.diff(), stream))
            session.write_mended(examined()[0].document, mended)
    loaded, judged = examined()
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


def _mended(examined: Examine, fix: bool, add_accept: bool) -> Mended:
    """The policy's texts with what was asked for: first mended, then what is left accepted."""
    from ..add_accept import accept_all
    from ..fixes import Mended, mend
    from ..policy_edits import CannotEdit

    mended = mend(examined) if fix else Mended()
    # Certificates that are not in order yet are found to be wrong in other ways too.
    if add_accept and not mended.files:
        try:
            accept_all(examined, mended)
        except CannotEdit as error:
            print(f"policyc: nothing was added to `accept`: {error}", file=sys.stderr)
            raise typer.Exit(3) from None
    return mended
