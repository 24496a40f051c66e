"""Whom a place of the policy concerns: which sites, and which stage of a request's path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

from ....schemas import policy as written
from ...diagnostics import Diagnostic, Path
from ...plan import Use


class Stage(IntEnum):
    """The stages of a request's path, in its order."""

    VISITORS = 0
    SHOWN = 1
    EDGE = 2
    CHECKED = 3
    SERVERS = 4


_WHOLE = frozenset({"sites", "listeners", "public_certificates", "backends", "backend_cas", "inspection_rules"})
_OF_SITE = {
    "listeners": Stage.VISITORS,
    "public_addresses": Stage.VISITORS,
    "public_certificate": Stage.SHOWN,
    "client_auth": Stage.SHOWN,
    "backend": Stage.SERVERS,
    "routes": Stage.SERVERS,
}
"""All else is done by the edge, also what it does for each hostname."""
_OF_SECTION = {
    "public_certificates": Stage.SHOWN,
    "backend_cas": Stage.CHECKED,
    "inspection_rules": Stage.EDGE,
}


def stage(path: Path) -> Stage:
    """Where on a request's path a place of the policy is at work."""
    section, key = path[0] if path else "", path[2] if len(path) > 2 else ""
    if section == "sites":
        return _OF_SITE.get(str(key), Stage.EDGE)
    if section == "listeners":
        return Stage.SHOWN if key == "tls" else Stage.VISITORS
    if section == "backends":
        # What the server presents is the server's; who checks it is the edge.
        return Stage.CHECKED if key == "tls" and path[3:4] != ("certificate",) else Stage.SERVERS
    return _OF_SECTION.get(str(section), Stage.EDGE)


class Sites:
    """The sites of a policy by the parts that they use, as written: also where a part could not be understood."""

    def __init__(self, policy: written.Policy) -> None:
        self._decrypted = {name: site.decrypt for name, site in policy.sites.items()}
        self._users: dict[Path, dict[str, None]] = {}
        for name, site in policy.sites.items():
            for part in _parts(policy, name, site):
                self._users.setdefault(part, {})[name] = None

    def of(self, path: Path) -> list[str]:
        """The sites that a place concerns; none also for a place of the whole policy."""
        found = self._users.get(path[:2], {})
        if path[:1] == ("listeners",) and path[2:3] in (("tls",), ("protocols",)):
            return [name for name in found if self._decrypted[name]]
        return list(found)

    def concerned(self, found: Diagnostic | Use) -> list[str]:
        """The sites that a finding, or the use of a feature, is about."""
        if found.sites:
            return list(found.sites)
        if found.backends:
            return _union(self.of(("backends", name)) for name in found.backends)
        if isinstance(found, Use):
            return self.of(found.path)
        related = [one.path for one in found.related if one.path[:1] == ("sites",)]
        return _union(map(self.of, (found.primary.path, *related)))


def of_everything(path: Path) -> bool:
    """Whether a place is about the policy as a whole, and not about a part that sites use."""
    return len(path) < 2 or path[0] not in _WHOLE


def _parts(policy: written.Policy, name: str, site: written.Site) -> Iterator[Path]:
    yield "sites", name
    for listener in site.listeners or policy.listeners:
        yield "listeners", listener
    if site.public_certificate:
        yield "public_certificates", site.public_certificate
    if site.client_auth:
        yield "backend_cas", site.client_auth.ca
    for inspected in site.inspect:
        yield "inspection_rules", inspected
    for backend in (site.backend, *(route.backend for route in site.routes)):
        yield "backends", backend
        tls = policy.backends[backend].tls if backend in policy.backends else None
        if tls and tls.ca:
            yield "backend_cas", tls.ca


def _union(lists: Iterable[list[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))
