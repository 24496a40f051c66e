"""What becomes of one session on the firewall: the rules that it meets, the certificates compared, and the outcome.

It walks the rules that are written, from the top; it is not the device. What the firewall does is as in [KB], [HELP].
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from ipaddress import ip_network

from ...compiler.decide import Connection, Decision, Forwarded, PassedThrough, Request, site_of
from ...compiler.lint.certificates import described
from ...compiler.passage import Passage, not_honoured
from ...compiler.plan import Address, Backend, Certificate, Network, Plan, Site
from .legs import Destination, Leg, Reading, destinations, legs
from .lower import QUIC, lower
from .model import ANY, Configuration, DecryptionRule, Match, SecurityRule
from .support import Settings, support
from .urls import matches_url

_ENDS = (
    'the session ends (counter ssl_inbound_cert_mismatch; decryption log "Server and Firewall\'s certificate mismatch" '
    'or "certificate verify failed"; traffic log policy-deny or decrypt-error)'
)


def passages(
    plan: Plan, settings: Settings, connection: Connection, request: Request, decision: Decision
) -> Iterator[Passage]:
    """The lines of a trace, for visitors at the edge or for the proxy's connection behind one."""
    if settings.edge:
        yield from _visitor(plan, settings, connection, request)
    elif isinstance(decision, Forwarded | PassedThrough):
        yield from _proxy(plan, settings, connection, request, decision)
    else:
        yield Passage("the proxy in front answers by itself: nothing reaches the firewall")


def _visitor(plan: Plan, settings: Settings, connection: Connection, request: Request) -> Iterator[Passage]:
    (listener,) = (one for one in plan.listeners if one.name == connection.listener)
    site = site_of(listener, connection)
    if site is None:
        yield Passage(
            "no handshake is refused here: the server decides, and where it shows a certificate of a rule, the session "
            "is decrypted"
        )
        return
    ports = {socket.port for socket in listener.binds}
    places = [
        at
        for at in destinations(legs(plan, settings))
        if at.port in ports and any(leg.path == site.path for leg in at.legs)
    ]
    walk = _Walk(plan, settings, connection.sni or "", request)
    for at in places:
        leg = next(leg for leg in at.legs if leg.path == site.path)
        addresses = ", ".join(map(str, at.addresses))
        yield Passage(f"a visitor of {addresses} port {at.port}, from {' or '.join(settings.zones.from_)}", leg.path)
        backend = site.groups[0].upstream.backend
        yield from walk.session(at, leg, connection.peer, site, backend)
    yield from not_honoured(plan, support(settings), settings.version, connection)


def _proxy(
    plan: Plan, settings: Settings, connection: Connection, request: Request, decision: Forwarded | PassedThrough
) -> Iterator[Passage]:
    backend, asked = decision.upstream.backend, decision.upstream.server_name or connection.sni or ""
    passed = isinstance(decision, PassedThrough)
    places = [
        (at, leg)
        for at in destinations(legs(plan, settings))
        for leg in at.legs
        if leg.path == backend.path and (leg.reading is Reading.PASSED) is passed
    ]
    if not places:
        yield Passage("the server is on the proxy's own machine: the firewall is not on the way", backend.path)
    walk = _Walk(plan, settings, asked, request)
    proxies = [proxy.network_address for proxy in settings.proxies]
    for at, leg in places:
        addresses = ", ".join(map(str, at.addresses))
        whose = f"from {', '.join(map(_network, settings.proxies))}" if settings.proxies else "from any address"
        yield Passage(f"the proxy's connection {whose} to {addresses} port {at.port}, SNI {asked or 'none'}", leg.path)
        yield from walk.session(at, leg, proxies[0] if proxies else connection.peer, decision.site, backend)


def _network(network: Network) -> str:
    return str(network.network_address if network.num_addresses == 1 else network)


class _Walk:
    """The rules of a configuration, walked from the top for one session."""

    def __init__(self, plan: Plan, settings: Settings, sni: str, request: Request) -> None:
        self.plan = plan
        self.settings = settings
        self.sni = sni
        self.host = request.host[0].decode("latin-1").partition(":")[0] if request.host else sni
        self.target = request.target.decode("latin-1")
        self.written: Configuration = lower(plan, settings)
        self.values = {one.name: one.value for one in self.written.addresses}
        self.urls = {one.name: one.urls for one in self.written.categories}

    def session(self, at: Destination, leg: Leg, source: Address, site: Site, backend: Backend) -> Iterator[Passage]:
        """What it meets, in the firewall's order: NAT, decryption, security."""
        for nat in self.written.nat:
            if self._reaches(nat.match, at, source):
                port = f" port {nat.port}" if nat.port else ""
                group = next((one.members for one in self.written.groups if one.name == nat.servers), (nat.servers,))
                to = ", ".join(self.values[name] for name in group)
                spread = f" by {nat.distribution}" if nat.distribution else ""
                yield Passage(f"NAT rule {nat.match.name}: to {to}{port}{spread}", leg.path)
        rule = next((one for one in self.written.decryption if self._decrypts(one, at, source)), None)
        read = leg.reading is Reading.CLEAR
        if rule is None:
            if not read:
                yield Passage("no decryption rule: the session passes unread", leg.path)
        elif not rule.certificates:
            yield Passage(f"decryption rule {rule.match.name}: no-decrypt, the session passes unread", leg.path)
        else:
            read = yield from self._compared(rule, site, backend)
            if not read:
                return
        yield from self._secured(at, source, read)

    def _decrypts(self, rule: DecryptionRule, at: Destination, source: Address) -> bool:
        if not self._reaches(rule.match, at, source):
            return False
        return rule.category == ANY or any(
            matches_url(url, self.sni, "/") for name in rule.category for url in self.urls[name]
        )

    def _compared(self, rule: DecryptionRule, site: Site, backend: Backend) -> Generator[Passage, None, bool]:
        """Whether the session goes on: decrypted, or perhaps."""
        held = {pair.leaf.sha256: pair for pair in self.written.key_pairs if pair.name in rule.certificates}
        for pair in held.values():
            yield Passage(f"decryption rule {rule.match.name} holds {pair.name}: {described(pair.leaf)}", pair.path)
        presented: Sequence[Certificate] = backend.tls.leaves if backend.tls else ()
        for index, leaf in enumerate(presented):
            assert backend.tls is not None
            yield Passage(f"the server presents {described(leaf)}", (*backend.tls.path, "certificate", index))
        equal = [leaf for leaf in presented if leaf.sha256 in held]
        if not presented:
            yield Passage(
                "it is not known what the server presents: equal to one in the rule, the session is decrypted, else it "
                "ends",
                backend.path,
            )
        elif not equal:
            yield Passage(f"none is equal, fingerprint by fingerprint: {_ENDS}", site.path)
        elif len(equal) < len(presented):
            yield Passage(f"not all are equal: where the server presents another one, {_ENDS}", site.path)
        else:
            yield Passage("equal, fingerprint by fingerprint: the session is decrypted", rule.match.paths[0])
        return bool(equal) or not presented

    def _secured(self, at: Destination, source: Address, read: bool) -> Iterator[Passage]:
        rule = next((one for one in self.written.security if self._applies(one, at, source, read)), None)
        if rule is None:
            yield Passage("no security rule of the policy lets it in")
            return
        what = {"allow": "lets it in", "deny": "denies it", "reset-both": "resets it"}[rule.action]
        group = f", scanned by {rule.profile_group}" if rule.profile_group and read else ""
        yield Passage(f"security rule {rule.match.name} {what}{group}", rule.match.paths[-1])

    def _applies(self, rule: SecurityRule, at: Destination, source: Address, read: bool) -> bool:
        if not self._reaches(rule.match, at, source, rule.negate_source) or rule.application == (QUIC,):
            return False
        if rule.category == ANY:
            return True
        # Of a session that is not read, the firewall sees the SNI.
        host, target = (self.host, self.target) if read else (self.sni, "/")
        return any(matches_url(url, host, target) for name in rule.category for url in self.urls[name])

    def _reaches(self, match: Match, at: Destination, source: Address, negate: bool = False) -> bool:
        names = {one.name for one in self.written.services if (one.protocol, one.port) == ("tcp", at.port)}
        if match.service != ANY and not names & set(match.service):
            return False
        if not {str(address) for address in at.addresses} & {self.values[name] for name in match.destination}:
            return False
        if match.source == ANY:
            return True
        within = any(source in ip_network(self.values[name]) for name in match.source)
        return within is not negate
