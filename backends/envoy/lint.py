"""What only Envoy gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.diagnostics import Diagnostic, Location, Path, Severity, rule
from ...compiler.features import version_key
from ...compiler.plan import Action, Condition, EditHeaders, LimitBody, Plan, RateLimit, Rule, Site, TextMatch, Upstream
from .program_size import MAX_PROGRAM_SIZE, program_size
from .support import TESTED, Settings, lacks_suite

# Measured on 1.40: removed from a request, or replaced, before a route is chosen.
_NOT_SEEN = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-client-cert",
        "x-forwarded-proto",
    }
)


_LARGEST_BUFFER = 4294967295
_FROM_THE_BEGINNING = (TextMatch.EXACT, TextMatch.PREFIX)


@rule("envoy-header-not-seen", acceptable=False)
def header_not_seen(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule looks at a request header that Envoy takes away or replaces before rules see it: those of the connection
    (`Connection`, `Keep-Alive`, `TE`, `Transfer-Encoding`, `Upgrade`, `Expect`), `X-Forwarded-Proto`,
    `X-Forwarded-Client-Cert`, and everything that begins with `X-Envoy-`.

    ## Why it is bad
    The rule would decide otherwise than on other targets, and a deny rule would never apply.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {header: {name: X-Envoy-Retry-On, present: true}}, deny: 403}
        - {when: {path: {prefix: /a}}, unless: {header: {name: X-Forwarded-Proto, exact: https}}, deny: 403}
    ```

    ## Use instead
    No rule: requests that upgrade are refused anyway, and none of these headers reaches the backend as the visitor
    sent it.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/header_sanitizing
    """
    for path, condition in plan.conditions():
        for header in condition.headers:
            if header.name in _NOT_SEEN or header.name.startswith("x-envoy-"):
                yield header_not_seen.found(
                    f"Envoy takes `{header.name}` away before rules see it",
                    (*path, "header"),
                    target="envoy",
                    help=["remove the condition, or build these sites for another target"],
                )


@rule("envoy-regex-too-large", acceptable=False)
def regex_too_large(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    An expression becomes an RE2 program of more than 10,000 instructions, by a careful estimate. That is the bound
    which the generated configuration sets (`re2.max_program_size.error_level`); Envoy's own default is 100.

    ## Why it is bad
    Envoy does not start with an expression beyond the bound, and without one a single request could cost a second.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - when: {path: {regex: "^/[a-z]{1000}/[a-z]{1000}/[a-z]{1000}/[a-z]{1000}/[a-z]{1000}/[a-z]{1000}$"}}
          deny: 403
    ```

    ## Use instead
    `+` or `*` instead of large repetitions, or several shorter expressions.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/regex.proto
    """
    found: dict[Path, str] = {}
    for path, condition in plan.conditions():
        for key, matchers in (("path", condition.paths), ("header", condition.headers), ("query", condition.queries)):
            for matcher in matchers:
                if program_size(matcher.expression) > MAX_PROGRAM_SIZE:
                    found.setdefault((*path, key), matcher.text)
    for route in (route for site in plan.sites for group in site.groups for route in group.routes):
        if program_size(route.prefix.expression) > MAX_PROGRAM_SIZE:
            found.setdefault((*route.path, "path"), route.prefix.text)
    for path, text in found.items():
        yield regex_too_large.found(
            f"`{_short(text)}` becomes an expression that is too large for Envoy",
            path,
            target="envoy",
            help=["use `+` or `*` instead of large repetitions, or several shorter expressions"],
        )


@rule("envoy-header-obeyed", acceptable=False)
def header_obeyed(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule sets or adds a request header `X-Envoy-…`.

    ## Why it is bad
    Envoy obeys such a header instead of sending it: it changes timeouts, retries and even the status of an answer.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - request_headers: {set: {x-envoy-upstream-rq-timeout-ms: "1"}}
        - request_headers: {add: {X-Envoy-Retry-On: 5xx}}
    ```

    ## Use instead
    A header of another name, or the backend's `timeouts`.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter
    """
    for one, action in _actions(plan):
        if not isinstance(action, EditHeaders) or action.response:
            continue
        for kind, edits in (("set", action.set), ("add", action.add)):
            for name, _ in edits:
                if name.lower().startswith("x-envoy-"):
                    yield header_obeyed.found(
                        f"Envoy obeys `{name}` and does not send it",
                        (*one.path, "request_headers", kind, name),
                        target="envoy",
                        help=["use another name"],
                    )


@rule("envoy-body-limit-too-large", acceptable=False)
def body_limit_too_large(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule limits bodies to 4 GiB or more.

    ## Why it is bad
    Envoy reads a body of unknown length into its memory before it judges it, and counts with 32 bits there.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - limit_body: 4GiB
    ```

    ## Use instead
    A smaller limit, or none.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/buffer_filter
    """
    for one, action in _actions(plan):
        if isinstance(action, LimitBody) and action.size > _LARGEST_BUFFER:
            yield body_limit_too_large.found(
                "Envoy cannot count a body this large",
                (*one.path, "limit_body"),
                target="envoy",
                help=["limit bodies to less than 4 GiB"],
            )


@rule("envoy-health-check-without-name", acceptable=False)
def health_check_without_name(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend has health checks, and is verified for whatever name below a wildcard the visitor asks for.

    ## Why it is bad
    A health check has no visitor, so Envoy sends no name with it and verifies none: a stranger's server counts as
    healthy, and a good one that needs the name does not.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/star-example-com.pem, key: certs/star-example-com.key}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal}
        health: {path: /}
    sites:
      shop: {hostnames: ["*.example.com"], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Use instead
    `server_name` with a fixed name, or no health checks.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto
    """
    seen: set[str] = set()
    for upstream in plan.upstreams:
        backend = upstream.backend
        if backend.tls and backend.health and upstream.server_name is None and backend.name not in seen:
            if all(site.decrypt is False for site in plan.sites if upstream in _upstreams(site)):
                continue
            seen.add(backend.name)
            yield health_check_without_name.found(
                f"health checks of `{backend.name}` would verify no name",
                backend.health.path,
                target="envoy",
                help=["write `server_name`, or leave out `health`"],
                backends=[backend.name],
            )


@rule("envoy-rates-overlap", Severity.WARNING)
def rates_overlap(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    Two rate limits may apply to the same request.

    ## Why it is bad
    Envoy counts for one limit after the other, and cannot take back what it has counted: a request that the second
    refuses has been counted by the first. Limits over a shorter time come first, then those with fewer requests, so
    that a visitor is never kept out for longer than the shorter time. On other targets such a request is not counted.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {prefix: /api}}, rate_limit: {rate: 10/s}}
        - {when: {path: {prefix: /login}}, rate_limit: {rate: 1/s}}
        - {when: {path: {prefix: /api/search}}, rate_limit: {rate: 100/h}}
        - {when: {method: POST}, rate_limit: {rate: 5/s}}
    ```

    ## Use instead
    Conditions that exclude each other, or accept this.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/local_rate_limit_filter
    """
    told: set[Path] = set()
    for site in plan.sites:
        limited = [one for rule_list in site.rule_lists for one in rule_list.rules if _limits_rate(one)]
        for index, one in enumerate(limited):
            other = next((other for other in limited[:index] if not _exclude(one.when, other.when)), None)
            if other and one.path not in told:
                told.add(one.path)
                yield rates_overlap.found(
                    "a request that one rate limit refuses may be counted by another",
                    (*one.path, "rate_limit"),
                    target="envoy",
                    related=[Location((*other.path, "rate_limit"), "the other")],
                    help=["let the conditions exclude each other, or accept this"],
                    sites=[site.name],
                )


@rule("envoy-query-method-without-type", Severity.WARNING)
def query_method_without_type(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site takes the method `QUERY`.

    ## Why it is bad
    From 1.40 on Envoy refuses (400) a `QUERY` without Content-Type, before any rule is looked at. Other targets
    forward it.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
        methods: [QUERY]
    ```

    ## Use instead
    Nothing else, if those who ask always say a Content-Type, as the method's specification wants it.

    ## Targets
    envoy

    ## References
    https://datatracker.ietf.org/doc/draft-ietf-httpbis-safe-method-w-body/
    """
    for site in plan.sites:
        if "QUERY" in site.methods:
            yield query_method_without_type.found(
                f"Envoy refuses a `QUERY` of `{site.name}` that says no Content-Type",
                (*site.path, "methods"),
                target="envoy",
                help=["accept this if everybody who asks says one"],
                sites=[site.name],
            )


@rule("envoy-suite-not-offered", Severity.WARNING)
def suite_not_offered(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A listener's TLS settings ask for cipher suites that Envoy's TLS library does not have.

    ## Why it is bad
    A visitor who can do no other suite is refused here and served by other targets. None is known: whoever speaks one
    of these also speaks an older one that is offered.

    ## Example
    ```yaml
    listeners:
      public: {tls: {profile: old}}
    ```

    ## Use instead
    The profile `intermediate`, unless visitors need `old`.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
    """
    for listener in plan.listeners:
        lacking = [name for name in listener.tls.ciphers if lacks_suite(name, settings)]
        if lacking:
            yield suite_not_offered.found(
                f"Envoy cannot offer {', '.join(lacking)}",
                (*listener.path, "tls"),
                target="envoy",
                help=["use the profile `intermediate`, or accept this"],
            )


@rule("envoy-version-not-tested", Severity.WARNING)
def version_not_tested(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The target's version is older than the oldest with which the generated configurations were tested.

    ## Why it is bad
    Envoy changes how it treats requests from version to version: what was measured may not hold.

    ## Example
    ```yaml
    targets:
      envoy: {version: "1.39"}
    ```

    ## Use instead
    Envoy 1.40, or run the live tests with yours.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/version_history/version_history
    """
    if version_key(settings.version) < version_key(TESTED):
        yield version_not_tested.found(
            f"the generated configuration was tested with {TESTED}, not with {settings.version}",
            ("targets", "envoy", "version"),
            target="envoy",
            help=[f"use {TESTED}"],
        )


def _actions(plan: Plan) -> Iterator[tuple[Rule, Action]]:
    for rule_list in plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                yield one, action


def _limits_rate(one: Rule) -> bool:
    return any(isinstance(action, RateLimit) for action in one.actions)


def _exclude(one: Condition, other: Condition) -> bool:
    """Whether it is plain that no request meets both conditions."""
    if one.methods and other.methods and not set(one.methods) & set(other.methods):
        return True
    paths = [(mine, theirs) for mine in one.paths for theirs in other.paths]
    return bool(paths) and all(
        mine.kind in _FROM_THE_BEGINNING
        and theirs.kind in _FROM_THE_BEGINNING
        and not mine.text.lower().startswith(theirs.text.lower())
        and not theirs.text.lower().startswith(mine.text.lower())
        and "%" not in mine.text + theirs.text
        for mine, theirs in paths
    )


def _upstreams(site: Site) -> Iterator[Upstream]:
    for group in site.groups:
        yield group.upstream
        yield from (route.upstream for route in group.routes)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
