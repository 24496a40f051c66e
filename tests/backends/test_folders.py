"""A policy in a folder: what each target gets does not depend on which file says what, or how files are called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from policyc.compiler.document import read

from .test_examples import TARGETS, made

CASES = [
    (policy, target)
    for policy in ("two-sites/policy.yaml", "firewall/policy.yaml", "firewall/edge.yaml", "teams/policies")
    for target in TARGETS
]


def split(values: Mapping[str, Any], chance: Random, files: int) -> list[dict[str, Any]]:
    """A policy's values dealt out to some files: each definition to one of them, in any order."""
    parts: list[dict[str, Any]] = [{} for _ in range(files)]
    for key, value in chance.sample(list(values.items()), len(values)):
        if isinstance(value, dict):
            found = cast("dict[str, Any]", value)
            for name, one in chance.sample(list(found.items()), len(found)):
                chance.choice(parts).setdefault(key, {})[name] = one
        elif isinstance(value, list):
            entries = cast("list[Any]", value)
            for entry in chance.sample(entries, len(entries)):
                chance.choice(parts).setdefault(key, []).append(entry)
        else:
            for part in chance.sample(parts, chance.randint(1, files)):
                part[key] = value
    return [part for part in parts if part]


@pytest.mark.parametrize(("policy", "target"), CASES)
def test_it_does_not_matter_which_file_says_it(examples: Path, tmp_path: Path, policy: str, target: str) -> None:
    source = examples / policy
    values = read(str(source))[0].values
    # Of the same name as the policy: comments begin with it. `certs` is where the paths lead.
    (tmp_path / "certs").symlink_to(examples / policy.split("/")[0] / "certs")
    if source.is_dir():
        values = json.loads(json.dumps(values).replace('"../certs', '"certs'))
    expected = None
    for seed in range(6):
        chance = Random(f"{policy} {seed}")
        folder = tmp_path / str(seed) / source.name
        folder.mkdir(parents=True)
        (folder / "certs").symlink_to(tmp_path / "certs")
        parts = split(values, chance, seed + 1)
        names = chance.sample("abcdefgh", len(parts))
        for name, part in zip(names, parts, strict=True):
            (folder / f"{name}.yaml").write_text(json.dumps(part))
        files = made(folder, target).files
        expected = files if expected is None else expected
        assert files == expected, seed
    if not source.is_dir():
        assert expected == made(source, target).files, "a folder, as the file that it came from"
