"""What of a topic's policy a target can have: decided by the targets' own tables and lint rules, never by a list here.

What a target can leave out of an output (an optional feature) is accepted for it; the sites and listeners that use
anything else that it cannot do are taken out of its policy. Why, is kept: it is what `policyc lint` must say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.features import Feature
from policyc.compiler.lint.support import rule_id
from policyc.compiler.pipeline import Loaded, examine, load
from policyc.compiler.plan import Plan, Site
from policyc.compiler.target import Target
from policyc.schemas.target import TargetSettings

Policy = dict[str, Any]
_STEPS = 10


@dataclass
class Reduced:
    """A policy as one target can have it."""

    policy: Policy
    sites: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Site that is left out → the findings because of which it is."""
    listeners: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    cannot: set[Feature] = field(default_factory=set[Feature])
    """The features that this target, in this version, cannot do."""
    told: set[Feature] = field(default_factory=set[Feature])
    """Those of them that the whole policy uses, so that a finding must tell."""


class NotReducible(Exception):
    """A finding that names no site, or one that is not about a target."""


def read(policy: Policy, folder: Path, targets: Mapping[str, Target[TargetSettings]] | None = None) -> Loaded:
    """A policy as a user's is read. `folder` is what its names of files are relative to."""
    file = folder / "policy.yaml"
    file.write_text(json.dumps(policy))
    return load(str(file), targets or {})


def plan_of(policy: Policy, folder: Path) -> Plan:
    """What a policy means. Raises NotReducible where it is wrong."""
    loaded = read(policy, folder)
    errors = [finding for finding in loaded.findings if finding.severity is Severity.ERROR]
    if loaded.plan is None or errors:
        raise NotReducible("; ".join(f"{finding.rule}: {finding.message}" for finding in errors) or "no policy at all")
    return loaded.plan


def reduce(policy: Policy, folder: Path, target: Target[TargetSettings], settings: Mapping[str, Any]) -> Reduced:
    """Take out of a policy what a target cannot do, until nothing is left that it refuses.

    `settings` are those of ``targets.<target>``. Raises NotReducible.
    """
    reduced = Reduced({**policy, "targets": {target.name: dict(settings)}})
    made = target.settings_model().model_validate(dict(settings))
    reduced.cannot = {feature for feature, one in target.support(made).items() if not one.honoured_by(made.version)}
    for _ in range(_STEPS):
        if not reduced.policy["sites"]:
            return reduced
        loaded = read(reduced.policy, folder, {target.name: target})
        findings = examine(loaded, {target.name: target}, [target.name]).standing
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        assert loaded.plan is not None
        reduced.told |= reduced.cannot & {use.feature for use in loaded.plan.uses}
        if not errors:
            return reduced
        before = json.dumps(reduced.policy)
        _take_out(reduced, loaded.plan, target.name, errors)
        if json.dumps(reduced.policy) == before:
            raise NotReducible("; ".join(f"{error.rule}: {error.message}" for error in errors))
    raise NotReducible(f"still not buildable for {target.name} after {_STEPS} steps")


def _take_out(reduced: Reduced, plan: Plan, target: str, errors: Sequence[Diagnostic]) -> None:
    policy = reduced.policy
    accepted = list(policy.get("accept", ()))
    sites: dict[str, set[str]] = {}
    listeners: dict[str, set[str]] = {}
    by_rule = {rule_id(feature): feature for feature in reduced.told}
    for error in errors:
        feature = by_rule.get(error.rule)
        if feature is not None and error.acceptable:
            accepted.append({"finding": error.rule, "target": target, "reason": "the cases are about the rest"})
            continue
        places = [(use.path, use.sites, use.backends) for use in plan.uses if use.feature is feature]
        if feature is None:
            if error.target != target:
                raise NotReducible(f"{error.rule}: {error.message}")
            places = [(location.path, error.sites, error.backends) for location in (error.primary, *error.related)]
        for path, of_sites, of_backends in places:
            if path[0] == "listeners" and len(path) > 1:
                listeners.setdefault(str(path[1]), set()).add(error.rule)
                continue
            for site in {*of_sites, *_sites_at(policy, path), *_sites_of(policy, of_backends)}:
                sites.setdefault(site, set()).add(error.rule)
    reduced.policy = pruned(policy, set(sites), set(listeners), accepted)
    for kept, new in ((reduced.sites, sites), (reduced.listeners, listeners)):
        for name, rules in new.items():
            kept.setdefault(name, set()).update(rules)


def _sites_at(policy: Policy, path: Sequence[str | int]) -> Iterator[str]:
    """The sites that a place in the policy is about."""
    for name, site in policy["sites"].items():
        part, key = path[0], path[1] if len(path) > 1 else None
        if (
            (part == "sites" and key == name)
            or (part == "inspection_rules" and key in site.get("inspect", ()))
            or (part == "backends" and key in _backends(site))
            or (part == "public_certificates" and key == site.get("public_certificate"))
        ):
            yield name


def _sites_of(policy: Policy, backends: Sequence[str]) -> Iterator[str]:
    for name, site in policy["sites"].items():
        if set(backends) & _backends(site):
            yield name


def _backends(site: Mapping[str, Any]) -> set[str]:
    return {site["backend"], *(route["backend"] for route in site.get("routes", ()))}


def pruned(policy: Policy, sites: set[str], listeners: set[str], accepted: Sequence[Mapping[str, Any]]) -> Policy:
    """A policy without some sites and listeners, and without what only they needed."""
    kept_listeners = {name: one for name, one in policy["listeners"].items() if name not in listeners}
    kept: dict[str, Any] = {}
    for name, site in policy["sites"].items():
        on = [one for one in site.get("listeners", policy["listeners"]) if one in kept_listeners]
        if name not in sites and on:
            kept[name] = {**site, **({"listeners": on} if "listeners" in site else {})}
    used = {backend for site in kept.values() for backend in _backends(site)}
    lists = {name for site in kept.values() for name in site.get("inspect", ())}
    backends = {name: one for name, one in policy["backends"].items() if name in used}
    cas = {one["tls"].get("ca") for one in backends.values() if one["tls"]}
    cas |= {site["client_auth"]["ca"] for site in kept.values() if "client_auth" in site}
    entries: list[dict[str, Any]] = []
    for entry in accepted:
        narrowed = {
            **entry,
            **{
                key: [name for name in entry[key] if name in there]
                for key, there in (("sites", kept), ("backends", backends))
                if key in entry
            },
        }
        if all(narrowed.get(key, True) for key in ("sites", "backends")):
            entries.append(narrowed)
    return {
        **policy,
        "listeners": kept_listeners,
        "sites": kept,
        "backends": backends,
        "backend_cas": {name: one for name, one in policy["backend_cas"].items() if name in cas},
        "inspection_rules": {name: one for name, one in policy.get("inspection_rules", {}).items() if name in lists},
        "accept": entries,
    }


def with_twins(policy: Policy, folder: Path) -> Policy:
    """A policy in which most sites have another beside them that is like them in all but its name.

    Not those whose certificates or backends would not fit the twin's name.
    """
    sites: dict[str, Any] = {}
    for name, site in policy["sites"].items():
        sites[name] = site
        twin = f"twin-of-{name}.example.com"
        backends = [policy["backends"][one]["tls"] for one in _backends(site)]
        if (
            "public_certificate" in site
            and not any(host.startswith("*") for host in site["hostnames"])
            and not any(tls and "server_name" not in tls for tls in backends)
            and _covers(folder / policy["public_certificates"][site["public_certificate"]]["cert"], twin)
        ):
            sites[f"twin-of-{name}"] = {**site, "hostnames": [twin]}
    return {**policy, "sites": sites}


def usual_sites(policy: Policy) -> dict[str, list[str]]:
    """The decrypted sites without a wildcard, with their hostnames."""
    return {
        name: site["hostnames"]
        for name, site in policy["sites"].items()
        if "public_certificate" in site and not any(host.startswith("*") for host in site["hostnames"])
    }


def with_own_certificates(policy: Policy, certificates: Mapping[str, str]) -> Policy:
    """A policy in which some sites have other certificates, given by their hosts, and share what they can."""
    sites = {
        name: {**site, "public_certificate": certificates.get(site["hostnames"][0], site["public_certificate"])}
        if "public_certificate" in site
        else site
        for name, site in policy["sites"].items()
    }
    files = {name: {"cert": f"{name}.pem", "key": f"{name}.key"} for name in certificates.values()}
    targets = {
        target: {**settings, **({"shared_chains": True} if target == "envoy" else {})}
        for target, settings in policy["targets"].items()
    }
    used = {site["public_certificate"] for site in sites.values() if "public_certificate" in site}
    shown = {name: one for name, one in {**policy["public_certificates"], **files}.items() if name in used}
    return {**policy, "sites": sites, "public_certificates": shown, "targets": targets}


def _covers(certificate: Path, host: str) -> bool:
    """Whether a certificate is for a host."""
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return bool({host, "*." + host.partition(".")[2]} & set(names.get_values_for_type(x509.DNSName)))


def features_at(plan: Plan, listener: str, site: Site | None) -> set[Feature]:
    """The features that a request of a listener, and of one of its sites, may have to do with."""
    if site is None:
        of_listener = next(one for one in plan.listeners if one.name == listener)
        names = {one.name for one in of_listener.sites}
    else:
        names = {site.name}
    backends = {
        upstream.backend.name
        for one in plan.sites
        if one.name in names
        for group in one.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    }
    decrypted = any(one.name in names and one.decrypt for one in plan.sites)
    return {
        # The log of a decrypted site is no choice of the policy's.
        *([Feature.ACCESS_LOG] if decrypted else []),
        *(
            use.feature
            for use in plan.uses
            if set(use.sites) & names
            or set(use.backends) & backends
            or use.path[:2] == ("listeners", listener)
            or use.path == ("listeners",)
        ),
    }
