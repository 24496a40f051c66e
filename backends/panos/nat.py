"""Destination NAT at the edge: from the addresses that visitors reach to the servers.

A NAT rule chooses by zone, address and port of the original packet [HELP "NAT Original Packet"], before any TLS: where
sites share an address, they must share its servers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...compiler.plan import Address, Backend, Balance, Site, Socket
from .legs import Destination

DISTRIBUTION = {
    Balance.ROUND_ROBIN: "round-robin",
    Balance.LEAST_CONNECTIONS: "least-sessions",
    Balance.SOURCE_HASH: "source-ip-hash",
}
"""[SPEC policies/network-address-translation.yaml], since 8.1."""


@dataclass(frozen=True, slots=True)
class Translation:
    """Visitors of `addresses` are sent to `servers`. `port` is None where it stays."""

    addresses: tuple[Address, ...]
    servers: tuple[Address, ...]
    port: int | None
    distribution: str | None
    """None with one server."""


@dataclass(frozen=True, slots=True)
class Untranslatable:
    """Visitors of `addresses` would have to be sent to servers, and no rule can do it."""

    addresses: tuple[Address, ...]
    sites: tuple[Site, ...]
    why: str
    way_out: str


def backend_of(site: Site) -> Backend:
    """The backend that NAT leads to. Others, by path, are refused by the feature table."""
    return site.groups[0].upstream.backend


def targets(site: Site) -> tuple[Socket, ...]:
    """The servers that sessions are spread over. There is no health check that would ever choose a backup."""
    return tuple(dict.fromkeys(server.socket for server in backend_of(site).servers if not server.backup))


def translations(at: Destination) -> Iterator[Translation | Untranslatable]:
    """The NAT rules for a destination of visitors: one for each address family in which one is needed."""
    sites = tuple(site for site in at.sites)
    if not any(site.public_addresses for site in sites):
        return
    for family in (4, 6):
        there = {socket for site in sites for socket in targets(site) if socket.address.version == family}
        wanted = tuple(
            address for address in at.addresses if address.version == family and Socket(address, at.port) not in there
        )
        if wanted:
            yield _translation(at, sites, wanted, family)


def _translation(
    at: Destination, sites: tuple[Site, ...], addresses: tuple[Address, ...], family: int
) -> Translation | Untranslatable:
    def no(why: str, way_out: str) -> Untranslatable:
        return Untranslatable(addresses, sites, why, way_out)

    by_site = [tuple(socket for socket in targets(site) if socket.address.version == family) for site in sites]
    if len({frozenset(sockets) for sockets in by_site}) > 1:
        return no(
            "NAT chooses by address and port, and sites that share these have different servers",
            "give each of these sites an address of its own, or put a generated proxy in front",
        )
    servers = by_site[0]
    if not servers:
        return no(
            f"no server has an IPv{family} address, and policyc writes no translation between IPv4 and IPv6",
            f"name a server with an IPv{family} address, or take these out of `public_addresses`",
        )
    if family == 6:
        return no(
            "for single IPv6 addresses no destination NAT is documented: nptv6 translates prefixes [SPEC]",
            "use the servers' own IPv6 addresses as `public_addresses`",
        )
    ports = {socket.port for socket in servers}
    if len(ports) > 1:
        return no(
            "the servers have different ports, and a rule translates to one", "let all servers listen on the same port"
        )
    (port,) = ports
    balances = {backend_of(site).balance for site in sites}
    if len(servers) > 1 and len(balances) > 1:
        return no("sites that share an address and its servers ask for different balancing", "use the same `balance`")
    return Translation(
        addresses=addresses,
        servers=tuple(socket.address for socket in servers),
        port=None if port == at.port else port,
        distribution=DISTRIBUTION[backend_of(sites[0]).balance] if len(servers) > 1 else None,
    )
