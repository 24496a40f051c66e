"""What HAProxy can do.

Measured with 2.6.12 (Debian) and 3.2.0; facts on other versions are from the configuration manuals.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from ...compiler.features import Feature, complete, emulated, impossible, native
from ...schemas.target import TargetSettings, Version

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/+@-]*$", max_length=1000)]

SocketFolder = Annotated[AbsolutePath, StringConstraints(max_length=60)]

AccessLog = Annotated[
    str,
    StringConstraints(
        pattern=r"^(stdout|stderr|/[A-Za-z0-9._/+@-]*|([0-9.]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5})$", max_length=100
    ),
]

OLDEST = "2.6"
"""Rules in named `defaults` came with 2.5, the `host_only` converter with 2.6."""


class Settings(TargetSettings):
    """Version of HAProxy, and where things lie on its machine."""

    version: Version = "2.6"
    """The version of HAProxy, quoted: 2.6 to 3.2."""
    system_ca: AbsolutePath = "/etc/ssl/certs/ca-certificates.crt"
    """The machine's own store of CAs, one PEM file, for `ca: system`."""
    runtime_dir: SocketFolder | None = Field(default=None, examples=["/run/haproxy"])
    """An existing folder that only HAProxy can enter, for the sockets between its TCP and its HTTP part.

    Used where a listener passes some sites through and decrypts others. Without it they lie in the folder in which
    HAProxy is started.
    """
    access_log: AccessLog = "stdout"
    """Where the access log goes: `stdout`, `stderr`, the socket of a syslog server (`/dev/log`), or its address and
    port."""


_MANUAL = "https://docs.haproxy.org/2.6/configuration.html"
_OLD = {"since": OLDEST, "reason": "policyc uses rules in named `defaults` and `host_only`", "link": _MANUAL}

SUPPORT = complete(
    {
        Feature.SNI_REFUSAL: native(**_OLD),
        Feature.HOST_CHECK: emulated("a map from SNI and from host to site, compared", since=OLDEST, link=_MANUAL),
        Feature.NORMAL_FORM: emulated("three expressions on the raw request target"),
        Feature.FORWARDING_HEADERS: native(),
        Feature.ACCESS_LOG: native(reason="the request target is cut after 2,048 bytes"),
        Feature.WILDCARD_HOSTNAME: native(),
        Feature.TLS_MODERN: native(),
        Feature.TLS_INTERMEDIATE: native(),
        Feature.TLS_OLD: native(),
        Feature.TLS_VERSIONS: native(),
        Feature.HTTP2: native(),
        Feature.HTTP_REDIRECT: native(),
        Feature.TRUSTED_PROXIES: emulated(
            "X-Forwarded-For is walked from the right, at most ten addresses", since=OLDEST, link=_MANUAL
        ),
        Feature.PROXY_PROTOCOL: native(),
        Feature.SEVERAL_LISTENERS: native(),
        Feature.PASSTHROUGH: native(),
        Feature.VERIFY_FULL: native(
            reason="a common name that fits is taken, even beside a SAN that does not; lint looks at `certificate`",
            link="https://github.com/haproxy/haproxy/issues/3486",
        ),
        Feature.VERIFY_CHAIN: impossible(
            "HAProxy verifies every name that it sends as SNI",
            link=f"{_MANUAL}#5.2-sni",
            help="give the name that the certificate carries as `server_name` and verify it",
        ),
        Feature.VERIFY_NONE: native(),
        Feature.PLAINTEXT_BACKEND: native(),
        Feature.SYSTEM_CA: native(),
        Feature.BACKEND_CRL: native(),
        Feature.BACKEND_PIN: impossible(
            "HAProxy can compare a fingerprint only after the request has reached the backend",
            help="verify the name and the CA, or build for a target that can",
        ),
        Feature.BACKEND_CLIENT_CERTIFICATE: native(),
        Feature.BACKEND_MIN_TLS: native(),
        Feature.WILDCARD_SERVER_NAME: native(),
        Feature.SEVERAL_SERVERS: native(),
        Feature.SERVER_WEIGHT: native(),
        Feature.BACKUP_SERVER: native(),
        Feature.BALANCE_LEAST_CONNECTIONS: native(),
        Feature.BALANCE_SOURCE_HASH: native(),
        Feature.HEALTH_CHECK: native(),
        Feature.TIMEOUTS: native(),
        Feature.BACKEND_HTTP2: native(),
        Feature.HOST_HEADER: native(),
        Feature.MATCH_PATH: native(),
        Feature.MATCH_PATH_REGEX: native(),
        Feature.MATCH_METHOD: native(),
        Feature.MATCH_HEADER: native(),
        Feature.MATCH_HEADER_REGEX: native(),
        Feature.MATCH_QUERY: emulated("an expression on the raw request target"),
        Feature.MATCH_SOURCE: native(),
        Feature.MATCH_HOST: native(),
        Feature.ALLOW: emulated(
            "a variable that later rules look at: HAProxy's own `allow` skips the header rules too"
        ),
        Feature.DENY: native(),
        Feature.REDIRECT: native(),
        Feature.RATE_LIMIT: emulated(
            "a sliding window over the time in which rate and burst together may pass in the long run; what is counted "
            "is shared by the sites of a rule, kept in memory for the last 100,000 sources, and gone after a restart"
        ),
        Feature.LIMIT_BODY: emulated(
            "by Content-Length; without one by holding the body, up to 64 KiB, see `haproxy-body-without-length`"
        ),
        Feature.REQUEST_HEADERS: native(),
        Feature.RESPONSE_HEADERS: native(),
        Feature.LOG_LABEL: native(),
        Feature.ROUTES: native(),
        Feature.CLIENT_AUTH: emulated(
            "asked for by SNI, and looked for again in each request; no TLS session is resumed",
            link=f"{_MANUAL}#5.1-crt-list",
        ),
        Feature.SCAN: impossible("HAProxy has no threat engine"),
        Feature.EXTRA_METHODS: native(),
        Feature.WEBSOCKET: native(
            reason="an Upgrade beside a body, and in 3.x one to h2c, is dropped by HAProxy's parser and not refused"
        ),
        Feature.ENCODED_SLASH: native(),
        Feature.ENCODED_RESERVED: native(),
        Feature.PATH_PARAMS: native(),
        Feature.EMPTY_SEGMENTS: native(),
        Feature.STRICT_SEGMENT_END: native(),
    }
)
