"""What Envoy is made of: listeners, filter chains, virtual hosts with ordered steps, filters, clusters."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...compiler.bundle import KeyFile
from ...compiler.plan import Balance, EditHeaders, Health, Network, RateLimit, Server, Socket, Timeouts, TlsSettings

# Header names with an underscore are dropped when a request is read, so no visitor can send these.
PEER_HEADER = "policyc_peer"
"""The address at the other end of the connection, or the one in its PROXY header."""
SOURCE_HEADER = "policyc_source"
"""The visitor's address: the peer, or what its X-Forwarded-For says where the peer is trusted."""
UPGRADE_HEADER = "policyc_upgrade"
CONNECTION_HEADER = "policyc_connection"
"""Upgrade and Connection as sent, which Envoy keeps from rules."""
FORWARDED_FOR_HEADER = "policyc_for"
"""The X-Forwarded-For of a trusted peer, and the peer."""
SITE_HEADER = "policyc_site"
"""The SNI, a bar, and the host: where sites share a chain, what tells that both are of one site, and of which."""
FILTERS_HEADER = "policyc_filters"
"""The filters of a route, where it is chosen when it is settled which of them run: see `Http.rerouted`."""


# --- tests ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """A request header's whole value, all its lines joined by commas, matches an RE2 expression."""

    header: str
    expression: str


@dataclass(frozen=True, slots=True)
class FromNetworks:
    """The address in one of our headers is in one of these networks."""

    networks: tuple[Network, ...]
    header: str = SOURCE_HEADER


@dataclass(frozen=True, slots=True)
class Applied:
    """A `Mark` says that this rule applies. For filters only: a route is chosen before."""

    rule: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these hold."""

    of: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these holds."""

    of: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    of: Test


Test = Match | FromNetworks | Applied | Every | Some | Not


def every(tests: tuple[Test, ...]) -> Test:
    """All of them; there is at least one."""
    return tests[0] if len(tests) == 1 else Every(tests)


def some(tests: tuple[Test, ...]) -> Test:
    """Any of them; there is at least one."""
    return tests[0] if len(tests) == 1 else Some(tests)


# --- filters: what rules do to requests that go on ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """Notes in the request's metadata that a rule applies, its labels, and that it decides if a limit refuses next."""

    rule: str
    labels: tuple[str, ...] = ()
    applied: bool = False
    decides: bool = False


@dataclass(frozen=True, slots=True)
class EditRequest:
    """Edits on the way to the backend."""

    edits: EditHeaders


@dataclass(frozen=True, slots=True)
class EditResponse:
    """Edits of every answer, Envoy's own included."""

    edits: EditHeaders


@dataclass(frozen=True, slots=True)
class LimitRate:
    """429 for a source beyond its tokens."""

    limit: RateLimit


@dataclass(frozen=True, slots=True)
class BufferBody:
    """Reads a body of unknown length whole, up to this size, so that its length is known."""

    size: int


@dataclass(frozen=True, slots=True)
class LimitLength:
    """413 for a Content-Length over this."""

    size: int


Work = Mark | EditRequest | EditResponse | LimitRate | BufferBody | LimitLength


@dataclass(frozen=True, slots=True)
class Filter:
    """Does its work for requests on the routes that name it, where `test` holds (None: always)."""

    name: str
    test: Test | None
    work: Work


# --- routes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with this status."""

    status: int


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirect to a URL or an absolute path, as it stands."""

    status: int
    to: str


@dataclass(frozen=True, slots=True)
class Step:
    """The first step whose test holds ends the walk: with `ending`, or by forwarding where it is None.

    `filters` names those that its requests go through.
    """

    name: str
    source: str
    test: Test
    ending: Refusal | Redirection | None
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where `test` holds (None: always), the step of the whole path, else of its longest beginning, else none.

    Beginnings end in ``/``. The tests of these steps are not looked at.
    """

    test: Test | None
    exact: tuple[tuple[str, Step], ...]
    beginnings: tuple[tuple[str, Step], ...]


@dataclass(frozen=True, slots=True)
class Forward:
    """To a cluster of a backend, or to the one that the `members` of the chain say (None).

    `host_header` is sent instead of the visitor's host.

    Where a connection fails, `primaries - 1` other servers and then each of the `backups` are tried.
    """

    name: str
    source: str
    cluster: str | None
    backend: str
    host_header: str | None
    by_source: bool
    timeouts: Timeouts
    primaries: int
    backups: int
    upgrades: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """Where `test` holds, another forward."""

    test: Test
    to: Forward


@dataclass(frozen=True, slots=True)
class ToHttps:
    """308 to https on this port."""

    port: int


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """Hosts that are treated alike. `own` narrows wildcard domains, which Envoy matches at any depth, to one label.

    A request that passes `normal` walks the `steps`; where none holds it goes through `filters`. Then the first of
    `branches` that holds, or else `end`, says where to.
    """

    name: str
    source: str
    domains: tuple[str, ...]
    own: Test | None
    normal: Test
    end: Forward | ToHttps
    steps: tuple[Step | Lookup, ...] = ()
    branches: tuple[Branch, ...] = ()
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster for the requests of a site for which `test` holds (None: for all)."""

    source: str
    test: Test | None
    cluster: str


@dataclass(frozen=True, slots=True)
class Member:
    """One of the sites that share a chain, with its hosts. Requests go to the first of its `places` that holds."""

    site: str
    names: tuple[str, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Http:
    """An HTTP connection manager. `foreign` are hosts below its wildcards that belong elsewhere: 421, as all others.

    `trusted` are the peers whose X-Forwarded-For counts. It is read too late for the first choice of a route, so
    with `rerouted` the choice is made again, and filters go by a header that the second choice sets.
    """

    name: str
    source: str
    protocols: tuple[str, ...]
    hosts: tuple[VirtualHost, ...]
    foreign: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    trusted: tuple[Network, ...] = ()
    rerouted: bool = False
    custom_methods: bool = False
    subject_header: str | None = None
    log: Log | None = None
    members: tuple[Member, ...] = ()
    """The sites, where several share the chain. The domains of `hosts` are then values of `SITE_HEADER`."""


# --- listeners ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Log:
    """The access log of a site, or of those that share a chain (None). `file` None is standard output. `backend` is
    where all is passed through to."""

    listener: str
    site: str | None
    file: str | None
    backend: str = ""


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """Certificates asked of visitors."""

    required: bool
    ca: str
    crl: str | None


@dataclass(frozen=True, slots=True)
class Terminate:
    """TLS ends here, with these certificates: for each the files of its chain and key."""

    name: str
    source: str
    certificates: tuple[tuple[str, str], ...]
    tls: TlsSettings
    clients: ClientCertificates | None
    http: Http


@dataclass(frozen=True, slots=True)
class Pass:
    """TLS goes through to a cluster."""

    name: str
    source: str
    cluster: str
    by_source: bool
    idle: int
    attempts: int
    log: Log | None


Chain = Terminate | Pass


@dataclass(frozen=True, slots=True)
class Tls:
    """Sockets for TLS. A name in `exact` leads to its chain; else the first of `wildcards` whose expression matches."""

    name: str
    source: str
    binds: tuple[Socket, ...]
    proxy_protocol: bool
    exact: tuple[tuple[str, str], ...]
    wildcards: tuple[tuple[str, str], ...]
    chains: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """Sockets for plain HTTP, which only redirect."""

    name: str
    source: str
    binds: tuple[Socket, ...]
    proxy_protocol: bool
    http: Http


# --- clusters -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClusterTls:
    """TLS to a cluster. Without `ca` anything is accepted; without `san` any name.

    With `by_host` the name sent is the visitor's host, and with `verify_host` it is the one verified as well.
    """

    sni: str | None
    ca: str | None
    crl: str | None
    san: str | None
    by_host: bool
    verify_host: bool
    pins: tuple[str, ...]
    certificate: tuple[str, str] | None
    min_version: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Servers. `check_host` is the Host of health checks, None for a server's own address.

    `told`: what the access log calls it, where no route says so.
    """

    name: str
    source: str
    servers: tuple[Server, ...]
    backups: tuple[Server, ...]
    tls: ClusterTls | None
    protocol: str | None
    """``http/1.1`` or ``h2``; None for connections passed through."""
    balance: Balance
    health: Health | None
    check_host: str | None
    timeouts: Timeouts
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that ``envoy.json`` says, and the files beside it."""

    listeners: tuple[Tls | Plain, ...]
    clusters: tuple[Cluster, ...]
    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    keys: tuple[KeyFile, ...]
