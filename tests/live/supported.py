"""Tests of a feature are for the targets that have it; that the others tell it is tested in tests/backends."""

from __future__ import annotations

import pytest
from policyc.compiler.features import Feature
from policyc.compiler.loopback.proxy import runnable
from policyc.compiler.target import installed_targets

TARGETS = runnable()

VERSIONS = {"haproxy": "2.6", "nginx": "1.22", "envoy": "1.40"}
"""What is installed here, and what the edges of these tests are built for."""


def skip_without(target: str, *features: Feature) -> None:
    """Skip a test of what this target does not claim to do."""
    lacking = [feature.id for feature in features if not able(target, feature)]
    if lacking:
        pytest.skip(f"{target} {VERSIONS[target]} has no {', '.join(lacking)}")


def able(target: str, *features: Feature) -> bool:
    """Whether a target claims all of these features."""
    found = installed_targets()[target]
    table = found.support(found.settings_model().model_validate({"version": VERSIONS[target]}))
    return all(table[feature].honoured_by(VERSIONS[target]) for feature in features)
