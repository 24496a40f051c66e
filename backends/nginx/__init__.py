"""The nginx target: one `nginx.conf`, for open source nginx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...compiler.bundle import Bundle
from ...compiler.diagnostics import Rule
from ...compiler.features import Feature, Support
from ...compiler.plan import Plan
from ...compiler.target import Target

if TYPE_CHECKING:
    from .support import Settings


class NginxTarget(Target["Settings"]):
    """Open source nginx, 1.20 to 1.29."""

    name = "nginx"
    title = "nginx"
    # Started by root, its workers would be another user, who cannot enter everybody's folders.
    foreground = ("nginx", "-p", "{folder}/", "-c", "{folder}/nginx.conf", "-g", "daemon off; user {user};")

    def settings_model(self) -> type[Settings]:
        from .support import Settings

        return Settings

    def settings_here(self, settings: Settings, folder: str) -> Settings:
        """The same behaviour, with sockets and logs where they can be."""
        return settings.model_copy(update={"runtime_dir": folder, "access_log": None})

    def support(self, settings: Settings) -> Mapping[Feature, Support]:
        from .support import SUPPORT

        return SUPPORT

    def rules(self) -> Sequence[Rule]:
        from . import lint

        return lint.rules()

    def build(self, plan: Plan, settings: Settings, source: str) -> Bundle:
        from .lower import lower
        from .render import render

        return render(lower(plan, settings), source)


TARGET = NginxTarget()
