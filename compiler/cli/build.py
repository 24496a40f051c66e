"""``policyc build``."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ..output_folder import Output
    from ..pipeline import Loaded
    from .session import Targets

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
    against: Annotated[
        str | None,
        typer.Option(help="The policy in use (file, folder or REV:PATH): write nothing that changes too much of it."),
    ] = None,
    max_change: Annotated[
        str | None,
        typer.Option(help="With --against: the part of its hostnames that may change; default 30%.", metavar="PERCENT"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="With --against: write it all the same.")] = False,
) -> None:
    """Exit status: 0 written, 1 findings (nothing is written), 3 unreadable policy.

    5: with --check something would change, with --against too much.
    """
    from ..output_folder import CannotWrite, assemble, staged, writing
    from ..pipeline import compile_for, examine, load, settings_for
    from . import session
    from .progress import shown

    allowed = _share(against, max_change)
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
    if against is not None and not force:
        _hold_back(policy, loaded, against, allowed, targets)

    def assembled(name: str) -> Output:
        target = targets[name]
        version = settings_for(loaded, target).version
        return assemble(compile_for(loaded, target), loaded.document, name, version, keys is Keys.COPY)

    try:
        if check:
            with shown():
                lines = [line for name in chosen for line in _changes(os.path.join(output, name), assembled(name))]
            print(*lines, sep="\n", end="\n" if lines else "")
            raise typer.Exit(5 if lines else 0)
        with writing(output), ExitStack() as stack:
            # All targets are written beside before the first is put in place: an error in one leaves all as they were.
            folders = [os.path.join(output, name) for name in chosen]
            with shown():
                new = [
                    stack.enter_context(staged(folder, assembled(name)))
                    for name, folder in zip(chosen, folders, strict=True)
                ]
            for folder, one in zip(folders, new, strict=True):
                with shown():
                    one.put_in_place()
                print(f"policyc: wrote {folder}", file=sys.stderr)
                for path in one.missing_keys:
                    print(f"policyc: put the private key at {os.path.join(folder, path)}", file=sys.stderr)
    except CannotWrite as error:
        print(f"policyc: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _changes(folder: str, output: Output) -> list[str]:
    """What writing would change, a line a file."""
    from ..output_folder import changes

    return [f"{line[:2]}{os.path.join(folder, line[2:])}" for line in changes(folder, output)]


def _share(against: str | None, written: str | None) -> float:
    """``--max-change``, from 0 to 1."""
    from . import session

    if written is None:
        return 0.3
    if against is None:
        session.usage("--max-change needs --against: the policy to compare with")
    try:
        share = float(written.removesuffix("%")) / 100
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        session.usage(f"--max-change {written!r} is not a part of the hostnames: write 30%")
    return share


def _hold_back(policy: str, loaded: Loaded, against: str, allowed: float, targets: Targets) -> None:
    """Ends with status 5 where the policy changes more of the one in use than it may."""
    from ..changes.compare import compare
    from ..changes.text import summary
    from . import diff

    before = diff.version(against, targets).loaded.plan
    assert before is not None
    assert loaded.plan is not None
    comparison = compare(before, loaded.plan)
    if comparison.share > allowed:
        print(
            f"policyc: {summary(comparison)}, more than the {allowed * 100:.4g}% of --max-change; nothing was written\n"
            f"  look: policyc diff {shlex.join((against, policy))}\n"
            "  to write it all the same, add --force",
            file=sys.stderr,
        )
        raise typer.Exit(5)
