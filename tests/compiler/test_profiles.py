"""Which sites share a profile, and what it is called."""

from __future__ import annotations

from dataclasses import replace

import pytest
from policyc.compiler.normal_form import USUAL_METHODS, PathOptions
from policyc.compiler.plan import RuleList, Site
from policyc.compiler.profiles import profile_name, profiles

WEB = RuleList("web", ("inspection_rules", "web"), ())
USUAL = Site("one", ("sites", "one"), (), True, None, (WEB,), (), None, None, (), USUAL_METHODS, False, PathOptions())


def test_sites_that_treat_requests_alike_share_one() -> None:
    other = replace(USUAL, name="two", path=("sites", "two"))
    (profile,) = profiles([USUAL, other])
    assert (profile.name, profile.sites) == ("web", (USUAL, other))


@pytest.mark.parametrize(
    "difference",
    [
        {"methods": (*USUAL_METHODS, "PROPFIND")},
        {"websocket": True},
        {"path_options": PathOptions(path_params=True)},
        {"rule_lists": (WEB, replace(WEB, name="api"))},
        {"rule_lists": ()},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_a_difference_makes_another(difference: dict[str, object]) -> None:
    other = replace(USUAL, name="two", **difference)  # pyright: ignore[reportArgumentType]
    assert len({one.name for one in profiles([USUAL, other])}) == 2


def test_a_name_does_not_depend_on_the_other_sites() -> None:
    other = replace(USUAL, name="two", websocket=True)
    assert profiles([other])[0].name == profiles([USUAL, other])[1].name == profile_name(replace(other, name="three"))


def test_no_other_options_can_be_found_for_a_name() -> None:
    assert len(profile_name(replace(USUAL, websocket=True)).rpartition("::")[2]) * 4 >= 128


def test_a_site_that_is_passed_through_has_none() -> None:
    assert profiles([replace(USUAL, decrypt=False)]) == ()
