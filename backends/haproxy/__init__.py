"""HAProxy: one `haproxy.cfg`, with certificate lists and maps beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...compiler.target import Target

if TYPE_CHECKING:
    from ...compiler.bundle import Bundle
    from ...compiler.diagnostics import Rule
    from ...compiler.features import Feature, Support
    from ...compiler.plan import Plan
    from .support import Settings


class HaproxyTarget(Target["Settings"]):
    """Compiles Plans for HAProxy."""

    name = "haproxy"
    title = "HAProxy"
    foreground = ("haproxy", "-f", "haproxy.cfg")

    def settings_model(self) -> type[Settings]:
        """Version, and where things lie on its machine."""
        from .support import Settings

        return Settings

    def settings_here(self, settings: Settings, folder: str) -> Settings:
        """The same behaviour, with sockets and logs where they can be."""
        return settings.model_copy(update={"runtime_dir": folder, "access_log": "stdout"})

    def support(self, settings: Settings) -> Mapping[Feature, Support]:
        """What HAProxy can do."""
        from .support import SUPPORT

        return SUPPORT

    def rules(self) -> Sequence[Rule]:
        """What only HAProxy gets wrong."""
        from ...compiler.diagnostics import rules_in
        from . import lint

        return rules_in(lint)

    def build(self, plan: Plan, settings: Settings, source: str) -> Bundle:
        """`haproxy.cfg`, certificates, their lists, host maps and trust anchors."""
        from .lower import lower
        from .render import render

        return render(lower(plan, settings), source)


TARGET = HaproxyTarget()
