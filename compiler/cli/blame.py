"""``policyc blame``."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...schemas.target import TargetSettings
    from ..blame import Output
    from ..output_folder import Built
    from ..pipeline import Loaded
    from ..target import Target

HELP = "Which lines of the policy a line of what was built comes from."

_LINES = re.compile(r"(.+):([0-9]+)(?:-([0-9]+))?\Z", re.DOTALL)


class Form(StrEnum):
    """How the answer is printed."""

    TEXT = "text"
    JSON = "json"


def command(
    place: Annotated[str, typer.Argument(help="A line of a built file, or several.", metavar="FILE:LINE[-LINE]")],
    policy: Annotated[
        str | None,
        typer.Option(help="The policy. Default: the one of that name here or above the file, as it was built from."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print the answer.")] = Form.TEXT,
) -> None:
    """Exit status: 0 the policy's lines are known, 1 of none of these lines, 3 something cannot be read."""
    from ..blame_reports import Blamed, as_json, text
    from ..output_folder import NotWrittenByUs, built_with
    from ..target import installed_targets
    from . import session

    path, first, last = _lines(place)
    try:
        built, name = built_with(path)
    except NotWrittenByUs as error:
        session.unreadable(str(error))
    targets = installed_targets()
    if built.target not in targets:
        session.unreadable(f"{path} is for the target {built.target!r}, which is not installed here")
    target = targets[built.target]
    loaded = _policy(built, policy, target)
    warnings: list[str] = []
    if loaded.document.digest != built.digest:
        warnings.append(f"{loaded.document.name} is not as it was when this was built: build again to be sure")
    output = _output(built, loaded, name, target.levels_above_a_place, warnings)
    there = len(output.lines(name))
    if not 1 <= first <= last:
        session.usage(f"{place!r}: lines count from 1, and the first one comes first")
    if last > there:
        session.usage(f"{path} has {there} {'line' if there == 1 else 'lines'}: there is no line {last}")
    blamed = Blamed(path, name, built.target, output, tuple(range(first, last + 1)), tuple(warnings))
    if form is Form.JSON:
        sys.stdout.write(as_json(blamed))
    else:
        for warning in warnings:
            print(f"policyc: warning: {warning}", file=sys.stderr)
        sys.stdout.write(text(blamed, session.wants_colour()))
    if not any(answer.places for answer in blamed.answers.values()):
        raise typer.Exit(1)


def _lines(place: str) -> tuple[str, int, int]:
    from . import session

    match = _LINES.match(place)
    if not match:
        session.usage(f"{place!r} names no line", ["write FILE:LINE, as in build/T/FILE:120, or FILE:120-140"])
    return match[1], int(match[2]), int(match[3] or match[2])


def _policy(built: Built, given: str | None, target: Target[TargetSettings]) -> Loaded:
    """The policy that an output was built from; ends with status 3 where there is none that can be read."""
    from ..acceptance import Judged
    from ..document import read
    from ..pipeline import load
    from . import session

    chosen = given
    if chosen is None:
        found = _candidates(built)
        if not found:
            called = f"{built.policy!r}, which this was built from, is not here and not in a folder above the file"
            session.unreadable(f"{called}: name it with --policy" if built.policy else "name the policy with --policy")
        chosen = next((one for one in found if read(one)[0].digest == built.digest), found[0])
    loaded = load(chosen, {target.name: target})
    if not loaded.readable:
        session.report(loaded.document, Judged(loaded.findings, []), "text", [])
        raise typer.Exit(3)
    return loaded


def _candidates(built: Built) -> list[str]:
    """The policies that have the name: in the working folder, then from the output upwards."""
    if built.policy is None:
        return []
    folders, folder = ["."], built.folder
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        folders.append(folder)
    paths = [os.path.normpath(os.path.join(one, built.policy)) for one in folders]
    return [path for path in dict.fromkeys(paths) if os.path.exists(path)]


def _output(built: Built, loaded: Loaded, name: str, levels: Callable[[str], int], warnings: list[str]) -> Output:
    """The files of an output as they are on disk."""
    from hashlib import sha256

    from ..blame import Output
    from ..document import read_bytes, reason
    from ..output_folder import MANIFEST
    from ..pipeline import has_errors
    from . import session

    files: dict[str, str] = {}
    for file in dict.fromkeys((name, MANIFEST, *built.files)):
        full = os.path.join(built.folder, file)
        try:
            data = read_bytes(full)
        except OSError as error:
            if file == name:
                session.unreadable(f"cannot read {full!r}: {reason(error)}")
            continue
        if file == name and built.files.get(name, sha256(data).hexdigest()) != sha256(data).hexdigest():
            warnings.append(f"{full} is not as it was written: lines that were added come from nowhere in the policy")
        files[file] = data.decode(errors="replace")
    plan = loaded.plan
    if plan is None or has_errors(session.of_its_meaning(loaded.findings)):
        plan = None
        warnings.append(f"{loaded.document.name} has errors: names in the line were not looked up (policyc lint)")
    source = built.policy or loaded.document.short_name
    return Output(files, loaded.document, source, levels, plan, built.keys)
