"""What Envoy can do. Measured on 1.40.0 with the files that policyc writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from ...compiler.features import Feature, Support, complete, emulated, impossible, native, version_key
from ...schemas.target import TargetSettings, Version

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/+@-]*$", max_length=1000)]

TESTED = "1.40"
"""With which the live tests run."""
OLDEST = "1.36"
"""The oldest version whose behaviour in the points that matter was measured by hand."""


class Settings(TargetSettings):
    """Envoy's version and placement."""

    version: Version = "1.40"
    """Envoy's version, quoted: `"1.40"`."""
    system_ca: AbsolutePath = "/etc/ssl/certs/ca-certificates.crt"
    """What `ca: system` means on the target machine: a file of PEM certificates."""
    access_log: AbsolutePath | None = Field(default=None, examples=["/var/log/envoy/access.log"])
    """The file of the access log. Default: standard output."""
    shared_chains: bool = Field(default=False, examples=[True])
    """Sites with the same rules share a filter chain although each has a certificate of its own: 10,000 sites are
    loaded in 5 s instead of 34, with 0.7 GB of memory instead of 2.7. A visitor who writes the SNI in capitals, as no
    browser does, is then shown another site's certificate."""


_NOT_IN_BORINGSSL = frozenset(
    {"ECDHE-ECDSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", "AES128-SHA256", "AES256-SHA256"}
)
_NEW_IN_BORINGSSL = "ECDHE-ECDSA-AES128-SHA256"
"""Not in 1.36.4, in 1.40.0."""


def lacks_suite(name: str, settings: Settings) -> bool:
    """Whether Envoy refuses to start with a TLS 1.2 suite."""
    old = version_key(settings.version) < version_key(TESTED)
    return name in _NOT_IN_BORINGSSL or (old and name == _NEW_IN_BORINGSSL)


def support() -> Mapping[Feature, Support]:
    """An answer for every feature."""
    return _SUPPORT


_SUPPORT = complete(
    {
        Feature.SNI_REFUSAL: native(since=OLDEST, reason="older versions were never tried"),
        Feature.HOST_CHECK: emulated(
            "a filter chain for each site, or for sites that are alike, with a virtual host that answers 421, and"
            " expressions on the whole Host",
            since=OLDEST,
        ),
        Feature.NORMAL_FORM: emulated(
            "three expressions that must match before any rule is looked at. A `Connection` that names another header"
            " is no refusal: Envoy's parser takes both away, and the request goes on",
            since=OLDEST,
        ),
        Feature.FORWARDING_HEADERS: native(),
        Feature.ACCESS_LOG: native(reason="JSON on standard output, or in a file"),
        Feature.WILDCARD_HOSTNAME: emulated(
            "expressions on the SNI and on the host: Envoy's own wildcards match any depth"
        ),
        Feature.TLS_MODERN: native(),
        Feature.TLS_INTERMEDIATE: native(),
        Feature.TLS_OLD: native(reason="without the suites that BoringSSL does not have, which a finding names"),
        Feature.TLS_VERSIONS: native(),
        Feature.HTTP2: native(),
        Feature.HTTP_REDIRECT: native(),
        Feature.TRUSTED_PROXIES: native(
            since="1.38", reason="a route is chosen anew when the source is known: before, only Lua could ask for it"
        ),
        Feature.PROXY_PROTOCOL: native(),
        Feature.SEVERAL_LISTENERS: native(),
        Feature.PASSTHROUGH: native(),
        Feature.VERIFY_FULL: native(),
        Feature.VERIFY_CHAIN: native(),
        Feature.VERIFY_NONE: native(),
        Feature.PLAINTEXT_BACKEND: native(),
        Feature.SYSTEM_CA: native(),
        Feature.BACKEND_CRL: native(),
        Feature.BACKEND_PIN: native(),
        Feature.BACKEND_CLIENT_CERTIFICATE: native(),
        Feature.BACKEND_MIN_TLS: native(),
        Feature.WILDCARD_SERVER_NAME: native(),
        Feature.SEVERAL_SERVERS: native(),
        Feature.SERVER_WEIGHT: native(),
        Feature.BACKUP_SERVER: emulated("a second priority, to which a request goes when every other server failed"),
        Feature.BALANCE_LEAST_CONNECTIONS: emulated("of two servers drawn by lot, the one with fewer open requests"),
        Feature.BALANCE_SOURCE_HASH: emulated(
            "Maglev hashing of the peer's address: one address keeps its server, but not the one other targets choose"
        ),
        Feature.HEALTH_CHECK: native(),
        Feature.TIMEOUTS: emulated(
            "`response` also bounds a gap in the answer's body, as Envoy has one timer for both"
        ),
        Feature.BACKEND_HTTP2: native(),
        Feature.HOST_HEADER: native(),
        Feature.MATCH_PATH: native(),
        Feature.MATCH_PATH_REGEX: native(),
        Feature.MATCH_METHOD: native(),
        Feature.MATCH_HEADER: native(),
        Feature.MATCH_HEADER_REGEX: native(
            since="1.39.3", reason="before, `.` and negated classes do not match bytes that are no UTF-8"
        ),
        Feature.MATCH_QUERY: native(),
        Feature.MATCH_SOURCE: emulated("the peer's address is written into an internal header before the rules"),
        Feature.MATCH_HOST: native(),
        Feature.ALLOW: native(),
        Feature.DENY: native(),
        Feature.REDIRECT: emulated("an answer with a Location as written: Envoy's own redirects take it apart"),
        Feature.RATE_LIMIT: emulated(
            "a bucket of tokens for each source, filled evenly; of more than 100,000 the longest silent is forgotten."
            " Sites have it in common where they share a filter chain",
            since=OLDEST,
        ),
        Feature.LIMIT_BODY: emulated("a body of unknown length is read whole before it is judged", since=OLDEST),
        Feature.REQUEST_HEADERS: native(since=OLDEST, reason="older versions were never tried"),
        Feature.RESPONSE_HEADERS: native(since=OLDEST, reason="older versions were never tried"),
        Feature.LOG_LABEL: native(since=OLDEST, reason="older versions were never tried"),
        Feature.ROUTES: native(),
        Feature.CLIENT_AUTH: native(),
        Feature.SCAN: impossible("Envoy has no threat engine"),
        Feature.EXTRA_METHODS: native(),
        Feature.WEBSOCKET: native(
            reason="an `Upgrade: h2c` is no refusal here: Envoy's parser takes it away, and the request goes on"
        ),
        Feature.ENCODED_SLASH: native(),
        Feature.ENCODED_RESERVED: native(),
        Feature.PATH_PARAMS: native(),
        Feature.EMPTY_SEGMENTS: native(),
        Feature.STRICT_SEGMENT_END: native(),
    }
)
