"""``policyc test``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ..document import Document
    from ..policy_tests import Case, Difference

HELP = "Run a policy's own tests: requests, and what the policy must make of them."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    tests: Annotated[str, typer.Argument(help="File of tests, or folder of *.yaml files.")],
) -> None:
    """Exit status: 0 all pass, 1 one fails, 3 the policy or the tests cannot be read."""
    from ..acceptance import Judged
    from ..pipeline import has_errors, load
    from ..policy_tests import differences, load_tests
    from . import session

    loaded = load(policy, {})
    findings = session.of_its_meaning(loaded.findings)
    if loaded.plan is None or has_errors(findings):
        session.report(loaded.document, Judged(standing=findings, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    document, cases, wrong = load_tests(tests, loaded.plan)
    if wrong:
        session.report(document, Judged(standing=wrong, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    failed = 0
    for case in cases:
        found = differences(loaded.plan, case)
        if found:
            failed += 1
            _tell(document, policy, case, found)
    print(f"{len(cases) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


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
