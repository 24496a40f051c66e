"""Two Plans → everything that is otherwise, worst first."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from ..decide import Connection, Request, decide
from ..plan import Backend, HostGroup, Hostname, Listener, Plan, Site, Upstream
from . import Change, Comparison, Kind, Witness, settings, worst_first
from .candidates import USUAL_SOURCES
from .effects import VERIFICATION, as_reached, told, verification
from .meaning import meaning
from .requests import Found, Served, differences, looks_at_hosts

_HTTPS = 443
_NAMED = 3
"""Subjects that a message names; the others are counted."""
_OF_CERTIFICATES = frozenset({Kind.UNVERIFIED, Kind.TRUST, Kind.WEAKER_TLS, Kind.STRONGER, Kind.RENEWED})


def compare(old: Plan, new: Plan) -> Comparison:
    """What changes from one policy to the other, targets apart."""
    return _Comparing(old, new).run()


@dataclass(slots=True)
class _Told:
    """One thing that is otherwise, and about whom it is."""

    subjects: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    witness: Witness | None = None


class _Sites:
    """The sites of a listener, by hostname."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self.plan = plan
        self.listener = listener
        self.names: dict[Hostname, tuple[Site, HostGroup]] = {
            name: (site, group) for site in listener.sites for group in site.groups for name in group.hostnames
        }

    def of(self, host: str) -> Served | None:
        """Who serves a host: an exact name beats a wildcard."""
        found = self.names.get(Hostname(host)) or self.names.get(Hostname(host.partition(".")[2], True))
        return Served(self.plan, self.listener, *found) if found else None


class _Comparing:
    def __init__(self, old: Plan, new: Plan) -> None:
        self.old, self.new = old, new
        self.told: dict[tuple[Kind, str], _Told] = {}
        self.searched: dict[Hashable, tuple[list[Found], bool]] = {}
        self.complete = True

    def run(self) -> Comparison:
        pairs = _paired(self.old.listeners, self.new.listeners)
        for before, after in pairs:
            self._listener(before, after)
        for before in self.old.listeners:
            if before not in [one for one, _ in pairs]:
                sockets = ", ".join(map(str, before.binds))
                self._tell(Kind.DENIED, f"nothing listens on {sockets} any more", [before.name], _hosts(before))
        for after in self.new.listeners:
            if after not in [other for _, other in pairs]:
                self._tell(Kind.ADDRESS, f"new, on {', '.join(map(str, after.binds))}", [f"listener {after.name}"])
        self._backends()
        changes = [
            Change(kind, f"{_some(list(one.subjects))}: {text}", tuple(one.hosts), witness=one.witness)
            for (kind, text), one in self.told.items()
        ]
        served = dict.fromkeys(host for listener in self.old.listeners for host in _hosts(listener))
        return Comparison(worst_first(changes), tuple(served), self.complete)

    def _tell(
        self,
        kind: Kind,
        text: str,
        subjects: Iterable[str],
        hosts: Iterable[str] = (),
        witness: Witness | None = None,
    ) -> None:
        one = self.told.setdefault((kind, text), _Told())
        one.subjects |= dict.fromkeys(subjects)
        one.hosts |= dict.fromkeys(hosts)
        one.witness = one.witness or witness

    # --- hostnames --------------------------------------------------------------------------------------------

    def _listener(self, before: Listener, after: Listener) -> None:
        for kind, text in settings.listener(before, after):
            self._tell(kind, text, [f"listener {after.name}"], _hosts(before))
        old, new = _Sites(self.old, before), _Sites(self.new, after)
        for name in dict.fromkeys((*old.names, *new.names)):
            for host in _asked(name, old, new):
                self._host(str(name), host, old, new)

    def _host(self, name: str, host: str, old: _Sites, new: _Sites) -> None:
        before, after = old.of(host), new.of(host)
        if before is None and after is not None:
            way = f"through {after.site.name}" if after.site.decrypt else f"passed through to {_backend_of(after).name}"
            self._tell(Kind.HOSTNAME, f"served now, {way}", [name], [name])
        elif before is not None and after is None:
            witness = self._handshake(host, before, new.listener)
            self._tell(Kind.DENIED, "no longer served: the handshake is refused", [name], [name], witness)
        elif before is not None and after is not None:
            for kind, text in settings.site(before.site, after.site):
                self._tell(kind, text, [name], [name])
            if before.site.decrypt is after.site.decrypt:
                self._requests(name, host, before, after)

    def _handshake(self, host: str, before: Served, after: Listener) -> Witness:
        connection = Connection(before.listener.name, host, USUAL_SOURCES[0])
        request = Request(b"GET", b"/", (host.encode(),))
        decisions = (
            decide(self.old, connection, request),
            decide(self.new, Connection(after.name, host, USUAL_SOURCES[0]), request),
        )
        return _witness(before.listener, connection, request, told(decisions[0]), told(decisions[1]))

    def _requests(self, name: str, host: str, before: Served, after: Served) -> None:
        rules = _behaviour(before), _behaviour(after)
        if rules[0] == rules[1]:
            return
        # Where no rule looks at the host, all hostnames of such a pair of sites fare alike.
        key = (rules, host if looks_at_hosts(before) or looks_at_hosts(after) else None)
        if key not in self.searched:
            self.searched[key] = differences(before, after, host)
        found, complete = self.searched[key]
        self.complete = self.complete and complete
        for one in found:
            where = f" {one.where}" if one.where else ""
            self._tell(
                one.effect.kind,
                f"requests{where} {one.effect.words}",
                [name],
                [name],
                _witness(before.listener, one.connection, one.request, told(one.before), told(one.after)),
            )
        if not found and _rules(before) != _rules(after):
            self._tell(
                Kind.REWRITTEN, "the rules differ, and no request that was tried fares otherwise", [name], [name]
            )

    # --- backends ---------------------------------------------------------------------------------------------

    def _backends(self) -> None:
        reached = _reached(self.old), _reached(self.new)
        known = {one.name: one for one in self.old.backends}
        for after in self.new.backends:
            subject, before = [f"backend {after.name}"], known.get(after.name)
            hosts, now = (side.get(after.name, {}) for side in reached)
            # What is passed through is not verified by the edge, whatever the backend says of TLS.
            decrypted, decrypted_now = any(hosts.values()), any(now.values())
            if before is not None:
                for kind, text in settings.backend(before, after):
                    if (decrypted and decrypted_now) or kind not in _OF_CERTIFICATES:
                        self._tell(kind, text, subject, {**hosts, **now})
            level = verification(after.tls)
            if decrypted_now and not decrypted and level < len(VERIFICATION) - 1 and not self._renamed(after):
                self._tell(Kind.UNVERIFIED, f"newly reached, {VERIFICATION[level]}", subject, now)

    def _renamed(self, backend: Backend) -> bool:
        alike = as_reached(Upstream("", backend, backend.server_name))
        return any(
            one.name != backend.name and as_reached(Upstream("", one, one.server_name)) == alike
            for one in self.old.backends
        )


def _paired(old: Iterable[Listener], new: Iterable[Listener]) -> list[tuple[Listener, Listener]]:
    """Listeners of one name; else those that share a socket, as visitors know no names of listeners."""
    left = list(new)
    pairs: list[tuple[Listener, Listener]] = []
    alone: list[Listener] = []
    for before in old:
        same = next((one for one in left if one.name == before.name), None)
        if same is None:
            alone.append(before)
        else:
            left.remove(same)
            pairs.append((before, same))
    for before in alone:
        same = next((one for one in left if set(one.binds) & set(before.binds)), None)
        if same is not None:
            left.remove(same)
            pairs.append((before, same))
    return pairs


def _hosts(listener: Listener) -> list[str]:
    return [str(name) for site in listener.sites for name in site.hostnames]


def _asked(name: Hostname, old: _Sites, new: _Sites) -> Iterator[str]:
    """The hosts to ask for: of a wildcard one that nothing else claims, and those that rules name."""
    if not name.wildcard:
        yield name.name
        return
    claimed = {one.name for sites in (old, new) for one in sites.names if not one.wildcard}
    label = next(
        label
        for label in ("any", *(f"any{n}" for n in range(len(claimed) + 1)))
        if f"{label}.{name.name}" not in claimed
    )
    yield f"{label}.{name.name}"
    named = {
        host.name
        for sites in (old, new)
        for site, _ in [sites.names[name]] * (name in sites.names)
        for rule_list in site.rule_lists
        for rule in rule_list.rules
        for condition in (rule.when, rule.unless)
        if condition is not None
        for host in condition.hosts
        if not host.wildcard and name.covers(host.name)
    }
    yield from sorted(named - claimed)


def _witness(listener: Listener, connection: Connection, request: Request, before: str, after: str) -> Witness:
    port = listener.public_port
    host = request.host[0].decode() + (f":{port}" if port != _HTTPS else "")
    return Witness(
        listener.name,
        connection.sni or "",
        str(connection.peer),
        request.method.decode(),
        f"https://{host}{request.target.decode()}",
        tuple((name.decode(), value.decode("latin-1")) for name, value in request.headers),
        before,
        after,
    )


def _backend_of(served: Served) -> Backend:
    return served.group.upstream.backend


def _rules(served: Served) -> Hashable:
    return meaning(tuple(served.rules))


def _behaviour(served: Served) -> Hashable:
    """All that what becomes of a request depends on, the host apart; backends by name."""
    site, group = served.site, served.group
    return (
        _rules(served),
        frozenset(site.methods),
        site.path_options,
        site.websocket,
        frozenset(served.listener.trusted_proxies),
        group.upstream.backend.name,
        tuple((meaning(route.prefix), route.upstream.backend.name) for route in group.routes),
    )


def _reached(plan: Plan) -> dict[str, dict[str, bool]]:
    """By backend the hostnames that reach it, and whether decrypted."""
    found: dict[str, dict[str, bool]] = {}
    for site in plan.sites:
        for group in site.groups:
            for upstream in (group.upstream, *(route.upstream for route in group.routes)):
                found.setdefault(upstream.backend.name, {}).update(
                    dict.fromkeys(map(str, group.hostnames), site.decrypt)
                )
    return found


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
