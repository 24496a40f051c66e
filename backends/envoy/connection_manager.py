"""HTTP: the connection manager with its routes."""

from __future__ import annotations

from collections.abc import Iterable

from . import access_log, members
from .conditions import ALWAYS, PLAIN_HOST
from .filters import PEER, filters, on_route
from .json_text import Line
from .messages import Json, extension, header, literal, metadata, milliseconds
from .model import (
    CONNECTION_HEADER,
    FILTERS_HEADER,
    FORWARDED_FOR_HEADER,
    PEER_HEADER,
    SITE_HEADER,
    SOURCE_HEADER,
    UPGRADE_HEADER,
    Forward,
    Http,
    Lookup,
    Not,
    Redirection,
    Step,
    Test,
    ToHttps,
    VirtualHost,
)
from .predicates import header_input, predicate


def connection_manager(http: Http, *, secure: bool) -> Json:
    """The network filter that speaks HTTP."""
    # With AUTO, a visitor who never negotiated HTTP/2 could still speak it.
    spoken = {"h2": "HTTP2", "http/1.1": "HTTP1"}
    codec = "AUTO" if len(http.protocols) > 1 else "".join(spoken[one] for one in http.protocols)
    http1: Json = {"allow_absolute_url": False, "accept_http_10": False}
    if http.custom_methods:
        http1["allow_custom_methods"] = True
    optional: Json = {}
    if _upgrades(http):
        # Not for routes alone: a rule that refuses such a request has a route of another kind.
        optional["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    if log := access_log.of_requests(http):
        optional["access_log"] = log
    return extension(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=http.name,
        codec_type=codec,
        # The target as received: nothing is normalised, the expressions refuse instead.
        normalize_path=False,
        merge_slashes=False,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        http_protocol_options=http1,
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
        **_who(http),
        # Nothing of Envoy's own is added.
        generate_request_id=False,
        preserve_external_request_id=True,
        forward_client_cert_details="SANITIZE",
        server_header_transformation="PASS_THROUGH",
        early_header_mutation_extensions=[_early_mutation(http)],
        local_reply_config=_local_replies(),
        http_filters=filters(http),
        route_config=_routes(http, secure=secure),
        **optional,
    )


def _who(http: Http) -> Json:
    """Who the visitor is: the peer, or what a trusted one says; and nobody is "internal"."""
    out: Json = {
        "skip_xff_append": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
    }
    if not http.trusted:
        return {"use_remote_address": True, "xff_num_trusted_hops": 0, **out}
    cidrs = [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in http.trusted]
    detection = extension(
        "envoy.http.original_ip_detection.xff",
        "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig",
        xff_trusted_cidrs={"cidrs": cidrs},
        skip_xff_append=True,
    )
    return {"use_remote_address": False, "original_ip_detection_extensions": [detection], **out}


def _early_mutation(http: Http) -> Json:
    """Before anything else: odd header names go, and what Envoy hides from rules is put where they can see it."""
    unwanted = "[^:].*[^a-z0-9-].*|[^a-z0-9:-].*"
    if http.trusted:
        # Without `use_remote_address` Envoy would believe these.
        unwanted += "|x-envoy-.*|x-forwarded-proto"
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[
            {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": unwanted}}}},
            *({"append": header(name, value)} for name, value in sorted(_noted(http).items())),
        ],
    )


def _noted(http: Http) -> dict[str, str]:
    """Our own headers that a request gets when it is read."""
    out = {UPGRADE_HEADER: "%REQ(upgrade)%", PEER_HEADER if http.trusted else SOURCE_HEADER: PEER}
    if _upgrades(http):
        out[CONNECTION_HEADER] = "%REQ(connection)%"
    if http.members:
        out[SITE_HEADER] = members.OF_REQUEST
    return out


def _upgrades(http: Http) -> bool:
    return any(isinstance(host.end, Forward) and host.end.upgrades for host in http.hosts)


def _local_replies() -> Json:
    """What the connection manager refuses by itself (HTTP/1.0, absolute-form, upgrades) is 400, as our own refusals.

    The body says the status only: Envoy's own tells why a backend's certificate was refused.
    """
    own = "response.code_details != 'direct_response' && response.code in [403, 404, 426]"
    return {
        "mappers": [
            {
                "filter": {
                    "extension_filter": extension(
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


# --- routes ---------------------------------------------------------------------------------------------------


def _routes(http: Http, *, secure: bool) -> Json:
    out: Json = {
        "name": http.name,
        # Not by stripping the port: it would be gone before the host's spelling is judged.
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [*(_virtual_host(http, host) for host in http.hosts), _misdirected(http)],
    }
    if http.members:
        out["vhost_header"] = SITE_HEADER
        out["cluster_specifier_plugins"] = [members.clusters(http.members)]
    if secure:
        out["request_headers_to_add"] = [header("X-Forwarded-Proto", "https")]
        if not http.trusted:
            out["request_headers_to_add"] += [header("X-Forwarded-For", PEER)]
        # Of the options of the visitor's connection, `TE: trailers` is the one that Envoy would pass on.
        removed = ["forwarded", "te", "x-forwarded-port", "x-envoy-external-address", *sorted(_noted(http))]
        removed += [FORWARDED_FOR_HEADER] if http.trusted else []
        removed += [SOURCE_HEADER, FILTERS_HEADER] if http.rerouted else []
        if http.subject_header:
            # Removed first, and added where there is a certificate.
            out["request_headers_to_add"] += [header(http.subject_header, "%DOWNSTREAM_PEER_SUBJECT%")]
            removed.append(http.subject_header)
        out["request_headers_to_remove"] = removed
    return out


def _virtual_host(http: Http, host: VirtualHost) -> Json:
    refusals: list[Json] = [_on(Not(PLAIN_HOST), _answer("host", host.source, 400))]
    if host.own is not None:
        refusals.append(_on(Not(host.own), _answer("one-label", host.source, 421)))
    end = _end(http, host, None, host.filters)
    walk: Json = end
    if host.steps:
        walk = _first(
            [
                _lookup(http, host, one) if isinstance(one, Lookup) else _on(one.test, _step(http, host, one))
                for one in host.steps
            ],
            end,
        )
    return {
        "name": host.name,
        "metadata": metadata(host.source),
        "domains": list(host.domains),
        **_first([*refusals, _on(host.normal, walk)], _answer("normal-form", host.source, 400)),
    }


def _misdirected(http: Http) -> Json:
    return {
        "name": "misdirected",
        "metadata": metadata(http.source),
        "domains": ["*", *http.foreign],
        **_first([_on(PLAIN_HOST, _answer("misdirected", http.source, 421))], _answer("host", http.source, 400)),
    }


def _first(choices: list[Json], otherwise: Json) -> Json:
    """A matcher that takes the first choice whose test holds."""
    return {"matcher": {"matcher_list": {"matchers": choices}, "on_no_match": otherwise}}


def _on(test: Test, then: Json) -> Json:
    return {"predicate": predicate(test), "on_match": then}


def _route(name: str, from_: Json, **fields: object) -> Json:
    return {
        "action": extension(
            name,
            "envoy.config.route.v3.Route",
            name=name,
            metadata=from_,
            match={"prefix": ""},  # the matcher has decided; a route must have one
            **fields,
        )
    }


def _answer(name: str, source: str, status: int) -> Json:
    return _route(name, metadata(source, rule="", upstream=""), direct_response={"status": status})


def _lookup(http: Http, host: VirtualHost, lookup: Lookup) -> Json:
    """Passed over where the tables have nothing, as any choice whose test does not hold."""

    def table(kind: str, steps: Iterable[tuple[str, Step]]) -> Json:
        found = {text: Line(_step(http, host, step)) for text, step in steps}
        return {"matcher_tree": {"input": header_input(":path"), kind: {"map": found}}}

    # What Envoy calls the path has the query behind it. The longest beginning is the only one that is looked at.
    asked = [(text + "?", step) for text, step in lookup.exact]
    found = table("prefix_match_map", [*lookup.beginnings, *asked])
    if lookup.exact:
        found = {**table("exact_match_map", lookup.exact), "on_no_match": {"matcher": found}}
    return _on(lookup.test or ALWAYS, {"matcher": found})


def _step(http: Http, host: VirtualHost, step: Step) -> Json:
    """Where a request goes with which a rule ends the walk. The access log shows the rule."""
    if step.ending is None:
        return _end(http, host, step, step.filters)
    fields: Json = {}
    if isinstance(step.ending, Redirection):
        fields["response_headers_to_add"] = [header("Location", literal(step.ending.to))]
    if names := on_route(step.filters, http.rerouted):
        fields["typed_per_filter_config"] = names
    decided = metadata(step.source, rule=step.name, upstream="")
    return _route(step.name, decided, direct_response={"status": step.ending.status}, **fields)


def _end(http: Http, host: VirtualHost, step: Step | None, names: tuple[str, ...]) -> Json:
    """Where a request goes that nothing refused."""
    if isinstance(host.end, ToHttps):
        return _route(host.name, metadata(host.source), **_to_https(host.end.port))

    def on(to: Forward) -> Json:
        filters = on_route(names, http.rerouted)
        return _route(
            to.name,
            metadata(
                to.source,
                rule=step.name if step else "",
                **({} if to.cluster is None else {"upstream": to.backend}),
            ),
            **_forward(to, http),
            **({"typed_per_filter_config": filters} if filters else {}),
        )

    if not host.branches:
        return on(host.end)
    return _first([_on(one.test, on(one.to)) for one in host.branches], on(host.end))


def _to_https(port: int) -> Json:
    redirect: Json = {"https_redirect": True, "response_code": "PERMANENT_REDIRECT"}
    if port != 443:
        redirect["port_redirect"] = port
    return {"redirect": redirect}


def _forward(forward: Forward, http: Http) -> Json:
    timeouts = forward.timeouts
    route: Json = {
        **({"cluster_specifier_plugin": members.PLUGIN} if forward.cluster is None else {"cluster": forward.cluster}),
        "timeout": "0s",
        "idle_timeout": milliseconds(max(timeouts.response, timeouts.idle)),
        "retry_policy": _retries(forward),
    }
    if forward.host_header is not None:
        route["host_rewrite_literal"] = forward.host_header
    if forward.by_source:
        route["hash_policy"] = [{"connection_properties": {"source_ip": True}}]
    added = [header("X-Forwarded-Host", "%REQ(:AUTHORITY)%")]
    if http.trusted:
        # Here, since what all routes have in common takes our own headers away before it adds any.
        added.append(header("X-Forwarded-For", f"%REQ({FORWARDED_FOR_HEADER}?{PEER_HEADER})%"))
    if forward.upgrades:
        # In these words, however the visitor put it; other requests have neither header by now.
        added += [
            header("Upgrade", "websocket", "OVERWRITE_IF_EXISTS"),
            header("Connection", "upgrade", "OVERWRITE_IF_EXISTS"),
        ]
    return {"route": route, "request_headers_to_add": added}


def _retries(forward: Forward) -> Json:
    """Before a byte of the request was sent, and never to the same server again."""
    out: Json = {
        "num_retries": forward.primaries + forward.backups - 1,
        "per_try_idle_timeout": milliseconds(forward.timeouts.response),
    }
    if not out["num_retries"]:
        return out
    if forward.primaries and forward.backups:
        out["retry_priority"] = extension(
            "envoy.retry_priorities.previous_priorities",
            "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=forward.primaries,
        )
    return {
        **out,
        "retry_on": "connect-failure",
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 20,
    }
