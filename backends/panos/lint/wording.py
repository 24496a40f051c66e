"""Words and places that several rules share."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.diagnostics import Location
from ....compiler.plan import BackendTls, Certificate, Plan, Rule, Site
from ..legs import Destination, destinations, legs
from ..support import Settings

TARGET = "panos"
IN_FRONT = (
    "put a generated proxy in front and let the firewall inspect the inner leg: targets.panos.position: behind_proxy"
)


def whose(leaf: Certificate) -> str:
    """A certificate as a person calls it."""
    name = f"CN={leaf.common_name}" if leaf.common_name else leaf.subject or "no subject"
    return f"{name} from {leaf.issuer_name}"


def short(leaf: Certificate) -> str:
    """The beginning of its fingerprint."""
    return f"SHA-256 {leaf.sha256[:8]}…"


def in_full(leaf: Certificate) -> str:
    """All that tells it from another one."""
    return f"{leaf.subject or 'no subject'}, issued by {leaf.issuer}, SHA-256 {leaf.sha256}"


def presented(leaf: Certificate) -> str:
    """What the server does with it."""
    name = "its own, self-signed" if leaf.self_issued else whose(leaf)
    return f"the server presents {name} ({short(leaf)})"


def leaf_locations(tls: BackendTls) -> list[Location]:
    """Where the policy says what a backend presents."""
    return [Location((*tls.path, "certificate", index), presented(leaf)) for index, leaf in enumerate(tls.leaves)]


def decrypted(plan: Plan) -> list[Site]:
    """The sites that are read."""
    return [site for site in plan.sites if site.decrypt]


def socket_of(at: Destination) -> str:
    """An address and port, for a sentence."""
    return f"{at.addresses[0]} port {at.port}"


def inspected(plan: Plan, settings: Settings) -> Iterator[tuple[Rule, list[Site]]]:
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


def sites_alone(plan: Plan, settings: Settings) -> set[str]:
    """Names of the sites that share no address and port with another."""
    shared = {
        site.name
        for at in destinations(legs(plan, settings))
        if len({leg.path for leg in at.legs}) > 1
        for leg in at.legs
        for site in leg.sites
    }
    return {site.name for site in plan.sites} - shared
