"""``policyc check``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ...schemas.target import TargetSettings
    from ..bundle import Bundle
    from ..diagnostics import Diagnostic
    from ..pipeline import Loaded
    from ..target import Target

HELP = "Build into a temporary place, run the target's own parser on it, and show its errors at the policy's lines."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    target: Annotated[
        list[str] | None, typer.Option(help="The target; may be given again. Default: those in the policy.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print findings.")] = Form.TEXT,
) -> None:
    """Exit status: 0 accepted by the target, 1 findings or refused, 3 the policy cannot be read."""
    from ..native_check import ProgramMissing, native_check
    from ..pipeline import compile_for, examine, in_document_order, load
    from . import session
    from .progress import shown

    targets, asked = session.chosen_targets(target or [])
    with shown():
        loaded = load(policy, targets)
        chosen = asked or list(loaded.settings)
        judged = examine(loaded, targets, chosen)
    session.stop_on_errors(loaded, judged, form, chosen)
    if not chosen:
        session.usage("no target: name one with --target, or `targets` in the policy", [f"known: {', '.join(targets)}"])
    failed = False
    outcomes: list[str] = []
    for name in chosen:
        bundle = compile_for(loaded, targets[name])
        if not bundle.check:
            outcomes.append(f"{name}: built; there is no parser of {targets[name].title} to run here")
            continue
        try:
            result = native_check(bundle)
        except ProgramMissing as error:
            print(f"{name}: not checked: {error}", file=sys.stderr)
            failed = True
            continue
        keys = " (with throwaway keys)" if result.throwaway_keys else ""
        outcomes.append(f"{name}: {'accepted' if result.accepted else 'refused'} by {bundle.check[0]}{keys}")
        if not result.accepted:
            failed = True
            judged.standing.extend(_refusals(loaded, targets[name], bundle, result.said))
    judged.standing[:] = in_document_order(loaded.document, judged.standing)
    if judged.standing or form is not Form.TEXT:
        session.report(loaded.document, judged, form, chosen)
    for outcome in outcomes:
        # A program that reads the findings must not stumble over it.
        print(outcome, file=sys.stdout if form is Form.TEXT else sys.stderr)
    if failed:
        raise typer.Exit(1)


def _refusals(loaded: Loaded, target: Target[TargetSettings], bundle: Bundle, said: str) -> list[Diagnostic]:
    from ..blame import Output
    from ..refusals import refusals

    output = Output(
        {file: data.decode(errors="replace") for file, data in bundle.files.items()},
        loaded.document,
        loaded.document.short_name,
        target.levels_above_a_place,
        loaded.plan,
        {key.path: key.as_written for key in bundle.keys},
    )
    return refusals(output, bundle, said, target.name)
