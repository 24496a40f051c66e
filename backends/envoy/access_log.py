"""The access log: one JSON object for each request, and for each connection that is passed through."""

from __future__ import annotations

import json

from .filters import HOST
from .members import SITE
from .messages import NAMESPACE, Json, extension, literal
from .model import Http, LimitLength, LimitRate, Log

_ADDRESS = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
_LIMITED = (
    "response.code_details in ['local_rate_limited', 'request_payload_too_large', 'fault_filter_abort']"
    " && response.code in [413, 429]"
)
"""Envoy's own words for what limits refuse: a backend's 429 is none of ours."""
_ROUTE_OR_CLUSTER = json.dumps(
    {
        "operators": [
            {"command": "METADATA", "param": f"ROUTE:{NAMESPACE}:upstream"},
            {"command": "METADATA", "param": f"CLUSTER:{NAMESPACE}:upstream"},
        ]
    }
)


def of_requests(http: Http) -> list[Json]:
    """The logs of a connection manager. A rule decided by its route, or a limit did: which, its mark says."""
    if http.log is None:
        return []
    fields: Json = {
        **_of_connection(http.log),
        "host": f"%FILTER_STATE({HOST}:PLAIN)%",
        "method": "%REQ(:METHOD)%",
        "target": "%REQ(:PATH)%",
        "status": "%RESPONSE_CODE%",
        "labels": f"%DYNAMIC_METADATA({NAMESPACE}:labels)%",
        "tls_version": "%DOWNSTREAM_TLS_VERSION%",
    }
    upstream: Json = {"upstream": f"%COALESCE({_ROUTE_OR_CLUSTER})%"} if http.members else {}
    ordinary: Json = {**fields, **_UPSTREAM, **upstream, "rule": f"%METADATA(ROUTE:{NAMESPACE}:rule)%"}
    if not any(isinstance(one.work, LimitRate | LimitLength) for one in http.filters):
        return [_log(http.log.file, ordinary)]
    limited: Json = {**fields, **_NO_UPSTREAM, "rule": f"%DYNAMIC_METADATA({NAMESPACE}:rule)%"}
    return [
        _log(http.log.file, ordinary, f"!({_LIMITED})"),
        _log(http.log.file, limited, _LIMITED),
    ]


def of_connections(log: Log) -> list[Json]:
    """The logs of a filter that passes TLS through."""
    to: Json = {"upstream": literal(log.backend), "upstream_address": "%UPSTREAM_HOST%"}
    return [_log(log.file, {**_of_connection(log), **to})]


def _of_connection(log: Log) -> Json:
    return {
        "time": "%START_TIME%",
        "listener": literal(log.listener),
        "site": f"%FILTER_STATE({SITE}:PLAIN)%" if log.site is None else literal(log.site),
        "source": _ADDRESS,
        "sni": "%REQUESTED_SERVER_NAME%",
        "duration_ms": "%DURATION%",
    }


_UPSTREAM: Json = {
    "upstream": f"%METADATA(ROUTE:{NAMESPACE}:upstream)%",
    "upstream_address": "%UPSTREAM_HOST%",
}
_NO_UPSTREAM: Json = {"upstream": "", "upstream_address": ""}


def _log(file: str | None, fields: Json, condition: str | None = None) -> Json:
    form: Json = {"json_format": dict(sorted(fields.items()))}
    log = (
        extension(
            "envoy.access_loggers.stdout",
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            log_format=form,
        )
        if file is None
        else extension(
            "envoy.access_loggers.file",
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            path=file,
            log_format=form,
        )
    )
    if condition is not None:
        log["filter"] = {
            "extension_filter": extension(
                "envoy.access_loggers.extension_filters.cel",
                "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                expression=condition,
            )
        }
    return log
