"""Filter chains that sites could share, and what they share them for."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.diagnostics import Diagnostic, Severity, rule
from ...compiler.plan import Plan
from .groups import certificates_of, groups
from .support import Settings

_MANY = 200
"""From so many chains less on it is worth a word: they cost about 0.6 s of Envoy's start, and 40 MB."""


@rule("envoy-chains-not-shared", Severity.INFO)
def chains_not_shared(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A listener has over 200 filter chains more than it would have with `shared_chains: true`: one for each site with a
    certificate of its own.

    ## Why it is bad
    Each costs Envoy about 3 ms when it starts, and 0.2 MB. Measured with 1.40: 1,000 such sites are loaded in 3.2 s
    with 330 MB, and in 0.5 s with 140 MB where they share chains; 10,000 in 34 s with 2.7 GB, and in 5 s with 0.7 GB.

    ## Example
    300 sites that inspect with the same lists, each with its own certificate.

    ## Use instead
    ```yaml
    targets:
      envoy: {version: "1.40", shared_chains: true}
    ```
    `envoy-sni-in-capitals` tells what is different then. Or accept this, where the time and the memory
    are there.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl
    """
    if settings.shared_chains:
        return
    sharing = settings.model_copy(update={"shared_chains": True})
    for listener in plan.listeners:
        now, then = len(groups(listener.sites, settings)), len(groups(listener.sites, sharing))
        if now - then > _MANY:
            yield chains_not_shared.found(
                f"`{listener.name}` has {now:,} filter chains that could be {then:,}: Envoy starts about"
                f" {(now - then) * 3 / 1000:.1f} s later, with {(now - then) / 5:.0f} MB more",
                listener.path,
                target="envoy",
                help=[
                    "write `shared_chains: true` in `targets.envoy`, if it does not matter that who writes the SNI in"
                    " capitals is shown another site's certificate; or accept this"
                ],
            )


@rule("envoy-sni-in-capitals", Severity.INFO)
def sni_in_capitals(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    With `shared_chains: true`, sites with different certificates share a filter chain.

    ## Why it is bad
    There Envoy looks for the certificate by the SNI as it was sent. A visitor who writes it in capitals
    (`SHOP.example.com`) is shown the certificate of another site of the chain, and his TLS library ends the connection;
    other targets show him the right one. A visitor who does not look at certificates is served as ever. Browsers write
    the SNI in lower case; a program that is given a URL in capitals may not.

    ## Example
    ```yaml
    targets:
      envoy: {version: "1.40", shared_chains: true}
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
      api: {cert: certs/app.pem, key: certs/app.key}
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      api: {hostnames: [app.example.internal], public_certificate: api, backend: app, inspect: [web]}
    ```

    ## Use instead
    No `shared_chains` below some hundred sites, or accept this.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl
    https://datatracker.ietf.org/doc/html/rfc6066#section-3
    """
    if not settings.shared_chains:
        return
    for listener in plan.listeners:
        sharing = [group for group in groups(listener.sites, settings) if len(certificates_of(group)) > 1]
        if sharing:
            sites = sum(len(group.sites) for group in sharing)
            yield sni_in_capitals.found(
                f"{sites:,} sites of `{listener.name}` share filter chains: who writes the SNI in capitals is shown"
                " another site's certificate",
                ("targets", "envoy", "shared_chains"),
                target="envoy",
                help=["accept this, or leave out `shared_chains`"],
            )
