"""What a decryption profile cannot say of the policy's TLS settings."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Location, Severity, rule
from ....compiler.plan import Plan
from ..legs import Reading, backends_of, destinations, legs
from ..lower import per_site
from ..support import Settings
from ..tls import suites_let_through
from .wording import TARGET, socket_of


@rule("conflicting-tls-settings", acceptable=False)
def conflicting_tls_settings(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At one address and port, sites or backends ask for different TLS versions or suites.

    ## Why it is bad
    One decryption rule matches, and it has one decryption profile.

    ## Example
    ```yaml
    inspection_rules: {}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
      api:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal, certificate: certs/app-renewed.pem, min_version: "1.3"}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
      www: {hostnames: [www.example.com], public_certificate: shop, backend: api}
    targets:
      panos: {version: "11.2", position: behind_proxy}
    ```

    ## Use instead
    The same `tls` settings for both, different addresses or ports, or a rule for each: `decryption_rules: per_site`.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/network-security/decryption/administration/decryption-overview/decryption-profiles
    """
    for at in destinations(legs(plan, settings)):
        if per_site(at, settings):
            continue  # each rule has its own profile
        decrypted = [(leg, leg.profile.settings) for leg in at.read(Reading.DECRYPTED) if leg.profile]
        for leg, asked in decrypted[1:]:
            first, given = decrypted[0]
            if asked != given:
                yield conflicting_tls_settings.found(
                    f"two sets of TLS settings at {socket_of(at)}",
                    Location(leg.path, of="key"),
                    related=[Location(first.path, of="key")],
                    target=TARGET,
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

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], protocols: [http/1.1]}
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    Switch HTTP/2 off on the server.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection
    """
    for listener in plan.listeners if settings.edge else ():
        if "h2" not in listener.protocols and any(site.decrypt for site in listener.sites):
            yield protocols_not_restricted.found(
                "HTTP/2 is not refused: visitor and server agree on it without the firewall",
                (*listener.path, "protocols"),
                target=TARGET,
                help=["switch HTTP/2 off on the servers, or accept this"],
                sites=[site.name for site in listener.sites if site.decrypt],
            )


@rule("tls-settings-by-parts", Severity.INFO)
def tls_settings_by_parts(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge a listener's TLS settings become minimum, maximum and switches of a decryption profile [SPEC]. A profile
    has no list of suites and none of groups.

    ## Why it is bad
    Groups are left to visitor and server: the policy's list is not enforced. Suites are let through by their parts, so
    a few that the policy does not have may pass, where the server offers them.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"]}
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    The same settings on the server, which chooses among what the visitor offers. Or accept this finding.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/network-security/decryption/administration/decryption-overview/decryption-profiles
    """
    for listener in plan.listeners if settings.edge else ():
        sites = [site.name for site in listener.sites if site.decrypt]
        if not sites:
            continue
        more = suites_let_through(listener.tls)
        yield tls_settings_by_parts.found(
            "key exchange groups are not restricted by the firewall"
            + (f", and {len(more)} suites pass that are not in the profile `{listener.tls.profile}`" if more else ""),
            Location(listener.path, of="key"),
            target=TARGET,
            notes=[
                f"the policy's groups: {', '.join(listener.tls.curves)} ({listener.tls.guideline})",
                *([f"as well let through: {', '.join(more)}"] if more else []),
            ],
            help=["restrict them on the servers, or accept this"],
            sites=sites,
        )


@rule("tls-versions-do-not-meet")
def tls_versions_do_not_meet(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge a backend wants a later version of TLS than the listener's profile lets through: TLS 1.3 behind
    `max_version: "1.2"`.

    ## Why it is bad
    Visitor and server agree on one version through the firewall, within the one decryption profile. There is none that
    both take, and every session ends.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], tls: {max_version: "1.2"}}
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls:
          ca: public
          server_name: shop.example.com
          certificate: certs/shop.pem
          min_version: "1.3"
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    No `max_version` on the listener. Generated profiles ask for the highest one explicitly; a profile from before 10.0
    stops at TLS 1.2 since the upgrade [D10.0].

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/network-security/decryption/administration/decryption-overview/decryption-profiles
    """
    for listener in plan.listeners if settings.edge else ():
        for site in listener.sites:
            for backend in backends_of(site):
                if site.decrypt and backend.tls and backend.tls.min_version > listener.tls.max_version:
                    yield tls_versions_do_not_meet.found(
                        f"the backend wants TLS {backend.tls.min_version}, and the listener stops at "
                        f"{listener.tls.max_version}",
                        (*backend.tls.path, "min_version"),
                        related=[Location((*listener.path, "tls"), of="key")],
                        target=TARGET,
                        help=["take `max_version` out of the listener's `tls`"],
                        sites=[site.name],
                        backends=[backend.name],
                    )
