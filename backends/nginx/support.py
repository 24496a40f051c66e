"""What open source nginx can do.

Measured with 1.22.1 (Debian) and 1.29.8; facts on other versions are from nginx's CHANGES.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from ...compiler.features import Feature, complete, emulated, impossible, native
from ...schemas.target import TargetSettings, Version

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/+@-]*$", max_length=1000)]

SocketFolder = Annotated[AbsolutePath, StringConstraints(max_length=80)]  # the path of a socket has 107 bytes


class Settings(TargetSettings):
    """Version of nginx, and where things lie on its machine."""

    version: Version = "1.22"
    """The version of nginx, quoted: 1.20 to 1.29."""
    system_ca: AbsolutePath = "/etc/ssl/certs/ca-certificates.crt"
    """The machine's own store of CAs, one PEM file, for `ca: system`."""
    stream_module: AbsolutePath | None = Field(default=None, examples=["/usr/lib/nginx/modules/ngx_stream_module.so"])
    """`ngx_stream_module.so`, where nginx has it as a module to load (Debian); needed for `decrypt: false`."""
    runtime_dir: SocketFolder = Field(default="/run/nginx", examples=["/run/nginx"])
    """An existing folder that only nginx can enter, for the sockets between its TCP and its HTTP part.

    Used where a listener passes some sites through and decrypts others.
    """
    access_log: AbsolutePath | None = Field(default=None, examples=["/var/log/nginx/access.log"])
    """The file of the access log; default: `access.log` in the folder of `nginx.conf`."""


_CHANGES = "https://nginx.org/en/CHANGES"

SUPPORT = complete(
    {
        Feature.SNI_REFUSAL: native(since="1.19.4", reason="no `ssl_reject_handshake` before", link=_CHANGES),
        Feature.HOST_CHECK: emulated("a map from SNI to site, compared in each site's server"),
        Feature.NORMAL_FORM: emulated("a map on the raw request target"),
        Feature.FORWARDING_HEADERS: native(),
        Feature.ACCESS_LOG: emulated("a log format with JSON escapes; a value ends where it is not UTF-8, with U+FFFD"),
        Feature.WILDCARD_HOSTNAME: emulated("regular expressions: nginx's own wildcards match any depth"),
        Feature.TLS_MODERN: native(),
        Feature.TLS_INTERMEDIATE: native(),
        Feature.TLS_OLD: native(),
        Feature.TLS_VERSIONS: native(),
        Feature.HTTP2: native(),
        Feature.HTTP_REDIRECT: native(),
        Feature.TRUSTED_PROXIES: emulated(
            "maps walk X-Forwarded-For from the right; nginx's own module takes more than plain addresses"
        ),
        Feature.PROXY_PROTOCOL: native(),
        Feature.SEVERAL_LISTENERS: native(),
        Feature.PASSTHROUGH: native(),
        Feature.VERIFY_FULL: native(reason="without a SAN the common name is taken; lint looks at `certificate`"),
        Feature.VERIFY_CHAIN: emulated(
            "OpenSSL's own verification by `proxy_ssl_conf_command`; nginx's always looks at the name", since="1.19.4"
        ),
        Feature.VERIFY_NONE: native(),
        Feature.PLAINTEXT_BACKEND: native(),
        Feature.SYSTEM_CA: native(),
        Feature.BACKEND_CRL: native(),
        Feature.BACKEND_PIN: impossible("nginx cannot compare a backend's certificate with a fingerprint"),
        Feature.BACKEND_CLIENT_CERTIFICATE: native(),
        Feature.BACKEND_MIN_TLS: native(),
        Feature.WILDCARD_SERVER_NAME: emulated(
            "the name asked for is verified on a connection for each request: none is used twice"
        ),
        Feature.SEVERAL_SERVERS: native(),
        Feature.SERVER_WEIGHT: native(),
        Feature.BACKUP_SERVER: native(),
        Feature.BALANCE_LEAST_CONNECTIONS: native(),
        Feature.BALANCE_SOURCE_HASH: native(),
        Feature.HEALTH_CHECK: impossible(
            "open source nginx has no active health checks",
            link="https://nginx.org/en/docs/http/ngx_http_upstream_hc_module.html",
            help="remove it, or accept the finding: `fall` failed requests then take a server out for `interval`",
        ),
        Feature.TIMEOUTS: native(),
        Feature.BACKEND_HTTP2: native(
            since="1.29.4", reason="nginx speaks HTTP/1 only to backends before", link=_CHANGES
        ),
        Feature.HOST_HEADER: native(),
        Feature.MATCH_PATH: native(),
        Feature.MATCH_PATH_REGEX: native(),
        Feature.MATCH_METHOD: native(),
        Feature.MATCH_HEADER: native(
            since="1.23", reason="nginx sees only the first of several lines of one header before", link=_CHANGES
        ),
        Feature.MATCH_HEADER_REGEX: native(
            since="1.23", reason="nginx sees only the first of several lines of one header before", link=_CHANGES
        ),
        Feature.MATCH_QUERY: emulated("an expression on the raw request target"),
        Feature.MATCH_SOURCE: native(),
        Feature.MATCH_HOST: native(),
        Feature.ALLOW: native(),
        Feature.DENY: native(),
        Feature.REDIRECT: native(),
        Feature.RATE_LIMIT: native(),
        Feature.LIMIT_BODY: emulated("a location for each size, and a map on Content-Length behind the rate limits"),
        Feature.REQUEST_HEADERS: emulated("variables in `proxy_set_header`, and locations where something is cleared"),
        Feature.RESPONSE_HEADERS: emulated("variables in `add_header`, and locations where something is cleared"),
        Feature.LOG_LABEL: native(),
        Feature.ROUTES: emulated("a map on the raw request target chooses the location"),
        Feature.CLIENT_AUTH: emulated(
            "OpenSSL asks for the certificate, a map on `$ssl_client_verify` refuses with 400"
        ),
        Feature.SCAN: impossible("nginx has no threat engine"),
        Feature.EXTRA_METHODS: native(),
        Feature.WEBSOCKET: native(),
        Feature.ENCODED_SLASH: emulated("a map on the raw request target"),
        Feature.ENCODED_RESERVED: emulated("a map on the raw request target"),
        Feature.PATH_PARAMS: emulated("a map on the raw request target"),
        Feature.EMPTY_SEGMENTS: emulated("a map on the raw request target"),
        Feature.STRICT_SEGMENT_END: emulated("a map on the raw request target"),
    }
)
