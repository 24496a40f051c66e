"""Whole policies: what has no error for a target is built, and the output says what the Plan says, and no more.

`make fuzz` tries many more: POLICYC_HOSTILE_INPUTS says how many inputs there are in all, POLICYC_FUZZ_SEED which.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policyc.backends import haproxy as _haproxy
from policyc.compiler.native_check import native_check
from policyc.compiler.pipeline import settings_for
from policyc.compiler.target import installed_targets
from policyc.schemas import policy as language
from pydantic import BaseModel

from ..live.supported import VERSIONS
from .files import Files
from .policies import Field, Maker
from .readers import envoy, haproxy, nginx, panos
from .readers.facts import differences, said
from .running import POLICIES, SEED, Examined, examined, settled, without

TARGETS = installed_targets()
BACKENDS = Path(_haproxy.__file__).parents[1]
CHUNKS = 10
NATIVE = max(2, POLICIES // 400)
"""Of each target's policies in a chunk, so many are shown to its own parser: it costs as much as 20 of ours."""


def differs(one: Examined, target: str, folder: Path) -> list[str]:
    """Where an output says other than the Plan, read by the target's own rules."""
    plan, bundle = one.loaded.plan, one.bundle
    assert plan
    assert bundle
    settings: Any = settings_for(one.loaded, TARGETS[target])
    if target == "panos":
        return panos.differences(plan, settings, bundle.files) + foreign(target, panos.tags(bundle.files))
    names = [*said(plan), "policyc-nobody.example.net"]
    match target:
        case "nginx":
            read = nginx.read(bundle.files, folder, names, settings.system_ca)
            words = nginx.directives(bundle.files, folder)
        case "haproxy":
            read = haproxy.read(bundle.files, names, settings.system_ca)
            words = haproxy.keywords(bundle.files)
        case _:
            read = envoy.read(bundle.files, names, settings.system_ca)
            words = envoy.keys(bundle.files)
    return differences(plan, read) + foreign(target, words)


def foreign(target: str, words: set[str]) -> list[str]:
    """Directives and fields that the target's own code and templates do not know: they came out of a value."""
    return [f"{word!r} is none of our words" for word in sorted(words - _vocabulary(target))]


def _vocabulary(target: str, known: dict[str, set[str]] = {}) -> set[str]:  # noqa: B006  # is filled once
    if target not in known:
        text = "\n".join(
            path.read_text() for path in sorted((BACKENDS / target).rglob("*.*")) if path.suffix in (".py", ".j2")
        )
        known[target] = {word for kind in ("@-", "@.-") for word in re.findall(rf"[A-Za-z0-9_{kind}]+", text)}
    return known[target]


def smaller(policy: Any, fails: Callable[[Any], bool]) -> Any:
    """A part of a policy that still fails; for people to read."""
    tried = True
    while tried:
        tried = False
        for path in list(_paths(policy, ())):
            less = without(policy, [path])
            if less != policy and fails(less):
                policy, tried = less, True
                break
    return policy


def _paths(value: Any, at: tuple[str | int, ...]) -> Any:
    inside: Any = value
    for key, inner in (
        inside.items() if isinstance(value, dict) else enumerate(inside if isinstance(value, list) else ())
    ):
        yield (*at, key)
        yield from _paths(inner, (*at, key))


def test_every_field_of_every_model_comes_up(files: Files) -> None:
    """Also of those that are added to the language, or to a target's settings, after this was written."""
    said_of: Counter[Field] = Counter()
    for number in range(400):
        target = list(TARGETS)[number % len(TARGETS)]
        maker = Maker(number, files)
        maker.policy(TARGETS[target])
        said_of.update(maker.said)
    models = {one for one in vars(language).values() if isinstance(one, type) and issubclass(one, language.Part)}
    models |= {target.settings_model() for target in TARGETS.values()}
    fields = {(model, name) for model in models if model is not language.Part for name in model.model_fields}
    assert len(fields) > 120
    never = {f"{model.__name__}.{name}" for model, name in fields - said_of.keys()}
    assert not never
    assert all(issubclass(model, BaseModel) for model, _ in said_of)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_outputs_say_what_the_plan_says(chunk: int, files: Files, proxy_program: Callable[[str], str]) -> None:
    counted: Counter[str] = Counter()
    for number in range(chunk, POLICIES, CHUNKS):
        target = list(TARGETS)[number // CHUNKS % len(TARGETS)]
        path = files.folder / "policy.yaml"
        policy, one, rounds = settled(
            path, Maker(SEED * 1_000_000 + number, files).policy(TARGETS[target]), target, TARGETS
        )
        counted["inputs"] += rounds
        if one.bundle is None:
            counted[f"{target} refused"] += 1
            continue
        counted[target] += 1

        def fails(less: Any, path: Path = path, target: str = target) -> bool:
            again = examined(path, json.dumps(less).encode(), target, TARGETS)
            return again.bundle is not None and bool(differs(again, target, files.folder))

        wrong = differs(one, target, files.folder)
        if wrong:
            pytest.fail(f"{number} for {target}: {wrong}\nunder {json.dumps(smaller(policy, fails))}", pytrace=False)
        settings: Any = settings_for(one.loaded, TARGETS[target])
        # Of the version that is installed here; and parsers read the machine's CAs, which are in the usual place.
        here = settings.version == VERSIONS.get(target) and settings.system_ca.startswith("/etc/ssl/")
        if one.bundle.check and here and counted[f"{target} took"] < NATIVE:
            proxy_program(target)
            result = native_check(one.bundle)
            assert result.accepted, f"{number} for {target}: {result.said}\nunder {json.dumps(policy)}"
            counted[f"{target} took"] += 1
    print(dict(counted))
    assert all(counted[target] for target in TARGETS)
    assert sum(counted[f"{target} refused"] for target in TARGETS) < counted["inputs"] / 20, "mostly nothing is tested"
