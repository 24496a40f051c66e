"""The suite is whole: every claim of every proxy's support table has a case that runs, every refusal one that shows it.

No proxy is started here. What a case needs is compared with what `policyc lint` leaves of its topic's policy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from policyc.compiler.diagnostics import Severity
from policyc.compiler.features import Feature, version_key
from policyc.compiler.target import installed_targets

from ..live.supported import TARGETS
from . import capability
from .laboratory import Laboratory
from .proxies import Chosen
from .suite import certificates_of, chosen_of
from .topics import EVERY, FOLDER, Case, read

FILES = sorted(FOLDER.glob("*.yaml"))
ENOUGH = 300

Found = tuple[Laboratory, Case]


@pytest.fixture(scope="module")
def chosen(pytestconfig: pytest.Config) -> dict[str, Chosen]:
    """The proxies of this run."""
    return chosen_of(pytestconfig)


@pytest.fixture(scope="module")
def laboratories(
    pytestconfig: pytest.Config, chosen: dict[str, Chosen], tmp_path_factory: pytest.TempPathFactory
) -> Sequence[tuple[Laboratory, tuple[Case, ...]]]:
    """Every topic, with what each proxy can have of it; nothing runs."""
    found: list[tuple[Laboratory, tuple[Case, ...]]] = []
    for file in FILES:
        topic, cases = read(file)
        folder: Path = tmp_path_factory.mktemp(file.stem)
        laboratory = Laboratory(file.stem, topic, cases, folder, certificates_of(pytestconfig))
        laboratory.reduce(chosen, TARGETS)
        found.append((laboratory, cases))
    return found


def every_case(laboratories: Sequence[tuple[Laboratory, tuple[Case, ...]]]) -> Iterator[Found]:
    for laboratory, cases in laboratories:
        for case in cases:
            yield laboratory, case


@functools.cache
def own_rules(target: str) -> frozenset[str]:
    """The lint rules of a target that can stop a build."""
    return frozenset(rule.id for rule in installed_targets()[target].rules() if rule.severity is Severity.ERROR)


def test_there_are_enough_cases() -> None:
    assert sum(len(read(file)[1]) for file in FILES) >= ENOUGH


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("feature", Feature, ids=lambda feature: feature.id)
def test_every_claim_and_every_refusal_has_a_case(
    laboratories: Sequence[tuple[Laboratory, tuple[Case, ...]]],
    chosen: dict[str, Chosen],
    target: str,
    feature: Feature,
) -> None:
    """What `support.py` claims is run; what it denies for this version is told by lint where a case asks for it."""
    known = installed_targets()[target]
    settings = known.settings_model().model_validate(dict(chosen[target].settings))
    support = known.support(settings)[feature]
    tagged = [found for found in every_case(laboratories) if feature in found[1].features and found[1].steps]
    assert tagged, f"no case proves {feature.id}"
    if support.honoured_by(settings.version):
        runs = [case.name for laboratory, case in tagged if not laboratory.lacks(case, target)]
        assert runs, f"{target} claims {feature.id}, and no case with it runs there"
    elif support.state != "planned":
        tells = [case.name for laboratory, case in tagged if feature in laboratory.reduced[target].told]
        assert tells, f"{target} cannot do {feature.id}, and no case shows the finding"


@pytest.mark.parametrize("target", TARGETS)
def test_every_rule_of_a_target_has_a_case_that_shows_it(
    laboratories: Sequence[tuple[Laboratory, tuple[Case, ...]]], chosen: dict[str, Chosen], target: str
) -> None:
    """And no site is left out by one that no case expects."""
    shown = {case.finding[target] for _, case in every_case(laboratories) if target in case.finding}
    assert own_rules(target) - shown == set()
    for laboratory, cases in laboratories:
        expected = {
            (site, case.finding[target])
            for case in cases
            if target in case.finding and _concerns(case, chosen[target])
            for site in case.sites
        }
        left_out = {
            (site, rule)
            for site, rules in laboratory.reduced[target].sites.items()
            for rule in rules
            if not rule.startswith("unsupported-")
        }
        assert left_out <= expected, laboratory.name


def _concerns(case: Case, one: Chosen) -> bool:
    below = case.below.get(one.target)
    return below is None or version_key(one.version) < version_key(below)


def test_features_are_those_of_the_sites(laboratories: Sequence[tuple[Laboratory, tuple[Case, ...]]]) -> None:
    """A case proves nothing of what its site, its backends and its listener do not use."""
    wrong: list[str] = []
    for laboratory, case in every_case(laboratories):
        if EVERY in case.finding:
            continue
        there: set[Feature] = set()
        for listener, name in laboratory.places(case):
            site = next((one for one in laboratory.plan.sites if one.name == name), None)
            there |= capability.features_at(laboratory.plan, listener, site)
        if not set(case.features) <= there:
            lacking = sorted(feature.id for feature in set(case.features) - there)
            wrong.append(f"{case.topic}: {case.name}: {lacking}")
    assert wrong == []


def test_sites_are_those_of_the_policy(laboratories: Sequence[tuple[Laboratory, tuple[Case, ...]]]) -> None:
    """`sites` and `backend` of cases name what is there."""
    for laboratory, case in every_case(laboratories):
        policy = laboratory.whole_policy
        assert set(case.sites) <= policy["sites"].keys(), case.name
        backends = {step.expect.backend for step in case.steps} - {None}
        assert backends <= policy["backends"].keys(), case.name
