"""What a target is to the compiler, and how targets are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from ..schemas.target import TargetSettings
from .bundle import Bundle
from .diagnostics import Rule
from .features import Feature, Support, complete
from .plan import Plan

if TYPE_CHECKING:
    from .decide import Connection, Decision, Request
    from .passage import Passage
    from .rotation import Order, Rotation

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
    foreground: tuple[str, ...] = ()
    """The command that runs what was built in the foreground, in its folder, for as long as its tests take.

    ``{folder}`` stands for the folder's absolute path, ``{user}`` for whoever runs it. Empty: it runs elsewhere.
    """

    @abstractmethod
    def settings_model(self) -> type[S]:
        """The model of ``targets.<name>``; every field has a default."""

    def settings_here(self, settings: S, folder: str) -> S:
        """The settings for a run on this machine, by whoever calls it: what is placed goes into `folder`."""
        return settings

    @abstractmethod
    def support(self, settings: S) -> Mapping[Feature, Support]:
        """An answer for every feature, for this version and placement."""

    @abstractmethod
    def rules(self) -> Sequence[Rule]:
        """Lint rules of what only this target gets wrong; ``check(plan, settings)`` yields findings."""

    @abstractmethod
    def build(self, plan: Plan, settings: S, source: str) -> Bundle:
        """The output for a plan without unaccepted errors. `source` is the policy's name for comments."""

    def levels_above_a_place(self, file: str) -> int:
        """How a file of the output says which place of the policy its lines are about: see `written_places`.

        0: in comments, about what follows. Else in values, about the block that begins so many levels of indentation
        above.
        """
        return 0

    def rotation(self, plan: Plan, settings: S, rotation: Rotation) -> Order:
        """What must be done on this target when a backend gets a new certificate. Here: as who verifies by a CA."""
        from .rotation import by_trust

        return by_trust(plan, rotation)

    def trace(
        self, plan: Plan, settings: S, connection: Connection, request: Request, decision: Decision
    ) -> Iterable[Passage]:
        """What this target does with a connection and a request beyond what the policy says of them.

        Here: the parts of the policy that concern the site and that this version and placement does not honour.
        """
        from .passage import Passage, not_honoured

        found = list(not_honoured(plan, self.support(settings), settings.version, connection))
        return found or [Passage("as above")]


class UnusableTarget(Exception):
    """A plug-in that is installed and cannot be used. For the user: what is wrong, whose it is, what to do."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n  ".join(lines))


class InstalledTargets(Mapping[str, Target[TargetSettings]]):
    """Targets by name, in alphabetical order. Each is loaded when it is asked for, and not to know that it exists.

    So a plug-in that is broken is in nobody's way who does not use it. To ask for it raises `UnusableTarget`.
    """

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._entries.setdefault(entry.name, []).append(entry)
        self._loaded: dict[str, Target[TargetSettings]] = {}

    def __getitem__(self, name: str) -> Target[TargetSettings]:
        if name not in self._loaded:
            self._loaded[name] = _load(name, self._entries[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def installed_targets() -> InstalledTargets:
    """Every installed target."""
    return InstalledTargets(entry_points(group=GROUP))


def _load(name: str, entries: Sequence[EntryPoint]) -> Target[TargetSettings]:
    """The plug-in, once it has shown that it keeps the contract: after that, what goes wrong is a bug."""
    if len(entries) > 1:
        raise UnusableTarget(
            f"{len(entries)} plug-ins bring a target `{name}`, and only one can be meant",
            *map(_whose, entries),
            "uninstall all but one",
        )
    (entry,) = entries
    try:
        found: object = entry.load()
        if not isinstance(found, Target):
            raise TypeError(f"it is {found!r:.80} and not an instance of Target")
        target = cast("Target[TargetSettings]", found)
        if target.name != name:
            raise ValueError(f"it calls itself `{target.name}`")
        complete(target.support(target.settings_model().model_validate({})))
    except Exception as error:  # the plug-in is somebody else's: whatever it raises is its own
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UnusableTarget(
            f"the target `{name}` is installed and cannot be used: {what}",
            _whose(entry),
            "update or uninstall it; a policy that does not name this target can be built as it is",
        ) from error
    return target


def _whose(entry: EntryPoint) -> str:
    brought = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
    return f"{entry.value}, from {brought}"
