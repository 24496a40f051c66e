"""What only HAProxy gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.backtracking import condition_loops
from ...compiler.diagnostics import Diagnostic, Path, rule
from ...compiler.plan import LimitBody, Plan, RateLimit
from .expressions import compiled_size
from .limits import BODY_LIMIT, window
from .support import Settings

_COMPILED_LIMIT = 60_000
_LOOPS_LIMIT = 2
"""With three of them 4 kB of input took 4.4 s, and 7 kB ended HAProxy by its own watchdog (measured, 2.6 and 3.2)."""
_SLOW_LIMIT = 25
"""Expressions with two of them that a request goes through: each took 20 to 40 ms for 14 kB."""
_TIME_LIMIT = 2**31 - 1
"""Milliseconds that HAProxy takes for a time."""


@rule("haproxy-backup-never-used", acceptable=False)
def backup_never_used(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend has backup servers, but no health check.

    ## Why it is bad
    HAProxy turns to a backup server when all the others are marked down, and without a check none ever is: visitors
    would get 503 while the backup stands idle.

    ## Example
    ```yaml
    backends:
      app:
        servers:
          - 192.0.2.10:443
          - {address: "192.0.2.11:443", backup: true}
        tls: {ca: internal, server_name: app.example.internal}
    ```

    ## Use instead
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443, {address: 192.0.2.11:443, backup: true}]
        health: {path: /healthz}
    ```

    ## Targets
    haproxy

    ## References
    https://docs.haproxy.org/2.6/configuration.html#5.2-backup
    """
    for backend in plan.backends:
        backups = [server for server in backend.servers if server.backup]
        if backups and backend.health is None:
            yield backup_never_used.found(
                f"HAProxy would never use the backup servers of `{backend.name}`: without a health check none of the "
                "others is ever down",
                backups[0].path,
                target="haproxy",
                help=["give the backend a `health` check"],
            )


@rule("haproxy-expression-too-long", acceptable=False)
def expression_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A path, a query, an expression or a header's value becomes an expression that PCRE2 may compile to more than 60,000
    bytes.

    ## Why it is bad
    HAProxy does not start with one of more than 64 KiB.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - when:
            query:
              name: q
              exact: "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"
          deny: 403
    ```

    ## Use instead
    A prefix, or a shorter expression.

    ## Targets
    haproxy, all versions.

    ## References
    https://www.pcre.org/current/doc/html/pcre2limits.html
    """
    too_long = dict.fromkeys(
        (path, text) for path, text, expression in _expressions(plan) if compiled_size(expression) > _COMPILED_LIMIT
    )
    for path, text in too_long:
        yield expression_too_long.found(
            f"`{_shown(text)}` becomes an expression that is too long for HAProxy",
            path,
            target="haproxy",
            help=["use a prefix, or a shorter expression"],
        )


def _expressions(plan: Plan) -> Iterator[tuple[Path, str, str]]:
    for path, condition in plan.conditions():
        yield from (((*path, "path"), one.text, one.expression) for one in condition.paths)
        yield from (((*path, "header"), one.text, one.expression) for one in condition.headers)
        yield from (((*path, "query"), one.text, one.expression_pcre) for one in condition.queries)
    for site in plan.sites:
        for group in site.groups:
            yield from (((*one.path, "path"), one.prefix.text, one.prefix.expression) for one in group.routes)


def _shown(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


@rule("haproxy-expression-too-slow", acceptable=False)
def expression_too_slow(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A regular expression has three or more repetitions that compete for the same characters, or a site has more than 25
    expressions with two of them.

    ## Why it is bad
    The time that HAProxy's engine needs grows with the third power of the length of what a visitor sends: one request
    of 7 kB keeps a thread busy until HAProxy's watchdog ends the whole process.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - when:
            path: {regex: "select.*from.*where"}
          deny: 403
    ```

    ## Use instead
    Anchor it, or repeat classes that end where the next part begins.
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {regex: "^/[^/]*/select[^/]*/from"}}, deny: 403}
    ```

    ## Targets
    haproxy, all versions.

    ## References
    https://www.pcre.org/current/doc/html/pcre2perform.html
    """
    helps = ["anchor it with `^` or `$`, or repeat classes that end where the next part begins"]
    # A list has a variant for each set of `paths` opt-ins.
    too_slow = dict.fromkeys(
        ((*path, key), text)
        for path, condition in plan.conditions()
        for key, text, count in condition_loops(condition)
        if count > _LOOPS_LIMIT
    )
    for path, text in too_slow:
        yield expression_too_slow.found(
            f"`{_shown(text)}`: a long request could keep HAProxy busy until it ends itself",
            path,
            target="haproxy",
            help=helps,
        )
    for site in plan.sites:
        rules = [rule for rule_list in site.rule_lists for rule in rule_list.rules]
        parts = [part for rule in rules for part in (rule.when, rule.unless) if part]
        slow = sum(count == _LOOPS_LIMIT for part in parts for _, _, count in condition_loops(part))
        if slow > _SLOW_LIMIT:
            yield expression_too_slow.found(
                f"{slow} expressions with two repetitions each, one after the other: a long request could keep HAProxy "
                "busy until it ends itself",
                (*site.path, "inspect"),
                target="haproxy",
                sites=[site.name],
                help=helps,
            )


@rule("haproxy-body-without-length")
def body_without_length(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A body limit is larger than what HAProxy can hold of one message.

    ## Why it is bad
    HAProxy compares a Content-Length with any limit. A body without one (chunked, or HTTP/2 without a length) can only
    be measured once HAProxy holds it whole, which policyc has it do up to 64 KiB. With a larger limit such a body is
    refused by 411, even where it is small enough, unless it fits into HAProxy's usual buffer of some 15 kB.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - limit_body: 10MiB
    ```

    ## Use instead
    A limit of at most 64 KiB, or accept the finding: browsers send a length with what they upload.

    ## Targets
    haproxy, all versions.

    ## References
    https://docs.haproxy.org/2.6/configuration.html#4.2-http-request%20wait-for-body
    """
    for rule_list in plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, LimitBody) and action.size > BODY_LIMIT:
                    yield body_without_length.found(
                        f"HAProxy would refuse bodies without a Content-Length: it cannot measure up to {action.size} "
                        "bytes",
                        (*one.path, "limit_body"),
                        target="haproxy",
                        help=["use a limit of at most 64KiB", "or accept it: such bodies get 411, whatever their size"],
                    )


@rule("haproxy-rate-too-slow", acceptable=False)
def rate_too_slow(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rate limit with a large burst would be counted over a longer time than HAProxy can count.

    ## Why it is bad
    HAProxy counts in one window of at most 12 days: the time in which rate and burst together may pass in the long run.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - rate_limit: {rate: 1/h, burst: 1000}
    ```

    ## Use instead
    ```yaml
    inspection_rules:
      web:
        - rate_limit: {rate: 1/h, burst: 100}
    ```

    ## Targets
    haproxy, all versions.

    ## References
    https://docs.haproxy.org/2.6/configuration.html#4.2-stick-table
    """
    for rule_list in plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, RateLimit) and 2 * window(action) > _TIME_LIMIT:
                    yield rate_too_slow.found(
                        "HAProxy cannot count over so long a time",
                        (*one.path, "rate_limit"),
                        target="haproxy",
                        help=["use a smaller burst or a higher rate: together they must pass in 12 days"],
                    )


@rule("haproxy-check-without-name", acceptable=False)
def check_without_name(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend is verified for whatever name the visitor asks for below a wildcard, and has a health check.

    ## Why it is bad
    A health check has no visitor. HAProxy would send it, with its path, to a server whose name it has not verified.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/star-example-com.pem, key: certs/star-example-com.key}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal}
        health: {path: /up}
    sites:
      shop: {hostnames: ["*.example.com"], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Use instead
    `tls.server_name` with one name that the servers' certificate carries, or no health check.

    ## Targets
    haproxy, all versions.

    ## References
    https://docs.haproxy.org/2.6/configuration.html#5.2-check-sni
    """
    reached = {
        upstream.id
        for site in plan.sites
        if site.decrypt
        for group in site.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    }
    told: set[str] = set()
    for upstream in plan.upstreams:
        backend = upstream.backend
        if (
            backend.tls
            and backend.health
            and upstream.server_name is None
            and upstream.id in reached
            and backend.name not in told
        ):
            told.add(backend.name)
            yield check_without_name.found(
                f"HAProxy would check the health of `{backend.name}` without verifying a name",
                backend.health.path,
                target="haproxy",
                help=["name one host as `tls.server_name`", "or leave the health check out"],
            )
