"""A topic's policy on every proxy, with its origins behind."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from policyc.compiler.lint.support import rule_id
from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.plan import Plan, Site
from policyc.compiler.target import installed_targets

from ..live.edges import Edges, every_origin, start_each
from . import capability
from .capability import Reduced
from .certificates import Certificates
from .crowd import backend_names, crowded
from .proxies import Chosen
from .topics import EVERY, Case, Recipe, Topic

_TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Laboratory:
    """What the cases of one topic play in. A context manager."""

    def __init__(
        self, name: str, topic: Topic, cases: Sequence[Case], folder: Path, certificates: Certificates
    ) -> None:
        self.name = name
        self.topic = topic
        self.folder = folder
        self.certificates = certificates
        self.whole_policy: dict[str, Any] = certificates.filled(topic.policy)
        """As the topic has it, with the sites that are refused on every target."""
        refused = {site for case in cases if EVERY in case.finding for site in case.sites}
        self.policy = capability.pruned(self.whole_policy, refused, set(), self.whole_policy.get("accept", ()))
        self.plan: Plan = capability.plan_of(self.policy, certificates.folder)
        self.reduced: dict[str, Reduced] = {}
        self.edges = Edges()
        self.origins: dict[str, list[Origin]] = {}
        self._stack = ExitStack()

    def reduce(self, chosen: Mapping[str, Chosen], targets: Sequence[str]) -> None:
        """Find out what each of some targets can have of the policy."""
        known = installed_targets()
        store = {"system_ca": str(self.certificates.folder / "system.pem")}
        for target in targets:
            self.reduced[target] = capability.reduce(
                self.policy, self.certificates.folder, known[target], {**chosen[target].settings, **store}
            )

    def start(
        self,
        chosen: Mapping[str, Chosen],
        targets: Sequence[str],
        change: Callable[[str, Path], None] = lambda _target, _built: None,
        *,
        twins: bool = False,
        own_certificates: bool = False,
    ) -> None:
        """Start the origins, and some targets. `reduce` comes first. `change` may touch what is built.

        `twins`: most sites have another beside them that is like them, for targets that write such sites once.
        `own_certificates`: each site without a wildcard has one of its own, and Envoy's `shared_chains` is set.
        """
        self.origins = {}
        for backend, recipes in self.topic.origins.items():
            self.origins[backend] = self._origins(backend, recipes)
        down = [
            origin
            for backend, recipes in self.topic.origins.items()
            for origin, recipe in zip(self.origins[backend], recipes, strict=False)
            if recipe.down
        ]
        for origin in every_origin(self.origins):
            if origin not in down:
                self._stack.enter_context(origin)
        policies = {
            target: crowded(capability.with_twins(policy, self.certificates.folder) if twins else policy)
            for target in targets
            if chosen[target].program is not None and (policy := self.reduced[target].policy)["sites"]
        }
        if own_certificates:
            usual = {name: hosts for one in policies.values() for name, hosts in capability.usual_sites(one).items()}
            self.certificates = self.certificates.with_own(f"own-{self.name}-", usual)
            own = self.certificates.own
            policies = {target: capability.with_own_certificates(one, own) for target, one in policies.items()}
        beside = [Origin("beside")]  # is never started
        programs = {target: one.program for target, one in chosen.items() if one.program is not None}
        self.edges = start_each(
            self._stack,
            self.folder,
            policies,
            self.certificates.folder,
            {**self.origins, **dict.fromkeys(backend_names(), beside)},
            self.certificates.public_root,
            programs=programs,
            change=change,
        )

    def stop(self) -> None:
        """End everything that runs."""
        self._stack.close()

    def _origins(self, backend: str, recipes: Sequence[Recipe]) -> list[Origin]:
        if recipes[0].same is not None:
            return self.origins[recipes[0].same]
        return [self._origin(f"{backend}-{number}", recipe) for number, recipe in enumerate(recipes)]

    def _origin(self, name: str, recipe: Recipe) -> Origin:
        answers = {target.encode(): text.replace("\n", "\r\n").encode() for target, text in recipe.responds.items()}

        def respond(seen: Seen) -> bytes | None:
            return answers.get(seen.target)

        return Origin(
            name,
            self.certificates.pair(recipe.certificate) if recipe.certificate else None,
            answers=recipe.answers,
            delay=recipe.delay,
            max_version=_TLS[recipe.high],
            respond=respond,
            upgrades=recipe.upgrades,
            client_ca=self.certificates.pair(recipe.client_ca)[0] if recipe.client_ca else None,
            protocol=recipe.protocol,
        )

    # --- what a case needs ------------------------------------------------------------------------------------

    def places(self, case: Case) -> set[tuple[str, str | None]]:
        """The listeners and sites that a case needs; a site of None: any."""
        found: set[tuple[str, str | None]] = {(step.listener, None) for step in case.steps}
        for step in case.steps:
            for name in (step.name_asked, (step.host or "").partition(":")[0].lower()):
                site = self.site(step.listener, name or "")
                if site is not None:
                    found.add((step.listener, site.name))
        first = case.steps[0].listener if case.steps else self.plan.listeners[0].name
        return found | {(first, site) for site in case.sites}

    def site(self, listener: str, host: str) -> Site | None:
        """The site that claims a host."""
        of_listener = next((one for one in self.plan.listeners if one.name == listener), None)
        if of_listener is None:
            return None
        for wildcard in (False, True):
            for site in of_listener.sites:
                if any(one.wildcard is wildcard and one.covers(host) for one in site.hostnames):
                    return site
        return None

    def lacks(self, case: Case, target: str) -> bool:
        """Whether a target cannot do a feature that a case proves, or cannot have a site that it needs."""
        return bool(self.reduced[target].cannot & set(case.features) or self.reasons(case, target))

    def reasons(self, case: Case, target: str) -> set[str]:
        """The findings that must tell why a target cannot have a case."""
        reduced = self.reduced[target]
        found = {rule_id(feature) for feature in case.features if feature in reduced.told}
        for listener, site in self.places(case):
            found |= reduced.listeners.get(listener, set())
            if site is not None:
                found |= reduced.sites.get(site, set())
        return found
