"""Clusters: the servers of a backend, as reached for one name."""

from __future__ import annotations

from collections.abc import Iterable

from ...compiler.plan import Balance, Health, Server
from .messages import TLS_VERSIONS, TYPE, Json, address, extension, metadata, milliseconds
from .model import Cluster, ClusterTls

_UNLIMITED = 4294967295
_HTTP = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BALANCES = {
    Balance.ROUND_ROBIN: "ROUND_ROBIN",
    Balance.LEAST_CONNECTIONS: "LEAST_REQUEST",
    Balance.SOURCE_HASH: "MAGLEV",
}


def cluster(cluster: Cluster) -> Json:
    """A cluster."""
    priorities = [servers for servers in (cluster.servers, cluster.backups) if servers]
    out: Json = {
        "name": cluster.name,
        "metadata": metadata(cluster.source, **({"upstream": cluster.told} if cluster.told is not None else {})),
        "type": "STATIC",
        "connect_timeout": milliseconds(cluster.timeouts.connect),
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
    if cluster.protocol:
        out["typed_extension_protocol_options"] = {_HTTP: _http(cluster, cluster.protocol)}
    if cluster.tls:
        out["transport_socket"] = _tls(cluster.tls, cluster.protocol == "h2")
    return out


def _http(cluster: Cluster, protocol: str) -> Json:
    spoken = "http2_protocol_options" if protocol == "h2" else "http_protocol_options"
    out: Json = {
        "@type": TYPE + _HTTP,
        "explicit_http_config": {spoken: {}},
        "common_http_protocol_options": {"idle_timeout": milliseconds(cluster.timeouts.idle)},
    }
    if cluster.tls and cluster.tls.by_host:
        # Connections are pooled by name. By then the Host is the one for the backend.
        out["upstream_http_protocol_options"] = {
            "auto_sni": True,
            "override_auto_sni_header": "x-forwarded-host",
            "auto_san_validation": cluster.tls.verify_host,
        }
    return out


def _endpoint(server: Server, cluster: Cluster) -> Json:
    endpoint: Json = {"address": address(server.socket)}
    if cluster.health and cluster.protocol:
        host = cluster.check_host or str(server.socket.address)
        endpoint["health_check_config"] = {"hostname": f"[{host}]" if ":" in host else host}
    return {"endpoint": endpoint, "load_balancing_weight": server.weight}


def _health(health: Health, cluster: Cluster) -> Json:
    out: Json = {
        "interval": milliseconds(health.interval),
        "no_traffic_interval": milliseconds(health.interval),
        "timeout": milliseconds(health.timeout),
        "healthy_threshold": health.rise,
        "unhealthy_threshold": health.fall,
    }
    # Behind a passed-through site only the connection can be checked: its TLS is not ours.
    if cluster.protocol is None:
        return {**out, "tcp_health_check": {}}
    check: Json = {
        "path": health.url_path,
        "expected_statuses": [{"start": low, "end": high + 1} for low, high in _ranges(health.expect)],
    }
    if cluster.protocol == "h2":
        check["codec_client_type"] = "HTTP2"
    return {**out, "http_health_check": check}


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if out and out[-1][1] == number - 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return out


def _tls(tls: ClusterTls, h2: bool) -> Json:
    # To accept anything would be to accept what is not pinned, too; without a CA only pins are looked at.
    validation: Json = {} if tls.pins else {"trust_chain_verification": "ACCEPT_UNTRUSTED"}
    if tls.ca is not None:
        validation = {"trust_chain_verification": "VERIFY_TRUST_CHAIN", "trusted_ca": {"filename": tls.ca}}
    if tls.crl is not None:
        validation["crl"] = {"filename": tls.crl}
    if tls.san is not None:
        validation["match_typed_subject_alt_names"] = [{"san_type": "DNS", "matcher": {"exact": tls.san}}]
    if tls.pins:
        validation["verify_certificate_hash"] = list(tls.pins)
    common: Json = {
        "tls_params": {
            "tls_minimum_protocol_version": TLS_VERSIONS[tls.min_version],
            "tls_maximum_protocol_version": "TLSv1_3",
        },
        "validation_context": validation,
    }
    if tls.certificate is not None:
        chain, key = tls.certificate
        common["tls_certificates"] = [{"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]
    if h2:
        common["alpn_protocols"] = ["h2"]
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        **({} if tls.sni is None else {"sni": tls.sni}),
        max_session_keys=0,
        common_tls_context=common,
    )
