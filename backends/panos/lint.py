"""What only a transparent firewall gets wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...compiler.certificates import issued_by
from ...compiler.diagnostics import Diagnostic, Location, Path, Severity, rule
from ...compiler.plan import Backend, BackendTls, Certificate, Deny, Plan, Rule, Site, Socket, Upstream
from .lower import (
    URL_LENGTH,
    Destination,
    Reading,
    backends_of,
    by_category,
    destinations,
    ends_sessions,
    inexpressible,
    legs,
    lower,
    urls_of,
)
from .support import Settings

_TARGET = "panos"
_IN_FRONT = (
    "put a generated proxy in front and let the firewall inspect the inner leg: targets.panos.position: behind_proxy"
)


def _whose(leaf: Certificate) -> str:
    name = f"CN={leaf.common_name}" if leaf.common_name else leaf.subject or "no subject"
    return f"{name} from {leaf.issuer_name}"


def _short(leaf: Certificate) -> str:
    return f"SHA-256 {leaf.sha256[:8]}…"


def _presented(leaf: Certificate) -> str:
    whose = "its own, self-signed" if leaf.self_issued else _whose(leaf)
    return f"the server presents {whose} ({_short(leaf)})"


def _decrypted(plan: Plan) -> list[Site]:
    return [site for site in plan.sites if site.decrypt]


def _leaf_locations(tls: BackendTls) -> list[Location]:
    return [Location((*tls.path, "certificate", index), _presented(leaf)) for index, leaf in enumerate(tls.leaves)]


@rule("backend-certificate-mismatch")
def certificate_mismatch(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Visitors reach the firewall directly (`position: edge`), and the server behind it presents another certificate than
    the site's `public_certificate`. The leaves are compared, by their fingerprints.

    ## Why it is bad
    SSL Inbound Inspection does not end the visitor's TLS session; it reads along, and for that it must hold exactly the
    certificate that the server presents. It compares the fingerprints, not names, issuers or keys, and ends every
    session in which they differ. There is no setting that turns this off. A renewed certificate for the same key, and
    one that only the server or only the firewall got, are differences too.

    The counter is `ssl_inbound_cert_mismatch`. The decryption log says "Server and Firewall's certificate mismatch" or
    "certificate verify failed", the traffic log `policy-deny` (or `decrypt-error` as the session's end reason).

    ## Example
    ```yaml
    sites:
      pi10: {hostnames: [pi10-test5.weberlab.de], public_certificate: lets-encrypt, backend: pi10}
    backends:
      pi10:
        servers: ["192.0.2.10:443"]
        tls: {ca: internal-pki, certificate: certs/self-signed.pem}
    targets:
      panos: {position: edge}
    ```

    ## Use instead
    Terminate TLS in front of the firewall: build the same policy for haproxy, nginx or envoy, put the firewall between
    that proxy and the server, and say `position: behind_proxy`. There the server's own certificate is the one that is
    shown. Or install the public certificate, with its key, on the server.

    ## Targets
    PAN-OS, all versions. From 10.2 a rule may hold up to twelve certificates, of which one must be the server's.

    ## References
    https://knowledgebase.paloaltonetworks.com/KCSArticleDetail?id=kA1Ki000000sY1zKAE
    https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection
    """
    if not settings.edge:
        return
    for site in _decrypted(plan):
        assert site.certificate is not None
        shown = site.certificate.leaf
        for backend in backends_of(site):
            leaves = backend.tls.leaves if backend.tls else ()
            others = [leaf for leaf in leaves if leaf.sha256 != shown.sha256]
            if backend.tls is None or not others:
                continue
            never = len(others) == len(leaves)
            yield certificate_mismatch.found(
                "the backend presents another certificate than visitors are shown"
                if never
                else "the backend presents a second certificate, which visitors are not shown",
                Location((*site.path, "public_certificate"), f"visitors are shown {_whose(shown)} ({_short(shown)})"),
                related=_leaf_locations(backend.tls),
                target=_TARGET,
                notes=[
                    "SSL Inbound Inspection compares the two and ends every session in which they differ (counter "
                    'ssl_inbound_cert_mismatch; decryption log "Server and Firewall\'s certificate mismatch" or '
                    '"certificate verify failed"; traffic log policy-deny, or decrypt-error as session end reason)',
                    f"visitors are shown: {_in_full(shown)}",
                    *(f"the server presents: {_in_full(leaf)}" for leaf in leaves),
                    *_same_key(shown, others),
                ],
                help=[
                    _IN_FRONT,
                    "or install the public certificate on the backend, or build this site for haproxy, nginx or envoy",
                ],
                severity=None if never else Severity.WARNING,
                sites=[site.name],
                backends=[backend.name],
            )


def _in_full(leaf: Certificate) -> str:
    return f"{leaf.subject or 'no subject'}, issued by {leaf.issuer}, SHA-256 {leaf.sha256}"


def _same_key(shown: Certificate, others: list[Certificate]) -> list[str]:
    if any(leaf.public_key == shown.public_key for leaf in others):
        return ["both are for the same key: a renewed certificate with the same key is a mismatch too"]
    return []


@rule("backend-certificate-unknown", Severity.WARNING)
def certificate_unknown(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The policy does not say which certificate a decrypted site's backend presents.

    ## Why it is bad
    At the edge the server must present the very certificate that visitors are shown, and without this it cannot be
    compared: a warning. Behind a proxy the server's certificate *is* what the firewall needs, so no rule can be
    written: an error.

    ## Use instead
    Set `certificate` in the backend's `tls`: the finding has the command that gets it from the server.

    ## Targets
    PAN-OS.
    """
    found: dict[str, tuple[Upstream, str, list[str]]] = {}
    for site in _decrypted(plan):
        for group in site.groups:
            for upstream in (group.upstream, *(route.upstream for route in group.routes)):
                name = upstream.server_name or group.hostnames[0].name
                found.setdefault(upstream.backend.name, (upstream, name, []))[2].append(site.name)
    for upstream, name, sites in found.values():
        backend = upstream.backend
        if backend.tls is None or backend.tls.leaves:
            continue
        yield certificate_unknown.found(
            "it is not known which certificate the backend presents, so it cannot be compared"
            if settings.edge
            else "it is not known which certificate the backend presents, so no decryption rule can be written",
            Location(backend.tls.path, "add `certificate` here", of="key"),
            target=_TARGET,
            notes=["SSL Inbound Inspection works only with exactly the certificate that the server presents"],
            help=[
                f"get it: openssl s_client -connect {backend.servers[0].socket} -servername {name} </dev/null "
                f"2>/dev/null | openssl x509 > {backend.name}.pem",
                f"and set `backends.{backend.name}.tls.certificate: {backend.name}.pem`",
            ],
            severity=None if settings.edge else Severity.ERROR,
            sites=dict.fromkeys(sites),
            backends=[backend.name],
        )


@rule("backend-chain-unknown", Severity.WARNING)
def chain_unknown(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Behind a proxy: a backend's certificate was not issued by the CA that the proxy trusts, but by an intermediate.

    ## Why it is bad
    With TLS 1.2 the firewall answers the proxy with what was imported, and policyc has the leaf alone. A proxy that
    does not get the intermediate refuses the backend, once the firewall decrypts.

    ## Use instead
    TLS 1.3 on that leg (`min_version: "1.3"`): there the server's own chain goes through. Or add the intermediate to
    the file in `certs/` before the import, behind the leaf.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-1/pan-os-admin/decryption/configure-ssl-inbound-inspection
    """
    if settings.edge:
        return
    for leg in legs(plan, settings):
        for backend in _backends(leg.sites, leg.path):
            tls = backend.tls
            if leg.reading is not Reading.DECRYPTED or tls is None or tls.anchors is None or tls.min_version >= "1.3":
                continue
            for index, leaf in enumerate(tls.leaves):
                known = any(
                    leaf.sha256 == anchor.sha256 or issued_by(leaf, anchor) for anchor in tls.anchors.certificates
                )
                if known or leaf.self_issued:
                    continue
                yield chain_unknown.found(
                    "the proxy may be shown this certificate without its intermediates",
                    Location((*tls.path, "certificate", index), _presented(leaf)),
                    related=[Location((*tls.path, "ca"), "not its issuer")],
                    target=_TARGET,
                    notes=["with TLS 1.2 the firewall sends what was imported, which is the leaf alone"],
                    help=[
                        'use `min_version: "1.3"` for this backend, or add the intermediates to the file in certs/ '
                        "before the import"
                    ],
                    backends=[backend.name],
                )


def _backends(sites: tuple[Site, ...], path: Path) -> list[Backend]:
    return [backend for backend in backends_of(sites[0]) if backend.path == path]


@rule("undecryptable-key")
def undecryptable_key(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate that the firewall must hold has a key of a kind that it is not documented to decrypt with: neither RSA
    up to 8192 bits nor ECDSA with 256 or 384.

    ## Why it is bad
    Sessions end, or pass unread.

    ## Use instead
    A certificate with an ECDSA P-256 or RSA key.

    ## Targets
    PAN-OS, all versions.
    """
    for at in destinations(legs(plan, settings)):
        for pair in at.key_pairs.values():
            leaf = pair.chain[0]
            if (leaf.key_type == "RSA" and leaf.key_bits <= 8192) or (
                leaf.key_type == "EC" and leaf.key_bits in (256, 384)
            ):
                continue
            bits = f" with {leaf.key_bits} bits" if leaf.key_type in ("RSA", "EC") else ""
            yield undecryptable_key.found(
                f"the firewall is not known to decrypt with a key of the kind {leaf.key_type}{bits}",
                Location(pair.path, _whose(leaf)),
                target=_TARGET,
                help=["use a certificate with an ECDSA P-256 or RSA key"],
                sites=dict.fromkeys(site.name for leg in at.read(Reading.DECRYPTED) for site in leg.sites),
            )


@rule("too-many-certificates", acceptable=False)
def too_many_certificates(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    More certificates can appear at one address and port than a decryption rule can hold: twelve since 10.2, one before.

    ## Why it is bad
    The first rule that matches decides, and no later one is tried for another certificate. Sessions with a certificate
    that is not in the rule end. Panorama pushing several to a firewall before 10.2 silently keeps one.

    ## Use instead
    Addresses of their own for some of the sites or backends; one certificate with several names; PAN-OS 10.2.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
    """
    limit = settings.max_certificates
    for at in destinations(legs(plan, settings)):
        pairs = list(at.key_pairs.values())
        if len(pairs) <= limit:
            continue
        yield too_many_certificates.found(
            f"{len(pairs)} certificates at {_socket(at)}; a rule holds {limit if limit > 1 else 'one'}",
            Location(pairs[limit].path, "this is one more than fits"),
            related=[Location(pair.path) for pair in pairs[:3]],
            target=_TARGET,
            help=[
                "give some of them an address of their own, or one certificate with several names"
                + ("" if limit > 1 else '; since 10.2 a rule holds twelve: targets.panos.version: "10.2"')
            ],
            sites=dict.fromkeys(site.name for leg in at.read(Reading.DECRYPTED) for site in leg.sites),
        )


def _socket(at: Destination) -> str:
    return f"{at.addresses[0]} port {at.port}"


@rule("passthrough-shares-address")
def passthrough_shares_address(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site that passes through undecrypted is reached at the same address and port as a decrypted one.

    ## Why it is bad
    Only the SNI tells them apart, and the visitor writes the SNI. Who asks for the undecrypted name in the handshake
    and for the decrypted one in the request is not inspected: both reach the same server.

    ## Use instead
    An address of its own for the site that passes through; or decrypt it too.

    ## Targets
    PAN-OS. The proxies route by the SNI to different servers.
    """
    told: set[Path] = set()
    for at in destinations(legs(plan, settings)):
        passed, decrypted = at.read(Reading.PASSED), at.read(Reading.DECRYPTED)
        if passed and decrypted and passed[0].path not in told:
            told.add(passed[0].path)
            yield passthrough_shares_address.found(
                f"at {_socket(at)}, visitors choose by the SNI whether they are inspected",
                Location(passed[0].path, "passes through undecrypted", of="key"),
                related=[Location(decrypted[0].path, "is decrypted", of="key")],
                target=_TARGET,
                help=["give the site that passes through an address of its own, or decrypt it too"],
                sites=dict.fromkeys(site.name for leg in passed for site in leg.sites),
            )


@rule("conflicting-tls-settings", acceptable=False)
def conflicting_tls_settings(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At one address and port, sites or backends ask for different TLS versions or suites.

    ## Why it is bad
    One decryption rule matches, and it has one decryption profile.

    ## Use instead
    The same `tls` settings for both, or different addresses or ports.

    ## Targets
    PAN-OS.
    """
    for at in destinations(legs(plan, settings)):
        decrypted = [(leg, leg.profile.settings) for leg in at.read(Reading.DECRYPTED) if leg.profile]
        for leg, asked in decrypted[1:]:
            first, given = decrypted[0]
            if asked != given:
                yield conflicting_tls_settings.found(
                    f"two sets of TLS settings at {_socket(at)}",
                    Location(leg.path, of="key"),
                    related=[Location(first.path, of="key")],
                    target=_TARGET,
                    help=["use the same `tls` settings for both, or different addresses or ports"],
                    sites=dict.fromkeys(site.name for site in (*first.sites, *leg.sites)),
                )


@rule("protocols-not-restricted", Severity.WARNING)
def protocols_not_restricted(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A listener offers HTTP/1.1 only, and the firewall is at the edge.

    ## Why it is bad
    Visitor and server agree on the protocol. The firewall inspects HTTP/2 as well, and cannot take it out of the offer:
    stripping ALPN exists for the forward proxy only.

    ## Use instead
    Switch HTTP/2 off on the server.

    ## Targets
    PAN-OS.
    """
    for listener in plan.listeners if settings.edge else ():
        if "h2" not in listener.protocols and any(site.decrypt for site in listener.sites):
            yield protocols_not_restricted.found(
                "HTTP/2 is not refused: visitor and server agree on it without the firewall",
                (*listener.path, "protocols"),
                target=_TARGET,
                help=["switch HTTP/2 off on the servers, or accept this"],
                sites=[site.name for site in listener.sites if site.decrypt],
            )


@rule("destination-nat-needed", Severity.INFO)
def destination_nat_needed(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Visitors reach a site at another address or port than its server has. policyc writes no NAT rule.

    ## Why it is bad
    With `public_addresses` it is a reminder: a destination NAT rule must exist. Without, it is an error: the site would
    be reached at the server's own address, on a port that the server does not have.

    ## Use instead
    Destination NAT on the firewall, from the site's `public_addresses` to the server. Generated rules match what is
    there before NAT, and the zone after it.

    ## Targets
    PAN-OS.
    """
    visited: dict[str, tuple[Site, list[Socket]]] = {}
    for leg in legs(plan, settings) if settings.edge else ():
        for site in leg.sites:
            visited.setdefault(site.name, (site, []))[1].extend(leg.sockets)
    for site, sockets in visited.values():
        servers = [server.socket for backend in backends_of(site) for server in backend.servers]
        elsewhere = [socket for socket in dict.fromkeys(sockets) if socket not in servers]
        if not elsewhere:
            continue
        translated = bool(site.public_addresses)
        yield destination_nat_needed.found(
            "destination NAT must lead visitors to the server; policyc does not write it"
            if translated
            else "visitors come to the server's own address on a port that the server does not have",
            Location((*site.path, "public_addresses") if translated else site.path, of="key"),
            target=_TARGET,
            notes=[f"visitors come to {_list(elsewhere)}; the server is {_list(servers)}"],
            help=[
                "check that the rule exists; policyc's rules match the address before NAT and the zone after it"
                if translated
                else f"name the `public_addresses` of `{site.name}`, and have destination NAT on the firewall"
            ],
            severity=None if translated else Severity.ERROR,
            sites=[site.name],
        )


def _list(sockets: list[Socket]) -> str:
    return ", ".join(str(socket) for socket in sockets)


@rule("loopback-backend", Severity.WARNING)
def loopback_backend(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A server's address is a loopback one.

    ## Why it is bad
    Nothing on the way to it passes a firewall. Behind a proxy this means that these requests are not inspected a second
    time, and nothing is written for the server. At the edge it is an error: no visitor reaches it.

    ## Use instead
    The address that the server has on the network; or nothing, where server and proxy share a machine on purpose.

    ## Targets
    PAN-OS.
    """
    users: dict[str, list[Site]] = {}
    for site in plan.sites:
        for backend in () if settings.edge and site.public_addresses else backends_of(site):
            users.setdefault(backend.name, []).append(site)
    for backend in plan.backends:
        reached = users.get(backend.name, [])
        for server in backend.servers:
            if server.socket.address.is_loopback and reached:
                yield loopback_backend.found(
                    f"{server.socket} is never reached through the firewall",
                    server.path,
                    target=_TARGET,
                    help=["write the address that the server has on the network"],
                    severity=Severity.ERROR if settings.edge else None,
                    sites=[site.name for site in reached],
                    backends=[backend.name],
                )


@rule("inexpressible-rule", acceptable=False)
def inexpressible_rule(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    An inspection rule asks for more than security rules with URL categories can say, and the firewall is at the edge.

    ## Why it is bad
    The rule would be missing, or deny something else.

    ## Use instead
    Deny by `prefix`, with letters, digits, `-`, `.`, `_` and `/`, and with source addresses as the only exception; or
    let a generated proxy do it (`position: behind_proxy`).

    ## Targets
    PAN-OS.
    """
    for one, sites in _inspected(plan, settings):
        if not any(isinstance(action, Deny) for action in one.actions):
            continue
        reason = inexpressible(one)
        if reason is not None:
            path, why = reason
            yield inexpressible_rule.found(
                why, path, target=_TARGET, help=[_IN_FRONT], sites=[site.name for site in sites]
            )
            continue
        for site in sites:
            long = [url for url in urls_of(site, one) if len(url) > URL_LENGTH]
            if long:
                yield inexpressible_rule.found(
                    f"with the hostname this path has {len(long[0])} characters; a URL category takes {URL_LENGTH}",
                    (*one.path, "when", "path"),
                    target=_TARGET,
                    help=[_IN_FRONT],
                    sites=[site.name],
                )


def _inspected(plan: Plan, settings: Settings) -> Iterator[tuple[Rule, list[Site]]]:
    """At the edge: every rule that sites inspect with, and these sites. Behind a proxy the rules are the proxy's."""
    if not settings.edge:
        return
    users: dict[str, list[Site]] = {}
    for site in plan.sites:
        for used in site.rule_lists:
            users.setdefault(used.name, []).append(site)
    for rule_list in plan.rule_lists:
        if rule_list.name in users:
            yield from ((one, users[rule_list.name]) for one in rule_list.rules)


@rule("path-deny-evadable")
def path_deny_evadable(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge, a rule that denies by path or hostname becomes a custom URL category. Nothing brings requests into one
    form first.

    ## Why it is bad
    The category compares the URL as it was sent, and the server may understand more spellings: `/x/../admin`,
    `//admin`, `/%61dmin`, a Host with a dot behind it. policyc knows of no documentation that says which of these the
    firewall folds, and the proxies' answer (400 for all of them) is not to be had from a transparent firewall. Beyond
    that categories ignore case, so `/ADMIN` is denied as well.

    ## Example
    ```yaml
    inspection_rules:
      public-web:
        - {when: {path: {prefix: /admin}}, unless: {source: [10.0.0.0/8]}, deny: 403}
    targets:
      panos: {position: edge}
    ```

    ## Use instead
    Let a generated proxy do it (`position: behind_proxy`). Accept this only for servers that refuse all such spellings.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions
    """
    alone = _alone(plan, settings)
    for one, sites in _inspected(plan, settings):
        concerned = [site for site in sites if by_category(one, site.name in alone)]
        if not concerned or not ends_sessions(one):
            continue
        key = "path" if one.when.paths else "host"
        yield path_deny_evadable.found(
            "a request in another spelling gets past this rule",
            (*one.path, "when", key) if one.when.paths or one.when.hosts else one.path,
            target=_TARGET,
            notes=[
                "URL categories compare what was sent: /x/../admin, //admin or /%61dmin may reach the server as "
                "/admin; they ignore case, so more is denied than the rule says"
            ],
            help=[_IN_FRONT, "or accept this for servers that refuse every such spelling"],
            sites=[site.name for site in concerned],
        )


def _alone(plan: Plan, settings: Settings) -> set[str]:
    """Names of the sites that share no address and port with another."""
    shared = {
        site.name
        for at in destinations(legs(plan, settings))
        if len({leg.path for leg in at.legs}) > 1
        for leg in at.legs
        for site in leg.sites
    }
    return {site.name for site in plan.sites} - shared


@rule("deny-without-status", Severity.INFO)
def deny_without_status(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge, a denied request gets no status: the session is reset, or the firewall's block page comes.

    ## Why it is bad
    Visitors and monitoring see a broken connection and not a refusal, and other requests of the same HTTP/2 connection
    may end with it. What is denied is the same.

    ## Use instead
    A generated proxy, where the status matters.

    ## Targets
    PAN-OS.
    """
    for one, sites in _inspected(plan, settings):
        status = next((action.status for action in one.actions if isinstance(action, Deny)), None)
        if status is not None and ends_sessions(one):
            yield deny_without_status.found(
                f"visitors see a reset connection or the firewall's block page, not {status}",
                (*one.path, "deny"),
                target=_TARGET,
                sites=[site.name for site in sites],
            )


@rule("scan-not-mapped")
def scan_not_mapped(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    `scan` names something that `targets.panos.profile_groups` has no profile group for, or sites that are reached at
    one address and port name different ones.

    ## Why it is bad
    Nothing would be scanned, or some sites by the wrong profiles.

    ## Use instead
    `profile_groups: {strict: NAME-OF-THE-PROFILE-GROUP}`, and the same `scan` for sites that share an address.

    ## Targets
    PAN-OS.
    """
    for site in plan.sites:
        if site.scan is not None and site.scan not in settings.profile_groups:
            yield scan_not_mapped.found(
                f"`scan: {site.scan}` means nothing here",
                (*site.path, "scan"),
                target=_TARGET,
                help=[f"say which profile group it is: targets.panos.profile_groups: {{{site.scan}: …}}"],
                sites=[site.name],
            )
    for at in destinations(legs(plan, settings)):
        if len(at.scans) > 1:
            sites = {site.name: site for leg in at.legs for site in leg.sites if site.scan is not None}
            first, *others = sites.values()
            yield scan_not_mapped.found(
                f"different scans at {_socket(at)}: one rule has one profile group",
                (*next(site for site in others if site.scan != first.scan).path, "scan"),
                related=[Location((*first.path, "scan"))],
                target=_TARGET,
                help=["use the same `scan` for them, or different addresses"],
                sites=sites,
            )


@rule("panos-name-collision", acceptable=False)
def name_collision(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Two objects or rules get the same name. Names are made of the policy's own, with a digest of 32 bits where these are
    too long or have other characters than PAN-OS takes; two digests were equal.

    ## Why it is bad
    The second one would replace the first.

    ## Use instead
    Shorter names in the policy, or rename one of the two.

    ## Targets
    PAN-OS.
    """
    for (kind, name), times in Counter(lower(plan, settings, "").names()).items():
        if times > 1:
            yield name_collision.found(
                f"{times} objects of the kind {kind} would be named `{name}`",
                ("name",),
                target=_TARGET,
                help=["use shorter names in the policy, or rename one of the sites, backends or rule lists"],
            )
