"""What a target is to the compiler, and how targets are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from ..schemas.target import TargetSettings
from .bundle import Bundle
from .diagnostics import Rule
from .features import Feature, Support
from .plan import Plan

GROUP = "policyc.backends"

S = TypeVar("S", bound=TargetSettings)


class Target(ABC, Generic[S]):
    """A plug-in that compiles Plans for one product.

    Its methods import what they need when called: a policy that never names the target never loads it.
    """

    name: str
    """As in the policy's ``targets`` and on the command line."""
    title: str
    """The product's own name, for people."""

    @abstractmethod
    def settings_model(self) -> type[S]:
        """The model of ``targets.<name>``; every field has a default."""

    @abstractmethod
    def support(self, settings: S) -> Mapping[Feature, Support]:
        """An answer for every feature, for this version and placement."""

    @abstractmethod
    def rules(self) -> Sequence[Rule]:
        """Lint rules of what only this target gets wrong; ``check(plan, settings)`` yields findings."""

    @abstractmethod
    def build(self, plan: Plan, settings: S, source: str) -> Bundle:
        """The output for a plan without unaccepted errors. `source` is the policy's name for comments."""


def installed_targets() -> dict[str, Target[TargetSettings]]:
    """Every installed target by name, in alphabetical order."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return {entry.name: entry.load() for entry in found}
