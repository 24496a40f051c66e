"""What the page holds, from what was loaded and found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ....schemas.target import TargetSettings
from ...acceptance import Judged
from ...diagnostics import Diagnostic, Location, Severity
from ...document import Document
from ...features import Feature, Support
from ...lint.support import answer
from ...pipeline import Loaded, settings_for
from ...plan import RuleList
from ...plan import Site as PlannedSite
from ...target import Target
from .concern import Sites, Stage
from .path import Picture, picture
from .verdicts import Found, State, Verdict, Verdicts, verdicts
from .words import RuleWords, rule_words

_SITES_NAMED = 8


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding with all that there is to say of it."""

    anchor: str
    kind: str
    """A severity, or ``accepted``."""
    rule: str
    target: str
    """Its title; empty for a finding of no target."""
    message: str
    place: str
    related: Sequence[tuple[str, str]]
    """Places, and what each has to say."""
    notes: Sequence[str]
    help: Sequence[str]
    reason: str
    until: str
    sites: Sequence[tuple[str, str]]
    """The first sites that it is about: anchor and name."""
    more_sites: int


@dataclass(frozen=True, slots=True)
class InTarget:
    """A target, and how many sites it has in each state."""

    name: str
    title: str
    version: str
    counts: Mapping[State, int]
    errors: int
    """Errors that keep it from being built. One in the settings of any target does."""


@dataclass(frozen=True, slots=True)
class InspectionList:
    """A rule list in full."""

    anchor: str
    name: str
    place: str
    rules: Sequence[tuple[RuleWords, str]]
    """Each with its place."""
    sites: int


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A site, as far as it was understood."""

    anchor: str
    name: str
    place: str
    hostnames: Sequence[str]
    picture: Picture | None
    """None for a site that was not understood."""
    verdicts: Mapping[str, Verdict]
    lists: Sequence[InspectionList]
    own: Sequence[Finding]
    """Findings of this site alone."""
    shared: Sequence[Finding]
    """Findings that it shares with others and that are in no verdict. They are told in full below all sites."""
    counts: Mapping[str, int]
    """Findings by kind."""


@dataclass(frozen=True, slots=True)
class SupportRow:
    """A part of the language that the policy uses, and each target's answer."""

    feature: Feature
    place: str
    more_places: int
    answers: Sequence[tuple[str, str]]
    """A sign (``yes``, ``emulated``, ``no``) and the answer in words, by target."""


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    name: str
    source: str
    digest: str
    as_of: str
    """The day that was asked for; empty where none was."""
    targets: Sequence[InTarget]
    sites: Sequence[SiteEntry]
    lists: Sequence[InspectionList]
    findings: Sequence[Finding]
    """Those of several sites, or of none."""
    compared: Sequence[str]
    """The targets that `support` has answers of."""
    support: Sequence[SupportRow]
    counts: Mapping[str, int]


def page(
    loaded: Loaded, judged: Judged, targets: Mapping[str, Target[TargetSettings]], chosen: Sequence[str], as_of: str
) -> Page:
    """The page for a policy, as far as it was understood."""
    document, policy = loaded.document, loaded.policy
    settings = {name: settings_for(loaded, targets[name]) for name in _understood(loaded, chosen)}
    tables = {name: targets[name].support(one) for name, one in settings.items()}
    names = list(policy.sites) if policy else []
    sites = Sites(policy) if policy else None
    found = _found(judged, sites)
    told = _Telling(document, judged, {name: targets[name].title for name in chosen}, names)
    uses = loaded.plan.uses if loaded.plan else ()
    by_site: Verdicts = verdicts(sites, names, chosen, found, uses, tables) if sites else {}
    entries = _sites(loaded, found, told, by_site)
    return Page(
        name=policy.name if policy else document.name,
        source=document.name,
        digest=document.digest,
        as_of=as_of,
        targets=[
            InTarget(
                name,
                targets[name].title,
                settings[name].version if name in settings else "",
                {state: count for state in State if (count := sum(of[name].state is state for of in by_site.values()))},
                sum(one.state is State.CANNOT and one.finding.target in (None, name) for one in found),
            )
            for name in chosen
        ],
        sites=entries,
        lists=list(_lists(loaded, sites).values()),
        findings=[told.full(one) for one in found if not _of_one(one)],
        compared=[f"{targets[name].title} {one.version}" for name, one in settings.items()],
        support=_support(loaded, tables, settings),
        counts=_counted(one.kind for one in map(told.full, found)),
    )


def named_targets(loaded: Loaded, targets: Mapping[str, Target[TargetSettings]]) -> list[str]:
    """The installed targets that the policy names, also those whose settings were not understood."""
    return [name for name in (loaded.policy.targets if loaded.policy else ()) if name in targets]


def _understood(loaded: Loaded, chosen: Iterable[str]) -> list[str]:
    """The targets of which it is known what they are asked for: without those with wrong settings."""
    named = loaded.policy.targets if loaded.policy else {}
    return [name for name in chosen if name in loaded.settings or name not in named]


def _found(judged: Judged, sites: Sites | None) -> list[Found]:
    """All findings, each with its anchor and the sites it is about."""

    def one(anchor: str, finding: Diagnostic, accepted: bool) -> Found:
        return Found(anchor, finding, accepted, sites.concerned(finding) if sites else ())

    standing = [one(f"f{number}", finding, False) for number, finding in enumerate(judged.standing, 1)]
    accepted = [one(f"a{number}", finding, True) for number, (finding, _) in enumerate(judged.accepted, 1)]
    return standing + accepted


def _of_one(found: Found) -> bool:
    """Whether a finding is told in full with its site."""
    return len(found.sites) == 1


def _weight(found: Found) -> int:
    """For an order by weight; what is accepted comes last."""
    return len(Severity) if found.accepted else list(Severity).index(found.finding.severity)


class _Telling:
    """Makes findings ready for the page, once each."""

    def __init__(self, document: Document, judged: Judged, titles: Mapping[str, str], sites: Sequence[str]) -> None:
        self._document = document
        self._entries = {f"a{number}": entry for number, (_, entry) in enumerate(judged.accepted, 1)}
        self._titles = titles
        self._numbers = {name: number for number, name in enumerate(sites, 1)}
        self._made: dict[str, Finding] = {}

    def full(self, found: Found) -> Finding:
        """All of a finding."""
        if found.anchor not in self._made:
            self._made[found.anchor] = self._make(found)
        return self._made[found.anchor]

    def place(self, location: Location) -> str:
        """File and line."""
        span = self._document.span(location)
        return f"{span.file}:{span.line}"

    def _make(self, found: Found) -> Finding:
        finding, entry = found.finding, self._entries.get(found.anchor)
        # In the page's order.
        numbered = sorted((self._numbers[name], name) for name in found.sites if name in self._numbers)
        return Finding(
            found.anchor,
            "accepted" if entry else str(finding.severity),
            finding.rule,
            self._titles.get(finding.target, finding.target) if finding.target else "",
            finding.message,
            self.place(finding.primary),
            [(self.place(one), one.note) for one in finding.related],
            finding.notes,
            finding.help,
            entry.reason if entry else "",
            f"{entry.until}" if entry and entry.until else "",
            [(f"s{number}", name) for number, name in numbered[:_SITES_NAMED]],
            max(0, len(found.sites) - _SITES_NAMED),
        )


def _sites(loaded: Loaded, found: Iterable[Found], told: _Telling, by_site: Verdicts) -> list[SiteEntry]:
    if loaded.policy is None:
        return []
    planned: dict[str, PlannedSite] = {site.name: site for site in loaded.plan.sites} if loaded.plan else {}
    lists = _lists(loaded, None)
    of_site: dict[str, list[Found]] = {}
    for one in found:
        for name in one.sites:
            of_site.setdefault(name, []).append(one)
    entries: list[SiteEntry] = []
    for number, (name, written) in enumerate(loaded.policy.sites.items(), 1):
        site, mine = planned.get(name), of_site.get(name, [])
        if site is None:
            for verdict in by_site[name].values():
                verdict.add(State.CANNOT, Stage.EDGE)  # whatever kept it from being understood
        at = [one for one in loaded.plan.listeners if site in one.sites] if loaded.plan else []
        entries.append(
            SiteEntry(
                f"s{number}",
                name,
                told.place(Location(("sites", name), of="key")),
                list(map(str, site.hostnames)) if site else list(written.hostnames),
                picture(site, at) if site else None,
                by_site[name],
                [lists[key] for key in dict.fromkeys(written.inspect) if key in lists],
                [told.full(one) for one in sorted(mine, key=_weight) if _of_one(one)],
                [told.full(one) for one in mine if not _of_one(one) and not one.counts],
                _counted(told.full(one).kind for one in mine),
            )
        )
    return entries


def _lists(loaded: Loaded, sites: Sites | None) -> dict[str, InspectionList]:
    """The rule lists by their names in the policy."""
    written: list[RuleList] = loaded.plan.lists_as_written() if loaded.plan else []

    def place(location: Location) -> str:
        span = loaded.document.span(location)
        return f"{span.file}:{span.line}"

    return {
        str(one.path[1]): InspectionList(
            f"l{number}",
            str(one.path[1]),
            place(Location(one.path, of="key")),
            [(rule_words(rule), place(Location(rule.path))) for rule in one.rules],
            len(sites.of(one.path)) if sites else 0,
        )
        for number, one in enumerate(written, 1)
    }


def _support(
    loaded: Loaded, tables: Mapping[str, Mapping[Feature, Support]], settings: Mapping[str, TargetSettings]
) -> list[SupportRow]:
    """A row for each feature that the policy uses, in the order of the language."""
    used: dict[Feature, list[Location]] = {}
    for use in loaded.plan.uses if loaded.plan else ():
        used.setdefault(use.feature, []).append(Location(use.path))
    rows: list[SupportRow] = []
    for feature in Feature:
        if feature not in used:
            continue
        span = loaded.document.span(used[feature][0])
        answers = [
            (_sign(table[feature], settings[name].version), answer(table[feature])) for name, table in tables.items()
        ]
        rows.append(SupportRow(feature, f"{span.file}:{span.line}", len(used[feature]) - 1, answers))
    return rows


def _sign(support: Support, version: str) -> str:
    if not support.honoured_by(version):
        return "no"
    return "emulated" if support.state == "emulated" else "yes"


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    """How many of each kind there are, heaviest first."""
    every = list(kinds)
    order = [*map(str, Severity), "accepted"]
    return {kind: every.count(kind) for kind in order if kind in every}
