"""What all parts of resolving share: the policy and its document, and the findings and uses that each adds to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeVar

from ...schemas import policy as written
from ...schemas.values import SocketAddress
from ..diagnostics import Diagnostic, Path
from ..document import Document
from ..features import Feature
from ..plan import Socket, Use
from ..spelling import nearest
from ..validate import UNKNOWN_NAME

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Shared:
    """One for all parts of one policy."""

    policy: written.Policy
    document: Document
    findings: list[Diagnostic] = field(default_factory=list[Diagnostic])
    uses: list[Use] = field(default_factory=list[Use])


class Part:
    """One concern of resolving."""

    def __init__(self, shared: Shared) -> None:
        self.policy = shared.policy
        self.document = shared.document
        self.findings = shared.findings
        self.uses = shared.uses

    def use(self, feature: Feature, path: Path, *, site: str | None = None, backend: str | None = None) -> None:
        """Note that the policy uses a feature."""
        self.uses.append(Use(feature, path, (site,) if site else (), (backend,) if backend else ()))

    def named(self, name: str, known: Mapping[str, _T], every: Iterable[str], path: Path, what: str) -> _T | None:
        """What a name stands for. None if nothing has it (a finding), or if it could not be resolved (already told)."""
        if name in known:
            return known[name]
        names = list(every)
        if name not in names:
            self.findings.append(
                UNKNOWN_NAME.found(f"there is no `{name}` in `{what}`", path, help=nearest(name, names))
            )
        return None


def present(items: Iterable[tuple[str, _T | None]]) -> dict[str, _T]:
    """By name, what could be resolved."""
    return {name: item for name, item in items if item is not None}


def socket_of(socket: SocketAddress) -> Socket:
    """A socket as the Plan has it."""
    return Socket(ip_address(socket.address), socket.port)
