"""Documents that are wrong or nearly right: each gets findings with places, or a meaning; in time, and in memory."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from policyc.compiler.target import installed_targets

from .files import Files
from .mutations import Policy, document
from .policies import Maker
from .running import DOCUMENTS, SEED, examined, settled

TARGETS = installed_targets()
CHUNKS = 10
BASES = 12
"""Policies that are changed, in each chunk: without an error of their own, so that the change is what is looked at."""


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_document(chunk: int, files: Files) -> None:
    path = files.folder / "policy.yaml"
    bases: list[tuple[str, Policy]] = []
    for number in range(BASES):
        target = list(TARGETS)[number % len(TARGETS)]
        seed = SEED * 1_000_000 + chunk * BASES + number
        policy, one, _ = settled(path, Maker(seed, files).policy(TARGETS[target]), target, TARGETS)
        if one.bundle:
            bases.append((target, policy))
    assert len(bases) > BASES / 2
    counted: Counter[str] = Counter()
    for number in range(chunk, DOCUMENTS, CHUNKS):
        target, policy = bases[number // CHUNKS % len(bases)]
        kind, data = document(policy, Random(f"{SEED}.{number}"))
        try:
            one = examined(path, data, target, TARGETS)
        except Exception as error:
            error.add_note(f"document {number} for {target}, {kind}: {data[:3000]!r}")
            raise
        stage = (
            "built"
            if one.bundle
            else "with a meaning"
            if one.loaded.plan
            else "YAML"
            if one.loaded.readable
            else "no YAML"
        )
        counted[stage] += 1
        assert one.bundle or one.errors
    print(dict(counted))
    few = len(range(chunk, DOCUMENTS, CHUNKS)) / 100
    assert min(counted[stage] for stage in ("built", "with a meaning", "YAML", "no YAML")) > few
