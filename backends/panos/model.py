"""What is written for the firewall: objects and rules, as PAN-OS knows them, before any syntax.

`paths` are places in the policy: for descriptions, and for whoever asks why something is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...compiler.diagnostics import Path
from ...compiler.plan import Certificate, PublicCertificate
from .support import Settings

ANY = ("any",)


@dataclass(frozen=True, slots=True)
class Tag:
    """A label on objects and rules. Tags differ in more than case [HELP]."""

    name: str
    paths: tuple[Path, ...]
    """Of what it is for; none for the tag of everything."""


@dataclass(frozen=True, slots=True)
class AddressObject:
    """One address or network."""

    name: str
    value: str
    paths: tuple[Path, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressGroup:
    """Several address objects under one name: what destination NAT spreads sessions over."""

    name: str
    members: tuple[str, ...]
    paths: tuple[Path, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """One port of ``tcp`` or ``udp``."""

    name: str
    protocol: str
    port: int
    paths: tuple[Path, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UrlCategory:
    """A custom URL category: hosts with paths, without scheme. It takes no tags [SPEC custom-url-category]."""

    name: str
    urls: tuple[str, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class DecryptionProfile:
    """TLS versions (``1.2``) and switches, by their names in the configuration."""

    name: str
    min_version: str
    max_version: str
    switches: tuple[tuple[str, bool], ...]

    @property
    def settings(self) -> tuple[object, ...]:
        """Everything but the name."""
        return self.min_version, self.max_version, self.switches


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate that a decryption rule names. `key` is None where the policy does not know the key's file."""

    name: str
    path: Path
    chain: tuple[Certificate, ...]
    key: PublicCertificate | None

    @property
    def leaf(self) -> Certificate:
        """What the server must present."""
        return self.chain[0]


@dataclass(frozen=True, slots=True)
class Match:
    """What every rule has: its name, where it comes from in the policy, and the sessions it is for."""

    name: str
    tags: tuple[str, ...]
    paths: tuple[Path, ...]
    source: tuple[str, ...]
    destination: tuple[str, ...]
    """Address objects, before NAT in all rulebases ([HELP] for NAT; live.paloaltonetworks.com uid 571331)."""
    service: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NatRule:
    """Destination NAT to one address, or to a group with a distribution."""

    match: Match
    servers: str
    port: int | None
    """None where it stays as it is."""
    distribution: str | None


@dataclass(frozen=True, slots=True)
class DecryptionRule:
    """Without certificates: a no-decrypt rule."""

    match: Match
    category: tuple[str, ...]
    certificates: tuple[str, ...]
    profile: str | None


@dataclass(frozen=True, slots=True)
class SecurityRule:
    """`action` is ``allow``, ``deny`` or ``reset-both``; `to` the zones behind NAT."""

    match: Match
    to: tuple[str, ...]
    negate_source: bool
    category: tuple[str, ...]
    application: tuple[str, ...]
    action: str
    profile_group: str | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that is written, in the order in which it is written."""

    settings: Settings
    tags: tuple[Tag, ...]
    addresses: tuple[AddressObject, ...]
    groups: tuple[AddressGroup, ...]
    services: tuple[Service, ...]
    categories: tuple[UrlCategory, ...]
    profiles: tuple[DecryptionProfile, ...]
    nat: tuple[NatRule, ...]
    decryption: tuple[DecryptionRule, ...]
    security: tuple[SecurityRule, ...]
    key_pairs: tuple[KeyPair, ...]

    def names(self) -> Iterator[tuple[str, str]]:
        """Kind and name of everything that has one. Each pair should occur once.

        Addresses and their groups have one name space, and tags do not look at case ([HELP]; unverified).
        """
        for tag in self.tags:
            yield "tag", tag.name.lower()
        for kind, objects in (
            ("address", (*self.addresses, *self.groups)),
            ("service", self.services),
            ("custom URL category", self.categories),
            ("decryption profile", self.profiles),
            ("certificate", self.key_pairs),
        ):
            for one in objects:
                yield kind, one.name
        for kind, rules in (
            ("NAT rule", self.nat),
            ("decryption rule", self.decryption),
            ("security rule", self.security),
        ):
            for rule in rules:
                yield kind, rule.match.name
