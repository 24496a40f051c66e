"""Model → ``envoy.json`` and the files beside it.

Everything is built as objects and written by the JSON library, so nothing in a policy can break out of its place.
Where Envoy has a default that matters, or one that has moved, the value is written out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...compiler.bundle import Bundle
from . import access_log, members
from .clusters import cluster
from .connection_manager import connection_manager
from .json_text import Line, written
from .messages import TLS_VERSIONS, Json, address, extension, metadata, milliseconds, regex
from .model import Chain, Configuration, Pass, Plain, Terminate, Tls
from .program_size import MAX_PROGRAM_SIZE

_MANY = 100
"""Clusters from which on lines go no deeper than to the parts of a connection manager: the file is half as long."""
_PARTS = 10

_CURVES = {"prime256v1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}

_REGEX_BOUND: Json = {
    "re2.max_program_size.error_level": MAX_PROGRAM_SIZE,
    "re2.max_program_size.warn_level": MAX_PROGRAM_SIZE,
}

# Connections without the header are closed.
_PROXY_PROTOCOL = extension(
    "envoy.filters.listener.proxy_protocol",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    allow_requests_without_proxy_protocol=False,
)
_TLS_INSPECTOR = extension(
    "envoy.filters.listener.tls_inspector",
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
)


def render(configuration: Configuration) -> Bundle:
    """The bundle for a model."""
    document: Json = {
        "static_resources": {
            "listeners": [_tls(one) if isinstance(one, Tls) else _plain(one) for one in configuration.listeners],
            "clusters": map(cluster, configuration.clusters),
        },
        # Of clusters that nobody asks for: most, in a large policy.
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
        "layered_runtime": {"layers": [{"name": "policyc", "static_layer": _REGEX_BOUND}]},
    }
    text = (written(document, depth=_PARTS) if len(configuration.clusters) > _MANY else written(document)) + "\n"
    return Bundle(
        files={"envoy.json": text.encode(), **dict(configuration.files)},
        keys=configuration.keys,
        check=("envoy", "--mode", "validate", "-c", "envoy.json"),
        # Its words may go over many lines, and are the last that it says.
        check_fault=r"\[critical\]\[main\] \[[^]]*\] (?:error initializing configuration '[^']*': )?((?:.|\n)+)",
        run=("envoy", "-c", "envoy.json"),
        install="Copy this folder to the machine, add the keys, and start `envoy -c envoy.json` in it.",
    )


def _listener(listener: Tls | Plain) -> Json:
    first, *others = listener.binds
    out: Json = {"name": listener.name, "metadata": metadata(listener.source), "address": address(first)}
    if others:
        out["additional_addresses"] = [{"address": address(bind)} for bind in others]
    filters = [_PROXY_PROTOCOL] if listener.proxy_protocol else []
    filters += [_TLS_INSPECTOR] if isinstance(listener, Tls) else []
    if filters:
        out["listener_filters"] = filters
    return {
        **out,
        "per_connection_buffer_limit_bytes": 1048576,
        "listener_filters_timeout": "10s",
        "continue_on_listener_filters_timeout": False,
    }


def _tls(listener: Tls) -> Json:
    return {
        **_listener(listener),
        # Not by filter_chain_match, whose wildcards match any depth. No match: closed without a certificate.
        "filter_chain_matcher": _by_server_name(listener),
        "filter_chains": map(_chain, listener.chains),
    }


def _by_server_name(listener: Tls) -> Json:
    name = extension("sni", "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput")

    shared = any(isinstance(one, Terminate) and one.http.members for one in listener.chains)

    def chain(site: str) -> Json:
        out: Json = {"action": extension(site, "google.protobuf.StringValue", value=site)}
        return Line(out) if shared else out

    wildcards: Json = {
        "matcher_list": {
            "matchers": [
                {
                    "predicate": {"single_predicate": {"input": name, "value_match": regex(expression)}},
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
    out: Json = {"name": chain.name, "metadata": metadata(chain.source)}
    if isinstance(chain, Pass):
        return {**out, "filters": [_tcp_proxy(chain)]}
    return {
        **out,
        "transport_socket": _downstream_tls(chain),
        "transport_socket_connect_timeout": "10s",
        "filters": [
            *([members.note_site(chain.http.members)] if chain.http.members else []),
            connection_manager(chain.http, secure=True),
        ],
    }


def _downstream_tls(chain: Terminate) -> Json:
    parameters: Json = {
        "tls_minimum_protocol_version": TLS_VERSIONS[chain.tls.min_version],
        "tls_maximum_protocol_version": TLS_VERSIONS[chain.tls.max_version],
        "ecdh_curves": [_CURVES.get(curve, curve) for curve in chain.tls.curves],
    }
    if chain.tls.ciphers:
        parameters["cipher_suites"] = list(chain.tls.ciphers)
    common: Json = {
        "alpn_protocols": list(chain.http.protocols),
        "tls_params": parameters,
        "tls_certificates": _certificates(chain.certificates),
    }
    asked: Json = {}
    if chain.clients:
        # Also where none is required, one that does not hold ends the handshake.
        validation: Json = {
            "trust_chain_verification": "VERIFY_TRUST_CHAIN",
            "trusted_ca": {"filename": chain.clients.ca},
        }
        if chain.clients.crl is not None:
            validation["crl"] = {"filename": chain.clients.crl}
        common["validation_context"] = validation
        asked["require_client_certificate"] = chain.clients.required
    return extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
        **asked,
        disable_stateless_session_resumption=True,
        disable_stateful_session_resumption=True,
    )


def _certificates(files: Sequence[tuple[str, str]]) -> list[Json]:
    out: list[Json] = [
        {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}} for chain, key in files
    ]
    return [*map(Line, out)] if len(out) > 1 else out


def _tcp_proxy(chain: Pass) -> Json:
    fields: Json = {
        "stat_prefix": chain.name,
        "cluster": chain.cluster,
        "idle_timeout": milliseconds(chain.idle),
        "max_connect_attempts": chain.attempts,
    }
    if chain.by_source:
        fields["hash_policy"] = [{"source_ip": {}}]
    if chain.log:
        fields["access_log"] = access_log.of_connections(chain.log)
    return extension(
        "envoy.filters.network.tcp_proxy", "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", **fields
    )


def _plain(listener: Plain) -> Json:
    return {
        **_listener(listener),
        "filter_chains": [{"name": listener.name, "filters": [connection_manager(listener.http, secure=False)]}],
    }
