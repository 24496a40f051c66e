"""What the servers behind the edge present, and whether the targets would accept it.

Whether they would is not decided here: what was presented is put into the Plan as what the backend is known to
present, and the lint rules say what they make of it. What they cannot see of a Plan is asked by `Target.rotation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ..schemas.target import TargetSettings
from . import lint
from .acceptance import judge
from .certificates import issued_by
from .diagnostics import Diagnostic, Severity
from .lint.certificates import described
from .pipeline import Loaded, settings_for
from .plan import Backend, BackendTls, Certificate, HostGroup, Plan, Site, Socket, Upstream
from .plan_parts import mapped
from .rotation import Rotation, trusted
from .target import Target
from .tls_reading import Answer, Call, ask

Targets = Mapping[str, Target[TargetSettings]]


@dataclass(frozen=True, slots=True)
class Aim:
    """A backend and a name that the edge would ask its servers for."""

    backend: Backend
    server_name: str


@dataclass(frozen=True, slots=True)
class Unasked:
    """A backend that is not probed, or not for these names, and why."""

    backend: str
    why: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A server from which no certificate could be read."""

    backend: str
    socket: Socket
    server_name: str
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the policy, or one target, would not accept what was presented, where no lint rule says so."""

    what: str
    target: str | None = None
    help: tuple[str, ...] = ()


@dataclass(slots=True)
class Presented:
    """One chain as presented by some servers of a backend for some names, and what is made of it."""

    backend: Backend
    chain: tuple[Certificate, ...]
    """The leaf, and what leads from it upwards, in order."""
    shown: list[tuple[Socket, str]] = field(default_factory=list[tuple[Socket, str]])
    """By which server, asked for which name."""
    findings: list[Diagnostic] = field(default_factory=list[Diagnostic])
    accepted: list[tuple[Diagnostic, str]] = field(default_factory=list[tuple[Diagnostic, str]])
    problems: list[Problem] = field(default_factory=list[Problem])

    @property
    def leaf(self) -> Certificate:
        """What is compared with pins and with the policy's `certificate`."""
        return self.chain[0]

    @property
    def tls(self) -> BackendTls:
        """As the policy has it: only backends with TLS are probed."""
        assert self.backend.tls is not None
        return self.backend.tls

    @property
    def names(self) -> list[str]:
        """For which it was shown."""
        return list(dict.fromkeys(name for _, name in self.shown))

    @property
    def known(self) -> bool:
        """Whether the policy says that the backend presents it."""
        return any(one.sha256 == self.leaf.sha256 for one in self.tls.leaves)

    def refused_by(self, target: str | None) -> bool:
        """Whether something stands against it that holds for a target, or (None) for every target."""
        wrong = [one.target for one in self.findings if one.severity is Severity.ERROR]
        return bool({None, target} & {*wrong, *(one.target for one in self.problems)})


@dataclass(slots=True)
class Probed:
    """All that a probe found. `others` are findings that are about no single backend."""

    presented: list[Presented]
    failures: list[Failure]
    unasked: list[Unasked]
    others: list[Diagnostic] = field(default_factory=list[Diagnostic])

    def fails(self, at_least: Severity) -> bool:
        """Whether anything stands in the way, or was found that is as heavy as this."""
        found = [*self.others, *(finding for one in self.presented for finding in one.findings)]
        heavy = any(finding.severity.at_least(at_least) for finding in found)
        return bool(self.failures) or heavy or any(one.problems for one in self.presented)


# --- whom to ask, and for what --------------------------------------------------------------------------------


def aims(plan: Plan, hosts: Sequence[str] = (), only: Collection[str] = ()) -> tuple[list[Aim], list[Unasked]]:
    """Every backend and name that the edge would connect with, and what cannot or need not be asked.

    `hosts` stand for visitors' names below wildcards; `only`: these backends and no others (empty: all).
    """
    found: dict[tuple[str, str], Aim] = {}
    unasked: dict[tuple[str, str], Unasked] = {}
    used: set[str] = set()
    asked: set[str] = set()
    passed: set[str] = set()
    for site in plan.sites:
        for group in site.groups:
            for upstream in _upstreams(group):
                backend = upstream.backend
                used.add(backend.name)
                if backend.tls is None:
                    continue
                if not site.decrypt:
                    passed.add(backend.name)
                    continue
                asked.add(backend.name)
                names = _names(group, upstream, hosts)
                for name in names:
                    found.setdefault((backend.name, name), Aim(backend, name))
                if not names:
                    wildcard = str(group.hostnames[0])
                    why = f"it is asked for what visitors ask for below `{wildcard}`: give such a name with --host"
                    unasked.setdefault((backend.name, wildcard), Unasked(backend.name, why))
    for backend in plan.backends:
        if backend.name not in used:
            unasked[backend.name, ""] = Unasked(backend.name, "no site reaches it")
        elif backend.tls is None:
            unasked[backend.name, ""] = Unasked(backend.name, "it is reached in clear, and has no certificate")
        elif backend.name in passed - asked:
            why = "connections pass through to it, and no target looks at its certificate"
            unasked[backend.name, ""] = Unasked(backend.name, why)
    chosen = set(only) or {backend.name for backend in plan.backends}
    return (
        [aim for aim in found.values() if aim.backend.name in chosen],
        [one for one in unasked.values() if one.backend in chosen],
    )


def _upstreams(group: HostGroup) -> list[Upstream]:
    return [group.upstream, *(route.upstream for route in group.routes)]


def _names(group: HostGroup, upstream: Upstream, hosts: Sequence[str]) -> list[str]:
    if upstream.server_name is not None:
        return [upstream.server_name]
    return [host for host in hosts if any(one.covers(host) for one in group.hostnames)]


def strangers(plan: Plan, hosts: Sequence[str]) -> list[str]:
    """Those of some names that no decrypted site answers for."""
    known = [one for site in plan.sites if site.decrypt for one in site.hostnames]
    return [host for host in hosts if not any(one.covers(host) for one in known)]


def read_all(wanted: Sequence[Aim], timeout: float, at_once: int) -> tuple[list[Presented], list[Failure]]:
    """Ask every server for every name; what is the same of one backend stands together."""
    pairs = [(aim, server.socket) for aim in wanted for server in aim.backend.servers]
    answers = ask([_call(aim, socket) for aim, socket in pairs], timeout, at_once)
    presented: dict[tuple[str, ...], Presented] = {}
    failures: list[Failure] = []
    for (aim, socket), answer in zip(pairs, answers, strict=True):
        if not answer.chain:
            failures.append(Failure(aim.backend.name, socket, aim.server_name, answer.failure))
            continue
        chain = _in_order(answer)
        key = (aim.backend.name, *(one.sha256 for one in chain))
        presented.setdefault(key, Presented(aim.backend, chain)).shown.append((socket, aim.server_name))
    return list(presented.values()), failures


def _call(aim: Aim, socket: Socket) -> Call:
    tls = aim.backend.tls
    assert tls is not None
    return Call(socket, aim.server_name, tls.min_version, aim.backend.protocol, tls.client_certificate is not None)


def _in_order(answer: Answer) -> tuple[Certificate, ...]:
    """The leaf and what leads from it upwards, without roots: in any order TLS 1.3 and its libraries take it."""
    chain, left = [answer.chain[0]], [one for one in answer.chain[1:] if not one.self_issued]
    while issuer := next((one for one in left if issued_by(chain[-1], one)), None):
        chain.append(issuer)
        left.remove(issuer)
    return tuple(chain)


# --- what is made of it ---------------------------------------------------------------------------------------


def judge_all(
    loaded: Loaded, targets: Targets, chosen: Sequence[str], presented: Sequence[Presented], at: datetime
) -> list[Diagnostic]:
    """Fill in what stands against each chain; gives the findings that are about no single one."""
    others: list[Diagnostic] = []
    for batch in _batches(presented):
        others += _lint(loaded, targets, chosen, batch, at)
    for one in presented:
        _trust(one)
        _ready(loaded, targets, chosen, one)
    return others


def _batches(presented: Sequence[Presented]) -> Iterator[list[Presented]]:
    """Backends that present one chain are judged together; each chain of the others alone, with its names only."""
    by_backend: dict[str, list[Presented]] = {}
    for one in presented:
        by_backend.setdefault(one.backend.name, []).append(one)
    alone = [of[0] for of in by_backend.values() if len(of) == 1]
    if alone:
        yield alone
    yield from ([one] for of in by_backend.values() if len(of) > 1 for one in of)


def _lint(
    loaded: Loaded, targets: Targets, chosen: Sequence[str], batch: Sequence[Presented], at: datetime
) -> list[Diagnostic]:
    assert loaded.plan is not None
    assert loaded.policy is not None
    plan = _concerned(loaded.plan, batch)
    by_name = {one.backend.name: one for one in batch}

    def found(chains: Mapping[str, Sequence[tuple[Certificate, ...]]]) -> list[Diagnostic]:
        return list(_found(loaded, targets, chosen, _presenting(plan, chains), at))

    before = set(found(dict.fromkeys(by_name, ())))
    new = [finding for finding in found({name: [one.chain] for name, one in by_name.items()}) if finding not in before]
    # A target may hold what the policy knows besides, as while a certificate is changed: what is found of one alone
    # stands only if it is found of all together.
    known = {name: one.tls.chains for name, one in by_name.items() if one.known}
    if known and new:
        together = {_kind(one) for one in found({name: [one.chain] for name, one in by_name.items()} | known)}
        new = [one for one in new if not set(one.backends) & known.keys() or _kind(one) in together]
    judged = judge(new, loaded.policy.accept, at.date(), set(chosen), {one.rule for one in new})
    others: list[Diagnostic] = []
    for finding in judged.standing:
        if finding in new:  # what is wrong with `accept` itself is lint's to say
            about = [by_name[name] for name in finding.backends if name in by_name]
            for one in about:
                one.findings.append(finding)
            others += [] if about else [finding]
    for finding, entry in judged.accepted:
        for name in finding.backends:
            if name in by_name:
                by_name[name].accepted.append((finding, entry.reason))
    return others


def _kind(finding: Diagnostic) -> tuple[object, ...]:
    return finding.rule, finding.target, finding.sites, finding.backends


def _found(loaded: Loaded, targets: Targets, chosen: Sequence[str], plan: Plan, at: datetime) -> Iterable[Diagnostic]:
    assert loaded.policy is not None
    yield from lint.lint(lint.Context(loaded.document, loaded.policy, plan, at, tuple(loaded.findings)))
    for name in chosen:
        yield from lint.lint_target(plan, targets[name], settings_for(loaded, targets[name]))


def _concerned(plan: Plan, batch: Sequence[Presented]) -> Plan:
    """The plan with the sites and names alone for which the batch was presented, and without inspection rules."""
    names = {one.backend.name: one.names for one in batch}

    def reached(group: HostGroup) -> bool:
        return any(
            _names(group, upstream, names[upstream.backend.name])
            if upstream.server_name is None
            else upstream.server_name in names[upstream.backend.name]
            for upstream in _upstreams(group)
            if upstream.backend.name in names
        )

    def narrowed(site: Site) -> Site | None:
        groups = tuple(group for group in site.groups if reached(group)) if site.decrypt else ()
        hostnames = tuple(host for group in groups for host in group.hostnames)
        return replace(site, groups=groups, hostnames=hostnames, rule_lists=()) if groups else None

    sites = {site.name: made for site in plan.sites if (made := narrowed(site))}
    listeners = tuple(
        replace(one, sites=tuple(sites[site.name] for site in one.sites if site.name in sites))
        for one in plan.listeners
    )
    upstreams = [upstream for upstream in plan.upstreams if upstream.backend.name not in names]
    upstreams += [Upstream(f"{one.backend.name}-{name}", one.backend, name) for one in batch for name in one.names]
    return replace(plan, listeners=listeners, sites=tuple(sites.values()), upstreams=tuple(upstreams), rule_lists=())


def _presenting(plan: Plan, chains: Mapping[str, Sequence[tuple[Certificate, ...]]]) -> Plan:
    """The plan with other chains as what some backends are known to present."""

    def replacement(part: object) -> object:
        if not isinstance(part, Backend) or part.name not in chains or part.tls is None:
            return part
        known = tuple(chains[part.name])
        return replace(part, tls=replace(part.tls, chains=known, leaves=tuple(chain[0] for chain in known)))

    # Uses name backends and hold none: of a large policy they are most of what would be looked through.
    return replace(mapped(replace(plan, uses=()), replacement), uses=plan.uses)


def _trust(one: Presented) -> None:
    """Whether the chain as sent leads to the CA. Lint knows the leaf's file only, and trusts that the rest is sent."""
    anchors = one.tls.anchors
    if anchors is None or anchors.system or trusted(one.chain, anchors.certificates):
        return
    if one.refused_by(None) and any(finding.rule == "backend-certificate-untrusted" for finding in one.findings):
        return
    last = one.chain[-1]
    missing = f"{described(last)} is the last that it sends, and not issued by what is trusted"
    one.problems.append(
        Problem(
            f"its chain does not lead to `{anchors.name}`: {missing}",
            help=("have the server send its intermediates, or give the CA that issued it",),
        )
    )


def _ready(loaded: Loaded, targets: Targets, chosen: Sequence[str], one: Presented) -> None:
    """Whether each target is ready for a certificate that the policy does not know, though it knows another."""
    assert loaded.plan is not None
    if one.known or not one.tls.leaves:
        return
    rotation = Rotation(one.backend, one.chain, recorded_name(one), files_of(loaded, one.backend.name))
    for name in chosen:
        if one.refused_by(name):
            continue
        order = targets[name].rotation(loaded.plan, settings_for(loaded, targets[name]), rotation)
        steps = tuple(line for step in order.before for line in (step.what, *step.how))
        one.problems += [Problem(why, name) for why in order.problems]
        if order.before and not order.problems:
            one.problems.append(
                Problem(
                    "it is not the certificate that the policy says, and must be made known here first", name, steps
                )
            )


def files_of(loaded: Loaded, backend: str) -> tuple[str, ...]:
    """The files of what the policy says that a backend presents, as written."""
    written = loaded.policy.backends[backend].tls if loaded.policy else None
    return tuple(written.certificate or ()) if written else ()


def recorded_name(one: Presented) -> str:
    """The name of the file that it is written to: never the same for two certificates."""
    return f"{one.backend.name}-{one.leaf.sha256[:16]}.pem"


def unlisted(presented: Sequence[Presented]) -> dict[str, list[Presented]]:
    """By backend, what is presented and not in the policy; once where only the rest of the chain differs."""
    found: dict[str, dict[str, Presented]] = {}
    for one in presented:
        if not one.known:
            leaves = found.setdefault(one.backend.name, {})
            best = leaves.setdefault(one.leaf.sha256, one)
            if len(one.chain) > len(best.chain):
                leaves[one.leaf.sha256] = one
    return {name: list(leaves.values()) for name, leaves in found.items()}
