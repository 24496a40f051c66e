"""What a policy can ask for, and what a target answers.

`Feature` is the one list: resolving a policy records each feature that it uses, a target's `support.py` answers
for every member, and the lint findings, `policyc targets` and the documentation come from those answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from .diagnostics import Severity


class Feature(Enum):
    """A part of the language that a target may or may not be able to do. The value is ``(id, description)``.

    `optional` members may be left out of an output when the user accepts the finding: without them the edge is
    less able, not less safe.
    """

    # what every decrypted site gets
    SNI_REFUSAL = "sni-refusal", "the handshake is refused for an SNI that no site claims, or for none"
    HOST_CHECK = (
        "host-check",
        "421 for a host of another site than the SNI's, 400 for one that is oddly spelled",
    )
    NORMAL_FORM = "normal-form", "400 for a request target that is not in the one unambiguous form"
    FORWARDING_HEADERS = "forwarding-headers", "X-Forwarded-For, -Proto and -Host written anew"
    ACCESS_LOG = "access-log", "an access log: a JSON object for each request", True
    # hostnames and listeners
    WILDCARD_HOSTNAME = "wildcard-hostname", "`*.example.com`, exactly one label"
    TLS_MODERN = "tls-modern", "TLS profile `modern`: TLS 1.3 only"
    TLS_INTERMEDIATE = "tls-intermediate", "TLS profile `intermediate`: TLS 1.2 with forward secrecy, and 1.3"
    TLS_OLD = "tls-old", "TLS profile `old`: TLS 1.0 and up, for clients that can do no better"
    TLS_VERSIONS = "tls-versions", "`min_version` or `max_version` other than the profile's"
    HTTP2 = "http2", "HTTP/2 to visitors"
    HTTP_REDIRECT = "http-redirect", "plain-HTTP sockets that redirect to https"
    TRUSTED_PROXIES = "trusted-proxies", "the source is taken from X-Forwarded-For of trusted proxies"
    PROXY_PROTOCOL = "proxy-protocol", "`proxy_protocol`: connections begin with a PROXY header that names the visitor"
    SEVERAL_LISTENERS = "several-listeners", "more than one listener"
    PASSTHROUGH = "passthrough", "`decrypt: false`: TLS passed through, routed by SNI"
    # backends
    VERIFY_FULL = "verify-full", "the backend's chain and name are verified"
    VERIFY_CHAIN = "verify-chain", "the backend's chain is verified, its name is not"
    VERIFY_NONE = "verify-none", "TLS to the backend without verification"
    PLAINTEXT_BACKEND = "plaintext-backend", "`tls: false`: HTTP in clear to the backend"
    SYSTEM_CA = "system-ca", "`ca: system`: the target machine's own trust store"
    BACKEND_CRL = "backend-crl", "revocation lists for backend certificates"
    BACKEND_PIN = "backend-pin", "only the pinned leaves are accepted from the backend"
    BACKEND_CLIENT_CERTIFICATE = "backend-client-certificate", "mTLS to the backend"
    BACKEND_MIN_TLS = "backend-min-tls", "`min_version` towards the backend other than 1.2"
    WILDCARD_SERVER_NAME = (
        "wildcard-server-name",
        "the name verified is whatever the visitor asked for below a wildcard",
    )
    SEVERAL_SERVERS = "several-servers", "more than one server in a backend, with failover"
    SERVER_WEIGHT = "server-weight", "servers with different weights", True
    BACKUP_SERVER = "backup-server", "servers used when all the others are down", True
    BALANCE_LEAST_CONNECTIONS = "balance-least-connections", "`balance: least_connections`", True
    BALANCE_SOURCE_HASH = "balance-source-hash", "`balance: source_hash`"
    HEALTH_CHECK = "health-check", "active health checks", True
    TIMEOUTS = "timeouts", "timeouts towards the backend"
    BACKEND_HTTP2 = "backend-http2", "`protocol: h2` to the backend"
    HOST_HEADER = "host-header", "a fixed Host header towards the backend"
    # matchers
    MATCH_PATH = "match-path", "rules on the path: exact, prefix or suffix"
    MATCH_PATH_REGEX = "match-path-regex", "rules on the path by regular expression"
    MATCH_METHOD = "match-method", "rules on the method"
    MATCH_HEADER = "match-header", "rules on a request header: exact, prefix, suffix, contains or present"
    MATCH_HEADER_REGEX = "match-header-regex", "rules on a request header by regular expression"
    MATCH_QUERY = "match-query", "rules on a query parameter"
    MATCH_SOURCE = "match-source", "rules on the visitor's address"
    MATCH_HOST = "match-host", "rules on the hostname"
    # actions
    ALLOW = "allow", "`allow`"
    DENY = "deny", "`deny` with a status"
    REDIRECT = "redirect", "`redirect`"
    RATE_LIMIT = "rate-limit", "`rate_limit`"
    LIMIT_BODY = "limit-body", "`limit_body`"
    REQUEST_HEADERS = "request-headers", "`request_headers`"
    RESPONSE_HEADERS = "response-headers", "`response_headers`"
    LOG_LABEL = "log-label", "`log`: a field of the access log", True
    # sites
    ROUTES = "routes", "other backends for other paths"
    CLIENT_AUTH = "client-auth", "`client_auth`: certificates asked of visitors"
    SCAN = "scan", "`scan`: content scanning by the target's threat engine", True
    EXTRA_METHODS = "extra-methods", "`methods`: others than the seven usual ones"
    WEBSOCKET = "websocket", "`websocket: true`"
    ENCODED_SLASH = "encoded-slash", "`paths.encoded_slash`"
    ENCODED_RESERVED = "encoded-reserved", "`paths.encoded_reserved`"
    PATH_PARAMS = "path-params", "`paths.path_params`"
    EMPTY_SEGMENTS = "empty-segments", "`paths.empty_segments`"
    STRICT_SEGMENT_END = "strict-segment-end", "`paths.strict_segment_end`"

    def __init__(self, feature_id: str, description: str, optional: bool = False) -> None:
        self.id = feature_id
        self.description = description
        self.optional = optional


State = Literal["native", "emulated", "impossible", "planned"]


@dataclass(frozen=True, slots=True)
class Support:
    """A target's answer for one feature. Made by the four functions below.

    `since`: the first version of the target that can do it. `severity` is that of the finding where it cannot.
    """

    state: State
    reason: str = ""
    since: str | None = None
    link: str | None = None
    help: str | None = None
    severity: Severity = Severity.ERROR

    def honoured_by(self, version: str) -> bool:
        """Whether this version of the target does what the policy asks."""
        if self.state in ("impossible", "planned"):
            return False
        return self.since is None or version_key(version) >= version_key(self.since)


def native(*, since: str | None = None, reason: str = "", link: str | None = None, help: str | None = None) -> Support:
    """The target has it. `reason` says why not before `since`."""
    return Support("native", reason, since, link, help)


def emulated(how: str, *, since: str | None = None, link: str | None = None) -> Support:
    """The target is made to do exactly the same by other means."""
    return Support("emulated", how, since, link)


def impossible(
    reason: str,
    *,
    link: str | None = None,
    help: str | None = None,
    severity: Severity = Severity.ERROR,
) -> Support:
    """The target cannot do it, in any version known."""
    return Support("impossible", reason, link=link, help=help, severity=severity)


def planned(reason: str = "policyc does not write this for the target yet") -> Support:
    """The target could, but policyc does not write it yet."""
    return Support("planned", reason)


def complete(table: Mapping[Feature, Support]) -> Mapping[Feature, Support]:
    """The table itself. Raises ValueError where it does not answer for every feature."""
    missing = [feature.id for feature in Feature if feature not in table]
    if missing:
        raise ValueError(f"no answer for: {', '.join(missing)}")
    return table


def version_key(version: str) -> tuple[int, ...]:
    """Dotted numbers as a tuple that compares as versions do."""
    return tuple(int(part) for part in version.split("."))
