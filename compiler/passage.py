"""What one target makes of one connection: the lines that it adds to a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .decide import Connection, site_of
from .diagnostics import Path
from .features import Feature, Support
from .plan import HostGroup, Plan, Upstream


@dataclass(frozen=True, slots=True)
class Passage:
    """One line, and the place in the policy that it is about."""

    what: str
    path: Path | None = None


def not_honoured(
    plan: Plan, table: Mapping[Feature, Support], version: str, connection: Connection
) -> Iterator[Passage]:
    """The parts of the policy that the connection's site uses and the target does not do."""
    listener = next(one for one in plan.listeners if one.name == connection.listener)
    site = site_of(listener, connection)
    groups = site.groups if site else ()
    backends = {upstream.backend.name for group in groups for upstream in _upstreams(group)}
    found: dict[Feature, Path] = {}
    for use in plan.uses:
        concerned = site is not None and (
            site.name in use.sites or bool(backends & set(use.backends)) or not (use.sites or use.backends)
        )
        if concerned and not table[use.feature].honoured_by(version):
            found.setdefault(use.feature, use.path)
    for feature, path in found.items():
        reason = table[feature].reason
        yield Passage(f"not done here: {feature.description}" + (f" ({reason})" if reason else ""), path)


def _upstreams(group: HostGroup) -> list[Upstream]:
    return [group.upstream, *(route.upstream for route in group.routes)]
