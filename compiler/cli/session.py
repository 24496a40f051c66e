"""What the commands that read a policy share: loading it, choosing targets, and ending with the right status."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, TextIO

import typer

from ...schemas.target import TargetSettings
from ..acceptance import Judged
from ..diagnostics import Diagnostic, Rule, Severity
from ..document import Document
from ..pipeline import Loaded, has_errors
from ..spelling import nearest
from ..target import Target, installed_targets

if TYPE_CHECKING:
    from ..fixes import Mended

Targets = Mapping[str, Target[TargetSettings]]


def usage(message: str, help: Sequence[str] = ()) -> NoReturn:
    """Ends with status 2: wrong usage."""
    print(f"policyc: {message}", *(f"  {line}" for line in help), sep="\n", file=sys.stderr)
    raise typer.Exit(2)


def unreadable(message: str) -> NoReturn:
    """Ends with status 3: an input that cannot be read."""
    print(f"policyc: {message}", file=sys.stderr)
    raise typer.Exit(3)


def chosen_targets(names: Sequence[str]) -> tuple[Targets, list[str]]:
    """All installed targets, and those asked for (``a,b`` and repeated options alike), known and in order."""
    targets = installed_targets()
    asked = [name for text in names for name in text.split(",") if name]
    for name in asked:
        if name not in targets:
            usage(f"there is no target {name!r}", nearest(name, targets))
    return targets, list(dict.fromkeys(asked))


def of_its_meaning(findings: Sequence[Diagnostic], targets: Sequence[str] = ()) -> list[Diagnostic]:
    """Without those of other targets and of what is accepted: neither changes what the policy means."""
    return [
        finding
        for finding in findings
        if finding.primary.path[:1] not in (("targets",), ("accept",))
        or finding.primary.path[1:2] in {(one,) for one in targets}
    ]


def moment(text: str | None) -> datetime | None:
    """``--at``: a date stands for its end, so that a certificate's last day counts as expired."""
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        usage(f"--at {text!r} is not a date: write 2027-03-31")
    if given.tzinfo is None:
        given = given.replace(tzinfo=UTC)
    last = timedelta(days=1) - timedelta.resolution
    return given.astimezone(UTC) + (last if len(text) <= len("2027-03-31") else timedelta())


def wants_colour(stream: TextIO | None = None) -> bool:
    """On a terminal, and not where NO_COLOR is set (no-color.org) or the terminal is dumb. Default: stdout."""
    import os

    return (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured_diff(text: str, stream: TextIO) -> str:
    """A unified diff without anything that a terminal could take for a command, in colour on one."""
    from ..reports import printable

    codes = {"+": "32", "-": "31", "@": "36"} if wants_colour(stream) else {}
    lines = [(line[:1], printable(line)) for line in text.splitlines()]
    return "".join(f"\x1b[{codes[sign]}m{line}\x1b[0m\n" if sign in codes else f"{line}\n" for sign, line in lines)


def write_mended(document: Document, mended: Mended) -> None:
    """Put the mended texts in place and say so on stderr; ends with status 3 where that is not possible."""
    from ..document import reason
    from ..fixes import write

    try:
        written = write(document, mended)
    except OSError as error:
        print(f"policyc: cannot write: {reason(error)}", file=sys.stderr)
        raise typer.Exit(3) from None
    for name in written:
        print(f"policyc: wrote {name}", file=sys.stderr)


def severity(threshold: str) -> Severity:
    """The severity that a threshold of the command line stands for."""
    return Severity(threshold)


def report(
    document: Document,
    judged: Judged,
    form: str,
    targets: Sequence[str],
    show_accepted: bool = False,
    fail_on: Severity = Severity.ERROR,
    readable: bool = True,
) -> None:
    """Print findings on stdout."""
    if form == "text":
        from ..reports import text

        sys.stdout.write(text.render(document, judged, wants_colour(), show_accepted))
        return
    from importlib import import_module

    from ..reports import Report

    made = Report(document, judged, targets, _pages(judged) if form == "sarif" else {}, fail_on, readable)
    sys.stdout.write(import_module(f"..reports.{form}", __package__).render(made))


def _pages(judged: Judged) -> Mapping[str, Rule]:
    """The rules with their pages; the targets are loaded only where one of them found something."""
    from ..lint import common_rules, every_rule

    known = common_rules()
    return known if {finding.rule for finding in judged.standing} <= known.keys() else every_rule(installed_targets())


def stop_on_errors(loaded: Loaded, judged: Judged, form: str, targets: Sequence[str]) -> None:
    """Print the findings and end with status 3 or 1 where there is an error among them."""
    if has_errors(judged.standing):
        report(loaded.document, judged, form, targets, readable=loaded.readable)
        raise typer.Exit(1 if loaded.readable else 3)
