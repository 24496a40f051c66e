"""What rules on certificates share: which certificates a policy names and for what, and how they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...schemas.policy import Policy
from ..diagnostics import Location, Path
from ..plan import Certificate, Hostname, Plan, Verify

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
ANY_USAGE = "2.5.29.37.0"

Role = Literal["public", "chain", "anchor", "backend", "client"]


@dataclass(frozen=True, slots=True)
class Named:
    """A certificate at a place of the policy, and whom it concerns."""

    certificate: Certificate
    role: Role
    """`public`: the leaf that visitors are shown; `chain`: one behind a leaf; `client`: what backends are shown."""
    at: Location
    what: str
    sites: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


def shown_by(plan: Plan) -> Mapping[str, Sequence[str]]:
    """The sites that show each public certificate, by its name in the policy."""
    sites: dict[str, list[str]] = {certificate.name: [] for certificate in plan.certificates}
    for site in plan.sites:
        if site.certificate is not None:
            sites[site.certificate.name].append(site.name)
    return sites


def named(plan: Plan) -> Iterator[Named]:
    """Every certificate that a visitor, a proxy or a backend will judge."""
    shown = shown_by(plan)
    trusted: dict[int, list[str]] = {}
    for site in plan.sites:
        if site.client_auth:
            trusted.setdefault(id(site.client_auth.anchors), []).append(site.name)
    for certificate in plan.certificates:
        at = Location((*certificate.path, "cert"))
        sites = tuple(shown[certificate.name])
        yield Named(certificate.leaf, "public", at, f"the public certificate `{certificate.name}`", sites)
        for number, one in enumerate(certificate.chain[1:], 2):
            yield Named(one, "chain", at, f"certificate {number} of the chain `{certificate.name}`", sites)
    verified: dict[int, list[str]] = {}
    for backend in plan.backends:
        if backend.tls and backend.tls.anchors:
            verified.setdefault(id(backend.tls.anchors), []).append(backend.name)
    for anchors in plan.anchors:
        for one in anchors.certificates:
            yield Named(
                one,
                "anchor",
                Location((*anchors.path, "ca")),
                f"the trust anchor `{anchors.name}`",
                tuple(trusted.get(id(anchors), ())),
                tuple(verified.get(id(anchors), ())),
            )
    for backend in plan.backends:
        if backend.tls is None:
            continue
        owner = (backend.name,)
        for index, (leaf, *above) in enumerate(backend.tls.chains):
            at = Location((*backend.tls.path, "certificate", index))
            yield Named(leaf, "backend", at, f"the certificate of the backend `{backend.name}`", backends=owner)
            for number, one in enumerate(above, 2):
                what = f"certificate {number} of the chain of the backend `{backend.name}`"
                yield Named(one, "chain", at, what, backends=owner)
        if backend.tls.client_certificate:
            at = Location((*backend.tls.client_certificate.path, "cert"))
            leaf, *above = backend.tls.client_certificate.chain
            yield Named(leaf, "client", at, f"the certificate shown to the backend `{backend.name}`", backends=owner)
            for number, one in enumerate(above, 2):
                what = f"certificate {number} of the chain shown to the backend `{backend.name}`"
                yield Named(one, "chain", at, what, backends=owner)


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that a certificate must carry: a site's hostname, or the name that a backend is verified for."""

    host: Hostname
    leaf: Certificate
    at: Path
    related: tuple[Location, ...]
    whose: str
    """``the certificate `lets-encrypt```: for a message."""
    site: str | None = None
    backend: str | None = None

    @property
    def sites(self) -> tuple[str, ...]:
        """For a finding's `sites`."""
        return (self.site,) if self.site else ()

    @property
    def backends(self) -> tuple[str, ...]:
        """For a finding's `backends`."""
        return (self.backend,) if self.backend else ()


def claims(plan: Plan, policy: Policy) -> Iterator[Claim]:
    """Every name that a known certificate must carry."""
    for site in plan.sites:
        if site.certificate is None:
            continue
        leaf = site.certificate.leaf
        related = (Location((*site.certificate.path, "cert"), f"covers {names_of(leaf)}"),)
        places = {host: index for index, host in enumerate(policy.sites[site.name].hostnames)}
        for host in site.hostnames:
            at: Path = (*site.path, "hostnames", places[str(host)])
            yield Claim(host, leaf, at, related, f"the certificate `{site.certificate.name}`", site=site.name)
    for upstream in plan.upstreams:
        tls, name = upstream.backend.tls, upstream.backend.name
        if tls is None or tls.verify is not Verify.FULL or upstream.server_name is None:
            continue
        host = Hostname(upstream.server_name)
        for index, leaf in enumerate(tls.leaves):
            at = (*tls.path, "certificate", index)
            yield Claim(host, leaf, at, (), f"the certificate of the backend `{name}`", backend=name)


def described(certificate: Certificate) -> str:
    """A certificate in a few words: who, from whom, and the beginning of its fingerprint."""
    name = f"CN={certificate.common_name}" if certificate.common_name else certificate.subject or "no subject"
    origin = "self-signed" if certificate.self_issued else f"from {certificate.issuer_name}"
    return f"{name}, {origin} (SHA-256 {certificate.sha256[:8]}…)"


def names_of(certificate: Certificate) -> str:
    """The first few DNS names of a certificate, for a message."""
    names = ", ".join(certificate.dns_names[:6]) + (", …" if len(certificate.dns_names) > 6 else "")
    return names or "no DNS name at all"


def carries(certificate: Certificate, host: Hostname) -> bool:
    """Whether the SAN covers a hostname as browsers see it (RFC 9525): exactly, or by a wildcard for one label."""
    if str(host) in certificate.dns_names:
        return True
    return not host.wildcard and f"*.{host.name.partition('.')[2]}" in certificate.dns_names


def one_dot_wildcard(certificate: Certificate, host: Hostname) -> str | None:
    """The name such as ``*.internal`` by which alone a certificate covers a host."""
    if host.wildcard or host.name in certificate.dns_names or host.name.count(".") != 1:
        return None
    wildcard = f"*.{host.name.partition('.')[2]}"
    return wildcard if wildcard in certificate.dns_names else None


def partial_wildcard(certificate: Certificate, host: Hostname) -> str | None:
    """The name such as ``app*.example.com`` that would cover a host if a wildcard could be a part of a label."""
    if carries(certificate, host) or host.wildcard:
        return None
    label, _, rest = host.name.partition(".")
    for name in certificate.dns_names:
        first, _, parent = name.partition(".")
        head, star, tail = first.partition("*")
        whole = label.startswith(head) and label.endswith(tail) and len(label) >= len(head) + len(tail)
        if star and first != "*" and parent == rest and whole:
            return name
    return None
