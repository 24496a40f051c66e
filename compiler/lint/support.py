"""One finding for each feature and target that cannot do it, from the targets' own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...schemas.target import TargetSettings
from ..diagnostics import Diagnostic, Location, Rule, Severity
from ..features import Feature, Support
from ..plan import Plan, Use
from ..target import Target

_SHOWN = 4


def unsupported(plan: Plan, target: Target[TargetSettings], settings: TargetSettings) -> Iterator[Diagnostic]:
    """The features that the plan uses and this version and placement of the target cannot do."""
    table = target.support(settings)
    used: dict[Feature, list[Use]] = {}
    for use in plan.uses:
        used.setdefault(use.feature, []).append(use)
    for feature, uses in used.items():
        support = table[feature]
        if support.honoured_by(settings.version):
            continue
        rule = Rule(
            rule_id(feature),
            support.severity,
            "",
            # Without an optional part the edge is less able; without any other it would be less safe than written.
            acceptable=feature.optional or support.severity is not Severity.ERROR,
        )
        yield rule.found(
            f"{_verdict(support, settings.version)}: {feature.description}",
            uses[0].path,
            related=[Location(use.path) for use in uses[1:_SHOWN]],
            target=target.name,
            notes=[
                *([support.reason] if support.reason else []),
                *([f"and {len(uses) - _SHOWN} more places"] if len(uses) > _SHOWN else []),
                *([support.link] if support.link else []),
            ],
            help=[_help(feature, support, target.name)],
            sites=dict.fromkeys(site for use in uses for site in use.sites),
            backends=dict.fromkeys(backend for use in uses for backend in use.backends),
        )


def rule_id(feature: Feature) -> str:
    """The finding's name for a feature that a target cannot do."""
    return f"unsupported-{feature.id}"


def _verdict(support: Support, version: str) -> str:
    if support.state == "planned":
        return "not written by policyc yet"
    if support.since is not None:
        return f"not possible before {support.since} (the policy says {version})"
    return "not possible"


def _help(feature: Feature, support: Support, target: str) -> str:
    if support.help:
        return support.help
    if support.since:
        return f'update the target and say so: targets.{target}.version: "{support.since}"'
    if feature.optional:
        return "remove it, accept the finding (it is then left out for this target), or build for another target"
    return "remove it from the policy, or build these sites for another target"


def feature_rules(targets: Mapping[str, Target[TargetSettings]]) -> Sequence[Rule]:
    """A page for each feature, with every target's answer for its default version."""
    from ..validate import default_settings

    tables = {name: target.support(default_settings(target)) for name, target in targets.items()}
    return [
        Rule(
            rule_id(feature),
            Severity.ERROR,
            "\n".join(
                [
                    "## What it does",
                    f"The policy uses: {feature.description}. The target that the finding names cannot do it.",
                    "",
                    "## Why it is bad",
                    "The target would behave differently from the policy, so nothing is built for it.",
                    "",
                    "## Targets",
                    *(f"- {targets[name].title}: {answer(table[feature])}" for name, table in tables.items()),
                ]
            ),
            acceptable=feature.optional,
        )
        for feature in Feature
    ]


def answer(support: Support) -> str:
    """A target's answer in one line."""
    words = {
        "native": "yes",
        "emulated": "yes, by other means",
        "impossible": "no",
        "planned": "not yet",
    }[support.state]
    if support.since:
        words += f", since {support.since}"
    return f"{words}: {support.reason}" if support.reason else words
