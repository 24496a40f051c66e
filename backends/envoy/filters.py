"""Filters: what rules do to requests that go on, and what every request needs."""

from __future__ import annotations

from ...compiler.normal_form import escape_text
from ...compiler.plan import EditHeaders, RateLimit
from .conditions import CANONICAL_HOST, PLAIN_HOST, told_by_proxies
from .messages import NAMESPACE, TYPE, Json, extension, header, literal, milliseconds
from .model import (
    FILTERS_HEADER,
    FORWARDED_FOR_HEADER,
    PEER_HEADER,
    SOURCE_HEADER,
    BufferBody,
    EditRequest,
    EditResponse,
    Every,
    Filter,
    Http,
    LimitLength,
    LimitRate,
    Mark,
    Match,
    Not,
    Test,
)
from .predicates import predicate

PEER = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
"""The visitor's address; before the request's X-Forwarded-For is looked at, the peer's."""
HOST = "policyc.host"
"""Filter state: for the access log, since the backend's host is written over the visitor's."""

_UNLIMITED = 4294967295
_SOURCES = 100_000
"""So many sources are counted at once for a rate; beyond, the one that was silent longest starts anew. Envoy's default
of 20 lets a visitor with 20 addresses wash off any limit."""
_LOWER_HOST_CODE = """\
-- The backend gets the host in lower case and without a port. Runs only for requests where it is spelled otherwise.
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = string.gsub(string.lower(headers:get(":authority")), ":%d+$", "")
  headers:replace(":authority", host)
end
"""
_PLAIN_LIST_CODE = f"""\
-- X-Forwarded-For goes on with one blank behind each comma. Runs only for requests where it is spelled otherwise.
function envoy_on_request(handle)
  local headers = handle:headers()
  local list = string.gsub(headers:get("{FORWARDED_FOR_HEADER}"), "[ \\t]*,[ \\t]*", ", ")
  headers:replace("{FORWARDED_FOR_HEADER}", (string.gsub(list, "^[ \\t]+", "")))
end
"""
_SKIP = extension("skip", "envoy.extensions.filters.common.matcher.action.v3.SkipFilter")
_FILTER_STATE = "envoy.extensions.filters.http.set_filter_state.v3.Config"
_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_WALKED = "policyc.walked"
_ON: Json = {"@type": TYPE + "envoy.config.route.v3.FilterConfig", "config": {}}


def filters(http: Http) -> list[Json]:
    """Every filter of a connection manager, in order."""
    marks = [one for one in http.filters if isinstance(one.work, Mark) and not one.work.decides]
    others = [one for one in http.filters if one not in marks]
    out: list[Json] = []
    if http.rerouted:
        out += [
            {**_mutate(request=[header(SOURCE_HEADER, PEER)]), "name": "policyc.source"},
            # The route is chosen again, now that rules can see the source.
            extension("policyc.again", _FILTER_STATE, clear_route_cache=True),
            extension(_WALKED, _MUTATION),
        ]
    out += [_of_rule(one, http.rerouted) for one in marks]
    # Marks are set by the host as it was sent.
    out.append(
        _where(
            Every((PLAIN_HOST, Not(Match(":authority", CANONICAL_HOST)))), "policyc.lower_host", _lua(_LOWER_HOST_CODE)
        )
    )
    if http.log:
        out.append(_remember_host())
    out += [_of_rule(one, http.rerouted) for one in others]
    if http.trusted:
        told = told_by_proxies(http.trusted)
        listed = _mutate(request=[header(FORWARDED_FOR_HEADER, f"%REQ(x-forwarded-for)%, %REQ({PEER_HEADER})%")])
        oddly = Every((told, Not(Match("x-forwarded-for", "[^, \\t]+(?:, [^, \\t]+)*"))))
        out += [
            _where(told, "policyc.forwarded_for", listed),
            _where(oddly, "policyc.plain_list", _lua(_PLAIN_LIST_CODE)),
        ]
    return [*out, _router()]


def on_route(names: tuple[str, ...], rerouted: bool) -> Json:
    """The part of a route that says which filters its requests go through."""
    if not names:
        return {}
    if not rerouted:
        return dict.fromkeys(names, _ON)
    listed = header(FILTERS_HEADER, "".join(f"|{name}" for name in names) + "|")
    return {
        _WALKED: {
            "@type": TYPE + _MUTATION + "PerRoute",
            "mutations": {"request_mutations": [{"append": listed}]},
        }
    }


def _of_rule(one: Filter, rerouted: bool) -> Json:
    work = _work(one)
    if rerouted:
        listed = Match(FILTERS_HEADER, rf"\C*[|]{escape_text(one.name)}[|]\C*")
        return _where(Every((listed, one.test)) if one.test else listed, one.name, work)
    out = _where(one.test, one.name, work) if one.test else {**work, "name": one.name}
    return {**out, "disabled": True}


def _where(test: Test, name: str, filter_: Json) -> Json:
    """A filter for those requests only for which a test holds."""
    return extension(
        name,
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=filter_,
        xds_matcher={
            "matcher_list": {"matchers": [{"predicate": predicate(Not(test)), "on_match": {"action": _SKIP}}]}
        },
    )


def _work(one: Filter) -> Json:
    match one.work:
        case Mark(rule, labels, applied, decides):
            value: Json = {"applied": {rule: True}} if applied else {}
            if labels:
                value["labels"] = list(labels)
            if decides:
                value["rule"] = rule
            return extension(
                "envoy.filters.http.set_metadata",
                "envoy.extensions.filters.http.set_metadata.v3.Config",
                # Merged into what is there; labels are appended.
                metadata=[{"metadata_namespace": NAMESPACE, "allow_overwrite": True, "value": value}],
            )
        case EditRequest(edits):
            return _mutate(request=_edits(edits))
        case EditResponse(edits):
            return _mutate(response=_edits(edits))
        case LimitRate(limit):
            return _rate(limit)
        case BufferBody(size):
            return extension(
                "envoy.filters.http.buffer",
                "envoy.extensions.filters.http.buffer.v3.Buffer",
                max_request_bytes=max(size, 1),
            )
        case LimitLength(size):
            return extension(
                "envoy.filters.http.fault",
                "envoy.extensions.filters.http.fault.v3.HTTPFault",
                abort={"http_status": 413, "percentage": {"numerator": 100}},
                headers=[{"name": "content-length", "range_match": {"start": size + 1, "end": 9223372036854775807}}],
            )


def _mutate(request: list[Json] | None = None, response: list[Json] | None = None) -> Json:
    mutations: Json = {}
    if request:
        mutations["request_mutations"] = [_mutation(one) for one in request]
    if response:
        mutations["response_mutations"] = [_mutation(one) for one in response]
    return extension("envoy.filters.http.header_mutation", _MUTATION, mutations=mutations)


def _mutation(one: Json) -> Json:
    return one if "remove" in one else {"append": one}


def _edits(edits: EditHeaders) -> list[Json]:
    return [
        *({"remove": name} for name in edits.remove),
        *(header(name, literal(value)) for name, value in edits.set),
        *(header(name, literal(value), "APPEND_IF_EXISTS_OR_ADD") for name, value in edits.add),
    ]


def _rate(limit: RateLimit) -> Json:
    tokens = {"tokens_per_fill": limit.count, "fill_interval": milliseconds(limit.period)}
    by_source: Json = {"remote_address": {}}
    always = {"default_value": {"numerator": 100}}
    return extension(
        "envoy.filters.http.local_ratelimit",
        "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate",
        filter_enabled=always,
        filter_enforced=always,
        rate_limits=[{"actions": [by_source]}],
        # No value: a bucket for each.
        descriptors=[
            {
                "entries": [{"key": "remote_address"}],
                "token_bucket": {"max_tokens": limit.count + limit.burst, **tokens},
            }
        ],
        max_dynamic_descriptors=_SOURCES,
        # For what has no descriptor; every request has one.
        token_bucket={"max_tokens": _UNLIMITED, "tokens_per_fill": _UNLIMITED, "fill_interval": "1s"},
        always_consume_default_token_bucket=False,
    )


def _lua(code: str) -> Json:
    return extension(
        "envoy.filters.http.lua",
        "envoy.extensions.filters.http.lua.v3.Lua",
        default_source_code={"inline_string": code},
        # The walk is over: it must not begin again with headers that rules have edited.
        clear_route_cache=False,
    )


def _remember_host() -> Json:
    host: Json = {"text_format_source": {"inline_string": "%REQ(:AUTHORITY)%"}, "omit_empty_values": True}
    return extension(
        HOST,
        _FILTER_STATE,
        on_request_headers=[{"object_key": HOST, "factory_key": "envoy.string", "format_string": host}],
    )


def _router() -> Json:
    return extension(
        "envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
    )
