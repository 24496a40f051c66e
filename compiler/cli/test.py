"""``policyc test``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ..document import Document
    from ..pipeline import Loaded
    from ..policy_tests import Case, Difference
    from .session import Targets

HELP = "Run a policy's own tests: requests, and what the policy must make of them."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    tests: Annotated[str, typer.Argument(help="File of tests, or folder of *.yaml files.")],
    live: Annotated[
        str | None, typer.Option("--live", metavar="TARGET", help="Ask the target's own program, run on this machine.")
    ] = None,
) -> None:
    """Exit status: 0 all pass, 1 one fails or the target cannot do the policy, 3 something cannot be read."""
    from ..acceptance import Judged
    from ..pipeline import has_errors, load
    from ..policy_tests import load_tests
    from . import session

    targets, _ = session.chosen_targets([live] if live else [])
    loaded = load(policy, targets if live else {})
    findings = session.of_its_meaning(loaded.findings, [live] if live else ())
    if loaded.plan is None or has_errors(findings):
        session.report(loaded.document, Judged(standing=findings, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    document, cases, wrong = load_tests(tests, loaded.plan)
    if wrong:
        session.report(document, Judged(standing=wrong, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    failed = 0
    for case, found in _live(loaded, targets, live, cases) if live else _offline(loaded, cases):
        if found:
            failed += 1
            _tell(document, policy, case, found)
    print(f"{len(cases) - failed} passed, {failed} failed" + (f", on {targets[live].title}" if live else ""))
    if failed:
        raise typer.Exit(1)


def _offline(loaded: Loaded, cases: list[Case]) -> Iterator[tuple[Case, list[Difference]]]:
    from ..policy_tests import differences

    assert loaded.plan is not None
    for case in cases:
        yield case, differences(loaded.plan, case)


def _live(loaded: Loaded, targets: Targets, name: str, cases: list[Case]) -> Iterator[tuple[Case, list[Difference]]]:
    from ..live_tests import NOT_SEEN, run_live
    from ..loopback.proxy import DidNotStart, Missing
    from ..pipeline import examine, settings_for
    from . import session

    assert loaded.plan is not None
    if not targets[name].foreground:
        session.usage(
            f"{targets[name].title} does not run on this machine", ["without --live the tests need no target"]
        )
    session.stop_on_errors(loaded, examine(loaded, targets, [name]), Form.TEXT, [name])
    unseen = [case for case in cases if any(getattr(case.expect, key) is not None for key in NOT_SEEN)]
    if unseen:
        print(f"{len(unseen)} tests expect {', '.join(NOT_SEEN)}: only the run without --live compares these")
    try:
        yield from run_live(loaded.plan, targets[name], settings_for(loaded, targets[name]), cases)
    except (Missing, DidNotStart) as error:
        print(f"policyc: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


def _tell(document: Document, policy: str, case: Case, found: list[Difference]) -> None:
    from ..diagnostics import Location

    span = document.span(Location(case.path))
    print(f"failed: {case.name}  ({span.file}:{span.line})")
    width = max(len(one.what) for one in found)
    for one in found:
        line = document.span(Location(one.path)).line
        print(f"  {one.what.ljust(width)}  expected {one.expected}  (line {line})")
        print(f"  {' ' * width}  got      {one.got}")
    print(f"  = step by step: {_trace(policy, case)}\n")


def _trace(policy: str, case: Case) -> str:
    """The command that shows how it was decided."""
    from shlex import join

    request, connection = case.request, case.connection
    url = f"https://{request.host[0].decode()}{request.target.decode(errors='replace')}"
    words = ["policyc", "trace", policy, url, "--listener", connection.listener, "--source", str(connection.peer)]
    words += ["--method", request.method.decode()] if request.method != b"GET" else []
    words += ["--sni", connection.sni or ""]
    for name, value in request.headers:
        words += ["--header", f"{name.decode()}: {value.decode()}"]
    return join(words)
