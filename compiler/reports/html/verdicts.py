"""What each target makes of each site: from the findings, and from the target's own answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ...diagnostics import Diagnostic, Severity
from ...features import Feature, Support
from ...plan import Use
from .concern import Sites, Stage, of_everything, stage


class State(Enum):
    """How well a target does what a site asks, best first. The value is ``(id, word, words)``."""

    WORKS = "works", "works", "works"
    EMULATED = "emulated", "works", "works, by other means"
    ACCEPTED = "accepted", "accepted", "works, with an accepted difference"
    OPEN = "open", "open", "works, with findings that nobody accepted"
    CANNOT = "cannot", "cannot", "cannot be built"

    def __init__(self, state_id: str, word: str, words: str) -> None:
        self.id = state_id
        self.word = word
        self.words = words


_ORDER = list(State)


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, with the anchor it has on the page. `accepted`: it stands no longer."""

    anchor: str
    finding: Diagnostic
    accepted: bool
    sites: Sequence[str]

    @property
    def state(self) -> State:
        """What it does to a target's verdict."""
        if self.accepted:
            return State.ACCEPTED
        return State.CANNOT if self.finding.severity is Severity.ERROR else State.OPEN

    @property
    def everywhere(self) -> bool:
        """Whether it is about the whole policy, or a whole target."""
        return not self.sites and of_everything(self.finding.primary.path)

    @property
    def counts(self) -> bool:
        """Whether it is about what a target does. What is no error and of no target is about the policy alone."""
        return self.target is not None or self.state is State.CANNOT

    @property
    def target(self) -> str | None:
        """The target that it is about; None for all."""
        path = self.finding.primary.path
        return self.finding.target or (str(path[1]) if path[:1] == ("targets",) and len(path) > 1 else None)


@dataclass(slots=True)
class Verdict:
    """One target's verdict on one site."""

    state: State = State.WORKS
    stages: list[State] = field(default_factory=lambda: [State.WORKS] * len(Stage))
    found: list[Found] = field(default_factory=list[Found])
    emulated: dict[Feature, None] = field(default_factory=dict[Feature, None])

    def add(self, state: State, at: Stage) -> None:
        """Make it as bad as this, there and as a whole."""
        self.stages[at] = _worse(self.stages[at], state)
        self.state = _worse(self.state, state)

    def of(self, state: State) -> list[Found]:
        """The findings that lead to a state, in the order of the path."""
        found = [one for one in self.found if one.state is state]
        return sorted(found, key=lambda one: stage(one.finding.primary.path))


def _worse(one: State, other: State) -> State:
    return max(one, other, key=_ORDER.index)


Verdicts = Mapping[str, Mapping[str, Verdict]]
"""By site, then by target."""


def verdicts(
    sites: Sites,
    names: Sequence[str],
    targets: Sequence[str],
    found: Iterable[Found],
    uses: Iterable[Use],
    tables: Mapping[str, Mapping[Feature, Support]],
) -> Verdicts:
    """Verdicts of targets on the sites of these names. `tables` has their support answers, as far as they are known."""
    made = {name: {target: Verdict() for target in targets} for name in names}
    emulating = {
        target: {feature for feature, support in table.items() if support.state == "emulated"}
        for target, table in tables.items()
    }
    for use in uses:
        concerned = [target for target, features in emulating.items() if use.feature in features]
        for name in sites.concerned(use) if concerned else ():
            for target in concerned:
                verdict = made[name][target]
                verdict.emulated[use.feature] = None
                verdict.add(State.EMULATED, stage(use.path))
    for one in found:
        _count(made, one)
    return made


def _count(made: Verdicts, one: Found) -> None:
    if not one.counts:
        return
    # An error of the whole policy keeps every site from being built; a lighter one says nothing of a site.
    names = one.sites if not one.everywhere else list(made) if one.state is State.CANNOT else ()
    for name in names:
        for target, verdict in made.get(name, {}).items():
            if one.target in (None, target):
                verdict.found.append(one)
                verdict.add(one.state, stage(one.finding.primary.path))
