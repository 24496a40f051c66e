"""Envoy by hand.

All sites share one list of rules: a cluster has its site's hostname for its name, so that the Host header leads to it.
That the Host is the SNI's is one look-up of the two together. What is not found there is spelled otherwise, or is
refused, and a short script says which.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..load.job import Job, Site
from . import CIPHERS, METHODS, RE2_TARGET

_TYPES = "type.googleapis.com/envoy."
_CERTIFICATES = 1000
"""A filter chain with more of them is slow to choose one."""

_UPGRADE_REQUIRED = {"op": "EQ", "value": {"default_value": 426, "runtime_key": "none"}}

_ODD = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local said = headers:get(":authority") or ""
  local bare = string.gsub(said, ":%d+$", "")
  if string.sub(said, -1) == ":" or not string.match(bare, "^[A-Za-z0-9._-]*[A-Za-z0-9]$") then
    handle:respond({[":status"] = "400"}, "400\\n")
  elseif string.lower(bare) ~= handle:streamInfo():requestedServerName() then
    handle:respond({[":status"] = "421"}, "421\\n")
  elseif string.sub(headers:get("edge_pair"), -1) ~= " " then
    handle:respond({[":status"] = "400"}, "400\\n")
  else
    headers:replace(":authority", string.lower(bare))
  end
end
"""


def write(job: Job, folder: Path, port: int) -> None:
    """Files for the job into a folder."""
    chains = [
        _chain(job, job.sites[start : start + _CERTIFICATES]) for start in range(0, len(job.sites), _CERTIFICATES)
    ]
    listener = {
        "name": "public",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "listener_filters": [
            _named("envoy.filters.listener.tls_inspector", "extensions.filters.listener.tls_inspector.v3.TlsInspector")
        ],
        "listener_filters_timeout": "10s",
        "filter_chains": chains,
    }
    bootstrap = {
        "static_resources": {
            "listeners": [listener],
            "clusters": [_cluster(job, one) for one in job.sites],
            "secrets": [{"name": "internal", "validation_context": {"trusted_ca": {"filename": str(job.ca)}}}],
        },
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "layered_runtime": {
            "layers": [
                {
                    "name": "static",
                    "static_layer": {
                        "re2.max_program_size.error_level": 10000,
                        "re2.max_program_size.warn_level": 10000,
                    },
                }
            ]
        },
    }
    (folder / "envoy.json").write_text(json.dumps(bootstrap))


def _chain(job: Job, sites: Sequence[Site]) -> Mapping[str, Any]:
    tls = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {
            "tls_minimum_protocol_version": "TLSv1_2",
            "tls_maximum_protocol_version": "TLSv1_3",
            "ecdh_curves": ["X25519", "P-256", "P-384"],
            "cipher_suites": CIPHERS.split(":"),
        },
        "tls_certificates": [
            {"certificate_chain": {"filename": str(one.certificate)}, "private_key": {"filename": str(one.key)}}
            for one in sites
        ],
    }
    return {
        "filter_chain_match": {"server_names": [one.host for one in sites]},
        "transport_socket": _named(
            "envoy.transport_sockets.tls",
            "extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context=tls,
            disable_stateless_session_resumption=True,
            disable_stateful_session_resumption=True,
        ),
        "transport_socket_connect_timeout": "10s",
        "filters": [_manager(job, sites)],
    }


def _manager(job: Job, sites: Sequence[Site]) -> Mapping[str, Any]:
    early: list[Mapping[str, Any]] = [
        {
            "remove_on_match": {
                "key_matcher": {"safe_regex": {"google_re2": {}, "regex": "[^:].*[^a-z0-9-].*|[^a-z0-9:-].*"}}
            }
        },
        _set("edge_pair", "%REQUESTED_SERVER_NAME% %REQ(:AUTHORITY)% %REQ(UPGRADE)%"),
        *([_set("edge_source", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")] if job.usual else []),
    ]
    skip = {"action": _named("skip", "extensions.filters.common.matcher.action.v3.SkipFilter")}
    plain = {f"{one.host} {one.host} ": skip for one in sites}
    return _named(
        "envoy.filters.network.http_connection_manager",
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="public",
        strip_any_host_port=True,
        http_protocol_options={"allow_absolute_url": False},
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
            "override_stream_error_on_invalid_http_message": True,
        },
        common_http_protocol_options={
            "idle_timeout": "60s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        max_request_headers_kb=16,
        request_headers_timeout="10s",
        stream_idle_timeout="60s",
        use_remote_address=True,
        skip_xff_append=True,
        internal_address_config={"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        generate_request_id=False,
        preserve_external_request_id=True,
        server_header_transformation="PASS_THROUGH",
        early_header_mutation_extensions=[
            _named(
                "envoy.http.early_header_mutation.header_mutation",
                "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=early,
            )
        ],
        local_reply_config={
            # Without a Host, or in HTTP/1.0, the connection manager itself refuses.
            "mappers": [{"filter": {"status_code_filter": {"comparison": _UPGRADE_REQUIRED}}, "status_code": 400}]
        },
        http_filters=[
            _named(
                "odd",
                "extensions.common.matching.v3.ExtensionWithMatcher",
                extension_config=_named(
                    "envoy.filters.http.lua",
                    "extensions.filters.http.lua.v3.Lua",
                    default_source_code={"inline_string": _ODD},
                ),
                xds_matcher={"matcher_tree": {"input": _header("edge_pair"), "exact_match_map": {"map": plain}}},
            ),
            _named(
                "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
        route_config={
            "virtual_hosts": [{"name": "all", "domains": ["*"], "matcher": _form(job)}],
            "request_headers_to_add": [
                _put("X-Forwarded-Proto", "https"),
                _put("X-Forwarded-For", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
                _put("X-Forwarded-Host", "%REQ(:AUTHORITY)%"),
            ],
            "request_headers_to_remove": [
                "forwarded",
                "x-forwarded-port",
                "x-envoy-external-address",
                "edge_pair",
                *(["edge_source"] if job.usual else []),
            ],
        },
        access_log=[
            _named(
                "envoy.access_loggers.stdout",
                "extensions.access_loggers.stream.v3.StdoutAccessLog",
                log_format={"json_format": _LOG},
            )
        ],
    )


_LOG = {
    "time": "%START_TIME%",
    "listener": "public",
    "site": "%REQUESTED_SERVER_NAME%",
    "source": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "tls_version": "%DOWNSTREAM_TLS_VERSION%",
    "host": "%REQ(:AUTHORITY)%",
    "method": "%REQ(:METHOD)%",
    "target": "%REQ(:PATH)%",
    "status": "%RESPONSE_CODE%",
    "rule": "%ROUTE_NAME%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "upstream_address": "%UPSTREAM_HOST%",
    "duration_ms": "%DURATION%",
}


def _form(job: Job) -> Mapping[str, Any]:
    good = [_matches(":method", METHODS), _matches(":path", RE2_TARGET)]
    return {
        "matcher_list": {"matchers": [{"predicate": {"and_matcher": {"predicate": good}}, "on_match": _rules(job)}]},
        "on_no_match": _answer("form", 400),
    }


def _rules(job: Job) -> Mapping[str, Any]:
    on: Mapping[str, Any] = _route(
        "forward", route={"cluster_header": ":authority", "timeout": "0s", "idle_timeout": "60s"}
    )
    if job.rules:
        # A prefix ends at a slash, at the query or with the path.
        answers = [(prefix, _answer(rule.name, 403)) for rule in job.rules for prefix in rule.prefixes]
        below = {prefix + end: answer for prefix, answer in answers for end in "/?"}
        exact = {
            "matcher_tree": {"input": _header(":path"), "exact_match_map": {"map": dict(answers)}},
            "on_no_match": on,
        }
        on = {
            "matcher": {
                "matcher_tree": {"input": _header(":path"), "prefix_match_map": {"map": below}},
                "on_no_match": {"matcher": exact},
            }
        }
    if job.usual:
        inside = {
            "single_predicate": {
                "input": _header("edge_source"),
                "custom_match": _named(
                    "envoy.matching.matchers.ip",
                    "extensions.matching.input_matchers.ip.v3.Ip",
                    cidr_ranges=[{"address_prefix": "10.0.0.0", "prefix_len": 8}],
                    stat_prefix="inside",
                ),
            }
        }
        admin = [_matches(":path", "/(?:admin|manage)(?:[/?].*)?"), {"not_matcher": inside}]
        matchers = [
            {"predicate": {"and_matcher": {"predicate": admin}}, "on_match": _answer("admin-from-inside-only", 403)},
            {
                "predicate": _matches(":path", "(?i)[^?]*(?:[.]bak|[.]sql|~|%7E)(?:[?].*)?"),
                "on_match": _answer("no-backups-and-dumps", 404),
            },
        ]
        on = {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": on}}
    return on


def _cluster(job: Job, one: Site) -> Mapping[str, Any]:
    address, _, port = job.origin.partition(":")
    endpoint = {"address": {"socket_address": {"address": address, "port_value": int(port)}}}
    names = [{"san_type": "DNS", "matcher": {"exact": one.server_name}}]
    return {
        "name": one.host,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": one.name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        "transport_socket": _named(
            "envoy.transport_sockets.tls",
            "extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni=one.server_name,
            common_tls_context={
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
                "combined_validation_context": {
                    "default_validation_context": {"match_typed_subject_alt_names": names},
                    "validation_context_sds_secret_config": {"name": "internal"},
                },
            },
        ),
    }


def _named(name: str, message: str, **fields: object) -> Mapping[str, Any]:
    return {"name": name, "typed_config": {"@type": _TYPES + message, **fields}}


def _set(key: str, value: str) -> Mapping[str, Any]:
    return {"append": _put(key, value)}


def _put(key: str, value: str) -> Mapping[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _header(name: str) -> Mapping[str, Any]:
    return _named("header", "type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)


def _matches(header: str, regex: str) -> Mapping[str, Any]:
    return {
        "single_predicate": {
            "input": _header(header),
            "value_match": {"safe_regex": {"google_re2": {}, "regex": regex}},
        }
    }


def _route(name: str, **what: object) -> Mapping[str, Any]:
    return {"action": _named(name, "config.route.v3.Route", match={"prefix": ""}, **what)}


def _answer(name: str, status: int) -> Mapping[str, Any]:
    return _route(name, direct_response={"status": status})
