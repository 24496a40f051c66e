"""What the platform holds and takes: names, counts, sizes, and versions side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Location, Severity, rule
from ....compiler.plan import Plan
from ..lower import lower
from ..support import Settings
from .wording import TARGET


@rule("panos-name-collision", acceptable=False)
def name_collision(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Two objects or rules get the same name. Names are made of the policy's own, with a digest of 32 bits where these are
    too long or have other characters than PAN-OS takes. Two names differ only in case, where tags do not look at it, or
    two digests are equal.

    ## Why it is bad
    The second one would replace the first.

    ## Example
    ```yaml
    name: lab
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      SHOP: {hostnames: [www.example.com], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Use instead
    Shorter names in the policy, or rename one of the two.

    ## Targets
    PAN-OS.

    ## References
    https://github.com/PaloAltoNetworks/pan-os-codegen
    """
    for (kind, name), times in Counter(lower(plan, settings).names()).items():
        if times > 1:
            yield name_collision.found(
                f"{times} objects of the kind {kind} would be named `{name}`",
                ("name",),
                target=TARGET,
                help=["use shorter names in the policy, or rename one of the sites, backends or rule lists"],
            )


@rule("mixed-device-group", Severity.INFO)
def mixed_device_group(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    On Panorama, a decryption rule holds several certificates, or Panorama is 10.2 or later and some firewall is older.

    ## Why it is bad
    Firewalls before 10.2 take one certificate for a rule. Panorama pushes the first one by the alphabet to them, and
    says nothing; sessions with the other certificates end there [MC, CFG]. With an older firewall named in `version`
    this is a warning, and otherwise a reminder.

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
      panos:
        version: "10.2"
        panorama_version: "11.2"
        location: {device_group: DMZ, template: Edge}
    ```

    ## Use instead
    A device group of their own for firewalls before 10.2.

    ## Targets
    PAN-OS, on Panorama.

    ## References
    https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
    """
    if settings.location.device_group is None or not settings.certificate_list:
        return
    older = settings.max_certificates == 1
    several = [rule for rule in lower(plan, settings).decryption if len(rule.certificates) > 1]
    if older or several:
        yield mixed_device_group.found(
            f"firewalls with {settings.version} get one certificate of each rule of Panorama {settings.schema_version}"
            if older
            else f"every firewall in `{settings.location.device_group}` must have 10.2 or later: rules hold several "
            "certificates",
            ("targets", TARGET, "location"),
            related=[Location(rule.match.paths[0], of="key") for rule in several[:3]],
            target=TARGET,
            help=["put firewalls before 10.2 into a device group of their own"],
            severity=Severity.WARNING if older else None,
        )


_CAPACITIES = (
    # What all but the largest VM-Series tier holds [VM]. Hardware is in the vendor's product comparison.
    ("certificates for inbound inspection", "certificate", 1000),
    ("decryption rules", "decryption rule", 1000),
    ("security rules", "security rule", 1500),
    ("NAT rules", "NAT rule", 3000),
    ("addresses", "address", 10000),
    ("custom URL categories of one virtual system", "custom URL category", 500),
)
_URLS = 25000  # entries of all custom URL categories [VM]


@rule("platform-capacity", Severity.WARNING)
def platform_capacity(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The output has more of a kind than the smaller platforms hold: certificates, rules, addresses, URL categories.

    ## Why it is bad
    The commit fails, or what is too much is left out.

    ## Example
    A site with 101 hostnames, and a rule for it that denies 125 prefixes: each prefix takes two entries of a URL
    category for each hostname, 25,250 in all.

    ## Use instead
    Look up the platform's own limits, and accept this if they are higher; or divide the policy.

    ## Targets
    PAN-OS. The limits are those of the smallest VM-Series tier.

    ## References
    https://docs.paloaltonetworks.com/vm-series/11-0/vm-series-deployment/about-the-vm-series-firewall/vm-series-models/maximum-limits-based-on-tier-and-memory
    """
    configuration = lower(plan, settings)
    counts = Counter(kind for kind, _ in configuration.names())
    found = [(what, counts[kind], limit) for what, kind, limit in _CAPACITIES if counts[kind] > limit]
    urls = sum(len(category.urls) for category in configuration.categories)
    if urls > _URLS:
        found.append(("entries of custom URL categories", urls, _URLS))
    for what, count, limit in found:
        yield platform_capacity.found(
            f"{count} {what}; the smallest VM-Series holds {limit}",
            ("sites",),
            target=TARGET,
            help=["compare it with the platform's own limit, and accept this where that is higher"],
        )
