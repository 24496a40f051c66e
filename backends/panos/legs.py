"""What goes through the firewall, gathered by where it goes to.

One model for both positions. What the firewall sees is a `Leg`: visitors on their way to a site (at the edge), or
proxies on their way to a backend. Rules match sockets, so legs are gathered by the sockets that they share: SSL
Inbound Inspection takes the first rule that matches and never tries a second one for another certificate [OCI], so
all certificates that can appear at a socket must stand in one rule, or rules must differ by the name asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ...compiler.diagnostics import Path
from ...compiler.lint.certificates import carries
from ...compiler.plan import (
    Address,
    Backend,
    BackendTls,
    Certificate,
    Hostname,
    Plan,
    PublicCertificate,
    Site,
    Socket,
)
from .last_answer import last_answer
from .model import DecryptionProfile, KeyPair
from .naming import PROFILE_NAME, certificate_label, certificate_name, object_name, spelled
from .support import Settings
from .tls import backend_profile, listener_profile


class Reading(Enum):
    """What the firewall does with a leg's TLS."""

    DECRYPTED = "decrypted"
    PASSED = "passed through"
    CLEAR = "in clear"


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """Visitors to a site on one listener, or proxies to a backend."""

    path: Path
    name: str
    """The site's or the backend's."""
    reading: Reading
    sockets: tuple[Socket, ...]
    sites: tuple[Site, ...]
    key_pairs: tuple[KeyPair, ...]
    """What the servers present; empty unless decrypted, and where that is not known."""
    profile: DecryptionProfile | None
    hostnames: tuple[Hostname, ...]
    """What is asked for in the SNI."""


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """Addresses with the same legs at the same port."""

    port: int
    addresses: tuple[Address, ...]
    legs: tuple[Leg, ...]

    @property
    def label(self) -> str:
        """For names: of the first address, so that a further leg here changes a rule and not its name.

        A rule of another name would be put below the old one by a merge, and never match.
        """
        return f"{spelled(self.addresses[0])}-{self.port}"

    def read(self, reading: Reading) -> list[Leg]:
        """The legs with which the firewall does this."""
        return [leg for leg in self.legs if leg.reading is reading]

    @property
    def key_pairs(self) -> dict[str, KeyPair]:
        """All that can be presented here, by the leaf's fingerprint."""
        return {pair.leaf.sha256: pair for leg in reversed(self.legs) for pair in reversed(leg.key_pairs)}

    @property
    def scans(self) -> list[str]:
        """The different `scan` values of the sites reached here."""
        return list(dict.fromkeys(site.scan for site in self.sites if site.scan is not None))

    @property
    def sites(self) -> list[Site]:
        """All sites reached here, each once."""
        return list({site.name: site for leg in self.legs for site in leg.sites}.values())


def backends_of(site: Site) -> list[Backend]:
    """The backends that a site's requests reach, in order."""
    found: dict[str, Backend] = {}
    for group in site.groups:
        for upstream in (group.upstream, *(route.upstream for route in group.routes)):
            found[upstream.backend.name] = upstream.backend
    return list(found.values())


def site_addresses(site: Site) -> tuple[Address, ...]:
    """Where visitors reach a site at the edge: before NAT, as rules match [HELP]."""
    servers = (server.socket.address for backend in backends_of(site) for server in backend.servers)
    return tuple(dict.fromkeys(site.public_addresses or servers))


@last_answer
def legs(plan: Plan, settings: Settings) -> Sequence[Leg]:
    """Everything that goes through the firewall, in document order."""
    return tuple(_visitors(plan) if settings.edge else _proxies(plan))


@last_answer
def destinations(legs: Sequence[Leg]) -> Sequence[Destination]:
    """The legs, gathered by the sockets that they share."""
    users: dict[Socket, list[int]] = {}
    for index, leg in enumerate(legs):
        for socket in leg.sockets:
            users.setdefault(socket, []).append(index)
    alike: dict[tuple[int, tuple[int, ...]], list[Address]] = {}
    for socket, indexes in users.items():
        alike.setdefault((socket.port, tuple(indexes)), []).append(socket.address)
    return tuple(
        Destination(port, tuple(addresses), tuple(legs[index] for index in indexes))
        for (port, indexes), addresses in alike.items()
    )


# --- at the edge ----------------------------------------------------------------------------------------------


def _visitors(plan: Plan) -> Iterator[Leg]:
    for listener in plan.listeners:
        profile = listener_profile(object_name(PROFILE_NAME, plan.name, listener.name), listener.tls)
        ports = list(dict.fromkeys(socket.port for socket in listener.binds))
        for site in listener.sites:
            yield Leg(
                path=site.path,
                name=site.name,
                reading=Reading.DECRYPTED if site.decrypt else Reading.PASSED,
                sockets=tuple(Socket(address, port) for port in ports for address in site_addresses(site)),
                sites=(site,),
                key_pairs=tuple(_shown(plan.name, site, site.certificate)) if site.certificate else (),
                profile=profile if site.decrypt else None,
                hostnames=site.hostnames,
            )


def _shown(policy: str, site: Site, certificate: PublicCertificate) -> Iterator[KeyPair]:
    name = certificate_name(policy, certificate.name, certificate.leaf)
    yield KeyPair(name, certificate.path, certificate.chain, certificate)
    for path, chain in successors(site):
        yield KeyPair(certificate_name(policy, certificate.name, chain[0]), path, chain, None)


def successors(site: Site) -> Iterator[tuple[Path, tuple[Certificate, ...]]]:
    """At the edge: the chains of what a site's server presents besides its public certificate, which is being changed.

    That is so where the policy knows both on the server, and visitors of every hostname would take the other one too.
    """
    shown = site.certificate.leaf if site.certificate else None
    for backend in backends_of(site):
        tls = backend.tls
        if shown is None or tls is None or shown.sha256 not in {leaf.sha256 for leaf in tls.leaves}:
            continue
        for index, chain in enumerate(tls.chains):
            if chain[0].sha256 != shown.sha256 and all(carries(chain[0], name) for name in site.hostnames):
                yield (*tls.path, "certificate", index), chain


# --- behind a proxy -------------------------------------------------------------------------------------------


def _proxies(plan: Plan) -> Iterator[Leg]:
    reached: dict[tuple[str, bool], tuple[Backend, list[Site]]] = {}
    for site in plan.sites:
        for backend in backends_of(site):
            reached.setdefault((backend.name, site.decrypt), (backend, []))[1].append(site)
    for (_, decrypt), (backend, sites) in reached.items():
        tls = backend.tls if decrypt else None
        reading = Reading.DECRYPTED if tls else Reading.CLEAR if decrypt else Reading.PASSED
        # A server on the proxy's own machine is reached without the firewall.
        sockets = [server.socket for server in backend.servers if not server.socket.address.is_loopback]
        yield Leg(
            path=backend.path,
            name=backend.name,
            reading=reading,
            sockets=tuple(dict.fromkeys(sockets)),
            sites=tuple(sites),
            key_pairs=tuple(_presented(plan.name, tls)) if tls else (),
            profile=backend_profile(plan.name, tls) if tls else None,
            hostnames=tuple(dict.fromkeys(_asked_by_proxies(sites, backend, decrypt))),
        )


def _asked_by_proxies(sites: Sequence[Site], backend: Backend, decrypt: bool) -> Iterator[Hostname]:
    """The SNI on the inner leg: the upstream's name, and what the visitor asked for where it has none."""
    for site in sites:
        for group in site.groups:
            for upstream in (group.upstream, *(route.upstream for route in group.routes)):
                if upstream.backend.name == backend.name:
                    fixed = upstream.server_name if decrypt else None
                    yield from [Hostname(fixed)] if fixed else group.hostnames


def _presented(policy: str, tls: BackendTls) -> Iterator[KeyPair]:
    for index, chain in enumerate(tls.chains):
        name = certificate_name(policy, certificate_label(chain[0]), chain[0])
        yield KeyPair(name, (*tls.path, "certificate", index), chain, None)
