"""Envoy: one static ``envoy.json``, built as objects and serialised by a library."""

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


class EnvoyTarget(Target["Settings"]):
    """Compiles Plans for Envoy."""

    name = "envoy"
    title = "Envoy"
    # Without an interval it keeps what it logs for ten seconds.
    foreground = (
        *("envoy", "-c", "envoy.json", "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"),
        *("--file-flush-interval-msec", "50"),
    )

    def settings_model(self) -> type[Settings]:
        """Version, and where the machine keeps its trust store."""
        from .support import Settings

        return Settings

    def settings_here(self, settings: Settings, folder: str) -> Settings:
        """The same behaviour, with sockets and logs where they can be."""
        return settings.model_copy(update={"access_log": None})

    def support(self, settings: Settings) -> Mapping[Feature, Support]:
        """What Envoy can do."""
        from .support import support

        return support()

    def rules(self) -> Sequence[Rule]:
        """What only Envoy gets wrong."""
        from ...compiler.diagnostics import rules_in
        from . import lint, lint_chains

        return (*rules_in(lint), *rules_in(lint_chains))

    def build(self, plan: Plan, settings: Settings, source: str) -> Bundle:
        """``envoy.json``, certificates and trust anchors."""
        from .lower import lower
        from .render import render

        return render(lower(plan, settings, source))

    def levels_above_a_place(self, file: str) -> int:
        """In ``metadata: {filter_metadata: {policyc: {source: …}}}`` of what it is about."""
        return 4 if file.endswith(".json") else 0


TARGET = EnvoyTarget()
