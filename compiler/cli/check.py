"""``policyc check``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .lint import Form

HELP = "Build into a temporary place and run the target's own parser on it."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    target: Annotated[
        list[str] | None, typer.Option(help="The target; may be given again. Default: those in the policy.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print findings.")] = Form.TEXT,
) -> None:
    """Exit status: 0 accepted by the target, 1 findings or refused, 3 the policy cannot be read."""
    from ..native_check import ProgramMissing, native_check
    from ..pipeline import compile_for, examine, load
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
    if judged.standing:
        session.report(loaded.document, judged, form, chosen)
    failed = False
    for name in chosen:
        bundle = compile_for(loaded, targets[name])
        if not bundle.check:
            print(f"{name}: built; there is no parser of {targets[name].title} to run here")
            continue
        try:
            result = native_check(bundle)
        except ProgramMissing as error:
            print(f"{name}: not checked: {error}", file=sys.stderr)
            failed = True
            continue
        if result.accepted:
            print(
                f"{name}: accepted by {bundle.check[0]}" + (" (with throwaway keys)" if result.throwaway_keys else "")
            )
            continue
        failed = True
        print(
            f"{name}: refused by {bundle.check[0]}; this is a bug of policyc, please report it with the policy",
            file=sys.stderr,
        )
        for line in result.lines:
            print(f"  {line.text}" + (f"   [{line.source}]" if line.source else ""), file=sys.stderr)
    if failed:
        raise typer.Exit(1)
