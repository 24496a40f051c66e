"""The order in which the firewall gets a backend's new certificate.

The rule must hold both while some server presents the old one and some the new one [MC, CFG]: import under a new name,
add it to the rule, switch the servers, take the old one out. The same key does not help: leaves are compared [KB].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...compiler.diagnostics import format_path
from ...compiler.lint.certificates import carries
from ...compiler.plan import Certificate, Plan, Site
from ...compiler.rotation import Order, Rotation, Step
from .legs import Leg, Reading, backends_of, destinations, legs
from .lower import lower, per_site
from .model import DecryptionRule
from .naming import certificate_label, certificate_name
from .place import place_of
from .set_commands import prefix, quoted
from .support import Settings
from .tls import decryptable

_LOAD = "policyc build, load and commit"


def order(plan: Plan, settings: Settings, rotation: Rotation) -> Order:
    """What to do on the firewall, or why nothing."""
    backend = rotation.backend
    read = [leg for leg in legs(plan, settings) if leg.reading is Reading.DECRYPTED and _reaches(leg, rotation)]
    if not read:
        return Order(because="it decrypts no session of this backend")
    sites = list({site.name: site for leg in read for site in leg.sites}.values())
    return Order(
        problems=tuple(_problems(plan, settings, rotation, read, sites)),
        before=tuple(_before(plan, settings, rotation, sites)),
        after=tuple(_after(plan, settings, rotation, sites, _rules(plan, settings, backend.name, sites))),
    )


def _reaches(leg: Leg, rotation: Rotation) -> bool:
    return any(backend.name == rotation.backend.name for site in leg.sites for backend in backends_of(site)) and (
        leg.path[0] == "sites" or leg.name == rotation.backend.name
    )


def _problems(
    plan: Plan, settings: Settings, rotation: Rotation, read: Sequence[Leg], sites: Sequence[Site]
) -> Iterator[str]:
    new = rotation.new
    for site in sites if settings.edge else ():
        for host in site.hostnames:
            if not carries(new, host):
                yield f"visitors of `{site.name}` will be shown it, and it does not carry `{host}`"
        if (
            site.certificate
            and rotation.old
            and site.certificate.leaf.sha256 not in {leaf.sha256 for leaf in (*rotation.old, new)}
        ):
            yield (
                f"`{site.name}` shows visitors another certificate than its server presents: see "
                "backend-certificate-mismatch"
            )
    if not decryptable(new):
        yield f"the firewall is not known to decrypt with its key, {new.key_type} of {new.key_bits} bits"
    if settings.max_certificates > 1:
        for at in destinations(legs(plan, settings)):
            # Of one rule: all that can be presented there, or what one site or backend presents.
            count = max(len(leg.key_pairs) for leg in at.legs) if per_site(at, settings) else len(at.key_pairs)
            concerned = any(leg.path in {one.path for one in read} for leg in at.legs)
            if concerned and new.sha256 not in at.key_pairs and count >= settings.max_certificates:
                yield (
                    f"the rule for {at.addresses[0]} port {at.port} holds {count} certificates, and one more is too "
                    "many: say decryption_rules: per_site first"
                )


def _rules(plan: Plan, settings: Settings, backend: str, sites: Sequence[Site]) -> list[DecryptionRule]:
    paths = {site.path for site in sites} if settings.edge else {("backends", backend)}
    return [rule for rule in lower(plan, settings).decryption if rule.certificates and paths & set(rule.match.paths)]


def _new_name(plan: Plan, settings: Settings, rotation: Rotation, sites: Sequence[Site]) -> str:
    label = certificate_label(rotation.new)
    if settings.edge:
        label = next((site.certificate.name for site in sites if site.certificate), label)
    return certificate_name(plan.name, label, rotation.new)


def _before(plan: Plan, settings: Settings, rotation: Rotation, sites: Sequence[Site]) -> Iterator[Step]:
    place = format_path((*_tls(rotation), "certificate"))
    name = _new_name(plan, settings, rotation, sites)
    imported = Step(
        f"import the new one, with its key, as {name}: ./import-certificates.sh --key {name}=FILE (the old one stays)"
    )
    if settings.max_certificates == 1:
        # [CFG]: one certificate for a rule; there is no state in which sessions of both kinds go on.
        yield Step(
            f"before 10.2 a rule holds one certificate: choose a time at which sessions may end (PAN-OS "
            f"{settings.version})"
        )
        yield Step(
            "in the policy, write the new one alone, and build without loading it", (f"{place}: {rotation.file}",)
        )
        yield imported
        return
    if rotation.new.sha256 not in {leaf.sha256 for leaf in _held(rotation)}:
        both = ", ".join((*(rotation.written or ["what it presents now"]), rotation.file))
        tls = rotation.backend.tls
        pinned = tls is not None and bool(tls.pins) and rotation.new.sha256 not in tls.pins
        lines = (f"{place}: [{both}]", f"{format_path((*_tls(rotation), 'pins'))}: and sha256:{rotation.new.sha256}")
        yield Step("in the policy, write both, then policyc build", lines if pinned else lines[:1])
    yield imported
    names = [rule.match.name for rule in _rules(plan, settings, rotation.backend.name, sites)]
    yield Step(f"load and commit: {' and '.join(names) or 'the decryption rule'} then holds both")


def _held(rotation: Rotation) -> Sequence[Certificate]:
    return rotation.backend.tls.leaves if rotation.backend.tls else ()


def _tls(rotation: Rotation) -> tuple[str | int, ...]:
    assert rotation.backend.tls is not None
    return rotation.backend.tls.path


def _after(
    plan: Plan, settings: Settings, rotation: Rotation, sites: Sequence[Site], rules: Sequence[DecryptionRule]
) -> Iterator[Step]:
    if settings.max_certificates == 1:
        yield Step("at once load and commit what was built: until then every session ends")
    else:
        lines = [f"{format_path((*_tls(rotation), 'certificate'))}: {rotation.file}"]
        if settings.edge:
            shown = {site.certificate.name: site.certificate for site in sites if site.certificate}
            lines += [
                f"{format_path(one.path)}: {{cert: {rotation.file}, key: its key}}"
                for one in shown.values()
                if one.leaf.sha256 != rotation.new.sha256
            ]
        yield Step(f"in the policy, write the new one alone, then {_LOAD}", tuple(lines))
    known = {pair.leaf.sha256: pair.name for at in destinations(legs(plan, settings)) for pair in at.key_pairs.values()}
    going = [known[leaf.sha256] for leaf in rotation.old if leaf.sha256 in known]
    place = prefix(place_of(settings.location))
    if going and settings.certificate_list:
        yield Step(
            "panos.set and panos.load only add: with these, take the old one out of the rules in configuration mode",
            tuple(
                f"delete {place}{settings.rulebase} decryption rules {quoted(rule.match.name)} type "
                f"ssl-inbound-inspection certificates {name}"
                for rule in rules
                for name in going
                if name in rule.certificates
            ),
        )
    if going:
        template = settings.location.template
        above = f"template {quoted(template)} config shared" if template else "shared"
        yield Step(
            "when no session needs it any more, delete the old one and its key, and commit",
            tuple(f"delete {above} certificate {quoted(name)}" for name in going),
        )
