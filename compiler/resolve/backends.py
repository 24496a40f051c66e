"""Backends: their servers, and TLS towards them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ...schemas import policy as written
from ..diagnostics import Path
from ..features import Feature
from ..plan import (
    Backend,
    BackendTls,
    Balance,
    Certificate,
    ClientCertificate,
    Health,
    Server,
    Timeouts,
    TrustAnchors,
    Verify,
)
from ..validate import INVALID_VALUE, UNKNOWN_NAME
from .certificates import SYSTEM_CA, Certificates
from .part import Part, Shared, socket_of

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?\Z")
_REQUEST_PATH = re.compile(r"/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,2000}\Z")


class Backends(Part):
    """Resolves them, with the certificates and anchors that they name."""

    def __init__(self, shared: Shared, files: Certificates, anchors: Mapping[str, TrustAnchors]) -> None:
        super().__init__(shared)
        self._files = files
        self._anchors = anchors

    def backend(self, name: str, backend: written.Backend) -> Backend | None:
        """One backend."""
        path: Path = ("backends", name)
        tls = backend.tls
        resolved_tls = None
        if tls:
            resolved_tls = self._backend_tls(tls, path, name)
            if resolved_tls is None:
                return None
        elif tls is False:
            self.use(Feature.PLAINTEXT_BACKEND, (*path, "tls"), backend=name)
        server_name = tls.server_name if tls else None
        servers = tuple(
            Server((*path, "servers", index), socket_of(server.address), server.weight, server.backup)
            for index, server in enumerate(backend.servers)
        )
        self._backend_features(backend, servers, path, name)
        host_header = {"preserve": None, "server_name": server_name}.get(backend.host_header, backend.host_header)
        if backend.host_header == "server_name" and server_name is None:
            self.findings.append(
                UNKNOWN_NAME.found(
                    "`host_header: server_name` needs `tls.server_name`",
                    (*path, "host_header"),
                    help=["or write the name itself"],
                )
            )
        if host_header is not None and not _HOST.match(host_header):
            self.findings.append(
                INVALID_VALUE.found(
                    f"`{host_header}` is not a Host: write `preserve`, `server_name`, or a name, maybe with a port",
                    (*path, "host_header"),
                )
            )
        health = backend.health
        if health and not _REQUEST_PATH.match(health.path):
            self.findings.append(
                INVALID_VALUE.found(
                    f"`{health.path}` is not the path of a request: begin with `/`, and write a space, a quote or "
                    "another character that a URL does not have as its percent triplets",
                    (*path, "health", "path"),
                )
            )
        return Backend(
            name=name,
            path=path,
            servers=servers,
            tls=resolved_tls,
            server_name=server_name,
            balance=Balance(backend.balance),
            health=Health(
                (*path, "health"),
                health.path,
                health.interval,
                health.timeout,
                health.rise,
                health.fall,
                tuple(health.expect),
            )
            if health
            else None,
            timeouts=Timeouts(backend.timeouts.connect, backend.timeouts.response, backend.timeouts.idle),
            protocol=backend.protocol,
            host_header=host_header,
        )

    def _backend_features(self, backend: written.Backend, servers: tuple[Server, ...], path: Path, name: str) -> None:
        for feature, key, used in (
            (Feature.SEVERAL_SERVERS, "servers", len(servers) > 1),
            (Feature.SERVER_WEIGHT, "servers", len({server.weight for server in servers}) > 1),
            (Feature.BACKUP_SERVER, "servers", any(server.backup for server in servers)),
            (Feature.BALANCE_LEAST_CONNECTIONS, "balance", backend.balance == "least_connections"),
            (Feature.BALANCE_SOURCE_HASH, "balance", backend.balance == "source_hash"),
            (Feature.HEALTH_CHECK, "health", backend.health is not None),
            (Feature.TIMEOUTS, "timeouts", "timeouts" in backend.model_fields_set),
            (Feature.BACKEND_HTTP2, "protocol", backend.protocol == "h2"),
            (Feature.HOST_HEADER, "host_header", backend.host_header != "preserve"),
        ):
            if used:
                self.use(feature, (*path, key), backend=name)

    def _backend_tls(self, tls: written.BackendTls, backend_path: Path, name: str) -> BackendTls | None:
        path = (*backend_path, "tls")
        verify = Verify(tls.verify)
        trusted = None
        if tls.ca == SYSTEM_CA:
            trusted = TrustAnchors(SYSTEM_CA, (*path, "ca"), (), None, system=True)
            self.use(Feature.SYSTEM_CA, (*path, "ca"), backend=name)
        elif tls.ca is not None:
            trusted = self.named(tls.ca, self._anchors, self.policy.backend_cas, (*path, "ca"), "backend_cas")
        chains: list[tuple[Certificate, ...]] = []
        complete = True
        for index, file in enumerate(tls.certificate or ()):
            at = (*path, "certificate", index)
            chain = self._files.read(file, at)
            complete = complete and chain is not None
            chains += [chain] if chain else ()
        client = None
        if tls.client_certificate:
            at = (*path, "client_certificate")
            found = self._files.key_pair(tls.client_certificate, at)
            complete = complete and found is not None
            if found:
                client = ClientCertificate(at, found[0], found[1], tls.client_certificate.key)
        if (tls.ca is not None and trusted is None) or not complete:
            return None
        for feature, key, used in (
            (Feature.VERIFY_FULL, "verify", verify is Verify.FULL),
            (Feature.VERIFY_CHAIN, "verify", verify is Verify.CHAIN),
            (Feature.VERIFY_NONE, "verify", verify is Verify.NONE),
            (Feature.BACKEND_CRL, "ca", trusted is not None and trusted.crl_pem is not None),
            (Feature.BACKEND_PIN, "pins", bool(tls.pins)),
            (Feature.BACKEND_CLIENT_CERTIFICATE, "client_certificate", client is not None),
            (Feature.BACKEND_MIN_TLS, "min_version", tls.min_version != "1.2"),
        ):
            if used:
                self.use(feature, (*path, key), backend=name)
        return BackendTls(
            path=path,
            anchors=trusted,
            verify=verify,
            leaves=tuple(chain[0] for chain in chains),
            chains=tuple(chains),
            pins=tuple(tls.pins or ()),
            client_certificate=client,
            min_version=tls.min_version,
        )
