"""What Envoy can do. Measured on 1.40.0 with the files that policyc writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import StringConstraints

from ...compiler.features import Feature, Support, complete, emulated, impossible, native, planned
from ...schemas.target import TargetSettings, Version

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/+@-]*$", max_length=1000)]

OLDEST = "1.36"
"""The oldest version whose behaviour in the points that matter was measured by hand."""


class Settings(TargetSettings):
    """Envoy's version and placement."""

    version: Version = "1.40"
    """Envoy's version, quoted: `"1.40"`."""
    system_ca: AbsolutePath = "/etc/ssl/certs/ca-certificates.crt"
    """What `ca: system` means on the target machine: a file of PEM certificates."""


def support() -> Mapping[Feature, Support]:
    """An answer for every feature."""
    return _SUPPORT


_SUPPORT = complete(
    {
        Feature.SNI_REFUSAL: native(since=OLDEST, reason="older versions were never tried"),
        Feature.HOST_CHECK: emulated(
            "a filter chain for each site with a virtual host that answers 421, and expressions on the whole Host",
            since=OLDEST,
        ),
        Feature.NORMAL_FORM: emulated("three expressions that must match before any rule is looked at", since=OLDEST),
        Feature.FORWARDING_HEADERS: native(),
        Feature.ACCESS_LOG: planned(),
        Feature.WILDCARD_HOSTNAME: emulated(
            "expressions on the SNI and on the host: Envoy's own wildcards match any depth"
        ),
        Feature.TLS_MODERN: native(),
        Feature.TLS_INTERMEDIATE: native(),
        Feature.TLS_OLD: planned(),
        Feature.TLS_VERSIONS: native(),
        Feature.HTTP2: native(),
        Feature.HTTP_REDIRECT: native(),
        Feature.TRUSTED_PROXIES: planned(),
        Feature.PROXY_PROTOCOL: planned(),
        Feature.SEVERAL_LISTENERS: native(),
        Feature.PASSTHROUGH: native(),
        Feature.VERIFY_FULL: native(),
        Feature.VERIFY_CHAIN: native(),
        Feature.VERIFY_NONE: native(),
        Feature.PLAINTEXT_BACKEND: native(),
        Feature.SYSTEM_CA: native(),
        Feature.BACKEND_CRL: planned(),
        Feature.BACKEND_PIN: planned(),
        Feature.BACKEND_CLIENT_CERTIFICATE: planned(),
        Feature.BACKEND_MIN_TLS: native(),
        Feature.WILDCARD_SERVER_NAME: planned(),
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
        Feature.BACKEND_HTTP2: planned(),
        Feature.HOST_HEADER: native(),
        Feature.MATCH_PATH: native(),
        Feature.MATCH_PATH_REGEX: native(),
        Feature.MATCH_METHOD: native(),
        Feature.MATCH_HEADER: native(),
        Feature.MATCH_HEADER_REGEX: planned(),
        Feature.MATCH_QUERY: planned(),
        Feature.MATCH_SOURCE: emulated("the peer's address is written into an internal header before the rules"),
        Feature.MATCH_HOST: native(),
        Feature.ALLOW: native(),
        Feature.DENY: native(),
        Feature.REDIRECT: planned(),
        Feature.RATE_LIMIT: planned(),
        Feature.LIMIT_BODY: planned(),
        Feature.REQUEST_HEADERS: planned(),
        Feature.RESPONSE_HEADERS: planned(),
        Feature.LOG_LABEL: planned(),
        Feature.ROUTES: planned(),
        Feature.CLIENT_AUTH: planned(),
        Feature.SCAN: impossible("Envoy has no threat engine"),
        Feature.EXTRA_METHODS: planned(),
        Feature.WEBSOCKET: planned(),
        Feature.ENCODED_SLASH: planned(),
        Feature.ENCODED_RESERVED: planned(),
        Feature.PATH_PARAMS: planned(),
        Feature.EMPTY_SEGMENTS: planned(),
        Feature.STRICT_SEGMENT_END: planned(),
    }
)
