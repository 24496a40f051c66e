"""What follows from matching by address and port: sharing, destination NAT, and servers that are out of reach."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Location, Path, Severity, rule
from ....compiler.plan import Balance, Plan, Site, Socket
from ..legs import Reading, backends_of, destinations, legs
from ..nat import Translation, Untranslatable, backend_of, targets, translations
from ..support import Settings
from .wording import TARGET, socket_of


@rule("passthrough-shares-address")
def passthrough_shares_address(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site that passes through undecrypted is reached at the same address and port as a decrypted one.

    ## Why it is bad
    Only the SNI tells them apart, and the visitor writes the SNI. Who asks for the undecrypted name in the handshake
    and for the decrypted one in the request is not inspected: both reach the same server.

    ## Example
    ```yaml
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
      legacy: {servers: [192.0.2.10:443]}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
      legacy: {hostnames: [legacy.example.com], decrypt: false, backend: legacy}
    ```

    ## Use instead
    An address of its own for the site that passes through; or decrypt it too.

    ## Targets
    PAN-OS. The proxies route by the SNI to different servers.

    ## References
    https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection
    """
    told: set[Path] = set()
    for at in destinations(legs(plan, settings)):
        passed, decrypted = at.read(Reading.PASSED), at.read(Reading.DECRYPTED)
        if passed and decrypted and passed[0].path not in told:
            told.add(passed[0].path)
            yield passthrough_shares_address.found(
                f"at {socket_of(at)}, visitors choose by the SNI whether they are inspected",
                Location(passed[0].path, "passes through undecrypted", of="key"),
                related=[Location(decrypted[0].path, "is decrypted", of="key")],
                target=TARGET,
                help=["give the site that passes through an address of its own, or decrypt it too"],
                sites=dict.fromkeys(site.name for leg in passed for site in leg.sites),
            )


@rule("destination-nat-needed", Severity.INFO)
def destination_nat_needed(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Visitors reach a site at another address or port than its server has, and policyc writes no NAT rule for it: the
    settings say `nat: existing`, or the site has no `public_addresses`.

    ## Why it is bad
    With `nat: existing` it is a reminder. Without `public_addresses` it is an error: the site would be reached at the
    server's own address, on a port that the server does not have.

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
        public_addresses: [198.51.100.10]
    targets:
      panos: {version: "11.2", nat: existing}
    ```

    ## Use instead
    `public_addresses` for the site, and `nat: write`. Generated rules match what is there before NAT, and the zone
    after it.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/ngfw/help/12-1/policies/policies-nat/nat-translated-packet-tab
    """
    visited: dict[str, tuple[Site, list[Socket]]] = {}
    for leg in legs(plan, settings) if settings.edge else ():
        for site in leg.sites:
            visited.setdefault(site.name, (site, []))[1].extend(leg.sockets)
    for site, sockets in visited.values():
        servers = list(targets(site))
        elsewhere = [socket for socket in dict.fromkeys(sockets) if socket not in servers]
        translated = bool(site.public_addresses)
        if not elsewhere or (translated and settings.nat == "write"):
            continue
        yield destination_nat_needed.found(
            "destination NAT must lead visitors to the server; the settings say that it does"
            if translated
            else "visitors come to the server's own address on a port that the server does not have",
            Location((*site.path, "public_addresses") if translated else site.path, of="key"),
            target=TARGET,
            notes=[f"visitors come to {_list(elsewhere)}; the server is {_list(servers)}"],
            help=[
                "check that the rule exists; policyc's rules match the address before NAT and the zone after it"
                if translated
                else f"name the `public_addresses` of `{site.name}`: destination NAT is then written"
            ],
            severity=None if translated else Severity.ERROR,
            sites=[site.name],
        )


@rule("untranslatable-address")
def untranslatable_address(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge, `public_addresses` differ from the servers, and no destination NAT rule can lead from the ones to the
    others: sites at one address have different servers, servers have different ports, or the address is IPv6.

    ## Why it is bad
    Visitors of such an address reach no server, or another site's.

    ## Example
    ```yaml
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443, 192.0.2.11:8443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        public_addresses: [198.51.100.10]
    ```

    ## Use instead
    An address for each set of servers; a generated proxy in front, which routes by name; or, where something else
    translates, `nat: existing`.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/ngfw/help/12-1/policies/policies-nat/nat-translated-packet-tab
    """
    for at in destinations(legs(plan, settings)) if settings.edge and settings.nat == "write" else ():
        for found in translations(at):
            if isinstance(found, Untranslatable):
                first, *others = found.sites
                yield untranslatable_address.found(
                    f"no NAT rule leads from {found.addresses[0]} port {at.port} to the servers",
                    Location((*first.path, "public_addresses"), of="key"),
                    related=[Location(site.path, "is reached there, too", of="key") for site in others],
                    target=TARGET,
                    notes=[found.why],
                    help=[found.way_out, "or say that something else translates: targets.panos.nat: existing"],
                    sites=[site.name for site in found.sites],
                )


@rule("public-zone-unknown", acceptable=False)
def public_zone_unknown(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge destination NAT is to be written, and `zones.from` is not the one zone that the public addresses are in.

    ## Why it is bad
    A NAT rule has the zone of the original packet's destination, before NAT, and that is one zone. In another one the
    rule never matches.

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
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, public_addresses: [198.51.100.10]}
    targets:
      panos:
        version: "11.2"
        zones: {from: [untrust, partners], to: [dmz]}
    ```

    ## Use instead
    `targets.panos.zones.public`: the zone of the interface behind which the public addresses are.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/ngfw/help/12-1/policies/policies-nat/nat-translated-packet-tab
    """
    if not settings.edge or settings.nat != "write" or settings.zones.before_nat is not None:
        return
    found = [
        at for at in destinations(legs(plan, settings)) if any(isinstance(one, Translation) for one in translations(at))
    ]
    if found:
        yield public_zone_unknown.found(
            "it is not known in which zone the public addresses are, so no NAT rule can be written",
            Location(("targets", TARGET, "zones"), "add `public` here", of="key"),
            related=[Location((*found[0].sites[0].path, "public_addresses"), of="key")],
            target=TARGET,
            help=["name the one zone: targets.panos.zones: {public: untrust, …}"],
        )


@rule("balancing-needs-nat", Severity.WARNING)
def balancing_needs_nat(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    At the edge a site has several servers and no destination NAT of policyc's in front of them.

    ## Why it is bad
    Visitors choose the server by the addresses that the site's name has. Which one they take is nobody's `balance`: a
    warning for `round_robin`, an error for the others.

    ## Example
    ```yaml
    inspection_rules: {}
    backend_cas:
      public: {ca: certs/public-root.pem}
    backends:
      app:
        servers: [192.0.2.10:443, 192.0.2.11:443]
        tls: {ca: public, server_name: shop.example.com, certificate: certs/shop.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    `public_addresses` for the site, and `nat: write`.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/ngfw/help/12-1/policies/policies-nat/nat-translated-packet-tab
    """
    written = settings.nat == "write"
    for site in plan.sites if settings.edge else ():
        backend = backend_of(site)
        if len(targets(site)) < 2 or (written and site.public_addresses):
            continue
        yield balancing_needs_nat.found(
            "visitors choose among the servers themselves: there is no NAT rule that would",
            (*backend.path, "servers"),
            related=[Location(site.path, of="key")],
            target=TARGET,
            help=["give the site `public_addresses`, and let policyc write destination NAT"],
            severity=None if backend.balance is Balance.ROUND_ROBIN else Severity.ERROR,
            sites=[site.name],
            backends=[backend.name],
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

    ## Example
    ```yaml
    inspection_rules: {}
    backends:
      app:
        servers: [127.0.0.1:8443]
        tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app}
    targets:
      panos: {version: "11.2", position: behind_proxy}
    ```

    ## Use instead
    The address that the server has on the network; or nothing, where server and proxy share a machine on purpose.

    ## Targets
    PAN-OS.

    ## References
    https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection
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
                    target=TARGET,
                    help=["write the address that the server has on the network"],
                    severity=Severity.ERROR if settings.edge else None,
                    sites=[site.name for site in reached],
                    backends=[backend.name],
                )
