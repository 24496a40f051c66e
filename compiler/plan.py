"""The Plan: a policy's meaning, with every name joined, default filled in and certificate read.

It is what a backend sees, and all it sees. Frozen and slotted; built by `resolve` only. Every part that comes
from the document carries the `path` of its place there, for findings and for the comments in the output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .diagnostics import Path
from .features import Feature
from .normal_form import PathOptions

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


# --- certificates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """What policyc needs to know of one X.509 certificate."""

    pem: str = field(repr=False)
    """Canonical PEM, one certificate, ending in a newline."""
    sha256: str
    """Lower-case hex of the SHA-256 of the DER."""
    subject: str
    """RFC 4514 text."""
    issuer: str
    common_name: str | None
    issuer_name: str
    """The issuer's CN, else its O, else its whole name: how a person calls the CA."""
    dns_names: tuple[str, ...]
    """DNS names of the SAN, lower-case."""
    has_san: bool
    not_before: datetime
    not_after: datetime
    is_ca: bool
    """Basic constraints say CA, or it is an X.509 v1 certificate that issued itself."""
    self_issued: bool
    """Subject equals issuer."""
    key_type: str
    """``RSA``, ``EC``, ``Ed25519``, … as printed."""
    key_bits: int
    signature_hash: str
    """``sha256``, ``sha1``, … or the empty string where the signature has none of its own."""
    public_key: bytes = field(repr=False)
    """DER of the SubjectPublicKeyInfo."""
    serial: int
    usages: tuple[str, ...] | None
    """Extended key usages as dotted numbers; None where the certificate does not restrict them."""
    publicly_trusted: bool
    """It names a certificate policy of the CA/Browser Forum, as every certificate that browsers trust by default."""
    must_staple: bool
    """Clients are told to refuse a handshake without a stapled OCSP answer (RFC 7633)."""


@dataclass(frozen=True, slots=True)
class PublicCertificate:
    """A certificate that visitors are shown."""

    name: str
    path: Path
    chain: tuple[Certificate, ...]
    """As in the file: the leaf first."""
    key_file: str
    """Absolute path of the private key. It is read to check the match and by ``--keys copy`` only."""
    key_as_written: str
    """The key's path as the policy has it."""

    @property
    def leaf(self) -> Certificate:
        """The certificate that names the site."""
        return self.chain[0]


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Whom the proxy trusts on the inner leg. `system` means the target machine's own store."""

    name: str
    path: Path
    certificates: tuple[Certificate, ...]
    crl_pem: str | None
    system: bool = False


# --- backends -------------------------------------------------------------------------------------------------


class Verify(StrEnum):
    """How much of the backend's certificate is verified."""

    FULL = "full"
    CHAIN = "chain"
    NONE = "none"


class Balance(StrEnum):
    """Which server gets the next request."""

    ROUND_ROBIN = "round_robin"
    LEAST_CONNECTIONS = "least_connections"
    SOURCE_HASH = "source_hash"


@dataclass(frozen=True, slots=True)
class Socket:
    """An IP address and a TCP port. IPv6 addresses are without brackets."""

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Server:
    """One machine of a backend. A backup server is used when all the others are down."""

    path: Path
    socket: Socket
    weight: int
    backup: bool


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the proxy shows to a backend that asks for a certificate."""

    path: Path
    chain: tuple[Certificate, ...]
    key_file: str
    key_as_written: str


@dataclass(frozen=True, slots=True)
class BackendTls:
    """TLS towards a backend."""

    path: Path
    anchors: TrustAnchors | None
    """None only with `Verify.NONE`."""
    verify: Verify
    leaves: tuple[Certificate, ...]
    """The leaves that the servers are known to present; empty where the policy does not say."""
    chains: tuple[tuple[Certificate, ...], ...]
    """Each of these leaves with what follows it in its file."""
    pins: tuple[str, ...]
    """Lower-case hex SHA-256 of the only leaves accepted; empty for no pinning."""
    client_certificate: ClientCertificate | None
    min_version: str
    """``1.2`` or ``1.3`` (``1.0`` and ``1.1`` only where the policy asks)."""


@dataclass(frozen=True, slots=True)
class Health:
    """Active health check. Times in milliseconds."""

    path: Path
    url_path: str
    interval: int
    timeout: int
    rise: int
    fall: int
    expect: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Milliseconds. What each one bounds is said in `schemas/policy.py`."""

    connect: int
    response: int
    idle: int


@dataclass(frozen=True, slots=True)
class Backend:
    """Servers that answer alike. `host_header` is None for the name the visitor asked for."""

    name: str
    path: Path
    servers: tuple[Server, ...]
    tls: BackendTls | None
    server_name: str | None
    """The SNI sent and the name verified, where the policy fixes it."""
    balance: Balance
    health: Health | None
    timeouts: Timeouts
    protocol: str
    """``http/1.1`` or ``h2``."""
    host_header: str | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A backend as reached for one name. Connections of one upstream may be pooled, never across upstreams.

    `server_name` is the SNI sent and the name that the certificate must carry; None for plaintext, and for a
    passed-through connection, where the visitor's own handshake goes through.
    """

    id: str
    """Unique; letters, digits, ``.``, ``_`` and ``-``. The backend's name where it is reached for one name only."""
    backend: Backend
    server_name: str | None


# --- rules ----------------------------------------------------------------------------------------------------


class TextMatch(StrEnum):
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    CONTAINS = "contains"
    REGEX = "regex"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class PathMatcher:
    """`expression` is in the common subset of RE2 and PCRE and must match the *whole* raw path (no query).

    It has no anchors, is closed under the spellings that the normal form leaves (`normal_form.py`), never matches
    a ``?``, and repeats single classes only, so that no engine gives up on long input.
    `plain`: EXACT or PREFIX, and no request that is let through spells `text` in another way (but for its case, where
    `ignore_case`), so that a target may compare the bytes.
    """

    kind: TextMatch
    text: str
    ignore_case: bool
    expression: str
    plain: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMatcher:
    """`expression` (for all kinds but PRESENT) is to be *searched* in each field line, unanchored.

    Elements of a comma-separated list count as values of their own. PRESENT: at least one non-empty value.
    `name` is lower-case.
    """

    name: str
    kind: TextMatch
    text: str
    expression: str


@dataclass(frozen=True, slots=True)
class QueryMatcher:
    """The decoded first value of one query parameter. `name` is case-sensitive; an empty pair has none.

    Both expressions must match the *whole* raw request target, path and query, and are the same language: in
    `expression` (RE2) loops of groups skip the pairs before, in `expression_pcre` they are possessive and look ahead.
    """

    name: str
    kind: TextMatch
    text: str
    value: str
    """An expression for the whole raw value."""
    expression: str
    expression_pcre: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One `when` or `unless`: every non-empty field must hold; within a field any member does.

    An empty condition holds always.
    """

    paths: tuple[PathMatcher, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[HeaderMatcher, ...] = ()
    queries: tuple[QueryMatcher, ...] = ()
    sources: tuple[Network, ...] = ()
    hosts: tuple[Hostname, ...] = ()

    @property
    def always(self) -> bool:
        """Whether it names nothing and so holds for every request."""
        return not (self.paths or self.methods or self.headers or self.queries or self.sources or self.hosts)


@dataclass(frozen=True, slots=True)
class Allow:
    """Ends the walk: the request passes."""


@dataclass(frozen=True, slots=True)
class Deny:
    """Ends the walk with `status` (400 to 499, or 503)."""

    status: int


@dataclass(frozen=True, slots=True)
class Redirect:
    """Ends the walk with a redirect to `to`, a URL or an absolute path."""

    to: str
    status: int


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` requests per `period` milliseconds and source, and `burst` more at once."""

    count: int
    period: int
    burst: int


@dataclass(frozen=True, slots=True)
class LimitBody:
    """Request bodies over `size` bytes get 413."""

    size: int


@dataclass(frozen=True, slots=True)
class EditHeaders:
    """Header edits: first `remove`, then `set`, then `add`. Names lower-case except in `set` and `add`."""

    response: bool
    set: tuple[tuple[str, str], ...]
    add: tuple[tuple[str, str], ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogLabel:
    """A field of the access log."""

    label: str


Action = Allow | Deny | Redirect | RateLimit | LimitBody | EditHeaders | LogLabel


@dataclass(frozen=True, slots=True)
class Rule:
    """Does its actions where `when` holds and `unless` does not (None: no exception)."""

    id: str
    """``<list>-<n>``, n counting from 1 in its list: letters, digits, ``.``, ``_``, ``-``."""
    name: str | None
    path: Path
    when: Condition
    unless: Condition | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class RuleList:
    """A named inspection list. Sites share it by reference: write it once per target."""

    name: str
    """Unique. For sites with `paths` opt-ins the list is another, with these behind a ``+``: ``web+encoded_slash``."""
    path: Path
    rules: tuple[Rule, ...]


# --- listeners and sites --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Hostname:
    """A DNS name in A-label form, lower-case. For a wildcard, `name` is without the ``*.``."""

    name: str
    wildcard: bool = False

    def __str__(self) -> str:
        return f"*.{self.name}" if self.wildcard else self.name

    def covers(self, host: str) -> bool:
        """Whether a lower-case host is this name, or exactly one label below this wildcard."""
        return host.partition(".")[2] == self.name if self.wildcard else host == self.name


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Versions and suites towards visitors. TLS 1.3 suites are left to the library (RFC 8446 has only good ones)."""

    profile: str
    guideline: str
    """Which guideline the values are from, with its version."""
    min_version: str
    max_version: str
    ciphers: tuple[str, ...]
    """TLS 1.2 suites by their OpenSSL names, best first; empty with 1.3 only."""
    curves: tuple[str, ...]
    """Groups by their OpenSSL names."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Sockets that visitors connect to. `sites` are those reached here."""

    name: str
    path: Path
    binds: tuple[Socket, ...]
    redirect_http: tuple[Socket, ...]
    tls: TlsSettings
    protocols: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    proxy_protocol: bool
    """Connections to `binds` and `redirect_http` begin with a PROXY header; the peer is the address in it."""
    sites: tuple[Site, ...]

    @property
    def public_port(self) -> int:
        """The port that redirects from plain HTTP name."""
        return self.binds[0].port


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose path matches `prefix` go to `upstream`. The longest prefix wins; they come longest first."""

    path: Path
    prefix: PathMatcher
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class HostGroup:
    """Hostnames of one site that reach the same upstreams. Most sites have one group.

    A backend without a fixed `server_name` is verified for the name that the visitor asked for, so each such
    hostname is a group of its own.
    """

    id: str
    """Unique; the site's name where it has one group."""
    hostnames: tuple[Hostname, ...]
    upstream: Upstream
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """Certificates asked of visitors."""

    path: Path
    anchors: TrustAnchors
    required: bool
    forward_subject: str | None


@dataclass(frozen=True, slots=True)
class Site:
    """Hostnames that share a certificate, rules and backends."""

    name: str
    path: Path
    hostnames: tuple[Hostname, ...]
    decrypt: bool
    """False: TLS passes through untouched, routed by SNI; then there is no certificate and no rule list."""
    certificate: PublicCertificate | None
    rule_lists: tuple[RuleList, ...]
    groups: tuple[HostGroup, ...]
    client_auth: ClientAuth | None
    scan: str | None
    public_addresses: tuple[Address, ...]
    methods: tuple[str, ...]
    """Every method that passes, in the order of the language page and then of the policy."""
    websocket: bool
    path_options: PathOptions


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature in the policy."""

    feature: Feature
    path: Path
    sites: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole policy, as meant. Collections keep the document's order."""

    name: str
    listeners: tuple[Listener, ...]
    sites: tuple[Site, ...]
    certificates: tuple[PublicCertificate, ...]
    anchors: tuple[TrustAnchors, ...]
    backends: tuple[Backend, ...]
    upstreams: tuple[Upstream, ...]
    rule_lists: tuple[RuleList, ...]
    uses: tuple[Use, ...]

    def uses_of(self, feature: Feature) -> list[Use]:
        """Where a feature is used, in document order."""
        return [use for use in self.uses if use.feature is feature]

    def lists_as_written(self) -> list[RuleList]:
        """One variant of each inspection list: for what does not depend on a site's `paths`."""
        return list({one.path: one for one in self.rule_lists}.values())

    def conditions(self) -> Iterator[tuple[Path, Condition]]:
        """Every `when` and `unless` with its place."""
        for rule_list in self.rule_lists:
            for one in rule_list.rules:
                yield (*one.path, "when"), one.when
                if one.unless is not None:
                    yield (*one.path, "unless"), one.unless
