"""Inspection rules and scanning: what security rules make of them at the edge."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Location, Path, Severity, rule
from ....compiler.plan import Deny, Plan
from ..legs import destinations, legs
from ..lower import for_all, places
from ..support import Settings
from ..urls import URL_LENGTH, allows, by_category, denies, inexpressible, is_security_rule, urls_of
from .wording import IN_FRONT, TARGET, inspected, sites_alone, socket_of


@rule("inexpressible-rule", acceptable=False)
def inexpressible_rule(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    An inspection rule asks for more than security rules with URL categories can say, and the firewall is at the edge.

    ## Why it is bad
    The rule would be missing, or deny something else.

    ## Example
    ```yaml
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    inspection_rules:
      web:
        - when:
            path: {suffix: .bak}
          deny: 403
    ```

    ## Use instead
    Deny by `prefix`, with letters, digits, `-`, `.`, `_` and `/`, and with source addresses as the only exception;
    `allow` by source addresses alone, for a site that shares its address with no other. Or let a generated proxy do it
    (`position: behind_proxy`).

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions
    """
    alone = sites_alone(plan, settings)
    for one, sites in inspected(plan, settings):
        if not denies(one) and not allows(one):
            continue
        refused: dict[tuple[Path, str], list[str]] = {}
        for site in sites:
            reason = inexpressible(one, site.name in alone)
            if reason is not None:
                refused.setdefault(reason, []).append(site.name)
        for (path, why), names in refused.items():
            yield inexpressible_rule.found(why, path, target=TARGET, help=[IN_FRONT], sites=names)
        if refused:
            continue
        for site in sites:
            long = [url for url in urls_of(site, one) if len(url) > URL_LENGTH]
            if long:
                yield inexpressible_rule.found(
                    f"with the hostname this path has {len(long[0])} characters; a URL category takes {URL_LENGTH}",
                    (*one.path, "when", "path"),
                    target=TARGET,
                    help=[IN_FRONT],
                    sites=[site.name],
                )


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
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    inspection_rules:
      web:
        - when: {path: {prefix: /admin}}
          deny: 403
    ```

    ## Use instead
    Let a generated proxy do it (`position: behind_proxy`). Accept this only for servers that refuse all such spellings.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions
    """
    alone, reached = sites_alone(plan, settings), places(destinations(legs(plan, settings)))
    for one, sites in inspected(plan, settings):
        concerned = [
            site
            for site in sites
            # One whose listener was not found is reached nowhere; that is an error of its own.
            if site.path in reached
            and by_category(one.when, for_all(one, reached[site.path]))
            and is_security_rule(one, site.name in alone)
        ]
        if not concerned or not denies(one):
            continue
        key = "path" if one.when.paths else "host"
        yield path_deny_evadable.found(
            "a request in another spelling gets past this rule",
            (*one.path, "when", key) if one.when.paths or one.when.hosts else one.path,
            target=TARGET,
            notes=[
                "URL categories compare what was sent: /x/../admin, //admin or /%61dmin may reach the server as "
                "/admin; they ignore case, so more is denied than the rule says"
            ],
            help=[IN_FRONT, "or accept this for servers that refuse every such spelling"],
            sites=[site.name for site in concerned],
        )


@rule("deny-without-status", Severity.INFO)
def deny_without_status(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge, a denied request gets no status: the session is reset, or the firewall's block page comes.

    ## Why it is bad
    Visitors and monitoring see a broken connection and not a refusal, and other requests of the same HTTP/2 connection
    may end with it. What is denied is the same.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    inspection_rules:
      web:
        - when: {source: [192.0.2.0/24]}
          deny: 403
    ```

    ## Use instead
    A generated proxy, where the status matters.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/advanced-url-filtering/administration/configuring-url-filtering/url-category-exceptions
    """
    alone = sites_alone(plan, settings)
    for one, sites in inspected(plan, settings):
        status = next((action.status for action in one.actions if isinstance(action, Deny)), None)
        if status is not None and any(is_security_rule(one, site.name in alone) for site in sites):
            yield deny_without_status.found(
                f"visitors see a reset connection or the firewall's block page, not {status}",
                (*one.path, "deny"),
                target=TARGET,
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

    ## Example
    ```yaml
    inspection_rules: {}
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        scan: strict
    targets:
      panos: {version: "11.2", position: behind_proxy}
    ```

    ## Use instead
    `profile_groups: {strict: NAME-OF-THE-PROFILE-GROUP}`, and the same `scan` for sites that share an address.

    ## Targets
    PAN-OS.

    ## References
    https://github.com/PaloAltoNetworks/pan-os-codegen
    """
    for site in plan.sites:
        if site.scan is not None and site.scan not in settings.profile_groups:
            yield scan_not_mapped.found(
                f"`scan: {site.scan}` means nothing here",
                (*site.path, "scan"),
                target=TARGET,
                help=[f"say which profile group it is: targets.panos.profile_groups: {{{site.scan}: …}}"],
                sites=[site.name],
            )
    for at in destinations(legs(plan, settings)):
        if len(at.scans) > 1:
            sites = {site.name: site for leg in at.legs for site in leg.sites if site.scan is not None}
            first, *others = sites.values()
            yield scan_not_mapped.found(
                f"different scans at {socket_of(at)}: one rule has one profile group",
                (*next(site for site in others if site.scan != first.scan).path, "scan"),
                related=[Location((*first.path, "scan"))],
                target=TARGET,
                help=["use the same `scan` for them, or different addresses"],
                sites=sites,
            )


@rule("not-scanned", Severity.INFO)
def not_scanned(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site is decrypted and has no `scan`: its security rule lets it in without a profile group.

    ## Why it is bad
    The firewall reads the traffic and looks for no threats in it. Where nothing but `scan` was asked of the firewall,
    decryption costs and protects nothing.

    ## Example
    ```yaml
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
    ```

    ## Use instead
    `scan: NAME` for the site, and `targets.panos.profile_groups: {NAME: GROUP}`. Accept this where the inspection rules
    are all that is wanted.

    ## Targets
    PAN-OS.

    ## References
    https://github.com/PaloAltoNetworks/pan-os-codegen
    """
    without = [site for leg in legs(plan, settings) for site in leg.sites if site.decrypt and site.scan is None]
    scanned = {site.name for at in destinations(legs(plan, settings)) if at.scans for site in at.sites}
    sites = {site.name: site for site in without if site.name not in scanned}
    if sites:
        first, *others = sites.values()
        yield not_scanned.found(
            "decrypted, and let in without a profile group: nothing looks for threats",
            Location(first.path, "add `scan` here", of="key"),
            related=[Location(site.path, of="key") for site in others[:3]],
            target=TARGET,
            help=["say `scan: NAME`, and which group that is: targets.panos.profile_groups: {NAME: …}"],
            sites=sites,
        )
