"""Definitions that nothing uses."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Location, Severity, rule
from . import Context


@rule("unused-definition", Severity.WARNING)
def unused_definition(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate, CA, backend or rule list is defined and nothing refers to it.

    ## Why it is bad
    It looks as if it protected something.

    ## Use instead
    Refer to it, or remove it.
    """
    policy = context.policy
    used: dict[str, set[str]] = {
        "public_certificates": set(),
        "backend_cas": set(),
        "backends": set(),
        "inspection_rules": set(),
    }
    for site in policy.sites.values():
        used["public_certificates"].add(site.public_certificate or "")
        used["backends"] |= {site.backend, *(route.backend for route in site.routes)}
        used["inspection_rules"] |= set(site.inspect)
        used["backend_cas"].add(site.client_auth.ca if site.client_auth else "")
    for backend in policy.backends.values():
        used["backend_cas"].add((backend.tls.ca or "") if backend.tls else "")
    for section, names in used.items():
        defined = getattr(policy, section)
        if names - {"", "system"} - set(defined):
            continue  # a name that is not known was told already; what it meant may be one of these
        for name in defined:
            if name not in names:
                yield unused_definition.found(
                    f"`{name}` of `{section}` is used nowhere",
                    Location((section, name), of="key"),
                    help=["refer to it, or remove it"],
                )


@rule("policy-without-site", Severity.WARNING)
def without_site(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    The policy has no site, so every target refuses every connection.

    ## Use instead
    Add a site: `sites: {shop: {hostnames: […], …}}`.
    """
    if not context.policy.sites:
        yield without_site.found("there is no site: every connection is refused", ())


@rule("site-without-target", Severity.INFO)
def without_target(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    The policy names no target, so `policyc lint` checks only what holds for all of them.

    ## Use instead
    Name the targets with their versions: `targets: {NAME: {version: "…"}}`; `policyc targets` lists them.
    """
    if context.policy.sites and not context.policy.targets:
        yield without_target.found(
            "no target is named: limits of targets were not checked",
            (),
            help=["add `targets` with the product versions, or use --target"],
        )
