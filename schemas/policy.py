"""The policy language, version 1: shape and types. Nothing is looked up here.

Every field's docstring is its description in the JSON Schema, and so in editors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic import BeforeValidator as _Before

from .values import (
    AddressText,
    DateText,
    Duration,
    ExactHostname,
    FilePath,
    HeaderName,
    HeaderValue,
    HostnameText,
    Method,
    Name,
    NetworkText,
    OneOrMany,
    Pin,
    Printable,
    RateText,
    Size,
    SocketAddress,
    SocketText,
    Some,
    Text,
    wrong,
)

TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]


class Part(BaseModel):
    """What all parts of a policy share: unknown keys are errors, nothing is converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class ListenerTls(Part):
    """TLS towards visitors."""

    profile: Literal["modern", "intermediate", "old"] = "intermediate"
    """The guideline to follow: `modern` (TLS 1.3 only), `intermediate` (also TLS 1.2 with forward secrecy), `old`."""
    min_version: TlsVersion | None = None
    """The lowest TLS version, quoted, where it shall differ from the profile's."""
    max_version: TlsVersion | None = None
    """The highest TLS version, quoted, where it shall differ from the profile's."""

    @model_validator(mode="after")
    def _ordered(self) -> ListenerTls:
        if self.min_version and self.max_version and self.min_version > self.max_version:
            raise wrong(f"min_version {self.min_version} is above max_version {self.max_version}")
        return self


def _everywhere() -> list[SocketAddress]:
    return [SocketAddress("0.0.0.0", 443), SocketAddress("::", 443)]  # noqa: S104  # an edge listens everywhere


class Listener(Part):
    """Sockets that visitors connect to."""

    bind: Some[SocketText] = Field(default_factory=_everywhere)
    """Addresses and ports for TLS; default: port 443 of all addresses. IPv6 sockets take IPv6 only."""
    redirect_http: list[SocketText] = []
    """Plain-HTTP sockets that answer 308 to the same place on https, for hostnames of the policy only."""
    tls: ListenerTls = ListenerTls()
    """TLS towards visitors."""
    protocols: Some[Literal["h2", "http/1.1"]] = ["h2", "http/1.1"]
    """What is offered by ALPN, best first."""
    trusted_proxies: list[NetworkText] = []
    """Proxies in front whose X-Forwarded-For is believed. Default: none."""
    proxy_protocol: bool = False
    """Connections to `bind` and `redirect_http` begin with a PROXY header (version 1 or 2), which names the visitor."""

    @model_validator(mode="after")
    def _speaks_http1(self) -> Listener:
        if "http/1.1" not in self.protocols:
            raise wrong("protocols must hold `http/1.1`: a visitor without ALPN speaks nothing else")
        return self


class KeyPair(Part):
    """A certificate and its private key."""

    cert: FilePath = Field(examples=["certs/shop-fullchain.pem"])
    """PEM file: the leaf first, then its intermediates. Relative to the policy's file."""
    key: FilePath = Field(examples=["certs/shop.key"])
    """PEM file of the leaf's private key. Read to check the match; copied only by `build --keys copy`."""


class BackendCa(Part):
    """Whom the proxy trusts on the inner leg."""

    ca: FilePath = Field(examples=["certs/internal-ca.pem"])
    """PEM file with the trust anchors: root certificates, or a self-signed leaf."""
    crl: FilePath | None = Field(None, examples=["certs/internal-ca.crl"])
    """PEM file with current revocation lists, one for every CA of the chain."""


class Server(Part):
    """One machine of a backend."""

    address: SocketText
    """IP address and port."""
    weight: Annotated[int, Field(ge=1, le=256)] = 1
    """Share of the requests, 1 to 256, relative to the other servers'."""
    backup: bool = False
    """Used only when all the others are down."""


def _server(value: Any) -> Any:
    return {"address": value} if isinstance(value, str) else value


class BackendTls(Part):
    """TLS towards a backend, and what its certificate must be."""

    ca: Name | None = Field(None, examples=["internal-pki", "system"])
    """Whom to trust: a name of `backend_cas`, or `system` for the target machine's own store."""
    server_name: ExactHostname | None = None
    """The SNI sent and the name that the certificate must carry. Default: the hostname the visitor asked for."""
    verify: Literal["full", "chain", "none"] = "full"
    """`full`: chain and name; `chain`: the CA, not the name; `none`: nothing. Anything but `full` is a finding."""
    certificate: OneOrMany[FilePath] | None = Field(None, examples=["certs/shop-internal.pem"])
    """PEM file of what the backend presents, where known: the leaf, then its chain; two files during a renewal."""
    pins: Some[Pin] | None = Field(None, examples=[["sha256:" + 8 * "01234567"]])
    """`sha256:` and the hex of the leaf's DER: only these leaves are accepted."""
    client_certificate: KeyPair | None = None
    """What the proxy shows to a backend that asks (mTLS)."""
    min_version: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    """The lowest TLS version towards the backend, quoted."""

    @model_validator(mode="after")
    def _has_ca(self) -> BackendTls:
        if self.verify != "none" and self.ca is None:
            raise wrong("`ca` is missing: name one of `backend_cas`, or `system`")
        if self.verify == "none" and self.ca is not None:
            raise wrong("`verify: none` ignores `ca`: remove one of the two")
        return self


class Health(Part):
    """Active health check: a request that a server must answer to get traffic."""

    path: Text = Field(examples=["/healthz"])
    """Path of the request."""
    interval: Duration = 5_000
    """Time between two checks."""
    timeout: Duration = 2_000
    """Time a check may take."""
    rise: Annotated[int, Field(ge=1, le=100)] = 2
    """Checks passed in a row before a server counts as up."""
    fall: Annotated[int, Field(ge=1, le=100)] = 3
    """Checks failed in a row before it counts as down."""
    expect: Some[Annotated[int, Field(ge=100, le=599)]] = [200]
    """Status codes that pass."""


class Timeouts(Part):
    """Timeouts towards a backend."""

    connect: Duration = 5_000
    """Until the connection stands, TLS included."""
    response: Duration = 60_000
    """The server's longest silence once it has the request: before the response's head, and within the response."""
    idle: Duration = 60_000
    """The longest silence on a connection that is passed through, or that waits for its next request."""


def _tls_kind(value: Any) -> str:
    return "off" if value is False else "on"


class Backend(Part):
    """Servers behind the edge that answer alike."""

    servers: Some[Annotated[Server, _Before(_server, json_schema_input_type=SocketText | Server)]]
    """Addresses with ports, or mappings with `address`, `weight`, `backup`."""
    tls: (
        Annotated[Annotated[Literal[False], Tag("off")] | Annotated[BackendTls, Tag("on")], Discriminator(_tls_kind)]
        | None
    ) = Field(None, examples=[{"ca": "internal-pki", "server_name": "shop.internal"}, False])
    """TLS towards the servers, or `false` for plaintext. Must be said for a backend of a decrypted site."""
    balance: Literal["round_robin", "least_connections", "source_hash"] = "round_robin"
    """Which server gets the next request."""
    health: Health | None = None
    """Active health check; default: none."""
    timeouts: Timeouts = Timeouts()
    """Timeouts towards the servers."""
    protocol: Literal["http/1.1", "h2"] = "http/1.1"
    """What is spoken to the servers."""
    host_header: Text = "preserve"
    """The Host header sent: `preserve` (the hostname asked for, without port), `server_name`, or a literal."""


class PathMatch(Part):
    """A condition on the path. Exactly one of the four; a list means any."""

    exact: OneOrMany[Text] | None = Field(None, examples=["/status", ["/status", "/health"]])
    """The whole path."""
    prefix: OneOrMany[Text] | None = Field(None, examples=["/admin", ["/admin", "/manage"]])
    """The path's beginning on segment borders: `/admin` covers `/admin` and `/admin/x`, not `/administrator`."""
    suffix: OneOrMany[Text] | None = Field(None, examples=[".bak", [".bak", ".sql"]])
    """The path's end."""
    regex: OneOrMany[Text] | None = Field(None, examples=["^/[a-z]+[.]php$"])
    """RE2 syntax, on the raw path, matched anywhere unless anchored. No repeated groups, no look-around."""
    ignore_case: bool = False
    """Compare without regard to case."""

    @model_validator(mode="after")
    def _one_kind(self) -> PathMatch:
        if sum(kind is not None for kind in (self.exact, self.prefix, self.suffix, self.regex)) != 1:
            raise wrong("give exactly one of `exact`, `prefix`, `suffix`, `regex`")
        return self


class HeaderMatch(Part):
    """A condition on a request header. Every field line, and every element of a comma-separated list, is tried."""

    name: HeaderName = Field(examples=["X-Requested-With"])
    """The header's name; case does not matter."""
    exact: OneOrMany[Printable] | None = Field(None, examples=["XMLHttpRequest"])
    """A whole value."""
    prefix: OneOrMany[Printable] | None = Field(None, examples=["Bearer"])
    """A value's beginning."""
    suffix: OneOrMany[Printable] | None = Field(None, examples=["-internal"])
    """A value's end."""
    contains: OneOrMany[Printable] | None = Field(None, examples=["curl/"])
    """A part of a value."""
    regex: OneOrMany[Printable] | None = Field(None, examples=["^[0-9]+$"])
    """RE2 syntax, matched anywhere in a value unless anchored; blanks around an element of a list may count or not."""
    present: Literal[True] | None = None
    """The header is there with any value but an empty one."""

    @model_validator(mode="after")
    def _one_kind(self) -> HeaderMatch:
        kinds = (self.exact, self.prefix, self.suffix, self.contains, self.regex, self.present)
        if sum(kind is not None for kind in kinds) != 1:
            raise wrong("give exactly one of `exact`, `prefix`, `suffix`, `contains`, `regex`, `present`")
        for values in (self.exact, self.prefix, self.suffix, self.contains):
            for value in values or ():
                if "," in value or not value or value != value.strip():
                    raise wrong(
                        f"`{value}`: a value to compare with has no comma, no space at its ends, and is not empty"
                    )
        return self


class QueryMatch(Part):
    """A condition on the decoded first value of one query parameter."""

    name: Annotated[Text, Field(min_length=1)] = Field(examples=["debug"])
    """The parameter's name, case-sensitive, decoded."""
    exact: OneOrMany[Text] | None = Field(None, examples=["1", ["1", "true"]])
    """The whole value, decoded; `+` in the query is a space."""
    regex: OneOrMany[Text] | None = Field(None, examples=["^[0-9]+$"])
    """RE2 syntax, on the value as sent, matched anywhere unless anchored. `.` and negated classes stand for one byte as
    sent, other characters for each of their spellings. The sites refuse (400) queries in which a letter, a digit or one
    of `-._~` is percent-encoded."""
    present: Literal[True] | None = None
    """The parameter is there, with or without a value."""

    @model_validator(mode="after")
    def _one_kind(self) -> QueryMatch:
        if sum(kind is not None for kind in (self.exact, self.regex, self.present)) != 1:
            raise wrong("give exactly one of `exact`, `regex`, `present`")
        return self


class Condition(Part):
    """When a rule applies: all keys must hold, a list in a key means any."""

    path: OneOrMany[PathMatch] | None = Field(
        None, examples=[{"prefix": "/admin"}, [{"prefix": "/admin"}, {"suffix": ".bak"}]]
    )
    """The request's path, case-sensitive unless `ignore_case`."""
    method: OneOrMany[Method] | None = Field(None, examples=["POST", ["PUT", "DELETE"]])
    """Exact method tokens."""
    header: OneOrMany[HeaderMatch] | None = Field(None, examples=[{"name": "X-Debug", "present": True}])
    """A request header."""
    query: OneOrMany[QueryMatch] | None = Field(None, examples=[{"name": "debug", "present": True}])
    """A query parameter."""
    source: OneOrMany[NetworkText] | None = Field(None, examples=[["10.0.0.0/8", "2001:db8::/32"]])
    """The peer's address, or the right-most untrusted one behind trusted proxies."""
    host: OneOrMany[HostnameText] | None = Field(None, examples=["shop.example.com"])
    """The hostname asked for; for lists shared by several sites."""

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise wrong("an empty condition: name at least one of path, method, header, query, source, host")
        return self


class Redirect(Part):
    """Where a redirect leads."""

    to: Printable = Field(examples=["https://www.example.com/", "/new"])
    """A URL, or a path that begins with `/`."""
    status: Literal[301, 302, 303, 307, 308] = 308
    """The status code."""


class RateLimit(Part):
    """How many requests of one source pass; the others get 429."""

    rate: RateText
    """Requests per time: `5/s`, `100/min`. In the long run no more pass; refused ones are not counted."""
    burst: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How many more may come at once. When exactly the next one passes is the target's own way of counting."""
    key: Literal["source"] = "source"
    """What is counted."""


class HeaderEdits(Part):
    """Edits of a message's headers: first `remove`, then `set`, then `add`."""

    set: dict[HeaderName, HeaderValue] = Field(default={}, examples=[{"Strict-Transport-Security": "max-age=63072000"}])
    """Headers to set, in place of any of that name."""
    add: dict[HeaderName, HeaderValue] = Field(default={}, examples=[{"Vary": "Accept-Language"}])
    """Headers to add, beside any of that name: as a line of its own, or behind a comma where that means the same."""
    remove: list[HeaderName] = Field(default=[], examples=[["Server", "X-Powered-By"]])
    """Headers to take away."""

    @model_validator(mode="after")
    def _not_empty(self) -> HeaderEdits:
        for name, value in (*self.set.items(), *self.add.items()):
            if not value:
                raise wrong(f"`{name}` without a value: some targets cannot send one; use `remove`")
        return self


class Rule(Part):
    """One rule of an inspection list."""

    name: Text | None = Field(None, examples=["admin-from-inside-only"])
    """For people, findings and logs."""
    when: Condition | None = None
    """Default: always."""
    unless: Condition | None = None
    """The same shape, negated: the rule does not apply where all keys of this hold."""
    allow: Literal[True] | None = None
    """The request passes; no further rule is looked at."""
    deny: int | None = Field(None, examples=[403])
    """The request gets this status: 400 to 499, or 503."""
    redirect: Redirect | None = None
    """The request gets a redirect."""
    rate_limit: RateLimit | None = None
    """Requests over the rate get 429."""
    limit_body: Size | None = None
    """Request bodies over this size get 413, with or without Content-Length."""
    request_headers: HeaderEdits | None = None
    """Edits of the request on its way to the backend."""
    response_headers: HeaderEdits | None = None
    """Edits of whatever is answered to the request, by the backend or by the edge after the rules were looked at."""
    log: Printable | None = Field(None, examples=["admin"])
    """A label in the access log."""

    @model_validator(mode="after")
    def _acts(self) -> Rule:
        if self.deny is not None and not (400 <= self.deny <= 499 or self.deny == 503):
            raise wrong(f"`deny: {self.deny}` is not a refusal: use 400 to 499, or 503")
        ending = [key for key in ("allow", "deny", "redirect") if getattr(self, key) is not None]
        working = ("rate_limit", "limit_body", "request_headers", "response_headers", "log")
        if len(ending) > 1:
            raise wrong(f"`{ending[0]}` and `{ending[1]}` both end the walk: make two rules of them")
        if not ending and all(getattr(self, key) is None for key in working):
            raise wrong("a rule without an action: give one of allow, deny, redirect, " + ", ".join(working))
        return self


class Route(Part):
    """Another backend for a part of a site's paths."""

    path: PathMatch
    """A `prefix`; the longest of a site's routes wins."""
    backend: Name = Field(examples=["api"])
    """A name of `backends`."""


class ClientAuth(Part):
    """Certificates asked of visitors."""

    ca: Name = Field(examples=["partner-ca"])
    """Whom to trust: a name of `backend_cas`."""
    mode: Literal["require", "optional"] = "require"
    """`require`: without a good certificate the handshake is refused, or the request by 400. `optional`: a bad one is
    refused like that, none is not."""
    forward_subject: HeaderName | None = Field(None, examples=["X-Client-DN"])
    """The header that tells the backend the certificate's subject. What the visitor sends under it is dropped."""


class Paths(Part):
    """Opt-ins for request targets that the strict normal form refuses, and one that makes it stricter."""

    encoded_slash: bool = False
    """Let `%2F` pass (GitLab, npm scopes, OCI)."""
    encoded_reserved: bool = False
    """Let `%23`, `%25`, `%3F` and the like pass."""
    path_params: bool = False
    """Let `;jsessionid=…` pass."""
    empty_segments: bool = False
    """Let `//` pass."""
    strict_segment_end: bool = False
    """Refuse segments that end in `.` or `%20`, for Windows backends."""


class Site(Part):
    """Hostnames that visitors reach, with what they are shown and what is done with their requests."""

    hostnames: Some[HostnameText] = Field(examples=[["shop.example.com"], ["*.shop.example.com"]])
    """Names, or `*.example.com` for exactly one label. An exact name beats a wildcard."""
    listeners: Some[Name] | None = Field(None, examples=[["https"]])
    """Names of `listeners` where the site is reached. Default: all."""
    public_certificate: Name | None = Field(None, examples=["shop"])
    """A name of `public_certificates`. Needed unless `decrypt: false`."""
    backend: Name = Field(examples=["shop"])
    """A name of `backends`."""
    decrypt: bool = True
    """`false`: TLS passes through untouched, routed by SNI."""
    inspect: list[Name] = Field(default=[], examples=[["public-web"]])
    """Names of `inspection_rules`, in order."""
    routes: list[Route] = Field(default=[], examples=[[{"path": {"prefix": "/api"}, "backend": "api"}]])
    """Other backends for other paths; the longest prefix wins."""
    client_auth: ClientAuth | None = None
    """Certificates asked of visitors."""
    scan: Name | None = Field(None, examples=["strict"])
    """Content scanning by the target's threat engine, by the name of a profile."""
    public_addresses: list[AddressText] = Field(default=[], examples=[["198.51.100.10"]])
    """Where visitors reach the site; a transparent target matches on it."""
    paths: Paths = Paths()
    """Opt-ins of the normal form."""
    methods: list[Method] = Field(default=[], examples=[["PROPFIND"]])
    """Methods beyond GET HEAD POST PUT PATCH DELETE OPTIONS."""
    websocket: bool = False
    """Let WebSocket upgrades pass; any other upgrade is refused."""

    @model_validator(mode="after")
    def _fits_together(self) -> Site:
        if self.decrypt and self.public_certificate is None:
            raise wrong("`public_certificate` is missing; or say `decrypt: false` to pass TLS through")
        if not self.decrypt:
            inner = (
                "public_certificate",
                "inspect",
                "routes",
                "client_auth",
                "scan",
                "paths",
                "methods",
                "websocket",
            )
            useless = [key for key in inner if key in self.model_fields_set]
            if useless:
                raise wrong(f"`{useless[0]}` needs decryption: remove it, or `decrypt: false`")
        return self


class Acceptance(Part):
    """A finding that somebody decided to live with."""

    finding: Name = Field(examples=["certificate-expires-soon"])
    """The rule's name, as findings print it."""
    target: Name | None = None
    """Only for this target. Default: any."""
    sites: Some[Name] | None = Field(None, examples=[["shop"]])
    """Only for these sites. Default: any."""
    backends: Some[Name] | None = Field(None, examples=[["shop"]])
    """Only for these backends. Default: any."""
    reason: Annotated[Text, Field(min_length=1)] = Field(examples=["renewed every week by ACME"])
    """Why; for whoever reads it next year."""
    until: DateText | None = None
    """The last day it holds."""


class Policy(Part):
    """A whole policy for a TLS edge, version 1."""

    version: Literal[1]
    """The language's version: 1."""
    name: Name = "policyc"
    """Prefix of generated names."""
    listeners: dict[Name, Listener] = Field(default_factory=lambda: {"https": Listener()})
    """Where visitors connect. Default: one listener `https` on port 443 of all addresses."""
    public_certificates: dict[Name, KeyPair] = Field(
        default={}, examples=[{"shop": {"cert": "certs/shop-fullchain.pem", "key": "certs/shop.key"}}]
    )
    """What visitors see."""
    backend_cas: dict[Name, BackendCa] = Field(default={}, examples=[{"internal-pki": {"ca": "certs/internal-ca.pem"}}])
    """Whom the proxy trusts on the inner leg."""
    backends: dict[Name, Backend] = Field(
        default={},
        examples=[
            {"shop": {"servers": ["192.0.2.10:443"], "tls": {"ca": "internal-pki", "server_name": "shop.internal"}}}
        ],
    )
    """The servers behind."""
    inspection_rules: dict[Name, list[Rule]] = Field(
        default={},
        examples=[
            {
                "public-web": [
                    {"when": {"path": {"prefix": "/admin"}}, "unless": {"source": ["10.0.0.0/8"]}, "deny": 403}
                ]
            }
        ],
    )
    """Named lists of rules, first to last."""
    sites: dict[Name, Site] = Field(
        default={},
        examples=[
            {
                "shop": {
                    "hostnames": ["shop.example.com"],
                    "public_certificate": "shop",
                    "backend": "shop",
                    "inspect": ["public-web"],
                }
            }
        ],
    )
    """The hostnames that visitors reach."""
    targets: dict[Name, dict[str, Any]] = {}
    """Version and placement of each target; never behaviour."""
    accept: list[Acceptance] = Field(
        default=[],
        examples=[[{"finding": "certificate-expires-soon", "sites": ["shop"], "reason": "renewed every week by ACME"}]],
    )
    """Findings that somebody decided to live with."""
