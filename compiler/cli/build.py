"""``policyc build``."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from .lint import Form

HELP = "Write a target's configuration, whole or not at all."


class Keys(StrEnum):
    """What happens to private keys."""

    REFERENCE = "reference"
    COPY = "copy"


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    target: Annotated[
        list[str] | None, typer.Option(help="The target; may be given again. Default: those in the policy.")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder; each target gets one in it.")] = "build",
    check: Annotated[bool, typer.Option("--check", help="Say what would change, and write nothing.")] = False,
    keys: Annotated[
        Keys,
        typer.Option(help="`reference` names where private keys must be put, `copy` puts them there (mode 0600)."),
    ] = Keys.REFERENCE,
    form: Annotated[Form, typer.Option("--format", help="How to print findings.")] = Form.TEXT,
) -> None:
    """Exit status: 0 written, 1 findings (nothing is written), 3 unreadable policy, 5 with --check: would change."""
    from ..output_folder import CannotWrite, assemble, changes, write
    from ..pipeline import compile_for, examine, load, settings_for
    from . import session

    targets, asked = session.chosen_targets(target or [])
    loaded = load(policy, targets)
    chosen = asked or list(loaded.settings)
    judged = examine(loaded, targets, chosen)
    session.stop_on_errors(loaded, judged, form, chosen)
    if not chosen:
        session.usage("no target: name one with --target, or `targets` in the policy", [f"known: {', '.join(targets)}"])
    if judged.standing:
        session.report(loaded.document, judged, form, chosen)
    changed = False
    try:
        # All targets are assembled before the first is written: an error in one leaves all as they were.
        outputs = {
            name: assemble(
                compile_for(loaded, targets[name]),
                name,
                settings_for(loaded, targets[name]).version,
                loaded.document.digest,
                keys is Keys.COPY,
            )
            for name in chosen
        }
        for name, result in outputs.items():
            folder = os.path.join(output, name)
            if check:
                lines = changes(folder, result)
                changed = changed or bool(lines)
                for line in lines:
                    print(f"{line[:2]}{os.path.join(folder, line[2:])}")
                continue
            write(folder, result)
            print(f"policyc: wrote {folder}", file=sys.stderr)
            for path in result.missing_keys:
                print(f"policyc: put the private key at {os.path.join(folder, path)}", file=sys.stderr)
    except CannotWrite as error:
        print(f"policyc: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    if changed:
        raise typer.Exit(5)
