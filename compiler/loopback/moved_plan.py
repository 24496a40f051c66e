"""A Plan moved to this machine: the same rules and names, on loopback sockets and with certificates made on the spot.

So what a policy asks of visitors, requests and backends can be tried without any of its machines or private keys.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..certificates import read_certificates, read_crl
from ..plan import (
    Backend,
    BackendTls,
    ClientCertificate,
    Listener,
    Plan,
    PublicCertificate,
    Socket,
    TrustAnchors,
)
from ..plan_parts import mapped
from . import pki
from .origin import Origin, Seen
from .ports import free_port

_LOOPBACK = ip_address("127.0.0.1")


@dataclass(frozen=True)
class Moved:
    """A Plan that runs here.

    `doors`: listener → its one port on 127.0.0.1, where every connection begins with a PROXY header, so that visitors
    can come from anywhere. `origins`: backend → what stands for its servers. `trusts`: the roots that visitors trust.
    """

    plan: Plan
    doors: dict[str, int]
    origins: dict[str, list[Origin]]
    trusts: Path
    authorities: dict[str, pki.Issued]
    """Trust anchors by name, with keys: for the certificates of visitors."""
    leaves: dict[str, bytes]
    """Backend → the DER of what its servers present, where they speak TLS."""


def move(plan: Plan, folder: Path, respond: Callable[[Seen], bytes | None], stack: ExitStack) -> Moved:
    """The plan with origins that listen already and answer by `respond`; `stack` stops them. Files go into `folder`."""
    moving = _Moving(plan, folder, respond)
    moved = mapped(plan, moving.replacement)
    for origins in moving.origins.values():
        for origin in origins:
            stack.enter_context(origin)
    trusts = folder / "trusted.pem"
    # Where TLS is passed through, visitors see what is made for a backend.
    trusts.write_bytes(moving.root.pem + b"".join(one.pem for one in moving.authorities.values()))
    return Moved(moved, moving.doors, moving.origins, trusts, moving.authorities, moving.leaves)


class _Moving:
    def __init__(self, plan: Plan, folder: Path, respond: Callable[[Seen], bytes | None]) -> None:
        self.folder = folder
        self.respond = respond
        self.doors: dict[str, int] = {}
        self.origins: dict[str, list[Origin]] = {}
        self.authorities: dict[str, pki.Issued] = {}
        self.leaves: dict[str, bytes] = {}
        root = pki.authority("policyc root")
        self.root = root
        self.public = pki.authority("policyc CA", root)
        self.names: dict[str, dict[str, None]] = {}
        """Backend → the names that its certificate must carry; none where it speaks in clear."""
        for site in plan.sites:
            for group in site.groups:
                for upstream in (group.upstream, *(route.upstream for route in group.routes)):
                    if upstream.backend.tls or not site.decrypt:
                        # A name below a wildcard is the visitor's: the wildcard stands for it.
                        carried = [upstream.server_name] if upstream.server_name else map(str, group.hostnames)
                        self.names.setdefault(upstream.backend.name, {}).update(dict.fromkeys(carried))

    def replacement(self, part: object) -> object:
        """What stands for a part of the Plan; itself where it stays."""
        match part:
            case Listener():
                return self._listener(part)
            case PublicCertificate():
                issued = pki.leaf([*part.leaf.dns_names] or [part.name], self.public)
                certificate, key = pki.write(self.folder, f"public-{part.name}", issued)
                return replace(part, chain=read_certificates(str(certificate)), key_file=str(key))
            case TrustAnchors():
                return self._anchors(part)
            case Backend():
                return self._backend(part)
            case _:
                return part

    def _listener(self, listener: Listener) -> Listener:
        port = self.doors.setdefault(listener.name, free_port())
        return replace(listener, binds=(Socket(_LOOPBACK, port),), redirect_http=(), proxy_protocol=True)

    def _anchors(self, anchors: TrustAnchors) -> TrustAnchors:
        authority = self.authorities.setdefault(anchors.name, pki.authority(f"policyc {anchors.name}"))
        file = self.folder / f"ca-{anchors.name}.pem"
        file.write_bytes(authority.pem)
        crl = None
        if anchors.crl_pem is not None:
            (self.folder / f"ca-{anchors.name}.crl").write_bytes(pki.revocation_list(authority))
            crl = read_crl(str(self.folder / f"ca-{anchors.name}.crl"))
        return replace(anchors, certificates=read_certificates(str(file)), crl_pem=crl, system=False)

    def _backend(self, backend: Backend) -> Backend:
        # `backend.tls` holds moved anchors by now: parts are replaced before what they are part of.
        tls, files = backend.tls, None
        if backend.name in self.names:
            issuer = self.authorities[tls.anchors.name] if tls and tls.anchors else self.public
            issued = pki.leaf(list(self.names[backend.name]), issuer)
            files = pki.write(self.folder, f"backend-{backend.name}", issued)
            self.leaves[backend.name] = issued.certificate.public_bytes(Encoding.DER)
            tls = self._tls(tls, backend.name, files[0]) if tls else None
        if backend.name not in self.origins:
            self.origins[backend.name] = [
                Origin(backend.name, files, respond=self.respond, upgrades=True) for _ in backend.servers
            ]
        servers = tuple(
            replace(server, socket=Socket(_LOOPBACK, origin.port))
            for server, origin in zip(backend.servers, self.origins[backend.name], strict=True)
        )
        return replace(backend, servers=servers, tls=tls, health=None, protocol="http/1.1")

    def _tls(self, tls: BackendTls, name: str, certificate: Path) -> BackendTls:
        leaves = read_certificates(str(certificate))[:1]
        client = None
        if tls.client_certificate is not None:
            own = pki.leaf(["policyc"], self.public, usages=["client"])
            chain, key = pki.write(self.folder, f"client-{name}", own)
            client = ClientCertificate(tls.client_certificate.path, read_certificates(str(chain)), str(key), str(key))
        pins = tuple(leaf.sha256 for leaf in leaves) if tls.pins else ()
        return replace(tls, leaves=leaves, pins=pins, client_certificate=client)


def visitor_certificate(moved: Moved, folder: Path, subject: str, ca: str | None) -> tuple[Path, Path]:
    """A client certificate with this subject (RFC 4514), from one of the plan's anchors or from none of them.

    Raises ValueError for what is no subject.
    """
    issuer = moved.authorities[ca] if ca else pki.authority("nobody's CA")
    issued = pki.leaf(["visitor"], issuer, usages=["client"], subject=x509.Name.from_rfc4514_string(subject))
    return pki.write(folder, f"visitor-{len(list(folder.glob('visitor-*.pem')))}", issued)
