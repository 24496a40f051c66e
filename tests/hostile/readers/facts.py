"""Facts that an output and a Plan have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from policyc.compiler import plan as meaning

ASKED = "(the name asked for)"
"""In place of a fixed name."""
SYSTEM = "(system)"

WAYS = frozenset({400, 411, 413, 418, 421, 429})
"""Statuses that are answered without a rule that says so, too."""


@dataclass(frozen=True)
class Leads:
    """Where requests for a name end: servers with weight and whether they are backups, and how they are verified.

    `name`: what the certificate must carry; None where it is not looked at. `trusted`: a digest of the anchors.
    """

    servers: frozenset[tuple[str, int, bool]]
    encrypted: bool
    name: str | None = None
    trusted: str | None = None
    revoked: bool = False


@dataclass
class Answers:
    """Of one name: what is shown, where it leads, and what rules do."""

    shown: set[str] = field(default_factory=set[str])
    """Digests of certificates."""
    leads: set[Leads] = field(default_factory=set[Leads])
    statuses: set[int] = field(default_factory=set[int])
    locations: set[str] = field(default_factory=set[str])
    edits: set[tuple[bool, str, str]] = field(default_factory=set[tuple[bool, str, str]])
    """Whether of a response; name in lower case; value."""
    refused: bool = False
    """A rule refuses whatever comes so far: then no way to a backend need be there."""

    def does(self, rule: meaning.Rule, forwards: bool = True) -> None:
        """Add what a rule does; edits of requests only where one is forwarded."""
        for action in rule.actions:
            match action:
                case meaning.Deny(status):
                    self.statuses.add(status)
                case meaning.Redirect(to, status):
                    self.statuses.add(status)
                    self.locations.add(to)
                case meaning.EditHeaders(response=True) | meaning.EditHeaders() if action.response or forwards:
                    lines = (*action.set, *action.add)
                    self.edits.update((action.response, name.lower(), value) for name, value in lines)
                case _:
                    pass


Facts = dict[str, Answers]
"""By hostname; of a wildcard, of a name below it."""


def digest(certificates: Iterable[str]) -> str:
    """Of PEM texts."""
    return hashlib.sha256("".join(certificates).encode()).hexdigest()[:16]


def asked(host: meaning.Hostname) -> str:
    """A name that a visitor may ask for, and only this hostname covers."""
    return f"policyc-visitor.{host.name}" if host.wildcard else host.name


def said(plan: meaning.Plan) -> Facts:
    """What an output must say: of rules those that may ever be looked at for the name, as far as that is plain."""
    found: Facts = {}
    for host in (host for site in plan.sites for host in site.hostnames):
        name = asked(host)
        for listener in plan.listeners:
            here = [(one, site) for site in listener.sites for one in site.hostnames if one.covers(name)]
            # An exact name beats a wildcard, also that of another site.
            for one, site in sorted(here, key=lambda pair: pair[0].wildcard)[:1]:
                _site(site, one, name, found.setdefault(name, Answers()))
    return found


def anywhere(plan: meaning.Plan) -> Answers:
    """All that the rules do, for any name: an output does nothing else."""
    everything = Answers()
    for rules in plan.rule_lists:
        for rule in rules.rules:
            everything.does(rule)
    return everything


def _site(site: meaning.Site, host: meaning.Hostname, name: str, answers: Answers) -> None:
    if site.certificate:
        answers.shown.add(digest(one.pem for one in site.certificate.chain))
    for group in site.groups:
        if host in group.hostnames:
            upstreams = (group.upstream, *(route.upstream for route in group.routes))
            answers.leads.update(_leads(upstream, site.decrypt) for upstream in upstreams)
    own = Answers()
    for rule in (one for rules in site.rule_lists for one in rules.rules):
        ends = any(isinstance(one, meaning.Allow | meaning.Deny | meaning.Redirect) for one in rule.actions)
        refuses = any(isinstance(one, meaning.Deny | meaning.Redirect) for one in rule.actions)
        applies, excepted = _holds(rule.when, name), rule.unless is not None and _holds(rule.unless, name)
        if applies is False or excepted is True:
            continue
        always = applies is True and excepted is False
        if always:  # nothing is left of what was put there before: an output need not write it
            own.edits -= {edit for edit in own.edits if edit[:2] in _cleared(rule)}
        own.does(rule, forwards=not refuses)
        if always and ends:
            answers.refused |= refuses
            break
    answers.statuses |= own.statuses
    answers.locations |= own.locations
    answers.edits |= own.edits


def _cleared(rule: meaning.Rule) -> set[tuple[bool, str]]:
    """The headers of which a rule leaves nothing: whether of a response, and the name."""
    edits = [action for action in rule.actions if isinstance(action, meaning.EditHeaders)]
    return {(one.response, name.lower()) for one in edits for name in (*one.remove, *(name for name, _ in one.set))}


def _holds(condition: meaning.Condition, name: str) -> bool | None:
    """Whether a condition holds for all requests for a name, or for none; None: it depends."""
    if condition.hosts and not any(one.covers(name) for one in condition.hosts):
        return False
    return True if replace(condition, hosts=()).always else None


def _leads(upstream: meaning.Upstream, decrypt: bool) -> Leads:
    servers = frozenset((str(one.socket), one.weight, one.backup) for one in upstream.backend.servers)
    tls = upstream.backend.tls
    if not decrypt or tls is None:
        return Leads(servers, False)
    if tls.anchors is None:
        return Leads(servers, True)
    name = (upstream.server_name or ASKED) if tls.verify is meaning.Verify.FULL else None
    trusted = SYSTEM if tls.anchors.system else digest(one.pem for one in tls.anchors.certificates)
    return Leads(servers, True, name, trusted, tls.anchors.crl_pem is not None)


def differences(plan: meaning.Plan, read: Mapping[str, Answers]) -> list[str]:
    """Where an output says other than the Plan."""
    must, may = said(plan), anywhere(plan)
    found = [f"names: {sorted(must.keys() ^ read.keys())}"] if must.keys() != read.keys() else []
    edited = {edit[:2] for edit in may.edits}
    for host in must.keys() & read.keys():
        one, other = must[host], read[host]
        edits = {edit for edit in other.edits if edit[:2] in edited}
        wrong = {
            "shows": one.shown ^ other.shown,
            "leads to": (other.leads - one.leads) | (set[Leads]() if one.refused else one.leads - other.leads),
            "answers": (one.statuses - WAYS - other.statuses) | (other.statuses - WAYS - may.statuses),
            "redirects to": (one.locations - other.locations) | (other.locations - may.locations),
            "edits": (one.edits - edits) | (edits - may.edits),
        }
        found += [f"{host} {what}, or does not: {odd!r}" for what, odd in wrong.items() if odd]
    return found
