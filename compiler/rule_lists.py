"""Inspection lists: what a policy writes → rules with matchers and actions, for sites with these path options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..schemas import policy as written
from .conditions import condition
from .diagnostics import Diagnostic, Path, declare
from .features import Feature
from .normal_form import PathOptions
from .plan import (
    Action,
    Allow,
    Condition,
    Deny,
    EditHeaders,
    LimitBody,
    LogLabel,
    RateLimit,
    Redirect,
    Rule,
    RuleList,
    TextMatch,
)

HEADER_NOT_EDITABLE = declare(
    "header-not-editable",
    """
    ## What it does
    A rule edits a header that frames the message, that names the host or the visitor, or that the edge writes itself.

    ## Why it is bad
    Such a header decides where a message ends or who is believed to have sent it. Proxies write it after the edits, or
    refuse to, each in its own way, so the edit would do something else on every target.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {request_headers: {set: {X-Forwarded-For: 192.0.2.1}}}
    ```

    ## Use instead
    The setting that is meant: `host_header` of the backend for Host, `trusted_proxies` for X-Forwarded-For,
    `websocket` for Upgrade.
    ```yaml
    inspection_rules:
      web:
        - {request_headers: {set: {X-Edge: public}}}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
    """,
)

_FRAME = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
_NOT_IN_REQUESTS = frozenset({*_FRAME, "http2-settings", "content-length", "expect", "host", "forwarded"})
_NOT_IN_RESPONSES = frozenset(
    {*_FRAME, "content-length", "content-type", "content-encoding", "content-range", "date", "location"}
)
_NOT_BEGINNINGS = ("x-forwarded-",)


def rule_list(name: str, rules: Sequence[written.Rule], options: PathOptions, findings: list[Diagnostic]) -> RuleList:
    """A list for sites with these `options`. What is wrong goes to `findings`."""
    path: Path = ("inspection_rules", name)
    variant = "+".join((name, *options.names))
    return RuleList(
        variant, path, tuple(_rule(variant, path, index, rule, options, findings) for index, rule in enumerate(rules))
    )


def _rule(
    list_name: str, list_path: Path, index: int, rule: written.Rule, options: PathOptions, findings: list[Diagnostic]
) -> Rule:
    path: Path = (*list_path, index)
    _check_edits(rule, path, findings)
    return Rule(
        id=f"{list_name}-{index + 1}",
        name=rule.name,
        path=path,
        when=condition(rule.when, (*path, "when"), findings, options) if rule.when else Condition(),
        unless=condition(rule.unless, (*path, "unless"), findings, options) if rule.unless else None,
        actions=tuple(_actions(rule)),
    )


def looks_for_expressions_in_queries(rules: Iterable[written.Rule]) -> bool:
    """Whether a rule has a `query` with a `regex`: its sites take plainly spelled queries only."""
    return any(
        match.regex is not None
        for rule in rules
        for part in (rule.when, rule.unless)
        if part is not None
        for match in part.query or ()
    )


def not_for_requests(name: str) -> bool:
    """Whether a header of a request belongs to the edge itself, so that a policy cannot set it."""
    return name.lower() in _NOT_IN_REQUESTS or name.lower().startswith(_NOT_BEGINNINGS)


def _check_edits(rule: written.Rule, path: Path, findings: list[Diagnostic]) -> None:
    for key, edits in (("request_headers", rule.request_headers), ("response_headers", rule.response_headers)):
        if edits is None:
            continue
        for kind, names in (("set", edits.set), ("add", edits.add), ("remove", edits.remove)):
            for index, name in enumerate(names):
                at: Path = (*path, key, kind, index if kind == "remove" else name)
                lower = name.lower()
                if key == "request_headers" and kind == "add" and lower == "cookie":
                    findings.append(HEADER_NOT_EDITABLE.found("a second Cookie is no list of cookies: use `set`", at))
                elif key == "response_headers" and lower == "host":
                    findings.append(HEADER_NOT_EDITABLE.found(f"`{name}` is a header of requests, not of answers", at))
                elif not_for_requests(name) if key == "request_headers" else lower in _NOT_IN_RESPONSES:
                    findings.append(
                        HEADER_NOT_EDITABLE.found(f"`{name}` cannot be edited: the edge itself writes it", at)
                    )


def _actions(rule: written.Rule) -> Iterable[Action]:
    # What does its work comes before what ends the walk.
    if rule.log is not None:
        yield LogLabel(rule.log)
    if rule.rate_limit is not None:
        yield RateLimit(rule.rate_limit.rate.events, rule.rate_limit.rate.period, rule.rate_limit.burst)
    if rule.limit_body is not None:
        yield LimitBody(rule.limit_body)
    for edits, response in ((rule.request_headers, False), (rule.response_headers, True)):
        if edits is not None:
            yield EditHeaders(
                response,
                tuple(edits.set.items()),
                tuple(edits.add.items()),
                tuple(name.lower() for name in edits.remove),
            )
    if rule.allow:
        yield Allow()
    if rule.deny is not None:
        yield Deny(rule.deny)
    if rule.redirect is not None:
        yield Redirect(rule.redirect.to, rule.redirect.status)


def rule_uses(rule: Rule) -> Iterable[tuple[Feature, Path]]:
    for key, part in (("when", rule.when), ("unless", rule.unless)):
        if part is None:
            continue
        regex = [matcher.kind is TextMatch.REGEX for matcher in part.paths]
        header_regex = [matcher.kind is TextMatch.REGEX for matcher in part.headers]
        for feature, field, used in (
            (Feature.MATCH_PATH, "path", not all(regex)),
            (Feature.MATCH_PATH_REGEX, "path", any(regex)),
            (Feature.MATCH_METHOD, "method", bool(part.methods)),
            (Feature.MATCH_HEADER, "header", not all(header_regex)),
            (Feature.MATCH_HEADER_REGEX, "header", any(header_regex)),
            (Feature.MATCH_QUERY, "query", bool(part.queries)),
            (Feature.MATCH_SOURCE, "source", bool(part.sources)),
            (Feature.MATCH_HOST, "host", bool(part.hosts)),
        ):
            if used:
                yield feature, (*rule.path, key, field)
    features: dict[type[Action], tuple[Feature, str]] = {
        Allow: (Feature.ALLOW, "allow"),
        Deny: (Feature.DENY, "deny"),
        Redirect: (Feature.REDIRECT, "redirect"),
        RateLimit: (Feature.RATE_LIMIT, "rate_limit"),
        LimitBody: (Feature.LIMIT_BODY, "limit_body"),
        LogLabel: (Feature.LOG_LABEL, "log"),
    }
    for action in rule.actions:
        if isinstance(action, EditHeaders):
            yield (
                (Feature.RESPONSE_HEADERS, (*rule.path, "response_headers"))
                if action.response
                else (
                    Feature.REQUEST_HEADERS,
                    (*rule.path, "request_headers"),
                )
            )
        else:
            feature, key = features[type(action)]
            yield feature, (*rule.path, key)
