"""The access log: a JSON object a line, for each request of a decrypted site and each connection passed through.

nginx escapes what JSON needs escaped, but lets bytes that are no UTF-8 through: a value ends where one is, with U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from ...compiler.plan import HostGroup, LimitBody, Listener, LogLabel, RateLimit, Site, Upstream
from .model import Expression, Geo, Joined, Key, LogFormat, Map, Text, Value, Variable
from .naming import Names, slug
from .rules import AT_ONCE, LISTS, WALK, Rules, first_of, walk_key, working
from .server_names import below, by_name, hostnames
from .visitors import PEER, SOURCE

_UTF8 = (
    r"(?:[\x00-\x7F]++|[\xC2-\xDF][\x80-\xBF]|\xE0[\xA0-\xBF][\x80-\xBF]|[\xE1-\xEC\xEE\xEF][\x80-\xBF]{2}"
    r"|\xED[\x80-\x9F][\x80-\xBF]|\xF0[\x90-\xBF][\x80-\xBF]{2}|[\xF1-\xF3][\x80-\xBF]{3}|\xF4[\x80-\x8F][\x80-\xBF]{2})*+"
)
_LOG_SOURCE = Variable("policyc_log_source")
_LABELS = Variable("policyc_labels")
_RATE_RULE = Variable("policyc_rate_rule")
_BODY_RULE = Variable("policyc_body_rule")
_NUMBERS = frozenset({"duration_ms"})


def http_format(listener: Listener, known: Set[Variable]) -> LogFormat:
    """The members for the requests of one listener. The site is that of the SNI: also of what is refused.

    `known`: the variables that servers set, here and below.
    """
    return LogFormat(
        listener.path,
        format_name(listener),
        (
            ("time", Variable("time_iso8601")),
            ("listener", listener.name),
            ("site", Variable(f"policyc_site_{slug(listener.name)}")),
            ("source", _LOG_SOURCE if SOURCE in known else PEER),
            ("sni", Variable("policyc_log_sni")),
            ("tls_version", Variable("ssl_protocol")),
            ("host", Variable("policyc_log_host")),
            ("method", Variable("policyc_log_method")),
            ("target", Variable("policyc_log_target")),
            ("status", Variable("status")),
            ("rule", Variable("policyc_decided_by")),
            ("labels", _LABELS if _LABELS in known else ""),
            ("upstream", Variable("policyc_log_upstream")),
            ("upstream_address", Variable("upstream_addr")),
            ("duration_ms", Variable("policyc_log_duration")),
        ),
        _NUMBERS | {"status"},
    )


def format_name(listener: Listener) -> str:
    """The name of a listener's format."""
    return f"policyc_{slug(listener.name)}"


def http_maps(
    upstreams: Iterable[Upstream], names: Names, source: Variable | None, known: Set[Variable]
) -> Iterator[Map]:
    """What the members are made of."""
    yield from _printable("policyc_log_sni", "ssl_server_name")
    yield from _printable("policyc_log_method", "request_method")
    yield from _printable("policyc_log_target", "request_uri")
    yield from _printable("policyc_log_host_as_sent", "http_host")
    as_sent, host = Variable("policyc_log_host_as_sent"), Variable("host")
    yield Map((), (Variable("policyc_bad_host"),), "policyc_log_host", as_sent, ((Key(""), host),))
    # What is refused before the source is known has none but the peer.
    if source:
        yield Map((), (source,), _LOG_SOURCE.name, source, ((Key(""), PEER),))
    yield _duration("request_time")
    cases = tuple((Key(names[one.id]), one.backend.name) for one in upstreams)
    yield Map((), (Variable("proxy_host"),), "policyc_log_upstream", "", cases)
    # 429 and 413 may also be the backend's own.
    parts: list[str | Variable] = [Variable("limit_req_status"), Variable("status"), Variable("upstream_status")]
    parts += [variable if variable in known else "" for variable in (_RATE_RULE, _BODY_RULE, WALK)]
    yield Map(
        (),
        tuple(part for one in parts for part in (one, "|"))[:-1],
        "policyc_decided_by",
        "",
        (
            (Expression(r"^REJECTED[|][^|]*[|][^|]*[|]([^|]*)"), Variable("1")),
            (Expression(r"^[^|]*[|]413[|](?![^|]*413[|])[^|]*[|][^|]*[|]([^|]+)"), Variable("1")),
            (Expression(r":([^:|]+)\z"), Variable("1")),
        ),
    )


def stream_maps(listener: Listener) -> Iterator[Map]:
    """The same for connections passed through: the site and the backend are empty for those that are not."""
    yield from _printable("policyc_log_sni", "ssl_preread_server_name")
    yield _duration("session_time")
    wildcards = {host.name for host in hostnames(listener, False) if host.wildcard}
    kept = [(host, "") for host in below(hostnames(listener, True), wildcards)]
    for name, of in (
        ("passed", [(host, site.name) for site, group in _passed(listener) for host in group.hostnames]),
        (
            "upstream",
            [(host, group.upstream.backend.name) for _, group in _passed(listener) for host in group.hostnames],
        ),
    ):
        variable = Variable(f"policyc_{name}_{slug(listener.name)}")
        yield from by_name(listener, variable, "ssl_preread_server_name", [*of, *kept], "")


def _passed(listener: Listener) -> list[tuple[Site, HostGroup]]:
    return [(site, group) for site in listener.sites if not site.decrypt for group in site.groups]


def stream_format(listener: Listener) -> LogFormat:
    """The members for connections of one listener that are passed through."""
    return LogFormat(
        listener.path,
        format_name(listener),
        (
            ("time", Variable("time_iso8601")),
            ("listener", listener.name),
            ("site", Variable(f"policyc_passed_{slug(listener.name)}")),
            ("source", Variable("policyc_source")),
            ("sni", Variable("policyc_log_sni")),
            ("upstream", Variable(f"policyc_upstream_{slug(listener.name)}")),
            ("upstream_address", Variable("upstream_addr")),
            ("duration_ms", Variable("policyc_log_duration")),
        ),
        _NUMBERS,
    )


def logged(site: Site, rules: Rules, blocks: list[Map | Geo]) -> Iterator[tuple[Variable, Value]]:
    """What a site's requests have to say in the log, beyond what every request has."""
    key, path = walk_key(site), LISTS
    labels: list[str | Variable] = []
    for index, one in enumerate(working(site, LogLabel)):
        name = f"policyc_label_{key}_{index}"
        applied = rules.applied(one.rule_list, one.rule)
        blocks.append(Map(one.rule.path, (applied,), name, "", ((Key("1"), Text(f",{one.action.label}")),)))
        labels.append(Variable(name))
    if labels:
        name = f"policyc_labels_{key}"
        source = _chained(path, name, labels, blocks)
        blocks.append(Map(path, source, name, "", ((Expression("^,(.+)"), Variable("1")),)))
        yield _LABELS, Variable(name)
    for variable, limits in (
        (_RATE_RULE, list(working(site, RateLimit))),
        (_BODY_RULE, sorted(working(site, LimitBody), key=lambda one: one.action.size)),
    ):
        pairs = [(rules.applied(one.rule_list, one.rule), one.rule.id) for one in limits]
        if pairs:
            yield variable, first_of(path, f"{variable.name}_{key}", pairs, "", blocks)


def _chained(
    path: tuple[str | int, ...], name: str, parts: list[str | Variable], blocks: list[Map | Geo]
) -> tuple[str | Variable, ...]:
    """Parts as the source of a map, in several steps where one word does not hold them."""
    if len(parts) <= AT_ONCE:
        return tuple(parts)
    rest = _chained(path, f"{name}__more", parts[AT_ONCE:], blocks)
    blocks.append(Map(path, rest, f"{name}__rest", "", ((Expression("^(.*)"), Variable("1")),)))
    return (*parts[:AT_ONCE], Variable(f"{name}__rest"))


def _printable(name: str, source: str) -> Iterator[Map]:
    cut = Joined((Variable("1"), "\ufffd"))
    cases = ((Expression(rf"^{_UTF8}\z"), Variable(source)), (Expression(f"^({_UTF8})"), cut))
    yield Map((), (Variable(source),), name, "", cases)


def _duration(source: str) -> Map:
    """Seconds as ``12.345`` → milliseconds."""
    cases = (
        (Expression(r"^0[.]0*([0-9]+)\z"), Variable("1")),
        (Expression(r"^([0-9]+)[.]([0-9]+)\z"), Joined((Variable("1"), Variable("2")))),
    )
    return Map((), (Variable(source),), "policyc_log_duration", "0", cases)
