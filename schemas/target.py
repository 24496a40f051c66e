"""What every target's own settings have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+){1,2}$")]


class TargetSettings(BaseModel):
    """Version and placement of one target; never behaviour."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    version: Version
    """The product's version, quoted: `"2.6"`. It decides which directives are written."""
