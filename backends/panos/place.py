"""Where the configuration goes, as each form names it."""

from __future__ import annotations

from dataclasses import dataclass

from .support import PanosLocation

DEVICE = "localhost.localdomain"  # what PAN-OS calls itself in its own configuration [SPEC locations]


@dataclass(frozen=True, slots=True)
class Place:
    """A virtual system (``vsys``) or a device group (``device-group``), by name."""

    kind: str
    name: str

    @property
    def steps(self) -> tuple[tuple[str, str | None], ...]:
        """Elements from the root on, and the name where it is an entry."""
        return ("config", None), ("devices", None), ("entry", DEVICE), (self.kind, None), ("entry", self.name)

    @property
    def xpath(self) -> str:
        """Of the place itself. Names hold no quotes: the settings' model lets none through."""
        return "".join(f"/{step}" + (f"[@name='{name}']" if name is not None else "") for step, name in self.steps)


def place_of(location: PanosLocation) -> Place:
    """The place that the settings name."""
    if location.device_group is not None:
        return Place("device-group", location.device_group)
    return Place("vsys", str(location.vsys))
