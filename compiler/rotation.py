"""The safe order in which a backend's certificate is replaced, target by target.

What must be done before the servers present the new one, what when all of them do. A target that verifies by a CA
often has nothing to do; one that holds the certificate itself must hold both in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from .certificates import issued_by
from .diagnostics import format_path
from .lint.certificates import carries, described
from .plan import Backend, Certificate, Hostname, Plan, Verify


@dataclass(frozen=True, slots=True)
class Rotation:
    """A backend, the leaves that it is known to present, and the chain of the new one as in its file."""

    backend: Backend
    chain: tuple[Certificate, ...]
    file: str
    """The new certificate's file, as the user wrote it."""
    written: tuple[str, ...]
    """The files of the old ones, as the policy has them; empty where it does not say."""

    @property
    def new(self) -> Certificate:
        """The new leaf."""
        return self.chain[0]

    @property
    def old(self) -> tuple[Certificate, ...]:
        """The leaves that the policy knows, without the new one."""
        leaves = self.backend.tls.leaves if self.backend.tls else ()
        return tuple(leaf for leaf in leaves if leaf.sha256 != self.new.sha256)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, and how: commands, or lines for the policy."""

    what: str
    how: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What one target needs. `because` says why where there is nothing to do."""

    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    because: str = ""
    problems: tuple[str, ...] = ()
    """Why the new certificate cannot take over on this target."""


def problems(plan: Plan, rotation: Rotation, at: datetime) -> Iterator[str]:
    """Why the new certificate would be refused wherever names and dates are verified."""
    new, tls = rotation.new, rotation.backend.tls
    if not new.not_before <= at < new.not_after:
        yield f"it is valid from {new.not_before:%Y-%m-%d} to {new.not_after:%Y-%m-%d}, and not at {at:%Y-%m-%d}"
    if tls is None or tls.verify is not Verify.FULL:
        return
    for name in dict.fromkeys(names(plan, rotation.backend)):
        if not carries(new, name):
            carried = ", ".join(new.dns_names[:6]) or "no DNS name"
            yield f"it does not carry `{name}`, which is verified; it carries {carried}"


def names(plan: Plan, backend: Backend) -> Iterator[Hostname]:
    """The names that the backend's certificate must carry, as it is reached by decrypted sites."""
    for site in plan.sites if backend.tls else ():
        for group in site.groups if site.decrypt else ():
            for upstream in (group.upstream, *(route.upstream for route in group.routes)):
                if upstream.backend.name == backend.name:
                    yield from [Hostname(upstream.server_name)] if upstream.server_name else group.hostnames


def decrypted(plan: Plan, backend: Backend) -> bool:
    """Whether any site reaches the backend other than by passing connections through."""
    return any(
        site.decrypt and upstream.backend.name == backend.name
        for site in plan.sites
        for group in site.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    )


def by_trust(plan: Plan, rotation: Rotation) -> Order:
    """For a target that verifies the backend by CA, name and pins."""
    backend, new = rotation.backend, rotation.new
    tls = backend.tls
    if not decrypted(plan, backend):
        return Order(because="connections pass through it, and it looks at no certificate")
    if tls is None or tls.anchors is None:
        return Order(because="the policy has it verify nothing, and it takes any certificate")
    before: list[Step] = []
    after: list[Step] = []
    anchors = tls.anchors
    if anchors.system:
        why = "its machine's own trust store decides: see that it has the new one's root"
    elif trusted(rotation.chain, anchors.certificates):
        why = f"`{anchors.name}`, which it trusts, issued the new one too"
    else:
        why = ""
        what = "the new certificate itself" if new.self_issued else f"the CA of the new one ({new.issuer_name})"
        place = format_path((*anchors.path, "ca"))
        before.append(Step(f"add {what} to the file of {place}, behind what is there; build and load"))
        after.append(Step(f"take the old one's anchor out of {place}, unless another backend needs it; build and load"))
    if tls.pins and new.sha256 not in tls.pins:
        place = format_path((*tls.path, "pins"))
        before.append(Step(f"add the new one to {place}; build and load", (f"sha256:{new.sha256}",)))
        if rotation.old:
            after.append(Step(f"take the old ones out of {place}; build and load", _pins(rotation.old)))
    return Order(tuple(before), tuple(after), "" if before else why)


def _pins(leaves: Sequence[Certificate]) -> tuple[str, ...]:
    return tuple(f"sha256:{leaf.sha256}" for leaf in leaves)


def trusted(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> bool:
    """Whether the chain leads to an anchor: by each link being issued by the next, or an anchor."""
    for position, one in enumerate(chain):
        if any(one.sha256 == anchor.sha256 or issued_by(one, anchor) for anchor in anchors):
            return True
        if position + 1 == len(chain) or not issued_by(one, chain[position + 1]):
            return False
    return False


def told(rotation: Rotation) -> str:
    """The change in one line."""
    old = " and ".join(described(leaf) for leaf in rotation.old) or "what the policy does not say"
    return f"backend {rotation.backend.name}: {old} → {described(rotation.new)}"
