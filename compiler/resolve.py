"""Policy → Plan: names joined, defaults filled in, certificates read, rules turned into matchers.

Goes on as far as it can. What cannot be resolved becomes a finding and is left out of the Plan, with everything that
hangs on it; a build with such a finding writes nothing.

What has a name (sites, backends, …) is in the order of names: nothing follows from where the document says it, or in
which file of a folder. Lists (rules, hostnames, servers) have the order that they were given.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import TypeVar

from ..schemas import policy as written
from ..schemas.values import SocketAddress
from . import progress
from .certificates import BadCertificate, read_certificates, read_crl, read_public_half
from .conditions import hostname, path_matchers
from .diagnostics import Diagnostic, Location, Path, Severity, declare
from .document import UNREADABLE, Document
from .features import Feature
from .normal_form import STRICT, USUAL_METHODS, PathOptions
from .plan import (
    Backend,
    BackendTls,
    Balance,
    Certificate,
    ClientAuth,
    ClientCertificate,
    Health,
    HostGroup,
    Hostname,
    Listener,
    PathMatcher,
    Plan,
    PublicCertificate,
    Route,
    RuleList,
    Server,
    Site,
    Socket,
    TextMatch,
    Timeouts,
    TlsSettings,
    TrustAnchors,
    Upstream,
    Use,
    Verify,
)
from .rule_lists import HEADER_NOT_EDITABLE, looks_for_expressions_in_queries, not_for_requests, rule_list, rule_uses
from .tls_profiles import ciphers_for, profile
from .validate import INVALID_VALUE, UNKNOWN_NAME, nearest

BAD_CERTIFICATE = declare(
    "unusable-certificate",
    """
    ## What it does
    A file that should hold a certificate, a key or a revocation list does not, or not one that can be read.

    ## Why it is bad
    A site without its certificate, or a backend without its trust anchor, gets no output at all, never a weaker one.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.key, key: certs/shop.key}
    ```

    ## Use instead
    PEM files: the leaf first, then its intermediates; the key in clear, in a file of its own.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc7468
    """,
)
KEY_MISMATCH = declare(
    "key-does-not-match",
    """
    ## What it does
    A private key does not belong to the certificate that it is given with. Mostly it is the wrong key file, or only one
    of the two was renewed.

    ## Why it is bad
    The proxies refuse to start with such a pair, some of them for all sites.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/www.key}
    ```

    ## Use instead
    Name the key that the certificate was made for; where both names are right, check which of the two files was
    renewed, and that the leaf stands first in the certificate's file. `openssl pkey -in KEY -pubout` and
    `openssl x509 -in CERT -noout -pubkey` print the same where they belong together.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://github.com/haproxy/haproxy/issues/2117
    """,
)
KEY_ABSENT = declare(
    "private-key-absent",
    """
    ## What it does
    A private key that the policy names is not on this machine, so it was not compared with its certificate.

    ## Why it is bad
    A pair that does not match is found by the proxy only, when it starts.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/absent.key}
    ```

    ## Use instead
    Nothing, where keys are kept on the edge alone; else mend the path.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc7468#section-10
    """,
    Severity.INFO,
    acceptable=True,
)
HOSTNAME_TWICE = declare(
    "hostname-claimed-twice",
    """
    ## What it does
    Two sites that are reached on one listener claim the same hostname.

    ## Why it is bad
    Only one of them can answer, and which one would differ from target to target.

    ## Example
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      sale: {hostnames: [www.example.com, shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    Remove one, or give the sites different `listeners`.
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      sale: {hostnames: [www.example.com], public_certificate: shop, backend: app}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc6066#section-3
    """,
)
TLS_NOT_SAID = declare(
    "backend-tls-not-said",
    """
    ## What it does
    A backend of a decrypted site says nothing about TLS.

    ## Why it is bad
    Plaintext behind the edge must be a decision that somebody wrote down, and TLS needs to know whom to trust.

    ## Example
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:443]}
    ```

    ## Use instead
    `tls: {ca: NAME}` with a name of `backend_cas`, or `tls: false` for plaintext.
    ```yaml
    backends:
      app: {servers: [192.0.2.10:443], tls: {ca: internal, server_name: app.example.internal}}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://github.com/kubernetes-sigs/gateway-api/issues/3516
    """,
)
SOCKET_TWICE = declare(
    "socket-bound-twice",
    """
    ## What it does
    Two listeners, or two entries of one, bind the same address and port.

    ## Why it is bad
    Only one can have it: the proxy does not start, or the second never gets a connection.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], redirect_http: ["0.0.0.0:443"]}
    ```

    ## Use instead
    Remove one, or use another port.
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], redirect_http: ["0.0.0.0:80"]}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS
    """,
)

EMPTY_TLS_RANGE = declare(
    "no-tls-version",
    """
    ## What it does
    `min_version`, `max_version` and the profile together leave no TLS version.

    ## Why it is bad
    Every handshake would be refused.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], tls: {profile: modern, max_version: "1.2"}}
    ```

    ## Use instead
    Set both, or choose another profile.
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], tls: {profile: intermediate, max_version: "1.2"}}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://wiki.mozilla.org/Security/Server_Side_TLS
    """,
)

OPTIONS_CONFLICT = declare(
    "path-options-conflict",
    """
    ## What it does
    A site lets both encoded slashes and path parameters (or empty segments) through.

    ## Why it is bad
    Rules would have to match every mixture of the two, which needs repeated groups: engines give up on those on long
    input, and a deny rule would let the request pass.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: []
        paths: {encoded_slash: true, path_params: true}
    inspection_rules: {}
    ```

    ## Use instead
    Two sites, each with the option that it needs.
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: []
        paths: {encoded_slash: true}
    inspection_rules: {}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc3986#section-3.3
    """,
)

SYSTEM_CA = "system"

_PROTOCOL_HTTP2 = "h2"
_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?\Z")
_REQUEST_PATH = re.compile(r"/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,2000}\Z")
_T = TypeVar("_T")


def resolve(policy: written.Policy, document: Document) -> tuple[Plan, list[Diagnostic]]:
    """The Plan, and what could not be resolved. With an error among the findings the Plan is incomplete."""
    resolver = _Resolver(policy, document)
    return resolver.plan(), resolver.findings


class _Resolver:
    def __init__(self, policy: written.Policy, document: Document) -> None:
        self.policy = policy
        self.document = document
        self.findings: list[Diagnostic] = []
        self.uses: list[Use] = []
        self.files: dict[str, tuple[Certificate, ...] | BadCertificate] = {}
        self.upstreams: dict[tuple[str, str | None, bool], Upstream] = {}
        self.upstream_ids: set[str] = set()

    def plan(self) -> Plan:
        policy = self.policy
        certificates = _present(
            (name, self._public_certificate(name, pair))
            for name, pair in progress.counted("certificates", sorted(policy.public_certificates.items()))
        )
        anchors = _present((name, self._anchors(name, ca)) for name, ca in sorted(policy.backend_cas.items()))
        backends = _present(
            (name, self._backend(name, backend, anchors)) for name, backend in sorted(policy.backends.items())
        )
        lists = self._rule_lists()
        sites = _present(
            (name, self._site(name, site, certificates, anchors, backends, lists))
            for name, site in progress.counted("sites", sorted(policy.sites.items()))
        )
        self._hostnames_once()
        self._sockets_once()
        listeners = tuple(self._listener(name, listener, sites) for name, listener in sorted(policy.listeners.items()))
        if len(listeners) > 1:
            self._use(Feature.SEVERAL_LISTENERS, ("listeners",))
        self._rule_features(lists.values(), sites)
        return Plan(
            name=policy.name,
            listeners=listeners,
            sites=tuple(sites.values()),
            certificates=tuple(certificates.values()),
            anchors=tuple(anchors.values()),
            backends=tuple(backends.values()),
            upstreams=tuple(self.upstreams.values()),
            rule_lists=tuple(lists.values()),
            uses=tuple(self.uses),
        )

    # --- bookkeeping ------------------------------------------------------------------------------------------

    def _use(self, feature: Feature, path: Path, *, site: str | None = None, backend: str | None = None) -> None:
        self.uses.append(Use(feature, path, (site,) if site else (), (backend,) if backend else ()))

    def _named(self, name: str, known: Mapping[str, _T], every: Iterable[str], path: Path, what: str) -> _T | None:
        """What a name stands for. None if nothing has it (a finding), or if it could not be resolved (already told)."""
        if name in known:
            return known[name]
        names = list(every)
        if name not in names:
            self.findings.append(
                UNKNOWN_NAME.found(f"there is no `{name}` in `{what}`", path, help=nearest(name, names))
            )
        return None

    # --- certificates -----------------------------------------------------------------------------------------

    def _certificates(self, file: str, path: Path) -> tuple[Certificate, ...] | None:
        absolute = self.document.resolve_path(path, file)
        if absolute not in self.files:
            try:
                self.files[absolute] = read_certificates(absolute)
            except BadCertificate as error:
                self.files[absolute] = error
        found = self.files[absolute]
        if isinstance(found, BadCertificate):
            self._unusable(file, found, path)
            return None
        return found

    def _unusable(self, file: str, error: BadCertificate, path: Path) -> None:
        if "no such file" not in str(error):
            self.findings.append(BAD_CERTIFICATE.found(f"`{file}`: {error}", path))
            return
        absolute = self.document.resolve_path(path, file)
        tried = [f"looked for as `{absolute}`: a path is relative to the file that names it"]
        self.findings.append(UNREADABLE.found(f"`{file}`: {error}", path, help=tried if absolute != file else []))

    def _key_pair(self, pair: written.KeyPair, path: Path) -> tuple[tuple[Certificate, ...], str] | None:
        """The chain and the key's absolute path, once the two were compared."""
        chain = self._certificates(pair.cert, (*path, "cert"))
        key = self.document.resolve_path((*path, "key"), pair.key)
        at = (*path, "key")
        try:
            public_half = read_public_half(key)
        except BadCertificate as error:
            if "no such file" not in str(error):
                self._unusable(pair.key, error, at)
                return None
            self.findings.append(
                KEY_ABSENT.found(f"the private key `{pair.key}` is not on this machine: the match was not checked", at)
            )
            return (chain, key) if chain else None
        if not chain:
            return None
        if public_half != chain[0].public_key:
            self.findings.append(
                KEY_MISMATCH.found(
                    f"the private key `{pair.key}` does not belong to the first certificate of `{pair.cert}`",
                    at,
                    related=[Location((*path, "cert"), f"the leaf is {chain[0].subject}")],
                    help=[
                        "name the key that this certificate was made for: mostly it is another file",
                        f"the leaf must stand first in `{pair.cert}`, which holds {len(chain)} certificates"
                        if len(chain) > 1
                        else "see that not only one of the two was renewed",
                    ],
                )
            )
            return None
        return chain, key

    def _public_certificate(self, name: str, pair: written.KeyPair) -> PublicCertificate | None:
        path: Path = ("public_certificates", name)
        found = self._key_pair(pair, path)
        return PublicCertificate(name, path, found[0], found[1], pair.key) if found else None

    def _anchors(self, name: str, ca: written.BackendCa) -> TrustAnchors | None:
        path: Path = ("backend_cas", name)
        if name == SYSTEM_CA:
            self.findings.append(
                UNKNOWN_NAME.found(
                    "`system` is the name of the target machine's own store",
                    Location(path, of="key"),
                    help=["rename this one"],
                )
            )
            return None
        certificates = self._certificates(ca.ca, (*path, "ca"))
        crl = None
        if ca.crl:
            try:
                crl = read_crl(self.document.resolve_path((*path, "crl"), ca.crl))
            except BadCertificate as error:
                self._unusable(ca.crl, error, (*path, "crl"))
                return None
        return TrustAnchors(name, path, certificates, crl) if certificates else None

    # --- backends ---------------------------------------------------------------------------------------------

    def _backend(self, name: str, backend: written.Backend, anchors: Mapping[str, TrustAnchors]) -> Backend | None:
        path: Path = ("backends", name)
        tls = backend.tls
        resolved_tls = None
        if tls:
            resolved_tls = self._backend_tls(tls, path, name, anchors)
            if resolved_tls is None:
                return None
        elif tls is False:
            self._use(Feature.PLAINTEXT_BACKEND, (*path, "tls"), backend=name)
        server_name = tls.server_name if tls else None
        servers = tuple(
            Server((*path, "servers", index), _socket(server.address), server.weight, server.backup)
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
            (Feature.BACKEND_HTTP2, "protocol", backend.protocol == _PROTOCOL_HTTP2),
            (Feature.HOST_HEADER, "host_header", backend.host_header != "preserve"),
        ):
            if used:
                self._use(feature, (*path, key), backend=name)

    def _backend_tls(
        self, tls: written.BackendTls, backend_path: Path, name: str, anchors: Mapping[str, TrustAnchors]
    ) -> BackendTls | None:
        path = (*backend_path, "tls")
        verify = Verify(tls.verify)
        trusted = None
        if tls.ca == SYSTEM_CA:
            trusted = TrustAnchors(SYSTEM_CA, (*path, "ca"), (), None, system=True)
            self._use(Feature.SYSTEM_CA, (*path, "ca"), backend=name)
        elif tls.ca is not None:
            trusted = self._named(tls.ca, anchors, self.policy.backend_cas, (*path, "ca"), "backend_cas")
        chains: list[tuple[Certificate, ...]] = []
        complete = True
        for index, file in enumerate(tls.certificate or ()):
            at = (*path, "certificate", index)
            chain = self._certificates(file, at)
            complete = complete and chain is not None
            chains += [chain] if chain else ()
        client = None
        if tls.client_certificate:
            at = (*path, "client_certificate")
            found = self._key_pair(tls.client_certificate, at)
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
                self._use(feature, (*path, key), backend=name)
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

    # --- rules ------------------------------------------------------------------------------------------------

    def _rule_lists(self) -> dict[tuple[str, PathOptions], RuleList]:
        """Each list for each kind of spelling that its sites let through: what a literal matches depends on it."""
        asked: dict[str, dict[PathOptions, None]] = {name: {} for name in self.policy.inspection_rules}
        for _, site in sorted(self.policy.sites.items()):
            for name in site.inspect:
                asked.get(name, {})[self._path_options(site).spellings] = None
        lists: dict[tuple[str, PathOptions], RuleList] = {}
        for name, rules in sorted(self.policy.inspection_rules.items()):
            told: list[Diagnostic] = []
            for options in asked[name] or (STRICT,):
                lists[name, options] = rule_list(name, rules, options, told)
            self.findings += dict.fromkeys(told)
        return lists

    def _path_options(self, site: written.Site) -> PathOptions:
        rules = (rule for name in site.inspect for rule in self.policy.inspection_rules.get(name, ()))
        return PathOptions(**site.paths.model_dump(), plain_query=looks_for_expressions_in_queries(rules))

    def _rule_features(self, lists: Iterable[RuleList], sites: Mapping[str, Site]) -> None:
        """Rules count as used by the sites that inspect with them; a list nobody uses asks nothing of a target."""
        users: dict[Path, dict[str, None]] = {}
        for site in sites.values():
            for one in site.rule_lists:
                users.setdefault(one.path, {})[site.name] = None
        for one in {one.path: one for one in lists}.values():
            for rule in one.rules if one.path in users else ():
                for feature, path in rule_uses(rule):
                    self.uses.append(Use(feature, path, tuple(users[one.path])))

    # --- sites ------------------------------------------------------------------------------------------------

    def _site(
        self,
        name: str,
        site: written.Site,
        certificates: Mapping[str, PublicCertificate],
        anchors: Mapping[str, TrustAnchors],
        backends: Mapping[str, Backend],
        lists: Mapping[tuple[str, PathOptions], RuleList],
    ) -> Site | None:
        path: Path = ("sites", name)
        options = self._path_options(site)
        self._options_fit(options, path)
        own_lists = {name: one for name in site.inspect if (one := lists.get((name, options.spellings)))}
        certificate = None
        if site.public_certificate is not None:
            certificate = self._named(
                site.public_certificate,
                certificates,
                self.policy.public_certificates,
                (*path, "public_certificate"),
                "public_certificates",
            )
        backend = self._named(site.backend, backends, self.policy.backends, (*path, "backend"), "backends")
        rule_lists = [
            self._named(entry, own_lists, self.policy.inspection_rules, (*path, "inspect", index), "inspection_rules")
            for index, entry in enumerate(site.inspect)
        ]
        for index, listener in enumerate(site.listeners or ()):
            self._named(
                listener,
                self.policy.listeners,
                self.policy.listeners,
                (*path, "listeners", index),
                "listeners",
            )
        client_auth = self._client_auth(site, path, anchors)
        routed = [
            (
                index,
                route,
                self._named(
                    route.backend,
                    backends,
                    self.policy.backends,
                    (*path, "routes", index, "backend"),
                    "backends",
                ),
            )
            for index, route in enumerate(site.routes)
        ]
        if backend is None or (site.decrypt and certificate is None):
            return None
        if site.decrypt:
            reached = [(backend, (*path, "backend"))]
            reached += [(target, (*path, "routes", index, "backend")) for index, _, target in routed if target]
            for one, at in reached:
                self._says_tls(one, at)
        hostnames = tuple(dict.fromkeys(hostname(text) for text in site.hostnames))
        routes = [
            (at, matcher, target)
            for index, route, target in routed
            if target
            for at in [(*path, "routes", index)]
            for matcher in path_matchers(route.path, (*at, "path"), self.findings, options)
            if matcher.kind is TextMatch.PREFIX
        ]
        self._site_features(name, site, path, hostnames)
        return Site(
            name=name,
            path=path,
            hostnames=hostnames,
            decrypt=site.decrypt,
            certificate=certificate,
            rule_lists=tuple(rule_list for rule_list in rule_lists if rule_list),
            groups=tuple(self._groups(name, site.decrypt, hostnames, backend, routes)),
            client_auth=client_auth,
            scan=site.scan,
            public_addresses=tuple(ip_address(address) for address in site.public_addresses),
            methods=tuple(dict.fromkeys((*USUAL_METHODS, *site.methods))) if site.decrypt else (),
            websocket=site.websocket,
            path_options=options,
        )

    def _options_fit(self, options: PathOptions, path: Path) -> None:
        if options.encoded_slash and (options.path_params or options.empty_segments):
            other = "path_params" if options.path_params else "empty_segments"
            self.findings.append(
                OPTIONS_CONFLICT.found(
                    f"`encoded_slash` and `{other}` cannot be combined",
                    (*path, "paths", other),
                    related=[Location((*path, "paths", "encoded_slash"))],
                    help=["split the site, so that each part of it needs one of the two"],
                )
            )

    def _says_tls(self, backend: Backend, path: Path) -> None:
        if backend.tls is None and self.policy.backends[backend.name].tls is None:
            self.findings.append(
                TLS_NOT_SAID.found(
                    f"the backend `{backend.name}` says nothing about TLS",
                    path,
                    related=[Location(backend.path, "add `tls` here", of="key")],
                    help=["`tls: {ca: NAME}` with a name of `backend_cas`, or `tls: false` for plaintext"],
                )
            )

    def _client_auth(self, site: written.Site, path: Path, anchors: Mapping[str, TrustAnchors]) -> ClientAuth | None:
        auth = site.client_auth
        if auth is None:
            return None
        at = (*path, "client_auth")
        trusted = self._named(auth.ca, anchors, self.policy.backend_cas, (*at, "ca"), "backend_cas")
        if auth.forward_subject:
            self._subject_header(auth.forward_subject, site, (*at, "forward_subject"))
        return ClientAuth(at, trusted, auth.mode == "require", auth.forward_subject) if trusted else None

    def _subject_header(self, header: str, site: written.Site, path: Path) -> None:
        if not_for_requests(header):
            self.findings.append(
                HEADER_NOT_EDITABLE.found(f"`{header}` cannot carry the subject: the edge itself writes it", path)
            )
        for name in site.inspect:
            for index, rule in enumerate(self.policy.inspection_rules.get(name, ())):
                edits = rule.request_headers
                edited = [*edits.set, *edits.add, *edits.remove] if edits else []
                if header.lower() in map(str.lower, edited):
                    self.findings.append(
                        HEADER_NOT_EDITABLE.found(
                            f"`{header}` carries the certificate's subject, and a rule edits it",
                            ("inspection_rules", name, index, "request_headers"),
                            related=[Location(path, "the subject is forwarded here")],
                        )
                    )

    def _site_features(self, name: str, site: written.Site, path: Path, hostnames: tuple[Hostname, ...]) -> None:
        paths = site.paths
        asked = [(Feature.WILDCARD_HOSTNAME, "hostnames", any(host.wildcard for host in hostnames))]
        if not site.decrypt:
            asked.append((Feature.PASSTHROUGH, "decrypt", True))
        else:
            asked += [
                (feature, "hostnames", True)
                for feature in (
                    Feature.SNI_REFUSAL,
                    Feature.HOST_CHECK,
                    Feature.NORMAL_FORM,
                    Feature.FORWARDING_HEADERS,
                    Feature.ACCESS_LOG,
                )
            ]
            asked += [
                (Feature.ROUTES, "routes", bool(site.routes)),
                (Feature.CLIENT_AUTH, "client_auth", site.client_auth is not None),
                (Feature.SCAN, "scan", site.scan is not None),
                (Feature.EXTRA_METHODS, "methods", bool(set(site.methods) - set(USUAL_METHODS))),
                (Feature.WEBSOCKET, "websocket", site.websocket),
                (Feature.ENCODED_SLASH, "paths", paths.encoded_slash),
                (Feature.ENCODED_RESERVED, "paths", paths.encoded_reserved),
                (Feature.PATH_PARAMS, "paths", paths.path_params),
                (Feature.EMPTY_SEGMENTS, "paths", paths.empty_segments),
                (Feature.STRICT_SEGMENT_END, "paths", paths.strict_segment_end),
            ]
        for feature, key, used in asked:
            if used:
                self._use(feature, (*path, key), site=name)

    def _groups(
        self,
        site: str,
        decrypt: bool,
        hostnames: tuple[Hostname, ...],
        backend: Backend,
        routes: list[tuple[Path, PathMatcher, Backend]],
    ) -> Iterable[HostGroup]:
        ordered = sorted(routes, key=lambda route: -len(route[1].text))
        by_name = decrypt and any(one.tls and one.server_name is None for one in (backend, *(r[2] for r in ordered)))
        parts = [(host,) for host in hostnames] if by_name else [hostnames]
        for part in parts:
            asked = part[0] if by_name else None
            suffix = f"-{'wildcard.' if asked.wildcard else ''}{asked.name}" if asked and len(parts) > 1 else ""
            yield HostGroup(
                id=site + suffix,
                hostnames=part,
                upstream=self._upstream(backend, asked, decrypt, site),
                routes=tuple(
                    Route(path, matcher, self._upstream(target, asked, decrypt, site))
                    for path, matcher, target in ordered
                ),
            )

    def _upstream(self, backend: Backend, asked: Hostname | None, decrypt: bool, site: str) -> Upstream:
        name = backend.server_name if decrypt and backend.tls else None
        if decrypt and backend.tls and name is None and asked is not None:
            if asked.wildcard:
                self._use(
                    Feature.WILDCARD_SERVER_NAME,
                    (*backend.path, "tls", "server_name"),
                    site=site,
                    backend=backend.name,
                )
            else:
                name = asked.name
        key = (backend.name, name, decrypt)
        if key not in self.upstreams:
            plain = not decrypt and backend.tls is not None
            wanted = backend.name + ("-passthrough" if plain else "" if name == backend.server_name else f"-{name}")
            if wanted in self.upstream_ids:
                wanted += "-" + hashlib.sha256(repr(key).encode()).hexdigest()[:8]
            self.upstream_ids.add(wanted)
            self.upstreams[key] = Upstream(wanted, backend, name)
        return self.upstreams[key]

    def _listeners_of(self, site: written.Site) -> list[str]:
        return site.listeners if site.listeners is not None else list(self.policy.listeners)

    def _hostnames_once(self) -> None:
        claimed: dict[tuple[str, str], Path] = {}
        for name, site in self.policy.sites.items():
            for index, text in enumerate(site.hostnames):
                path: Path = ("sites", name, "hostnames", index)
                for listener in self._listeners_of(site):
                    first = claimed.setdefault((listener, text), path)
                    if first == path:
                        continue
                    same = first[1] == name
                    self.findings.append(
                        HOSTNAME_TWICE.found(
                            f"`{text}` stands twice in this site"
                            if same
                            else f"`{text}` is claimed by the sites `{first[1]}` and `{name}`",
                            Location(path, "again here"),
                            related=[Location(first, "first here")],
                            help=[
                                "remove one of the two" + ("" if same else ", or give the sites different `listeners`")
                            ],
                        )
                    )
                    break

    # --- listeners --------------------------------------------------------------------------------------------

    def _sockets_once(self) -> None:
        bound: dict[SocketAddress, Path] = {}
        for name, listener in self.policy.listeners.items():
            for key, sockets in (("bind", listener.bind), ("redirect_http", listener.redirect_http)):
                for index, socket in enumerate(sockets):
                    path: Path = ("listeners", name, key, index)
                    first = bound.setdefault(socket, path)
                    if first != path:
                        self.findings.append(
                            SOCKET_TWICE.found(
                                f"`{_socket(socket)}` is bound twice",
                                Location(path, "again here"),
                                related=[Location(first, "first here")],
                                help=["remove one, or use another port"],
                            )
                        )

    def _listener(self, name: str, listener: written.Listener, sites: Mapping[str, Site]) -> Listener:
        path: Path = ("listeners", name)
        tls = self._tls(listener.tls, (*path, "tls"))
        for feature, key, used in (
            (Feature.HTTP2, "protocols", _PROTOCOL_HTTP2 in listener.protocols),
            (Feature.HTTP_REDIRECT, "redirect_http", bool(listener.redirect_http)),
            (Feature.TRUSTED_PROXIES, "trusted_proxies", bool(listener.trusted_proxies)),
            (Feature.PROXY_PROTOCOL, "proxy_protocol", listener.proxy_protocol),
        ):
            if used:
                self._use(feature, (*path, key))
        return Listener(
            name=name,
            path=path,
            binds=tuple(_socket(socket) for socket in listener.bind),
            redirect_http=tuple(_socket(socket) for socket in listener.redirect_http),
            tls=tls,
            protocols=tuple(dict.fromkeys(listener.protocols)),
            trusted_proxies=tuple(listener.trusted_proxies),
            proxy_protocol=listener.proxy_protocol,
            sites=tuple(site for key, site in sites.items() if name in self._listeners_of(self.policy.sites[key])),
        )

    def _tls(self, tls: written.ListenerTls, path: Path) -> TlsSettings:
        base = profile(tls.profile)
        feature = {
            "modern": Feature.TLS_MODERN,
            "intermediate": Feature.TLS_INTERMEDIATE,
            "old": Feature.TLS_OLD,
        }
        self._use(feature[tls.profile], (*path, "profile"))
        low, high = tls.min_version or base.min_version, tls.max_version or base.max_version
        if (low, high) != (base.min_version, base.max_version):
            self._use(Feature.TLS_VERSIONS, path)
        if low > high:
            self.findings.append(
                EMPTY_TLS_RANGE.found(
                    f"no TLS version is left: at least {low}, at most {high}",
                    path,
                    help=[f"the profile `{tls.profile}` has {base.min_version} to {base.max_version}"],
                )
            )
        return TlsSettings(base.profile, base.guideline, low, high, ciphers_for(base, low), base.curves)


def _present(items: Iterable[tuple[str, _T | None]]) -> dict[str, _T]:
    return {name: item for name, item in items if item is not None}


def _socket(socket: SocketAddress) -> Socket:
    return Socket(ip_address(socket.address), socket.port)
