"""A real browser, started once, without a window and without anything to ask over the network."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

from ..backends.conftest import examples as examples  # the fixture, for policies with the real targets

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser(not_here: Callable[[object], NoReturn]) -> Iterator[Browser]:
    """Chromium, with an empty profile of its own."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        not_here("chromium is not installed on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield started
        started.close()
