"""What changes for each target: what it could do of the old policy and cannot of the new one, and the other way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from ...schemas.target import TargetSettings
from ..acceptance import judge
from ..diagnostics import Diagnostic, Severity
from ..lint import lint_target
from ..pipeline import Loaded, settings_for
from ..target import Target
from . import Change, Kind
from .settings import value_in_words

Reasons = dict[tuple[str, str], tuple[str, tuple[str, ...]]]
"""By rule and subject: the finding's message, and the hostnames that it concerns."""


def compare_targets(
    old: Loaded, new: Loaded, targets: Mapping[str, Target[TargetSettings]], asked: Sequence[str], today: date
) -> Iterator[Change]:
    """Changes for the targets asked for, else for those that either policy names. Both have Plans."""
    for name in asked or sorted({*old.settings, *new.settings}):
        target = targets[name]
        if not asked and name not in new.settings:
            yield Change(Kind.UNSUPPORTED, f"{target.title}: no longer named in `targets`", only_target=name)
        elif not asked and name not in old.settings:
            yield Change(Kind.SUPPORTED, f"{target.title}: newly named in `targets`", only_target=name)
        else:
            yield from _placement(old, new, target)
        if asked or name in new.settings:
            yield from _support(old, new, target, today)


def _placement(old: Loaded, new: Loaded, target: Target[TargetSettings]) -> Iterator[Change]:
    # As a policy writes them.
    before, after = (settings_for(loaded, target).model_dump(mode="json", by_alias=True) for loaded in (old, new))
    for key, value in after.items():
        if value != before[key]:
            words = f"{key} is now {value_in_words(value)} (was {value_in_words(before[key])})"
            yield Change(Kind.SETTING, f"{target.title}: {words}", only_target=target.name)


def _support(old: Loaded, new: Loaded, target: Target[TargetSettings], today: date) -> Iterator[Change]:
    refused, left_out = _cannot(old, target, today)
    refused_now, left_out_now = _cannot(new, target, today)
    for kind, words, before, after in (
        (Kind.UNSUPPORTED, "would now be refused", refused, refused_now),
        (Kind.UNSUPPORTED, "would now be left out, as accepted", left_out, left_out_now),
        (Kind.SUPPORTED, "is no longer refused", refused_now, refused),
        (Kind.SUPPORTED, "is no longer left out", left_out_now, left_out),
    ):
        gained: dict[tuple[str, str], list[str]] = {}
        hosts: dict[tuple[str, str], tuple[str, ...]] = {}
        for (rule, subject), (message, concerned) in after.items():
            if (rule, subject) not in before:
                gained.setdefault((rule, message), []).append(subject)
                hosts[rule, message] = (*hosts.get((rule, message), ()), *concerned)
        for (rule, message), subjects in gained.items():
            yield Change(
                kind,
                f"{target.title}: {', '.join(subjects)} {words}: {message}",
                tuple(dict.fromkeys(hosts[rule, message])),
                details=(f"policyc explain {rule}",),
                only_target=target.name,
            )


def _cannot(loaded: Loaded, target: Target[TargetSettings], today: date) -> tuple[Reasons, Reasons]:
    """What a build refuses for a target, and what it leaves out because the policy accepts that."""
    assert loaded.plan is not None
    assert loaded.policy is not None
    findings = [
        finding
        for finding in lint_target(loaded.plan, target, settings_for(loaded, target))
        if finding.severity is Severity.ERROR
    ]
    judged = judge(findings, loaded.policy.accept, today, {target.name}, {finding.rule for finding in findings})
    known = {id(finding) for finding in findings}
    standing = [finding for finding in judged.standing if id(finding) in known]
    return _reasons(loaded, standing), _reasons(loaded, [finding for finding, _ in judged.accepted])


def _reasons(loaded: Loaded, findings: Sequence[Diagnostic]) -> Reasons:
    assert loaded.plan is not None
    hosts = {site.name: tuple(map(str, site.hostnames)) for site in loaded.plan.sites}
    found: Reasons = {}
    for finding in findings:
        for site in finding.sites:
            found[finding.rule, site] = finding.message, hosts.get(site, ())
        for backend in finding.backends if not finding.sites else ():
            found[finding.rule, f"backend {backend}"] = finding.message, ()
        if not finding.sites and not finding.backends:
            found[finding.rule, "the policy"] = finding.message, ()
    return found
