"""PAN-OS: a transparent firewall with SSL Inbound Inspection, as XML and as set commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ...compiler.target import Target

if TYPE_CHECKING:
    from ...compiler.bundle import Bundle
    from ...compiler.decide import Connection, Decision, Request
    from ...compiler.diagnostics import Rule
    from ...compiler.features import Feature, Support
    from ...compiler.passage import Passage
    from ...compiler.plan import Plan
    from ...compiler.rotation import Order, Rotation
    from .support import Settings


class PanosTarget(Target["Settings"]):
    """Compiles Plans for one virtual system of a firewall, or for a device group of Panorama."""

    name = "panos"
    title = "PAN-OS"

    def settings_model(self) -> type[Settings]:
        from .support import Settings

        return Settings

    def support(self, settings: Settings) -> Mapping[Feature, Support]:
        from .support import support

        return support(settings)

    def rules(self) -> Sequence[Rule]:
        from . import lint

        return lint.rules()

    def build(self, plan: Plan, settings: Settings, source: str) -> Bundle:
        from .lower import lower
        from .render import render

        return render(lower(plan, settings), source)

    def levels_above_a_place(self, file: str) -> int:
        return 1 if file.endswith((".xml", ".tf")) else 0

    def rotation(self, plan: Plan, settings: Settings, rotation: Rotation) -> Order:
        from .renewal import order

        return order(plan, settings, rotation)

    def trace(
        self, plan: Plan, settings: Settings, connection: Connection, request: Request, decision: Decision
    ) -> Iterable[Passage]:
        from .session import passages

        return passages(plan, settings, connection, request, decision)


TARGET = PanosTarget()
