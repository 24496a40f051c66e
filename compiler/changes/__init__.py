"""What changes between two policies for visitors, backends and targets: found by comparing Plans, never texts.

Settings are compared field by field (`settings.py`). Rules are compared by what becomes of requests (`requests.py`):
a finite set of them, made of the literals of both policies, is decided under each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a change means. The value is ``(id, heading)``; the order is the order of weight, worst first."""

    UNVERIFIED = "unverified", "Verification is lost"
    TRUST = "trust", "Somebody else is trusted"
    WEAKER_TLS = "weaker-tls", "Weaker TLS"
    CERTIFICATE = "certificate", "Visitors are shown another certificate"
    ALLOWED = "allowed", "Newly allowed"
    DENIED = "denied", "Newly denied"
    UNSUPPORTED = "unsupported", "No longer built"
    BACKEND = "backend", "Reaches another backend"
    LIMIT = "limit", "Other limits"
    ANSWER = "answer", "Answered otherwise"
    HEADERS = "headers", "Other headers"
    ADDRESS = "address", "Other addresses"
    HOSTNAME = "hostname", "New hostnames"
    SETTING = "setting", "Other settings"
    LOG = "log", "Logged otherwise"
    RENEWED = "renewed", "Certificates renewed"
    STRONGER = "stronger", "Better verified"
    SUPPORTED = "supported", "Newly built"
    REWRITTEN = "rewritten", "Rules rewritten to the same effect"

    def __init__(self, kind_id: str, heading: str) -> None:
        self.id = kind_id
        self.heading = heading


@dataclass(frozen=True, slots=True)
class Witness:
    """A request that shows a change: `before` and `after` are what the reference semantics makes of it."""

    listener: str
    sni: str
    source: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    before: str
    after: str

    @property
    def request(self) -> str:
        """The request in one line."""
        lines = "".join(f", {name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.url} from {self.source}{lines}"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is otherwise. `message` is one line; `hosts` are the hostnames that it concerns.

    `only_target`: the target that it is for, where the meaning of the policy is the same as before.
    """

    kind: Kind
    message: str
    hosts: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    witness: Witness | None = None
    only_target: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All changes, worst first. `hosts` are the hostnames that the old policy serves.

    `complete`: False where there were too many kinds of requests to try them all.
    """

    changes: tuple[Change, ...]
    hosts: tuple[str, ...]
    complete: bool = True

    @property
    def affected(self) -> tuple[str, ...]:
        """The hostnames of the old policy that something changes for, certificates that were only renewed aside."""
        harmless = (Kind.RENEWED, Kind.REWRITTEN, Kind.HOSTNAME)
        touched = {
            host
            for change in self.changes
            if change.kind not in harmless and change.only_target is None
            for host in change.hosts
        }
        return tuple(host for host in self.hosts if host in touched)

    @property
    def share(self) -> float:
        """The part of the old policy's hostnames that is affected, from 0 to 1."""
        return len(self.affected) / len(self.hosts) if self.hosts else 0.0


def worst_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    """By weight; within one kind those that concern most hostnames first, else as found."""
    order = list(Kind)
    return tuple(sorted(changes, key=lambda change: (order.index(change.kind), -len(change.hosts))))
