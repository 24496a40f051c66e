"""Plan → model: listeners and their filter chains, virtual hosts, clusters, and the files they need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ...compiler.bundle import KeyFile
from ...compiler.diagnostics import Path, format_path
from ...compiler.normal_form import STRICT, USUAL_METHODS
from ...compiler.plan import (
    Balance,
    Certificate,
    HostGroup,
    Listener,
    Plan,
    PublicCertificate,
    Site,
    TrustAnchors,
    Upstream,
    Verify,
)
from . import rules
from .conditions import host_is, normal, one_label, path_is
from .groups import Group, certificates_of, groups
from .members import domains
from .model import (
    Branch,
    ClientCertificates,
    Cluster,
    ClusterTls,
    Configuration,
    Forward,
    Http,
    Log,
    Member,
    Pass,
    Place,
    Plain,
    Terminate,
    Test,
    Tls,
    ToHttps,
    VirtualHost,
    every,
    some,
)
from .support import Settings, lacks_suite


def lower(plan: Plan, settings: Settings, source: str) -> Configuration:
    """The model for a Plan that lint has passed. `source` is the policy's name, for the way back."""
    return _Lowering(plan, settings, source).configuration()


class _Lowering:
    def __init__(self, plan: Plan, settings: Settings, source: str) -> None:
        self.plan = plan
        self.settings = settings
        self.source = source
        self.clusters: dict[str, Cluster] = {}
        self.files: dict[str, bytes] = {}
        self.keys: dict[str, KeyFile] = {}
        self.walks: dict[tuple[str, ...], rules.Walk] = {}

    def configuration(self) -> Configuration:
        listeners = [one for listener in self.plan.listeners for one in self._listeners(listener)]
        return Configuration(
            listeners=tuple(listeners),
            clusters=tuple(one for _, one in sorted(self.clusters.items())),
            files=tuple(self.files.items()),
            keys=tuple(self.keys.values()),
        )

    def _from(self, path: Path) -> str:
        return f"{self.source}: {format_path(path)}"

    # --- listeners --------------------------------------------------------------------------------------------

    def _listeners(self, listener: Listener) -> Iterable[Tls | Plain]:
        if not listener.sites:
            return  # Envoy takes no listener without a chain; `unused-listener` tells of it
        below = _exact_below_wildcards(listener.sites)
        chains = groups(listener.sites, self.settings)
        chain_of = {site.name: group.name for group in chains for site in group.sites}
        yield Tls(
            name=listener.name,
            source=self._from(listener.path),
            binds=listener.binds,
            proxy_protocol=listener.proxy_protocol,
            exact=tuple(
                (host.name, chain_of[site.name])
                for site in listener.sites
                for host in site.hostnames
                if not host.wildcard
            ),
            wildcards=tuple(
                (one_label(host), site.name) for site in listener.sites for host in site.hostnames if host.wildcard
            ),
            chains=tuple(self._chain(listener, group, below) for group in chains),
        )
        if listener.redirect_http:
            name = f"{listener.name}-redirect"
            yield Plain(
                name,
                self._from((*listener.path, "redirect_http")),
                listener.redirect_http,
                listener.proxy_protocol,
                self._redirect(listener, name),
            )

    def _chain(self, listener: Listener, group: Group, below: dict[str, list[tuple[str, str]]]) -> Terminate | Pass:
        first, *others = group.sites
        if not first.decrypt:
            return self._pass(listener, first)
        walk = self._walk(first)
        if others:
            members = tuple(map(self._member, group.sites))
            host = self._shared_host(listener, group, walk)
            return self._terminate(listener, group, walk, (host,), members=members)
        hosts = tuple(host for one in first.groups for host in self._virtual_hosts(listener, first, one, walk))
        foreign = tuple(
            name
            for host in first.hostnames
            if host.wildcard
            for name, owner in below.get(host.name, ())
            if owner != first.name
        )
        return self._terminate(listener, group, walk, hosts, foreign)

    def _walk(self, site: Site) -> rules.Walk:
        lists = tuple(one.name for one in site.rule_lists)
        if lists not in self.walks:
            self.walks[lists] = rules.walk(site.rule_lists, self._from)
        return self.walks[lists]

    def _terminate(
        self,
        listener: Listener,
        group: Group,
        walk: rules.Walk,
        hosts: tuple[VirtualHost, ...],
        foreign: tuple[str, ...] = (),
        members: tuple[Member, ...] = (),
    ) -> Terminate:
        """The chain of a group."""
        site = group.sites[0]
        # With members, the one host is called as the group is.
        name, source = (hosts[0].name, hosts[0].source) if members else (site.name, self._from(site.path))
        asks_for_source = any(
            condition.sources
            for rule_list in site.rule_lists
            for rule in rule_list.rules
            for condition in (rule.when, rule.unless)
            if condition is not None
        )
        auth = site.client_auth
        return Terminate(
            name=name,
            source=source,
            certificates=tuple(map(self._public, certificates_of(group))),
            tls=replace(
                listener.tls,
                ciphers=tuple(one for one in listener.tls.ciphers if not lacks_suite(one, self.settings)),
            ),
            clients=ClientCertificates(auth.required, *self._trust(auth.anchors)) if auth else None,
            http=Http(
                name,
                source,
                listener.protocols,
                hosts,
                foreign,
                walk.filters,
                listener.trusted_proxies,
                rerouted=bool(listener.trusted_proxies) and asks_for_source,
                custom_methods=not set(site.methods) <= set(USUAL_METHODS),
                subject_header=auth.forward_subject if auth else None,
                log=self._log(listener, None if members else site),
                members=members,
            ),
        )

    def _shared_host(self, listener: Listener, group: Group, walk: rules.Walk) -> VirtualHost:
        site = group.sites[0]
        forward = self._forward(site, group.name, ("sites",), site.groups[0].upstream)
        return VirtualHost(
            name=group.name,
            source=forward.source,
            domains=domains([_names(one) for one in group.sites]),
            own=None,
            normal=self._normal(listener, site),
            end=replace(forward, cluster=None),
            steps=walk.steps,
            filters=walk.to_end,
        )

    def _member(self, site: Site) -> Member:
        places: list[Place] = []
        for group in site.groups:
            last = group is site.groups[-1]
            hosts = () if last else (some(tuple(map(host_is, group.hostnames))),)
            for route in group.routes:
                test = every((*hosts, path_is([route.prefix])))
                places.append(Place(self._from(route.path), test, self._told(route.upstream)))
            places.append(Place(self._from(site.path), hosts[0] if hosts else None, self._told(group.upstream)))
        return Member(site.name, _names(site), tuple(places))

    def _told(self, upstream: Upstream) -> str:
        """The name of an upstream's cluster, which the access log asks for its backend's."""
        name = self._cluster(upstream, passed=False)
        self.clusters[name] = replace(self.clusters[name], told=upstream.backend.name)
        return name

    def _pass(self, listener: Listener, site: Site) -> Pass:
        (group,) = site.groups
        backend = group.upstream.backend
        return Pass(
            name=site.name,
            source=self._from(site.path),
            cluster=self._cluster(group.upstream, passed=True),
            by_source=backend.balance is Balance.SOURCE_HASH,
            idle=backend.timeouts.idle,
            attempts=len(backend.servers),
            log=self._log(listener, site, backend.name),
        )

    def _normal(self, listener: Listener, site: Site) -> Test:
        return normal(site.methods, site.path_options, websocket=site.websocket, trusted=listener.trusted_proxies)

    def _log(self, listener: Listener, site: Site | None, backend: str = "") -> Log:
        return Log(listener.name, site.name if site else None, self.settings.access_log, backend)

    def _virtual_hosts(
        self, listener: Listener, site: Site, group: HostGroup, walk: rules.Walk
    ) -> Iterable[VirtualHost]:
        """One for the exact names and one for the wildcards, so that only the latter pay for their check."""
        for wildcard in (False, True):
            hostnames = tuple(host for host in group.hostnames if host.wildcard is wildcard)
            if not hostnames:
                continue
            name = group.id + ("-wildcard" if wildcard else "")
            yield VirtualHost(
                name=name,
                source=self._from(site.path),
                domains=tuple(map(str, hostnames)),
                own=some(tuple(map(host_is, hostnames))) if wildcard else None,
                normal=self._normal(listener, site),
                end=self._forward(site, name, site.path, group.upstream),
                steps=walk.steps,
                branches=tuple(
                    Branch(
                        path_is([route.prefix]),
                        self._forward(site, format_path(route.path), route.path, route.upstream),
                    )
                    for route in group.routes
                ),
                filters=walk.to_end,
            )

    def _forward(self, site: Site, name: str, path: Path, upstream: Upstream) -> Forward:
        backend = upstream.backend
        return Forward(
            name=name,
            source=self._from(path),
            cluster=self._cluster(upstream, passed=False),
            backend=backend.name,
            host_header=backend.host_header,
            by_source=backend.balance is Balance.SOURCE_HASH,
            timeouts=backend.timeouts,
            primaries=sum(not server.backup for server in backend.servers),
            backups=sum(server.backup for server in backend.servers),
            upgrades=site.websocket,
        )

    def _redirect(self, listener: Listener, name: str) -> Http:
        source = self._from((*listener.path, "redirect_http"))
        hostnames = [host for site in listener.sites for host in site.hostnames]
        exact = tuple(host.name for host in hostnames if not host.wildcard)
        end = ToHttps(listener.public_port)
        usual = normal(USUAL_METHODS, STRICT)
        hosts = [VirtualHost("exact", source, exact, None, usual, end)] if exact else []
        hosts += [
            VirtualHost(str(host), source, (str(host),), host_is(host), usual, end)
            for host in hostnames
            if host.wildcard
        ]
        return Http(name, source, ("http/1.1",), tuple(hosts))

    # --- clusters ---------------------------------------------------------------------------------------------

    def _cluster(self, upstream: Upstream, *, passed: bool) -> str:
        """The name of an upstream's cluster. No name of the policy holds a colon."""
        backend = upstream.backend
        name = f"{upstream.id}::tcp" if passed else upstream.id
        if name in self.clusters:
            return name
        self.clusters[name] = Cluster(
            name=name,
            source=self._from(backend.path),
            servers=tuple(server for server in backend.servers if not server.backup),
            backups=tuple(server for server in backend.servers if server.backup),
            tls=None if passed else self._cluster_tls(upstream),
            protocol=None if passed else backend.protocol,
            balance=backend.balance,
            health=backend.health,
            check_host=backend.host_header or upstream.server_name,
            timeouts=backend.timeouts,
        )
        return name

    def _cluster_tls(self, upstream: Upstream) -> ClusterTls | None:
        tls = upstream.backend.tls
        if tls is None:
            return None
        verified = tls.verify is not Verify.NONE
        assert not verified or tls.anchors is not None
        ca, crl = self._trust(tls.anchors) if verified and tls.anchors else (None, None)
        certificate = None
        if tls.client_certificate:
            shown = tls.client_certificate
            files = f"client/{upstream.backend.name}.pem", f"client/{upstream.backend.name}.key"
            certificate = self._shown(files, shown.chain, shown.key_file, shown.key_as_written)
        return ClusterTls(
            sni=upstream.server_name,
            ca=ca,
            crl=crl,
            san=upstream.server_name if tls.verify is Verify.FULL else None,
            by_host=upstream.server_name is None,
            verify_host=upstream.server_name is None and tls.verify is Verify.FULL,
            pins=tls.pins,
            certificate=certificate,
            min_version=tls.min_version,
        )

    # --- files ------------------------------------------------------------------------------------------------

    def _trust(self, anchors: TrustAnchors) -> tuple[str, str | None]:
        """The files of a CA and of its revocation lists."""
        ca = self.settings.system_ca if anchors.system else f"ca/{anchors.name}.pem"
        if not anchors.system:
            self.files[ca] = _pem(anchors.certificates)
        if anchors.crl_pem is None:
            return ca, None
        crl = f"ca/{anchors.name}.crl"
        self.files[crl] = anchors.crl_pem.encode()
        return ca, crl

    def _public(self, shown: PublicCertificate) -> tuple[str, str]:
        files = f"certs/{shown.name}.pem", f"certs/{shown.name}.key"
        return self._shown(files, shown.chain, shown.key_file, shown.key_as_written)

    def _shown(
        self, files: tuple[str, str], chain: Sequence[Certificate], key_file: str, as_written: str
    ) -> tuple[str, str]:
        """The files of a certificate's chain and of its key."""
        self.files[files[0]] = _pem(chain)
        self.keys[files[1]] = KeyFile(files[1], key_file, as_written)
        return files


def _names(site: Site) -> tuple[str, ...]:
    return tuple(host.name for host in site.hostnames)


def _pem(certificates: Iterable[Certificate]) -> bytes:
    return "".join(certificate.pem for certificate in certificates).encode()


def _exact_below_wildcards(sites: Sequence[Site]) -> dict[str, list[tuple[str, str]]]:
    """For each wildcard's domain, the exact names that it covers and their sites."""
    wildcards = {host.name for site in sites for host in site.hostnames if host.wildcard}
    below: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for site in sites:
        for host in site.hostnames:
            parent = host.name.partition(".")[2]
            if not host.wildcard and parent in wildcards:
                below[parent].append((host.name, site.name))
    return below
