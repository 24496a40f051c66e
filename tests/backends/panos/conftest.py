"""The laboratory that the tests of this folder share."""

from __future__ import annotations

import pytest

from .lab import Lab, rich_lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The certificates of the policies in `lab.py`."""
    return rich_lab(tmp_path_factory.mktemp("panos"))
