"""The parts of an `nginx.conf`, as nginx has them. Built by the modules beside `lower.py`, written by `render.py`."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from ...compiler.diagnostics import Path
from ...compiler.plan import Balance, Hostname, Network, PublicCertificate, TrustAnchors, Verify

DOLLAR = "${policyc_dollar}"
"""A ``$`` in a place where nginx looks for variables."""

# --- values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Variable:
    """An nginx variable, without its ``$``; a digit is what that group of an expression found."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a place where nginx looks for variables: a ``$`` in it is taken from one."""

    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """Texts and variables, one after the other, in one word."""

    parts: tuple[str | Text | Variable, ...]


Value = str | Text | Variable | Joined


@dataclass(frozen=True, slots=True)
class Key:
    """A value that a map finds by its hash, without regard to case."""

    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A regular expression (PCRE), searched."""

    text: str


Case = tuple[Key | Expression, Value]


@dataclass(frozen=True, slots=True)
class Map:
    """A variable by the value of others. `source` is joined without a separator; the first case that fits wins."""

    path: Path
    source: tuple[str | Variable, ...]
    name: str
    default: Value
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Geo:
    """A variable that is ``1`` for an address (of `source`, else of the peer) in these networks, else empty."""

    path: Path
    name: str
    networks: tuple[Network, ...]
    source: Variable | None = None


# --- backends -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Server:
    """A server of an upstream. `max_fails` failures take it out for `fail_timeout` seconds; 0: none ever does."""

    address: str
    weight: int
    backup: bool
    max_fails: int
    fail_timeout: int


@dataclass(frozen=True, slots=True)
class UpstreamBlock:
    """Servers and how to choose. `zone_kib`: shared memory for the choice, where there is one; else 0.

    `idle`: how long a connection may wait for its next request; None: it is for one request only.
    """

    path: Path
    name: str
    balance: Balance
    servers: tuple[Server, ...]
    zone_kib: int
    idle: int | None


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS of a listener, in nginx's words."""

    guideline: str
    protocols: tuple[str, ...]
    ciphers: str
    curves: str


@dataclass(frozen=True, slots=True)
class BackendVerification:
    """TLS towards a backend, in nginx's words. `name` is None for the host that the visitor asked for."""

    verify: Verify
    name: str | Variable | None
    ca_file: str
    crl_file: str
    certificate: str
    """The name of the files that the proxy shows, without their ending; empty for none."""
    protocols: tuple[str, ...]
    ciphers: str


@dataclass(frozen=True, slots=True)
class Forward:
    """Where requests go. With a variable as `upstream`, one of several that are spoken to in the same way."""

    path: Path
    upstream: str | Variable
    http2: bool
    connect: int
    response: int
    idle: int
    tls: BackendVerification | None


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """A field line; it is not sent where the value is empty."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Location:
    """What becomes of requests that pass. `name` is empty for a server that has this one only.

    `request`: lines for the backend, None where the usual ones will do. `hidden`: of the backend's lines, not passed
    on; `shown`: those that nginx would not pass on by itself and shall, None for the usual ones. `body`: the longest
    request body, 0 for any.
    """

    name: str
    forward: Forward
    request: tuple[HeaderLine, ...] | None
    hidden: tuple[str, ...]
    shown: tuple[str, ...] | None
    body: int


# --- servers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status for requests whose variable is set; with `value`, whose variable is (with `unless`: is not) it."""

    variable: Variable
    status: int
    value: str | None = None
    unless: bool = False

    @property
    def text(self) -> str:
        """The body."""
        return body_of(self.status)


@dataclass(frozen=True, slots=True)
class Ending:
    """A status for requests whose walk ends with it; `location`: a redirect's."""

    status: int
    location: Variable | None = None

    @property
    def text(self) -> Value:
        """The body, or where a redirect leads."""
        return self.location or body_of(self.status)


def body_of(status: int) -> str:
    """A body. With one, nginx answers with exactly this status: 408, 418, 444, 494 to 499 mean something to it."""
    return f"{status} {_PHRASES.get(status, 'Refused')}"


_PHRASES = {one.value: one.phrase for one in HTTPStatus}


@dataclass(frozen=True, slots=True)
class ClientVerification:
    """Certificates asked of visitors. That there must be a good one is a `Refusal`."""

    path: Path
    ca_file: str
    crl_file: str


@dataclass(frozen=True, slots=True)
class RateZone:
    """A count for each value of `key` that is not empty, in shared memory."""

    path: Path
    name: str
    key: Variable
    rate: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests beyond a zone's rate that pass at once."""

    zone: str
    burst: int


@dataclass(frozen=True, slots=True)
class SiteServer:
    """The server of one certificate on one listener, for sites of one profile.

    In this order: `before` refuses, `known` is set, `endings` refuse or redirect, `rates` limit, and one of `locations`
    forwards; with more than one of them, `chosen` is the name of it. `upstream` names the upstream where there are
    several.
    """

    path: Path
    names: tuple[Hostname, ...]
    certificate: str
    client: ClientVerification | None
    before: tuple[Refusal, ...]
    known: tuple[tuple[Variable, Value], ...]
    endings: tuple[Ending, ...]
    rates: tuple[Rate, ...]
    response: tuple[HeaderLine, ...]
    upstream: Variable | None
    locations: tuple[Location, ...]
    chosen: Value | None

    @property
    def bounded(self) -> bool:
        """Whether a request's body may be too large."""
        return any(location.body for location in self.locations)


@dataclass(frozen=True, slots=True)
class TlsListener:
    """The sockets of a listener and its servers.

    `proxies`: who connects with a PROXY header in front that names the visitor; empty: there is none. `others`:
    hostnames below one of its wildcards that are not decrypted here. `before`: what is refused before the host is known
    to be nobody's. `log`: the name of its access log's format.
    """

    path: Path
    binds: tuple[str, ...]
    proxies: tuple[str, ...]
    http2: bool
    tls: Tls
    others: tuple[Hostname, ...]
    before: tuple[Refusal, ...]
    servers: tuple[SiteServer, ...]
    log: str


@dataclass(frozen=True, slots=True)
class RedirectListener:
    """Plain-HTTP sockets, the names that are redirected, and where to. `proxied`: with a PROXY header in front."""

    path: Path
    binds: tuple[str, ...]
    names: tuple[Hostname, ...]
    port: int
    proxied: bool


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A JSON object a line: its members by name. A `Variable` without quotes is a number."""

    path: Path
    name: str
    members: tuple[tuple[str, str | Variable], ...]
    numbers: frozenset[str]


# --- passed through -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TcpListener:
    """Sockets whose connections go to `target` by SNI. `marked`: with a PROXY line in front.

    `proxied`: one is in front already, and names the visitor. `logged`: set for connections that are passed through.
    """

    path: Path
    binds: tuple[str, ...]
    target: Variable
    marked: bool
    proxied: bool
    connect: int
    idle: int
    log: str
    logged: Variable


@dataclass(frozen=True, slots=True)
class TcpForward:
    """A socket that takes the PROXY line off and goes on to an upstream."""

    path: Path
    socket: str
    upstream: str
    connect: int
    idle: int


@dataclass(frozen=True, slots=True)
class TcpPart:
    """The `stream` block."""

    module: str | None
    maps: tuple[Map, ...]
    logs: tuple[LogFormat, ...]
    upstreams: tuple[UpstreamBlock, ...]
    listeners: tuple[TcpListener, ...]
    forwards: tuple[TcpForward, ...]


# --- all of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate with its key, by the name of its files without their ending."""

    name: str
    pem: str
    key_file: str
    key_as_written: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it. `source`, `forwarded_for`: whose request it is, and what the backend is told of that.

    `log`, `tls`, `http2`: what is the same for all listeners, so that servers need not say it; None for what is not.
    """

    version: str
    http2_directive: bool
    keepalive_local: bool
    access_log: str
    log: str | None
    tls: Tls | None
    http2: bool | None
    source: Variable
    forwarded_for: Variable
    upgrade: Variable | None
    logs: tuple[LogFormat, ...]
    maps: tuple[Map | Geo, ...]
    zones: tuple[RateZone, ...]
    upstreams: tuple[UpstreamBlock, ...]
    listeners: tuple[TlsListener, ...]
    redirects: tuple[RedirectListener, ...]
    tcp: TcpPart | None
    certificates: tuple[PublicCertificate, ...]
    shown: tuple[ShownCertificate, ...]
    anchors: tuple[TrustAnchors, ...]
