"""What all tests share: a garbage collector, and how a program that is not installed is told."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from policyc.compiler.loopback.proxy import Missing, program


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """The command line switches the garbage collector off for good: its process ends, and this one goes on."""
    yield
    gc.enable()


@pytest.fixture(scope="session")
def not_here() -> Callable[[object], NoReturn]:
    """Ends a test for want of a program: it is skipped, and with ``CI=true`` it fails."""

    def end(missing: object) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and with CI=true every program must be there")
        pytest.skip(f"NOT TESTED: {missing}")

    return end


@pytest.fixture(scope="session")
def proxy_program(not_here: Callable[[object], NoReturn]) -> Callable[[str], str]:
    """The path of a proxy's program. Without it the test is skipped; with ``CI=true`` it fails."""

    def find(target: str) -> str:
        try:
            return program(target)
        except Missing as missing:
            not_here(missing)

    return find


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, at the end and in red, what was left untested for want of a program."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "NOT TESTED" in str(report.longrepr)]
    if skipped:
        terminalreporter.section("programs are missing", red=True, bold=True)
        terminalreporter.write_line(
            f"{len(skipped)} tests against real proxies or a browser were not run (`make test` installs them)"
        )
