"""Model → ``envoy.json`` and the files beside it.

Everything is built as objects and written by the JSON library, so nothing in a policy can break out of its place.
Where Envoy has a default that matters, or one that has moved, the value is written out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ...compiler.bundle import Bundle
from ...compiler.plan import Balance, Health, Server, Socket
from .lower import (
    CANONICAL_HOST,
    MAX_PROGRAM_SIZE,
    PLAIN_HOST,
    SOURCE_HEADER,
    UPGRADE_HEADER,
    Chain,
    Cluster,
    ClusterTls,
    Configuration,
    Every,
    Forward,
    FromNetworks,
    Http,
    Match,
    Not,
    Pass,
    Plain,
    Some,
    Step,
    Terminate,
    Test,
    Tls,
    VirtualHost,
    certificate_files,
)

Json = dict[str, object]

_TYPE = "type.googleapis.com/"
_UNLIMITED = 4294967295
_TLS_VERSIONS = {"1.0": "TLSv1_0", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
_CURVES = {"prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_BALANCES = {
    Balance.ROUND_ROBIN: "ROUND_ROBIN",
    Balance.LEAST_CONNECTIONS: "LEAST_REQUEST",
    Balance.SOURCE_HASH: "MAGLEV",
}

_REGEX_BOUND: Json = {
    "re2.max_program_size.error_level": MAX_PROGRAM_SIZE,
    "re2.max_program_size.warn_level": MAX_PROGRAM_SIZE,
}

_LOWER_HOST = "policyc.lower_host"
_LOWER_HOST_CODE = """\
-- The backend gets the host in lower case and without a port. Runs only for requests where it is spelled otherwise.
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = string.gsub(string.lower(headers:get(":authority")), ":%d+$", "")
  headers:replace(":authority", host)
end
"""


def render(configuration: Configuration) -> Bundle:
    """The bundle for a model."""
    document: Json = {
        "static_resources": {
            "listeners": [_tls(one) if isinstance(one, Tls) else _plain(one) for one in configuration.listeners],
            "clusters": [_cluster(cluster) for cluster in configuration.clusters],
        },
        "layered_runtime": {"layers": [{"name": "policyc", "static_layer": _REGEX_BOUND}]},
    }
    text = json.dumps(document, indent=1, ensure_ascii=True) + "\n"
    return Bundle(
        files={"envoy.json": text.encode(), **dict(configuration.files)},
        keys=configuration.keys,
        check=("envoy", "--mode", "validate", "-c", "envoy.json"),
        run=("envoy", "-c", "envoy.json"),
        install="Copy this folder to the machine, add the keys, and start `envoy -c envoy.json` in it.",
    )


def _extension(extension: str, message: str, /, **fields: object) -> Json:
    return {"name": extension, "typed_config": {"@type": _TYPE + message, **fields}}


def _metadata(source: str) -> Json:
    return {"filter_metadata": {"policyc": {"source": source}}}


def _milliseconds(value: int) -> str:
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value / 1000:.3f}s"


def _address(socket: Socket) -> Json:
    fields: Json = {"address": str(socket.address), "port_value": socket.port}
    if socket.address.version == 6:
        fields["ipv4_compat"] = False
    return {"socket_address": fields}


# --- listeners ------------------------------------------------------------------------------------------------


def _listener(name: str, source: str, binds: Sequence[Socket]) -> Json:
    first, *others = binds
    out: Json = {"name": name, "metadata": _metadata(source), "address": _address(first)}
    if others:
        out["additional_addresses"] = [{"address": _address(bind)} for bind in others]
    return {
        **out,
        "per_connection_buffer_limit_bytes": 1048576,
        "listener_filters_timeout": "10s",
        "continue_on_listener_filters_timeout": False,
    }


def _tls(listener: Tls) -> Json:
    return {
        **_listener(listener.name, listener.source, listener.binds),
        "listener_filters": [
            _extension(
                "envoy.filters.listener.tls_inspector",
                "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            )
        ],
        # Not by filter_chain_match, whose wildcards match any depth. No match: closed without a certificate.
        "filter_chain_matcher": _by_server_name(listener),
        "filter_chains": [_chain(chain) for chain in listener.chains],
    }


def _by_server_name(listener: Tls) -> Json:
    name = _extension("sni", "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput")

    def chain(site: str) -> Json:
        return {"action": _extension(site, "google.protobuf.StringValue", value=site)}

    wildcards: Json = {
        "matcher_list": {
            "matchers": [
                {
                    "predicate": {"single_predicate": {"input": name, "value_match": _regex(expression)}},
                    "on_match": chain(site),
                }
                for expression, site in listener.wildcards
            ]
        }
    }
    if not listener.exact:
        return wildcards
    tree: Json = {
        "matcher_tree": {
            "input": name,
            "exact_match_map": {"map": {host: chain(site) for host, site in listener.exact}},
        }
    }
    if listener.wildcards:
        tree["on_no_match"] = {"matcher": wildcards}
    return tree


def _chain(chain: Chain) -> Json:
    out: Json = {"name": chain.name, "metadata": _metadata(chain.source)}
    if isinstance(chain, Pass):
        return {**out, "filters": [_tcp_proxy(chain)]}
    return {
        **out,
        "transport_socket": _downstream_tls(chain),
        "transport_socket_connect_timeout": "10s",
        "filters": [_http(chain.http, secure=True)],
    }


def _downstream_tls(chain: Terminate) -> Json:
    certificate, key = certificate_files(chain.certificate)
    parameters: Json = {
        "tls_minimum_protocol_version": _TLS_VERSIONS[chain.tls.min_version],
        "tls_maximum_protocol_version": _TLS_VERSIONS[chain.tls.max_version],
        "ecdh_curves": [_CURVES.get(curve, curve) for curve in chain.tls.curves],
    }
    if chain.tls.ciphers:
        parameters["cipher_suites"] = list(chain.tls.ciphers)
    return _extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": list(chain.http.protocols),
            "tls_params": parameters,
            "tls_certificates": [{"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}],
        },
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )


def _tcp_proxy(chain: Pass) -> Json:
    fields: Json = {
        "stat_prefix": chain.name,
        "cluster": chain.cluster,
        "idle_timeout": _milliseconds(chain.idle),
        "max_connect_attempts": chain.attempts,
    }
    if chain.by_source:
        fields["hash_policy"] = [{"source_ip": {}}]
    return _extension(
        "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", **fields
    )


def _plain(listener: Plain) -> Json:
    return {
        **_listener(listener.name, listener.source, listener.binds),
        "filter_chains": [{"name": listener.name, "filters": [_http(listener.http, secure=False)]}],
    }


# --- HTTP -----------------------------------------------------------------------------------------------------


def _http(http: Http, *, secure: bool) -> Json:
    # With AUTO, a visitor who never negotiated HTTP/2 could still speak it.
    spoken = {"h2": "HTTP2", "http/1.1": "HTTP1"}
    codec = "AUTO" if len(http.protocols) > 1 else "".join(spoken[one] for one in http.protocols)
    return _extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=http.name,
        codec_type=codec,
        # The target as received: nothing is normalised, the expressions refuse instead.
        normalize_path=False,
        merge_slashes=False,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        http_protocol_options={"allow_absolute_url": False, "accept_http_10": False},
        http2_protocol_options={
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": 1048576,
            "allow_connect": False,
            "override_stream_error_on_invalid_http_message": True,
        },
        common_http_protocol_options={
            "idle_timeout": "60s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        max_request_headers_kb=16,
        request_headers_timeout="10s",
        request_timeout="0s",
        stream_idle_timeout="60s",
        drain_timeout="5s",
        # Who the visitor is: the peer, whatever X-Forwarded-For says, and nobody is "internal".
        use_remote_address=True,
        xff_num_trusted_hops=0,
        skip_xff_append=True,
        internal_address_config={"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        # Nothing of Envoy's own is added.
        generate_request_id=False,
        preserve_external_request_id=True,
        forward_client_cert_details="SANITIZE",
        server_header_transformation="PASS_THROUGH",
        early_header_mutation_extensions=[_early_mutation()],
        local_reply_config=_local_replies(),
        http_filters=[
            {
                **_extension(
                    _LOWER_HOST,
                    "envoy.extensions.filters.http.lua.v3.Lua",
                    source_codes={_LOWER_HOST: {"inline_string": _LOWER_HOST_CODE}},
                ),
                "disabled": True,
            },
            _extension(
                "envoy.filters.http.router",
                "envoy.extensions.filters.http.router.v3.Router",
                suppress_envoy_headers=True,
            ),
        ],
        route_config=_routes(http, secure=secure),
    )


def _early_mutation() -> Json:
    """Before anything else: odd header names go, and what Envoy hides from rules is put where they can see it."""
    return _extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": "[^:].*[^a-z0-9-].*|[^a-z0-9:-].*"}}}},
            {"append": _header(SOURCE_HEADER, "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%")},
            {"append": _header(UPGRADE_HEADER, "%REQ(upgrade)%")},
        ],
    )


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _local_replies() -> Json:
    """What the connection manager refuses by itself (HTTP/1.0, absolute-form, upgrades) is 400, as our own refusals.

    The body says the status only: Envoy's own tells why a backend's certificate was refused.
    """
    own = "response.code_details != 'direct_response' && response.code in [403, 404, 426]"
    return {
        "mappers": [
            {
                "filter": {
                    "extension_filter": _extension(
                        "envoy.access_loggers.extension_filters.cel",
                        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                        expression=own,
                    )
                },
                "status_code": 400,
            }
        ],
        "body_format": {"text_format_source": {"inline_string": "%RESPONSE_CODE%\n"}},
    }


def _routes(http: Http, *, secure: bool) -> Json:
    out: Json = {
        "name": http.name,
        # Not by stripping the port: it would be gone before the host's spelling is judged.
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [*map(_virtual_host, http.hosts), _misdirected(http)],
    }
    if secure:
        out["request_headers_to_add"] = [
            _header("X-Forwarded-For", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
            _header("X-Forwarded-Proto", "https"),
        ]
        out["request_headers_to_remove"] = [
            "forwarded",
            "x-forwarded-port",
            "x-envoy-external-address",
            SOURCE_HEADER,
            UPGRADE_HEADER,
        ]
    return out


def _virtual_host(host: VirtualHost) -> Json:
    refusals: list[Json] = [_on(Not(PLAIN_HOST), _answer("host", host.source, 400))]
    if host.own is not None:
        refusals.append(_on(Not(host.own), _answer("one-label", host.source, 421)))
    end = _end(host)
    walk: Json = end
    if host.steps:
        walk = {
            "matcher": {
                "matcher_list": {
                    "matchers": [_on(step.test, end if step.status is None else _deny(step)) for step in host.steps]
                },
                "on_no_match": end,
            }
        }
    return {
        "name": host.name,
        "metadata": _metadata(host.source),
        "domains": list(host.domains),
        "matcher": {
            "matcher_list": {"matchers": [*refusals, _on(host.normal, walk)]},
            "on_no_match": _answer("normal-form", host.source, 400),
        },
    }


def _misdirected(http: Http) -> Json:
    return {
        "name": "misdirected",
        "metadata": _metadata(http.source),
        "domains": ["*", *http.foreign],
        "matcher": {
            "matcher_list": {"matchers": [_on(PLAIN_HOST, _answer("misdirected", http.source, 421))]},
            "on_no_match": _answer("host", http.source, 400),
        },
    }


def _on(test: Test, then: Json) -> Json:
    return {"predicate": _predicate(test), "on_match": then}


def _route(name: str, source: str, **fields: object) -> Json:
    return {
        "action": _extension(
            name,
            "envoy.config.route.v3.Route",
            name=name,
            metadata=_metadata(source),
            match={"prefix": ""},  # the matcher has decided; a route must have one
            **fields,
        )
    }


def _answer(name: str, source: str, status: int) -> Json:
    return _route(name, source, direct_response={"status": status})


def _deny(step: Step) -> Json:
    assert step.status is not None
    return _answer(step.name, step.source, step.status)


def _end(host: VirtualHost) -> Json:
    """Where a request goes that nothing refused. A host that is not in its plain spelling is first put into it."""
    end = host.end
    if isinstance(end, Forward) and end.host is not None:
        return _route(host.name, host.source, **_forward(end, end.host))
    fields = _forward(end, None) if isinstance(end, Forward) else _to_https(end.port)
    lower: Json = {
        _LOWER_HOST: {
            "@type": _TYPE + "envoy.extensions.filters.http.lua.v3.LuaPerRoute",
            "name": _LOWER_HOST,
        }
    }
    return {
        "matcher": {
            "matcher_list": {
                "matchers": [_on(Match(":authority", CANONICAL_HOST), _route(host.name, host.source, **fields))]
            },
            "on_no_match": _route(host.name, host.source, **fields, typed_per_filter_config=lower),
        }
    }


def _to_https(port: int) -> Json:
    redirect: Json = {"https_redirect": True, "response_code": "PERMANENT_REDIRECT"}
    if port != 443:
        redirect["port_redirect"] = port
    return {"redirect": redirect}


def _forward(forward: Forward, host: str | None) -> Json:
    timeouts = forward.timeouts
    route: Json = {
        "cluster": forward.cluster,
        "timeout": "0s",
        "idle_timeout": _milliseconds(max(timeouts.response, timeouts.idle)),
        "retry_policy": _retries(forward),
    }
    rewritten = forward.host_header or host
    if rewritten is not None:
        route["host_rewrite_literal"] = rewritten
    if forward.by_source:
        route["hash_policy"] = [{"connection_properties": {"source_ip": True}}]
    return {
        "route": route,
        "request_headers_to_add": [_header("X-Forwarded-Host", host if host is not None else "%REQ(:AUTHORITY)%")],
    }


def _retries(forward: Forward) -> Json:
    """Before a byte of the request was sent, and never to the same server again."""
    out: Json = {
        "num_retries": forward.primaries + forward.backups - 1,
        "per_try_idle_timeout": _milliseconds(forward.timeouts.response),
    }
    if not out["num_retries"]:
        return out
    if forward.primaries and forward.backups:
        out["retry_priority"] = _extension(
            "envoy.retry_priorities.previous_priorities",
            "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=forward.primaries,
        )
    return {
        **out,
        "retry_on": "connect-failure",
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        "retry_host_predicate": [
            _extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 20,
    }


# --- tests ----------------------------------------------------------------------------------------------------


def _predicate(test: Test) -> Json:
    match test:
        case Match(header, expression):
            return {"single_predicate": {"input": _input(header), "value_match": _regex(expression)}}
        case FromNetworks(networks):
            ranges = [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in networks]
            matcher = _extension(
                "envoy.matching.matchers.ip",
                "envoy.extensions.matching.input_matchers.ip.v3.Ip",
                cidr_ranges=ranges,
                stat_prefix="source",
            )
            return {"single_predicate": {"input": _input(SOURCE_HEADER), "custom_match": matcher}}
        case Every(of):
            return {"and_matcher": {"predicate": [_predicate(one) for one in of]}}
        case Some(of):
            return {"or_matcher": {"predicate": [_predicate(one) for one in of]}}
        case Not(of):
            return {"not_matcher": _predicate(of)}


def _input(header: str) -> Json:
    return _extension(header, "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header)


def _regex(expression: str) -> Json:
    return {"safe_regex": {"google_re2": {}, "regex": expression}}


# --- clusters -------------------------------------------------------------------------------------------------


def _cluster(cluster: Cluster) -> Json:
    priorities = [servers for servers in (cluster.servers, cluster.backups) if servers]
    out: Json = {
        "name": cluster.name,
        "metadata": _metadata(cluster.source),
        "type": "STATIC",
        "connect_timeout": _milliseconds(cluster.timeouts.connect),
        "per_connection_buffer_limit_bytes": 1048576,
        "lb_policy": _BALANCES[cluster.balance],
        # A server that failed its check gets nothing, even where all have.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "circuit_breakers": {
            "thresholds": [
                {
                    "priority": priority,
                    "max_connections": _UNLIMITED,
                    "max_pending_requests": _UNLIMITED,
                    "max_requests": _UNLIMITED,
                    "max_retries": _UNLIMITED,
                }
                for priority in ("DEFAULT", "HIGH")
            ]
        },
        "load_assignment": {
            "cluster_name": cluster.name,
            # Backups only when nobody else is left: a single healthy server counts for all.
            "policy": {"overprovisioning_factor": 200 * len(priorities[0])},
            "endpoints": [
                {"priority": priority, "lb_endpoints": [_endpoint(server, cluster) for server in servers]}
                for priority, servers in enumerate(priorities)
            ],
        },
    }
    if cluster.health:
        out["health_checks"] = [_health(cluster.health, cluster)]
    if cluster.http:
        out["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "common_http_protocol_options": {"idle_timeout": _milliseconds(cluster.timeouts.idle)},
            }
        }
    if cluster.tls:
        out["transport_socket"] = _upstream_tls(cluster.tls)
    return out


def _endpoint(server: Server, cluster: Cluster) -> Json:
    endpoint: Json = {"address": _address(server.socket)}
    if cluster.health and cluster.http:
        host = cluster.check_host or str(server.socket.address)
        endpoint["health_check_config"] = {"hostname": f"[{host}]" if ":" in host else host}
    return {"endpoint": endpoint, "load_balancing_weight": server.weight}


def _health(health: Health, cluster: Cluster) -> Json:
    out: Json = {
        "interval": _milliseconds(health.interval),
        "no_traffic_interval": _milliseconds(health.interval),
        "timeout": _milliseconds(health.timeout),
        "healthy_threshold": health.rise,
        "unhealthy_threshold": health.fall,
    }
    # Behind a passed-through site only the connection can be checked: its TLS is not ours.
    if not cluster.http:
        return {**out, "tcp_health_check": {}}
    statuses = [{"start": low, "end": high + 1} for low, high in _ranges(health.expect)]
    return {**out, "http_health_check": {"path": health.url_path, "expected_statuses": statuses}}


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if out and out[-1][1] == number - 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out


def _upstream_tls(tls: ClusterTls) -> Json:
    validation: Json = {"trust_chain_verification": "ACCEPT_UNTRUSTED"}
    if tls.ca is not None:
        validation = {"trust_chain_verification": "VERIFY_TRUST_CHAIN", "trusted_ca": {"filename": tls.ca}}
    if tls.san is not None:
        validation["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": tls.san}}]
    return _extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        sni=tls.sni,
        max_session_keys=0,
        common_tls_context={
            "tls_params": {
                "tls_minimum_protocol_version": _TLS_VERSIONS[tls.min_version],
                "tls_maximum_protocol_version": "TLSv1_3",
            },
            "validation_context": validation,
        },
    )
