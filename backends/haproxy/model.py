"""The parts of a `haproxy.cfg`, as values.

How a request is judged: its frontend asks what every request must be (version, host, site) and whose it is. A map
leads from the host to a backend section, whose rules are those of a named `defaults` that all sections with the same
rule lists and options share. Those rules first walk (deny, redirect, allow), and remember in variables which rules
applied; limits, edits and labels follow from the variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from ...compiler.diagnostics import Path
from ...compiler.plan import Balance, Health, Timeouts, TrustAnchors

WILDCARD = "var(txn.wildcard)"
"""The host as the wildcard that would cover it."""
SOURCES = {"ipv4": "var(txn.ipv4)", "ipv6": "var(txn.ipv6)"}
"""The visitor's address, where it is of the family."""

# --- rules ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acl:
    """A named test that holds where any of its `lines` does: a sample, how it is compared, then patterns."""

    name: str
    sample: str
    match: str
    lines: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """An ACL, or its opposite."""

    acl: str
    wanted: bool = True

    def __str__(self) -> str:
        return self.acl if self.wanted else f"!{self.acl}"


Terms = tuple[tuple[Literal, ...], ...]
"""Any of these, of which each is: all of these. One empty conjunction holds always."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The request passes; later rules are not looked at."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request is refused."""

    status: int

    @property
    def text(self) -> str:
        """The body of the refusal."""
        known = {status.value: status.phrase for status in HTTPStatus}
        return f"{self.status} {known.get(self.status, 'Refused')}"


@dataclass(frozen=True, slots=True)
class RedirectTo:
    """The visitor is sent elsewhere."""

    status: int
    to: str


@dataclass(frozen=True, slots=True)
class Step:
    """A rule of the walk. `applied`: the variable that remembers it, where something follows from it later."""

    path: Path
    rule: str
    acls: tuple[Acl, ...]
    terms: Terms
    applied: str | None
    labels: tuple[str, ...]
    ending: Pass | Refuse | RedirectTo | None


@dataclass(frozen=True, slots=True)
class MapFile:
    """A file of keys, each with what it leads to."""

    file: str
    path: Path
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A long run of rules on plain paths: `whole` and `beginnings` lead from a path to ``rule/status``.

    What they find is in the variable `found`, and counts where `terms` hold; `held` is where it is then. `refusals`:
    the statuses of those rules, none where they let pass.
    """

    path: Path
    rules: int
    found: str
    held: str
    ignore_case: bool
    whole: MapFile | None
    beginnings: MapFile | None
    acls: tuple[Acl, ...]
    terms: Terms
    refusals: tuple[Refuse, ...]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` requests of one source within `window` milliseconds, counted in `table`."""

    path: Path
    rule: str
    applied: str
    table: str
    most: int
    window: int


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Bodies over `size` bytes are refused. `whole`: HAProxy holds one of that size, and so can measure any."""

    path: Path
    rule: str
    applied: str
    size: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of a header; `verb` is HAProxy's. `value` is None for what is taken away."""

    path: Path
    applied: str
    verb: str
    name: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Forms:
    """What a request target must be, and must not be, as whole expressions."""

    alphabet: str
    utf8: str
    segments: str


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What is asked of the visitor's certificate, and the header that tells its subject."""

    path: Path
    required: bool
    subject: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The rules of all sites with the same rule lists and options."""

    name: str
    path: Path
    forms: Forms
    methods: tuple[str, ...]
    websocket: bool
    client: ClientCertificate | None
    steps: tuple[Step | Lookup, ...]
    rates: tuple[Rate, ...]
    bodies: tuple[BodyLimit, ...]
    request_edits: tuple[Edit, ...]
    response_edits: tuple[Edit, ...]

    @property
    def passes(self) -> bool:
        """Whether a step lets requests pass others."""
        return any(not one.refusals if isinstance(one, Lookup) else isinstance(one.ending, Pass) for one in self.steps)


# --- listeners ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of a listener, in HAProxy's words. OpenSSL speaks versions below 1.2 if `weak`."""

    guideline: str
    min_version: str
    max_version: str
    ciphers: str
    curves: str
    alpn: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Bind:
    """A socket; `only_ipv6` keeps IPv4 out of an IPv6 one, `proxy`: each connection begins with a PROXY header."""

    address: str
    only_ipv6: bool
    proxy: bool


@dataclass(frozen=True, slots=True)
class RouteTo:
    """Requests of a group of hostnames whose path matches `expression` go to another section."""

    path: Path
    group: str
    expression: str
    section: str


@dataclass(frozen=True, slots=True)
class RouteMaps:
    """From group and path to another section, by the whole path and by its beginning."""

    whole: MapFile
    beginnings: MapFile


@dataclass(frozen=True, slots=True)
class Frontend:
    """A listener's sockets for HTTP over TLS. `marked`: its TCP part connects, with a PROXY header in front.

    `peer`: what holds, by the ACLs of `trusted`, where the address looked at is a trusted proxy's; `trusting`: where
    there is another one before it as well. `only_ipv4`: no visitor has another address.
    """

    path: Path
    name: str
    binds: tuple[Bind, ...]
    marked: str | None
    tls: Tls
    certificates: str
    hosts: str
    trusted: tuple[Acl, ...]
    peer: Terms
    trusting: Terms
    ways: RouteMaps | None
    routes: tuple[RouteTo, ...]
    only_ipv4: bool


@dataclass(frozen=True, slots=True)
class RedirectFrontend:
    """Plain-HTTP sockets that redirect to https on `port`."""

    path: Path
    name: str
    binds: tuple[Bind, ...]
    hosts: str
    methods: tuple[str, ...]
    forms: Forms
    port: int


@dataclass(frozen=True, slots=True)
class TcpFrontend:
    """Sockets whose connections go on by SNI. `decrypt` takes those of decrypted sites, where there are any."""

    path: Path
    name: str
    listener: str
    binds: tuple[Bind, ...]
    hosts: str
    decrypt: str | None
    socket: str
    idle: int


# --- backends -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS towards a server. Without `ca_file` anything is accepted. `name` None: the host that the visitor asked for.

    OpenSSL speaks versions below 1.2 if `weak`.
    """

    name: str | None
    ca_file: str | None
    crl_file: str | None
    certificate: str | None
    min_version: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Server:
    """A server line. `track` is the server whose health checks count for this one, too."""

    name: str
    address: str
    weight: int
    backup: bool
    track: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A backend section. `inspection` None: connections passed through. `host` None: the host asked for."""

    path: Path
    name: str
    upstream: str
    inspection: str | None
    balance: Balance
    servers: tuple[Server, ...]
    tls: ServerTls | None
    http2: bool
    health: Health | None
    check_host: str
    timeouts: Timeouts
    host: str | None
    websocket: bool


# --- files beside ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """A line of a crt-list: certificate, and the names that it is shown for.

    `ca_file`: by whom the certificates are that visitors are asked for. None: they are not asked.
    """

    file: str
    names: tuple[str, ...]
    required: bool = False
    ca_file: str | None = None
    crl_file: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateList:
    """A crt-list."""

    file: str
    path: Path
    entries: tuple[ListedCertificate, ...]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate whose key the operator puts beside it."""

    file: str
    key: str
    pem: str
    key_file: str
    key_as_written: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it.

    `buffer`: bytes that HAProxy must be able to hold of one message, None for its default. `head`: the longest target,
    and the longest headers.
    """

    version: str
    log: str
    buffer: int | None
    head: int
    inspections: tuple[Inspection, ...]
    frontends: tuple[Frontend, ...]
    redirects: tuple[RedirectFrontend, ...]
    tcp: tuple[TcpFrontend, ...]
    sections: tuple[Section, ...]
    tables: tuple[Rate, ...]
    maps: tuple[MapFile, ...]
    lists: tuple[CertificateList, ...]
    pairs: tuple[KeyPair, ...]
    anchors: tuple[TrustAnchors, ...]

    @property
    def wildcards(self) -> bool:
        """Whether a rule asks for hosts below a wildcard."""
        return WILDCARD in self._samples()

    @property
    def sources(self) -> bool:
        """Whether a rule asks for addresses."""
        return not self._samples().isdisjoint(SOURCES.values())

    @property
    def ipv6_servers(self) -> bool:
        """Whether a server has such an address."""
        return any(server.address.startswith("[") for section in self.sections for server in section.servers)

    def _samples(self) -> set[str]:
        return {acl.sample for one in self.inspections for step in one.steps for acl in step.acls}
