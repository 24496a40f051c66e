"""Cases as tests: the files of ``cases/`` are collected, and their results become a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from . import report
from .proxies import BadChoice
from .suite import RESULT, TopicFile, chosen_of

_RESULTS = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the conformance suite."""
    group = parser.getgroup("conformance")
    group.addoption(
        "--proxy",
        action="append",
        metavar="TARGET=PROGRAM[:VERSION]",
        help="another program of a proxy, and the version that the policies shall say (default: what it says itself)",
    )
    group.addoption("--twins", action="store_true", help="beside most sites put another that is like them")
    group.addoption(
        "--own-certificates", action="store_true", help="each site has one, and Envoy's `shared_chains` is set"
    )
    group.addoption("--sabotage", action="store_true", help="also break guards, one at a time: slow")
    group.addoption("--report", metavar="FILE", help="write the conformance report to this file")


def pytest_configure(config: pytest.Config) -> None:
    """A wrong choice of proxies is told before anything runs."""
    config.stash[_RESULTS] = []
    config.addinivalue_line("markers", "sabotage: breaks one guard of a configuration; only with --sabotage")
    try:
        chosen_of(config)
    except BadChoice as bad:
        raise pytest.UsageError(str(bad)) from bad


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> TopicFile | None:
    """The files of ``cases/``."""
    if file_path.suffix == ".yaml" and file_path.parent.name == "cases":
        return TopicFile.from_parent(parent, path=file_path)  # pyright: ignore[reportUnknownMemberType]
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is slow is left out unless it is asked for."""
    if not config.getoption("--sabotage", default=False):
        slow = [item for item in items if item.get_closest_marker("sabotage")]
        items[:] = [item for item in items if item not in slow]
        config.hook.pytest_deselected(items=slow)


class _Collector:
    """Keeps what a report is made of."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Of each test the call, or the set-up that went wrong."""
        if report.when == "call" or (report.when == "setup" and not report.passed):
            for name, value in report.user_properties:
                if name == RESULT and isinstance(value, dict):
                    self._config.stash[_RESULTS].append({**value, "outcome": report.outcome})


def pytest_sessionstart(session: pytest.Session) -> None:
    """Only the process that sees all results keeps them."""
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(_Collector(session.config), "conformance-results")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report where one is asked for."""
    file = session.config.getoption("--report", default=None)
    if file and not hasattr(session.config, "workerinput"):
        text = report.render(session.config.stash[_RESULTS], chosen_of(session.config))
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text)
