"""Sites: hostnames with their certificate, rules and backends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from ...schemas import policy as written
from ..conditions import hostname, path_matchers
from ..diagnostics import Location, Path, declare
from ..features import Feature
from ..normal_form import USUAL_METHODS, PathOptions
from ..plan import (
    Backend,
    ClientAuth,
    HostGroup,
    Hostname,
    PathMatcher,
    PublicCertificate,
    Route,
    RuleList,
    Site,
    TextMatch,
    TrustAnchors,
)
from ..rule_lists import HEADER_NOT_EDITABLE, not_for_requests
from .part import Part, Shared
from .rules import Rules
from .upstreams import Upstreams

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


@dataclass(frozen=True, slots=True)
class Known:
    """What sites may name, as far as it could be resolved."""

    certificates: Mapping[str, PublicCertificate]
    anchors: Mapping[str, TrustAnchors]
    backends: Mapping[str, Backend]
    lists: Mapping[tuple[str, PathOptions], RuleList]


class Sites(Part):
    """Resolves them."""

    def __init__(self, shared: Shared, known: Known, rules: Rules) -> None:
        super().__init__(shared)
        self._known = known
        self._rules = rules
        self.upstreams = Upstreams(shared)

    def site(
        self,
        name: str,
        site: written.Site,
    ) -> Site | None:
        """One site."""
        path: Path = ("sites", name)
        options = self._rules.path_options(site)
        self._options_fit(options, path)
        own_lists = {name: one for name in site.inspect if (one := self._known.lists.get((name, options.spellings)))}
        certificate = None
        if site.public_certificate is not None:
            certificate = self.named(
                site.public_certificate,
                self._known.certificates,
                self.policy.public_certificates,
                (*path, "public_certificate"),
                "public_certificates",
            )
        backend = self.named(site.backend, self._known.backends, self.policy.backends, (*path, "backend"), "backends")
        rule_lists = [
            self.named(entry, own_lists, self.policy.inspection_rules, (*path, "inspect", index), "inspection_rules")
            for index, entry in enumerate(site.inspect)
        ]
        for index, listener in enumerate(site.listeners or ()):
            self.named(
                listener,
                self.policy.listeners,
                self.policy.listeners,
                (*path, "listeners", index),
                "listeners",
            )
        client_auth = self._client_auth(site, path)
        routed = [
            (
                index,
                route,
                self.named(
                    route.backend,
                    self._known.backends,
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

    def _client_auth(self, site: written.Site, path: Path) -> ClientAuth | None:
        auth = site.client_auth
        if auth is None:
            return None
        at = (*path, "client_auth")
        trusted = self.named(auth.ca, self._known.anchors, self.policy.backend_cas, (*at, "ca"), "backend_cas")
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
                self.use(feature, (*path, key), site=name)

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
                upstream=self.upstreams.of(backend, asked, decrypt, site),
                routes=tuple(
                    Route(path, matcher, self.upstreams.of(target, asked, decrypt, site))
                    for path, matcher, target in ordered
                ),
            )
