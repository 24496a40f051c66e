"""Lint: findings about a policy that is well-formed. One module per concern, one function per rule.

A rule's function takes a `Context` and yields findings; its docstring is its page. Rules of one target live with
that target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from ...schemas.policy import Policy
from ...schemas.target import TargetSettings
from ..diagnostics import Diagnostic, Rule, rules_in
from ..document import Document
from ..plan import Plan
from ..target import Target


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may look at. `at` is the moment that certificates are judged for (aware, UTC)."""

    document: Document
    policy: Policy
    plan: Plan
    at: datetime


@cache
def rules() -> Sequence[Rule]:
    """The rules that speak of no target."""
    from . import backend_verification, certificates, passthrough, path_options, references, rule_order

    modules = (certificates, backend_verification, passthrough, path_options, rule_order, references)
    return [rule for module in modules for rule in rules_in(module)]


def lint(context: Context) -> Iterator[Diagnostic]:
    """Findings that hold for every target."""
    for rule in rules():
        if rule.check:
            yield from rule.check(context)


def lint_target(plan: Plan, target: Target[TargetSettings], settings: TargetSettings) -> Iterator[Diagnostic]:
    """What one target cannot do, and what only it gets wrong."""
    from .support import unsupported

    yield from unsupported(plan, target, settings)
    for rule in target.rules():
        if rule.check:
            yield from rule.check(plan, settings)


def stage_rules() -> Sequence[Rule]:
    """The rules of the stages before lint, whose findings mean that something was not understood."""
    from .. import acceptance, conditions, document, resolve, validate

    modules = (document, validate, conditions, resolve, acceptance)
    return list({rule.id: rule for module in modules for rule in rules_in(module)}.values())


def common_rules() -> dict[str, Rule]:
    """The rules by id that speak of no target: of the stages, and of lint."""
    return {rule.id: rule for rule in (*stage_rules(), *rules())}


def every_rule(targets: Mapping[str, Target[TargetSettings]]) -> dict[str, Rule]:
    """All rules by id: of the stages, of lint, of the targets, and one for each feature."""
    from .support import feature_rules

    found = [rule for target in targets.values() for rule in target.rules()]
    found += feature_rules(targets)
    return common_rules() | {rule.id: rule for rule in found}
