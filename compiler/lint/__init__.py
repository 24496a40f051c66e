"""Lint: findings about a policy that is well-formed. Each module in `rules/` is one rule, found by being there.

A rule's function takes a `Context` and yields findings; its module's docstring is its page. Rules of one target live
with that target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from ...schemas.policy import Policy
from ...schemas.target import TargetSettings
from .. import progress
from ..diagnostics import Diagnostic, Rule, rules_in
from ..document import Document
from ..plan import Plan
from ..target import Target

if TYPE_CHECKING:
    from .certificates import Claim, Named
    from .walks import Walks


@dataclass(frozen=True)
class Context:
    """What a rule may look at. `at` is the moment that certificates are judged for (aware, UTC).

    `found` is what the stages before found: with an error in it the plan is incomplete, and a rule must not take for
    absent what is only broken.
    """

    document: Document
    policy: Policy
    plan: Plan
    at: datetime
    found: Sequence[Diagnostic] = ()

    @property
    def as_of(self) -> str:
        """A note for findings that depend on the day."""
        return f"as of {self.at:%Y-%m-%d %H:%M} UTC; `--at DATE` judges for another day"

    @cached_property
    def certificates(self) -> Sequence[Named]:
        """Every certificate that a visitor, a proxy or a backend will judge, with its place."""
        from .certificates import named

        return list(named(self.plan))

    @cached_property
    def claims(self) -> Sequence[Claim]:
        """Every name that a known certificate must carry."""
        from .certificates import claims

        return list(claims(self.plan, self.policy))

    @cached_property
    def walks(self) -> Walks:
        """The rules that requests walk through, site by site."""
        from .walks import Walks

        return Walks(self.plan, self.policy, self.found)


@cache
def lint_rules() -> Sequence[Rule]:
    """The rules that speak of no target, in the order of their names."""
    from . import rules as package

    names = sorted(found.name for found in iter_modules(package.__path__))
    return [rule for name in names for rule in rules_in(import_module(f"{package.__name__}.{name}"))]


def lint(context: Context) -> Iterator[Diagnostic]:
    """Findings that hold for every target."""
    for rule in progress.counted("lint: rules", lint_rules()):
        if rule.check:
            yield from rule.check(context)


def lint_target(plan: Plan, target: Target[TargetSettings], settings: TargetSettings) -> Iterator[Diagnostic]:
    """What one target cannot do, and what only it gets wrong."""
    from .support import unsupported

    progress.stage(f"lint: {target.name}")
    yield from unsupported(plan, target, settings)
    for rule in target.rules():
        if rule.check:
            yield from rule.check(plan, settings)


def stage_rules() -> Sequence[Rule]:
    """The rules of the stages before lint, whose findings mean that something was not understood."""
    from .. import acceptance, conditions, document, rule_lists, validate
    from ..resolve import certificates, listeners, sites

    modules = (document, validate, conditions, rule_lists, certificates, listeners, sites, acceptance)
    return list({rule.id: rule for module in modules for rule in rules_in(module)}.values())


def late_rules() -> Sequence[Rule]:
    """The rules of what is found only where a target's output has been built."""
    from .. import refusals

    return rules_in(refusals)


def common_rules() -> dict[str, Rule]:
    """The rules by id that speak of no target: of the stages, of lint, and of what comes after it."""
    return {rule.id: rule for rule in (*stage_rules(), *lint_rules(), *late_rules())}


def every_rule(targets: Mapping[str, Target[TargetSettings]]) -> dict[str, Rule]:
    """All rules by id: of the stages, of lint, of the targets, and one for each feature."""
    from .support import feature_rules

    found = [rule for target in targets.values() for rule in target.rules()]
    found += feature_rules(targets)
    return common_rules() | {rule.id: rule for rule in found}
