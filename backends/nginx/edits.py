"""Header edits → field lines with variables, and the headers that are cleared before.

What the visitor or the backend sent under a name is cleared for some requests only, and no directive of nginx that
clears a header takes a variable. So each set of names that may be cleared is a switch: locations differ by them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...compiler.diagnostics import Path
from ...compiler.plan import EditHeaders, Site
from .model import Geo, HeaderLine, Map, Text, Value, Variable
from .naming import digest, slug
from .rules import LISTS, Rules, Worked, any_of, first_of, refuses, walk_key, working

# What nginx writes itself even where `add_header` has nothing for it: these lines always come from a variable.
_KEPT_BY_VALUE = {"etag": Variable("upstream_http_etag"), "last-modified": Variable("upstream_http_last_modified")}


@dataclass(frozen=True, slots=True)
class Switch:
    """Names that are cleared together. `on` is set where they are; None: always."""

    names: frozenset[str]
    on: Variable | None


@dataclass(frozen=True, slots=True)
class Edits:
    """What becomes of a site's requests, or of its responses.

    `lines` by name: those that stand for whatever was there. `added`: names whose lines hold what was there as well.
    """

    lines: Mapping[str, tuple[HeaderLine, ...]]
    added: frozenset[str]
    switches: tuple[Switch, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """One edit of one header: its value, or None where it is removed; `beside` those that are there, or instead."""

    order: int
    applied: Variable
    value: str | None
    beside: bool


NO_EDITS = Edits({}, frozenset(), ())


def cleared(edits: EditHeaders) -> frozenset[str]:
    """The names of which nothing is kept, in lower case."""
    return frozenset((*edits.remove, *(name.lower() for name, _ in edits.set)))


def added(edits: EditHeaders) -> frozenset[str]:
    """The names that something is put beside, in lower case."""
    return frozenset(name.lower() for name, _ in edits.add)


def edits_of(site: Site, response: bool, rules: Rules, blocks: list[Map | Geo]) -> Edits:
    """The edits of a site's rules, one way."""
    done = [one for one in working(site, EditHeaders) if one.action.response is response]
    if not done:
        return NO_EDITS
    steps: dict[str, list[_Step]] = {}
    spelled: dict[str, str] = {}
    for order, one in enumerate(done):
        applied, edits = rules.applied(one.rule_list, one.rule), one.action
        put = {name.lower() for name, _ in edits.set}
        for name in edits.remove:
            if name not in put:
                steps.setdefault(name, []).append(_Step(order, applied, None, False))
        for lines, beside in ((edits.set, False), (edits.add, True)):
            for name, value in lines:
                spelled.setdefault(name.lower(), name)
                steps.setdefault(name.lower(), []).append(_Step(order, applied, value, beside))
    prefix = f"policyc_{'response' if response else 'request'}_{walk_key(site)}"
    path = LISTS
    beside_any = frozenset(name for name, of in steps.items() if any(step.beside for step in of))
    kept: dict[str, Value] = (
        {name: value for name, value in _KEPT_BY_VALUE.items() if name in steps}
        if response
        else {name: Variable("http_" + name.replace("-", "_")) for name in beside_any}
    )
    lines = {
        name: tuple(_lines(path, f"{prefix}_{slug(name)}", spelled.get(name, name), of, kept.get(name), blocks))
        for name, of in steps.items()
    }
    switches = tuple(
        Switch(
            names,
            None
            if any(one.sure for one in of)
            else any_of(
                path,
                f"{prefix}_clears_{digest(' '.join(sorted(names)))}",
                [rules.applied(one.rule_list, one.rule) for one in of],
                blocks,
            ),
        )
        for names, of in _cleared_together(done, frozenset(kept)).items()
    )
    return Edits(lines, frozenset(kept), switches)


def switch_count(site: Site, response: bool) -> int:
    """How many of a site's switches are not the same for every request."""
    done = [one for one in working(site, EditHeaders) if one.action.response is response]
    kept = frozenset(_KEPT_BY_VALUE) if response else frozenset(name for one in done for name in added(one.action))
    return sum(not any(one.sure for one in of) for of in _cleared_together(done, kept).values())


def _cleared_together(
    done: Sequence[Worked[EditHeaders]], kept: frozenset[str]
) -> dict[frozenset[str], list[Worked[EditHeaders]]]:
    """The rules that clear the same names, but for those that are `kept` by other means.

    Where a rule refuses or redirects there is nothing to clear: only what passes has lines of anybody else's.
    """
    found: dict[frozenset[str], list[Worked[EditHeaders]]] = {}
    for one in done:
        if (names := cleared(one.action) - kept) and not refuses(one.rule):
            found.setdefault(names, []).append(one)
    return found


def _lines(
    path: Path, prefix: str, name: str, steps: Sequence[_Step], kept: Value | None, blocks: list[Map | Geo]
) -> Iterable[HeaderLine]:
    """What stands under a name in the end, in order. `kept`: what was there, where that is to be a line as well."""
    clearing = [step for step in steps if not step.beside]
    if clearing and (kept is not None or any(step.value for step in clearing)):
        # The last one that applied counts.
        last = [(step.applied, Text(step.value or "")) for step in reversed(clearing)]
        yield HeaderLine(name, first_of(path, prefix, last, "" if kept is None else kept, blocks))
    elif kept is not None:
        yield HeaderLine(name, kept)
    for index, step in enumerate(steps):
        if not step.beside:
            continue
        later = [one.applied for one in clearing if one.order > step.order]
        own = f"{prefix}__{index}"
        pairs: list[tuple[Variable, Value]] = [(one, "") for one in later]
        yield HeaderLine(name, first_of(path, own, [*pairs, (step.applied, Text(step.value or ""))], "", blocks))


def switched(switches: Iterable[Switch]) -> list[Switch]:
    """Those that are not the same for every request."""
    return [switch for switch in switches if switch.on is not None]
