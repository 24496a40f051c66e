"""The whole road: a policy's path → findings, and for a target without errors its files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..schemas.policy import Policy
from ..schemas.target import TargetSettings
from . import lint, progress
from .acceptance import UNUSED_ACCEPTANCE, Judged, judge
from .bundle import Bundle
from .diagnostics import Diagnostic, Rule, Severity
from .document import Document, read
from .fixes import with_fixes
from .plan import Plan
from .resolve import resolve
from .target import Target
from .validate import default_settings, validate, validate_settings


@dataclass(slots=True)
class Loaded:
    """A policy as far as it could be understood."""

    document: Document
    readable: bool
    """Whether it was YAML at all."""
    policy: Policy | None = None
    plan: Plan | None = None
    """Incomplete where `findings` holds an error."""
    settings: dict[str, TargetSettings] = field(default_factory=dict)
    """Of the targets that the policy names."""
    findings: list[Diagnostic] = field(default_factory=list)
    """What reading, validating and resolving found."""


def load(
    path: str, targets: Mapping[str, Target[TargetSettings]], unsaved: Mapping[str, bytes] | None = None
) -> Loaded:
    """Read, validate and resolve a policy file or folder; `unsaved` as for `document.read`."""
    document, findings, readable = read(path, unsaved)
    loaded = Loaded(document, readable, findings=findings)
    if not readable:
        return loaded
    loaded.policy, more = validate(document)
    findings += more
    if loaded.policy is None:
        return loaded
    loaded.settings, more = validate_settings(document, loaded.policy, targets)
    findings += more
    loaded.plan, more = resolve(loaded.policy, document)
    findings += more
    return loaded


def settings_for(loaded: Loaded, target: Target[TargetSettings]) -> TargetSettings:
    """A target's settings as the policy has them, else its defaults."""
    return loaded.settings.get(target.name) or default_settings(target)


def examine(
    loaded: Loaded,
    targets: Mapping[str, Target[TargetSettings]],
    chosen: Sequence[str],
    at: datetime | None = None,
) -> Judged:
    """All findings in document order, judged by the policy's `accept` list.

    `chosen` are the targets to lint for; `at` is the moment to judge certificates for, default now.
    """
    moment = at or datetime.now(UTC)
    findings = list(loaded.findings)
    if loaded.policy is not None and loaded.plan is not None:
        context = lint.Context(loaded.document, loaded.policy, loaded.plan, moment, tuple(loaded.findings))
        findings += lint.lint(context)
        broken = {finding.primary.path[:2] for finding in loaded.findings}
        for name in chosen:
            if ("targets", name) not in broken:
                findings += lint.lint_target(loaded.plan, targets[name], settings_for(loaded, targets[name]))
        known = _known_findings(targets, chosen, {entry.finding for entry in loaded.policy.accept})
        judged = judge(findings, loaded.policy.accept, moment.date(), set(chosen), known)
        # That an entry with an unknown name accepts nothing follows from that.
        judged.standing[:] = [
            one for one in judged.standing if one.rule != UNUSED_ACCEPTANCE.id or one.primary.path not in broken
        ]
        judged.standing[:] = _said_once(judged.standing, [rule for name in chosen for rule in targets[name].rules()])
    else:
        judged = Judged(findings, [])
    judged.standing[:] = in_document_order(loaded.document, judged.standing)
    judged.standing[:] = [with_fixes(loaded.document, finding) for finding in judged.standing]
    return judged


def _said_once(standing: Sequence[Diagnostic], own: Sequence[Rule]) -> list[Diagnostic]:
    """Without the common findings in whose place a target's own stands. An accepted one stands in no place."""
    instead_of = {rule.id: rule.instead_of for rule in own}
    said = {(instead_of.get(one.rule), one.primary.path) for one in standing}
    return [one for one in standing if (one.rule, one.primary.path) not in said]


def _known_findings(
    targets: Mapping[str, Target[TargetSettings]], chosen: Sequence[str], accepted: Set[str]
) -> Collection[str]:
    """The names of all findings. The other targets are loaded only where an accepted one may be theirs."""
    known = lint.every_rule({name: targets[name] for name in chosen})
    return known if accepted <= known.keys() else lint.every_rule(targets)


def in_document_order(document: Document, findings: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Findings as reports have them."""
    return sorted(findings, key=_order(document))


def _order(document: Document) -> Callable[[Diagnostic], tuple[int, int, int, int, str, str]]:
    files = {file.name: index for index, file in enumerate(document.files)}
    severities = {severity: index for index, severity in enumerate(Severity)}

    def place(finding: Diagnostic) -> tuple[int, int, int, int, str, str]:
        span = document.span(finding.primary)
        severity = severities[finding.severity]
        return files.get(span.file, -1), span.line, span.column, severity, finding.rule, finding.target or ""

    return place


def has_errors(findings: Sequence[Diagnostic]) -> bool:
    """Whether a build must write nothing."""
    return any(finding.severity is Severity.ERROR for finding in findings)


def compile_for(loaded: Loaded, target: Target[TargetSettings]) -> Bundle:
    """A target's files. Only for a policy that `examine` found without errors for this target."""
    if loaded.plan is None:
        raise ValueError("the policy has errors")
    progress.stage(target.name)
    return target.build(loaded.plan, settings_for(loaded, target), loaded.document.short_name)
