"""What SSL Inbound Inspection makes of certificates: which one is compared with which, and what it can hold."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.certificates import issued_by
from ....compiler.diagnostics import Diagnostic, Location, Path, Severity, rule
from ....compiler.plan import Backend, Certificate, Plan, Site, Upstream
from ..legs import Reading, backends_of, destinations, legs, successors
from ..lower import per_site
from ..model import KeyPair
from ..support import Settings
from ..tls import decryptable
from .wording import IN_FRONT, TARGET, decrypted, in_full, leaf_locations, presented, short, socket_of, whose


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
    one that only the server or only the firewall got, are differences too: see `policyc rotate`.

    The counter is `ssl_inbound_cert_mismatch`. The decryption log says "Server and Firewall's certificate mismatch" or
    "certificate verify failed", the traffic log `policy-deny` (or `decrypt-error` as the session's end reason).

    ## Example
    ```yaml
    inspection_rules: {}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
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
    for site in decrypted(plan):
        assert site.certificate is not None
        shown = site.certificate.leaf
        for backend in backends_of(site):
            leaves = backend.tls.leaves if backend.tls else ()
            coming = {chain[0].sha256 for _, chain in successors(site)}
            others = [leaf for leaf in leaves if leaf.sha256 not in {shown.sha256, *coming}]
            if backend.tls is None or not others:
                continue
            never = len(others) == len(leaves)
            yield certificate_mismatch.found(
                "the backend presents another certificate than visitors are shown"
                if never
                else "the backend presents a second certificate, which visitors are not shown",
                Location((*site.path, "public_certificate"), f"visitors are shown {whose(shown)} ({short(shown)})"),
                related=leaf_locations(backend.tls),
                target=TARGET,
                notes=[
                    "SSL Inbound Inspection compares the two and ends every session in which they differ (counter "
                    'ssl_inbound_cert_mismatch; decryption log "Server and Firewall\'s certificate mismatch" or '
                    '"certificate verify failed"; traffic log policy-deny, or decrypt-error as session end reason)',
                    f"visitors are shown: {in_full(shown)}",
                    *(f"the server presents: {in_full(leaf)}" for leaf in leaves),
                    *_same_key(shown, others),
                ],
                help=[
                    IN_FRONT,
                    "or install the public certificate on the backend, or build this site for haproxy, nginx or envoy",
                ],
                severity=None if never else Severity.WARNING,
                sites=[site.name],
                backends=[backend.name],
            )


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

    ## Example
    ```yaml
    inspection_rules: {}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    Set `certificate` in the backend's `tls`: the finding has the command that gets it from the server.

    ## Targets
    PAN-OS.

    ## References
    https://knowledgebase.paloaltonetworks.com/KCSArticleDetail?id=kA1Ki000000sY1zKAE
    """
    found: dict[str, tuple[Upstream, str, list[str]]] = {}
    for site in decrypted(plan):
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
            target=TARGET,
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
    With TLS 1.2 the firewall answers the proxy with what was imported, and the policy's file has no intermediate that
    leads to that CA. A proxy that does not get it refuses the backend, once the firewall decrypts.

    ## Example
    ```yaml
    inspection_rules: {}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls:
          ca: internal
          server_name: app.example.internal
          certificate: certs/app-issuing-alone.pem
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    targets:
      panos: {version: "11.2", position: behind_proxy}
    ```

    ## Use instead
    The whole chain in the backend's `certificate`, the leaf first. Or TLS 1.3 on that leg (`min_version: "1.3"`): there
    the server's own chain goes through.

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
            for index, chain in enumerate(tls.chains):
                leaf, last = chain[0], chain[-1]
                known = any(
                    last.sha256 == anchor.sha256 or issued_by(last, anchor) for anchor in tls.anchors.certificates
                )
                # The target machine's own store holds roots that are not known here.
                if known or leaf.self_issued or (tls.anchors.system and len(chain) > 1):
                    continue
                yield chain_unknown.found(
                    "the proxy may be shown this certificate without its intermediates",
                    Location((*tls.path, "certificate", index), presented(leaf)),
                    related=[Location((*tls.path, "ca"), "not its issuer")],
                    target=TARGET,
                    notes=[
                        "with TLS 1.2 the firewall sends what was imported, and this file has "
                        + (
                            "the leaf alone"
                            if len(chain) == 1
                            else f"{len(chain)} certificates, the last of another CA"
                        )
                    ],
                    help=['add the intermediates to the file, behind the leaf; or use `min_version: "1.3"` here'],
                    backends=[backend.name],
                )


def _backends(sites: tuple[Site, ...], path: Path) -> list[Backend]:
    return [backend for backend in backends_of(sites[0]) if backend.path == path]


@rule("public-chain-missing", Severity.WARNING)
def public_chain_missing(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge, and with TLS 1.2: the file of a public certificate has the leaf alone, and no root of the policy issued
    it.

    ## Why it is bad
    With TLS 1.2 the firewall answers visitors with what was imported [C10.0, D10.1]. Those who have not seen the
    intermediate elsewhere refuse the site, though the server itself sends the whole chain.

    ## Example
    ```yaml
    inspection_rules: {}
    public_certificates:
      shop:
        cert: certs/shop-leaf-alone.pem
        key: certs/shop-leaf-alone.key
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop-leaf-alone.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    The leaf and then its intermediates in `cert`; policyc imports them as one file, in that order.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-1/pan-os-admin/decryption/configure-ssl-inbound-inspection
    """
    roots = [one for anchors in plan.anchors for one in anchors.certificates if one.self_issued]
    told: set[str] = set()
    for listener in plan.listeners if settings.edge else ():
        for site in listener.sites if listener.tls.min_version < "1.3" else ():
            pair = site.certificate
            if pair is None or pair.name in told or len(pair.chain) > 1 or pair.leaf.self_issued:
                continue
            if any(issued_by(pair.leaf, root) for root in roots):
                continue
            told.add(pair.name)
            yield public_chain_missing.found(
                "visitors may be shown this certificate without its intermediates",
                Location((*pair.path, "cert"), f"{whose(pair.leaf)}, and nothing behind it"),
                target=TARGET,
                notes=["with TLS 1.2 the firewall sends what was imported, whatever chain the server has"],
                help=["add the intermediates to the file, behind the leaf"],
                sites=[one.name for one in listener.sites if one.certificate is pair],
            )


@rule("certificate-rotation", Severity.INFO)
def certificate_rotation(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend's `certificate` has more entries than the backend has servers, and all of them may be presented: the state
    between two certificates.

    ## Why it is bad
    It is not: all stand in the decryption rule, so that sessions go on whichever the server presents. But a certificate
    that is no longer in use should not stay on the firewall.

    ## Example
    ```yaml
    inspection_rules: {}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls:
          ca: internal
          server_name: app.example.internal
          certificate: [certs/app.pem, certs/app-renewed.pem]
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    targets:
      panos: {version: "11.2", position: behind_proxy}
    ```

    ## Use instead
    When every server presents the new one: at the edge set the site's `public_certificate` to it; then leave it alone
    in `certificate`, and build again. `policyc rotate` prints the whole order.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
    """
    coming = {chain[0].sha256 for site in plan.sites for _, chain in successors(site)}
    for backend in plan.backends:
        leaves = {leaf.sha256 for leaf in backend.tls.leaves} if backend.tls else set[str]()
        if (
            backend.tls is None
            or len(leaves) <= max(1, len(backend.servers))
            or (settings.edge and not coming & leaves)
        ):
            continue
        yield certificate_rotation.found(
            f"{len(leaves)} certificates stand in the rule: the state between an old one and a new one",
            Location((*backend.tls.path, "certificate"), of="key"),
            related=leaf_locations(backend.tls),
            target=TARGET,
            help=[
                f"when all servers present the new one, take the old one out: policyc rotate --backend {backend.name}"
            ],
            backends=[backend.name],
        )


@rule("pin-excludes-certificate", instead_of="pin-matches-no-certificate")
def pin_excludes_certificate(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge a backend has `pins`, and a certificate that the firewall would hold for it is not among them.

    ## Why it is bad
    The firewall verifies no pins: it lets through what it holds, and so what the policy refuses. Behind a proxy the
    proxy refuses it; `pin-matches-no-certificate` tells that.

    ## Example
    ```yaml
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls:
          ca: public
          server_name: shop.example.com
          pins: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    The fingerprint of the same certificate in `pins` and in `certificate`; two of each while one is replaced.

    ## Targets
    PAN-OS.

    ## References
    https://knowledgebase.paloaltonetworks.com/KCSArticleDetail?id=kA1Ki000000sY1zKAE
    """
    if not settings.edge:
        return
    found: dict[tuple[str, str], tuple[Backend, KeyPair, list[str]]] = {}
    for leg in legs(plan, settings):
        for site in leg.sites if leg.reading is Reading.DECRYPTED else ():
            for backend in backends_of(site):
                pins = backend.tls.pins if backend.tls else ()
                for pair in leg.key_pairs:
                    if pins and pair.leaf.sha256 not in pins:
                        key = backend.name, pair.leaf.sha256
                        found.setdefault(key, (backend, pair, []))[2].append(site.name)
    for backend, pair, sites in found.values():
        assert backend.tls is not None
        known = [leaf.sha256 for leaf in backend.tls.leaves]
        if known and pair.leaf.sha256 not in known:
            continue  # backend-certificate-mismatch
        pins = Location((*backend.tls.path, "pins"), "only these are accepted", of="key")
        held = Location(pair.path, f"{whose(pair.leaf)} ({short(pair.leaf)})")
        at = Location((*backend.tls.path, "certificate", known.index(pair.leaf.sha256))) if known else None
        yield pin_excludes_certificate.found(
            "the firewall would hold a certificate that is not pinned, and let it through",
            at or pins,
            related=[one for one in (pins if at else None, held) if one],
            target=TARGET,
            help=[f"add sha256:{pair.leaf.sha256} to the pins, or hold another certificate"],
            sites=dict.fromkeys(sites),
            backends=[backend.name],
        )


@rule("undecryptable-key")
def undecryptable_key(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate that the firewall must hold has a key of a kind that it is not documented to decrypt with: neither RSA
    up to 8192 bits nor ECDSA with 256 or 384.

    ## Why it is bad
    Sessions end, or pass unread.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop-ed25519.pem, key: certs/shop-ed25519.key}
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop-ed25519.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    A certificate with an ECDSA P-256 or RSA key.

    ## Targets
    PAN-OS, all versions.

    ## References
    https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection
    """
    for at in destinations(legs(plan, settings)):
        for pair in at.key_pairs.values():
            leaf = pair.chain[0]
            if decryptable(leaf):
                continue
            bits = f" with {leaf.key_bits} bits" if leaf.key_type in ("RSA", "EC") else ""
            yield undecryptable_key.found(
                f"the firewall is not known to decrypt with a key of the kind {leaf.key_type}{bits}",
                Location(pair.path, whose(leaf)),
                target=TARGET,
                help=["use a certificate with an ECDSA P-256 or RSA key"],
                sites=dict.fromkeys(site.name for leg in at.read(Reading.DECRYPTED) for site in leg.sites),
            )


@rule("too-many-certificates", acceptable=False)
def too_many_certificates(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    More certificates can appear at one address and port, or for one name there, than a decryption rule can hold: twelve
    since 10.2, one before.

    ## Why it is bad
    The first rule that matches decides, and no later one is tried for another certificate. Sessions with a certificate
    that is not in the rule end. Panorama pushing several to a firewall before 10.2 silently keeps one.

    ## Example
    ```yaml
    inspection_rules: {}
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
      www: {cert: certs/www.pem, key: certs/www.key}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
      www:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: www.example.com, certificate: certs/www.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
      www: {hostnames: [www.example.com], public_certificate: www, backend: www}
    targets:
      panos: {version: "10.1"}
    ```

    ## Use instead
    A rule for each site, by the name in the SNI: `targets.panos.decryption_rules: per_site`. Addresses of their own for
    some of the sites or backends; one certificate with several names; PAN-OS 10.2.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
    """
    limit = settings.max_certificates
    for at in destinations(legs(plan, settings)):
        split = per_site(at, settings)
        together = (
            [at.key_pairs] if not split else [{pair.leaf.sha256: pair for pair in leg.key_pairs} for leg in at.legs]
        )
        pairs = list(max(together, key=len).values())
        if len(pairs) <= limit:
            continue
        yield too_many_certificates.found(
            f"{len(pairs)} certificates at {socket_of(at)}; a rule holds {limit if limit > 1 else 'one'}",
            Location(pairs[limit].path, "this is one more than fits"),
            related=[Location(pair.path) for pair in pairs[:3]],
            target=TARGET,
            help=[
                *(
                    ["tell them apart by the SNI, a rule for each: targets.panos.decryption_rules: per_site"]
                    if len(at.read(Reading.DECRYPTED)) > 1 and not split
                    else []
                ),
                "give some of them an address of their own, or one certificate with several names"
                + ("" if limit > 1 else '; since 10.2 a rule holds twelve: targets.panos.version: "10.2"'),
            ],
            sites=dict.fromkeys(site.name for leg in at.read(Reading.DECRYPTED) for site in leg.sites),
        )


@rule("catch-all-incomplete", Severity.INFO)
def catch_all_incomplete(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    With a rule for each site, the last one is for sessions without an SNI, or with one that no site has. It cannot hold
    all certificates that servers may present there.

    ## Why it is bad
    Such sessions end, where the server answers with another certificate. The policy refuses them as well; a monitoring
    that connects by address alone would see the site down.

    ## Example
    ```yaml
    inspection_rules: {}
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
      www: {cert: certs/www.pem, key: certs/www.key}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
      www:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: www.example.com, certificate: certs/www.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
      www: {hostnames: [www.example.com], public_certificate: www, backend: www}
    targets:
      panos: {version: "10.1", decryption_rules: per_site}
    ```

    ## Use instead
    Nothing, or fewer sites at the address.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
    """
    limit = settings.max_certificates
    for at in destinations(legs(plan, settings)):
        pairs = list(at.key_pairs.values())
        if per_site(at, settings) and len(pairs) > limit:
            yield catch_all_incomplete.found(
                f"sessions without an SNI at {socket_of(at)} are decrypted with {limit} of {len(pairs)} certificates",
                Location(pairs[limit].path, "is not in the last rule"),
                target=TARGET,
                notes=["where a server answers them with another one, they end; the policy refuses them everywhere"],
                sites=dict.fromkeys(site.name for leg in at.read(Reading.DECRYPTED) for site in leg.sites),
            )
