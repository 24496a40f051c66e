"""What only nginx gets wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeVar

from ...compiler.backtracking import condition_loops
from ...compiler.diagnostics import Diagnostic, Path, Severity, rule
from ...compiler.features import version_key
from ...compiler.normal_form import escape_text
from ...compiler.plan import Balance, EditHeaders, LimitBody, LogLabel, Plan, RateLimit, Redirect, Verify
from .edits import added, cleared
from .forwarding import LOCATIONS_LIMIT, ways_of
from .matching import STEPS_LIMIT, TOKEN_LIMIT, tests, written_length
from .model import DOLLAR
from .rates import said
from .support import Settings

_LOOPS_LIMIT = 2


@rule("nginx-expression-too-long", acceptable=False)
def expression_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A path, an expression, a header's or a parameter's value or a list of methods becomes one word of more than 3,500
    bytes in `nginx.conf`.

    ## Why it is bad
    nginx does not start with a word of more than 4,096 bytes.

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
                ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"
          deny: 403
    ```

    ## Use instead
    A prefix, or a shorter expression.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_map_module.html#map
    """
    for path, condition in plan.conditions():
        methods = "|".join(escape_text(method) for method in condition.methods)
        for key, text, expression in (
            *(("path", one.text, one.expression) for one in condition.paths),
            *(("header", one.text, one.expression) for one in condition.headers),
            *(("query", f"{one.name}={one.text}", one.expression_pcre) for one in condition.queries),
            ("method", "this list", methods),
        ):
            if written_length(expression) > TOKEN_LIMIT:
                shown = text if len(text) <= 60 else f"{text[:60]}…"
                yield expression_too_long.found(
                    f"`{shown}` becomes an expression that is too long for nginx",
                    (*path, key),
                    target="nginx",
                    help=["use a prefix, or a shorter expression"],
                )


@rule("nginx-expression-too-slow", acceptable=False)
def expression_too_slow(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A regular expression has three or more repetitions that compete for the same characters.

    ## Why it is bad
    The steps that nginx' engine needs grow with the third power of the length of what a visitor sends, and after ten
    million it gives up, as on 1,000 bytes of `ab`. The rule then takes the safe side, and a request that it is not
    about is refused, or not allowed.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {regex: "select.*from.*where"}}, deny: 403}
    ```

    ## Use instead
    Anchor it, or repeat classes that end where the next part begins.
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {regex: "^/[^/]*/select[^/]*/from"}}, deny: 403}
    ```

    ## Targets
    nginx, all versions.

    ## References
    https://www.pcre.org/current/doc/html/pcre2limits.html
    """
    too_slow = dict.fromkeys(
        ((*path, key), text)
        for path, condition in plan.conditions()
        for key, text, count in condition_loops(condition)
        if count > _LOOPS_LIMIT
    )
    for path, text in too_slow:
        shown = text if len(text) <= 60 else f"{text[:60]}…"
        yield expression_too_slow.found(
            f"`{shown}`: on a long request nginx would give the search up",
            path,
            target="nginx",
            help=["anchor it with `^` or `$`, or repeat classes that end where the next part begins"],
        )


@rule("nginx-text-too-long", acceptable=False)
def text_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The place of a redirect, a header's value or a label becomes one word of more than 3,500 bytes in `nginx.conf`. A
    `$` takes 17 of them.

    ## Why it is bad
    nginx does not start with a word of more than 4,096 bytes.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - response_headers:
            set:
              X-Price: "$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$
                $$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$
                $$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$$"
    ```

    ## Use instead
    A shorter text.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header
    """
    for path, action in _actions(plan, object):
        for keys, text in _texts(action):
            if written_length(text.replace("$", DOLLAR)) > TOKEN_LIMIT:
                yield text_too_long.found(
                    f"`{text[:60]}…` is too long for nginx",
                    (*path, *keys),
                    target="nginx",
                    help=["use a shorter text"],
                )


def _texts(action: object) -> Iterator[tuple[Path, str]]:
    match action:
        case Redirect(to):
            yield ("redirect", "to"), to
        case LogLabel(label):
            yield ("log",), label
        case EditHeaders():
            key = "response_headers" if action.response else "request_headers"
            for kind, lines in (("set", action.set), ("add", action.add)):
                for name, value in lines:
                    yield (key, kind, name), value
        case _:
            pass


@rule("nginx-rule-too-long", acceptable=False)
def rule_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    One rule needs more than 60 steps: one for each key of `when` and `unless`, for each header's name, and for each
    3,500 bytes of paths.

    ## Why it is bad
    The steps are variables that name each other. nginx gives up at 100 of them, and takes the rule for one that does
    not apply: what it denies would pass.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - deny: 403
          when:
            header: [
              {name: X-1, present: true}, {name: X-2, present: true}, {name: X-3, present: true},
              {name: X-4, present: true}, {name: X-5, present: true}, {name: X-6, present: true},
              {name: X-7, present: true}, {name: X-8, present: true}, {name: X-9, present: true},
              {name: X-10, present: true}, {name: X-11, present: true}, {name: X-12, present: true},
              {name: X-13, present: true}, {name: X-14, present: true}, {name: X-15, present: true},
              {name: X-16, present: true}, {name: X-17, present: true}, {name: X-18, present: true},
              {name: X-19, present: true}, {name: X-20, present: true}, {name: X-21, present: true},
              {name: X-22, present: true}, {name: X-23, present: true}, {name: X-24, present: true},
              {name: X-25, present: true}, {name: X-26, present: true}, {name: X-27, present: true},
              {name: X-28, present: true}, {name: X-29, present: true}, {name: X-30, present: true},
              {name: X-31, present: true}, {name: X-32, present: true}, {name: X-33, present: true},
              {name: X-34, present: true}, {name: X-35, present: true}, {name: X-36, present: true},
              {name: X-37, present: true}, {name: X-38, present: true}, {name: X-39, present: true},
              {name: X-40, present: true}, {name: X-41, present: true}, {name: X-42, present: true},
              {name: X-43, present: true}, {name: X-44, present: true}, {name: X-45, present: true},
              {name: X-46, present: true}, {name: X-47, present: true}, {name: X-48, present: true},
              {name: X-49, present: true}, {name: X-50, present: true}, {name: X-51, present: true},
              {name: X-52, present: true}, {name: X-53, present: true}, {name: X-54, present: true},
              {name: X-55, present: true}, {name: X-56, present: true}, {name: X-57, present: true},
              {name: X-58, present: true}, {name: X-59, present: true}, {name: X-60, present: true},
              {name: X-61, present: true}, {name: X-62, present: true}
            ]
    ```

    ## Use instead
    Several rules.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_map_module.html#map
    """
    for rule_list in plan.rule_lists:
        for one in rule_list.rules:
            fields = [*tests(one.when), *(tests(one.unless) if one.unless else ())]
            steps = sum(len(field) for field in fields)
            if steps > STEPS_LIMIT:
                yield rule_too_long.found(
                    f"this rule needs {steps} steps in nginx, and {STEPS_LIMIT} is the most that is safe",
                    one.path,
                    target="nginx",
                    help=["make several rules of it"],
                )


@rule("nginx-server-header")
def server_header(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule removes or sets the `Server` header of responses.

    ## Why it is bad
    nginx writes a `Server` of its own where the backend's is not passed on: `Server: nginx`, without a version. One
    that is set stands beside it.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - response_headers: {remove: [Server]}
    ```

    ## Use instead
    Accept the finding: what the backend said is gone. nginx can be built with a module (headers-more) that does more.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#server_tokens
    """
    for path, one in _edits(plan, response=True):
        if "server" in cleared(one):
            yield server_header.found(
                "nginx puts its own `Server: nginx` in the place of this header",
                path,
                target="nginx",
                help=["leave it alone, or accept that visitors see `Server: nginx`"],
            )


@rule("nginx-single-header-added", acceptable=False)
def single_header_added(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule adds an `ETag` or a `Last-Modified` to responses.

    ## Why it is bad
    nginx knows one of each: the new one would replace the backend's.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - response_headers: {add: {ETag: '"x"'}}
    ```

    ## Use instead
    `set`.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header
    """
    for path, one in _edits(plan, response=True):
        for name in sorted(added(one) & {"etag", "last-modified"}):
            yield single_header_added.found(
                f"nginx has no second `{name}` in a response", path, target="nginx", help=["use `set`"]
            )


@rule("nginx-line-added-to-several", acceptable=False)
def line_added_to_several(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule adds a line to a request header, and the version is below 1.23.

    ## Why it is bad
    nginx puts the lines that visitors send under that name together by a variable, and before 1.23 variables hold only
    the first one: the others would be lost.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - request_headers: {add: {X-Tag: a}}
    targets:
      nginx: {version: "1.22"}
    ```

    ## Use instead
    `set`; or, before it in the same rule, `remove`; or nginx 1.23.

    ## Targets
    nginx before 1.23.

    ## References
    https://nginx.org/en/CHANGES (1.23.0)
    """
    if version_key(settings.version) >= (1, 23):
        return
    for path, one in _edits(plan, response=False):
        for name in sorted(added(one) - cleared(one)):
            yield line_added_to_several.found(
                f"nginx {settings.version} would keep only the first of a visitor's `{name}` lines beside this one",
                path,
                target="nginx",
                help=["use `set`, or `remove` the visitor's in the same rule, or nginx 1.23"],
            )


@rule("nginx-rate-rounded", Severity.WARNING)
def rate_rounded(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rate is not one that nginx can count: whole requests a second or a minute, in thousandths of a request a second.

    ## Why it is bad
    The next lower one is written. Below 5 % that is a remark, above it an error.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - rate_limit: {rate: 100/h}
    ```

    ## Use instead
    A rate per second or per minute.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_limit_req_module.html#limit_req_zone
    """
    for path, limit in _actions(plan, RateLimit):
        written = said(limit)
        if written.text and written.share < 1:
            severity = (
                Severity.INFO
                if written.share > Fraction(99, 100)
                else Severity.WARNING
                if written.share > Fraction(95, 100)
                else Severity.ERROR
            )
            yield rate_rounded.found(
                f"nginx counts {written.text} for this, {float(written.share):.1%} of the rate",
                (*path, "rate_limit", "rate"),
                target="nginx",
                severity=severity,
                help=["give the rate per second or per minute, or accept the lower one"],
            )


@rule("nginx-rate-too-low", acceptable=False)
def rate_too_low(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rate is below one request a minute.

    ## Why it is bad
    nginx has no lower one.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - rate_limit: {rate: 30/h}
    ```

    ## Use instead
    `1/min`.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_limit_req_module.html#limit_req_zone
    """
    for path, limit in _actions(plan, RateLimit):
        if not said(limit).text:
            yield rate_too_low.found(
                "nginx has no rate below one request a minute",
                (*path, "rate_limit", "rate"),
                target="nginx",
                help=["use `1/min` or more"],
            )


@rule("nginx-no-body-at-all", acceptable=False, instead_of="limit-body-zero")
def no_body_at_all(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    `limit_body: 0`, which lets no body pass.

    ## Why it is bad
    In the policy 0 is a limit. nginx takes 0 for no limit, and could only refuse bodies whose length is told.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {prefix: /upload}}, limit_body: 0}
    ```

    ## Use instead
    No `limit_body` where there should be no limit. Where nothing should be sent, `limit_body: 1`, or a rule that denies
    the methods that have bodies.
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {prefix: /upload}, method: [POST, PUT, PATCH]}, deny: 403}
    ```

    ## Targets
    nginx, all versions. The others can, and `limit-body-zero` asks whether it is meant.

    ## References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#client_max_body_size
    """
    for path, limit in _actions(plan, LimitBody):
        if limit.size == 0:
            yield no_body_at_all.found(
                "nginx takes a limit of 0 for none",
                (*path, "limit_body"),
                target="nginx",
                help=[
                    "remove it where there should be no limit",
                    "or use `limit_body: 1`, or deny methods that have a body",
                ],
            )


@rule("nginx-method", acceptable=False)
def method(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site takes a method that nginx refuses before anything else: TRACE, CONNECT, and those with other characters than
    capital letters, `-` and `_`.

    ## Why it is bad
    Its requests get 405 or 400.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
        methods: [TRACE]
    ```

    ## Use instead
    The other methods: leave this one out, or build the site for another target.

    ## Targets
    nginx, all versions.

    ## References
    https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    """
    for site in plan.sites:
        for one in site.methods:
            if one in ("TRACE", "CONNECT") or not re.fullmatch("[A-Z_-]+", one):
                yield method.found(
                    f"nginx refuses `{one}` before rules are looked at",
                    (*site.path, "methods"),
                    target="nginx",
                    help=["remove it"],
                    sites=[site.name],
                )


@rule("nginx-first-upgrade-line", Severity.INFO)
def first_upgrade_line(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site lets WebSockets pass, and the version is below 1.23.

    ## Why it is bad
    nginx sees only the first of several `Upgrade` lines before 1.23. A request that asks for a WebSocket first and for
    something else then is taken for a WebSocket, where others answer 400. The backend is asked for a WebSocket only.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
        websocket: true
    targets:
      nginx: {version: "1.22"}
    ```

    ## Use instead
    nginx 1.23, where it matters.

    ## Targets
    nginx before 1.23.

    ## References
    https://nginx.org/en/CHANGES (1.23.0)
    """
    if version_key(settings.version) >= (1, 23):
        return
    for site in plan.sites:
        if site.websocket:
            yield first_upgrade_line.found(
                f"nginx {settings.version} looks at the first of several `Upgrade` lines only",
                (*site.path, "websocket"),
                target="nginx",
                help=["nothing, or nginx 1.23: the backend is asked for a WebSocket only"],
                sites=[site.name],
            )


@rule("nginx-chain-with-crl", acceptable=False)
def chain_with_crl(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend's chain is verified without its name, and against revocation lists.

    ## Why it is bad
    nginx looks at revocation lists only where it verifies the name as well.

    ## Example
    ```yaml
    backend_cas:
      internal: {ca: certs/internal-ca.pem, crl: certs/internal-ca.crl}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, verify: chain}
    ```

    ## Use instead
    `verify: full` with a `server_name`.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ssl_crl
    """
    for backend in plan.backends:
        tls = backend.tls
        if tls and tls.verify is Verify.CHAIN and tls.anchors and tls.anchors.crl_pem:
            yield chain_with_crl.found(
                "nginx looks at revocation lists only where it verifies the backend's name",
                (*tls.path, "verify"),
                target="nginx",
                help=["use `verify: full`, with the `server_name` that the certificate carries"],
                backends=[backend.name],
            )


@rule("nginx-backup-with-source-hash", acceptable=False)
def backup_with_source_hash(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend with `balance: source_hash` has a backup server.

    ## Why it is bad
    nginx refuses to start: its `hash` knows no backup servers.

    ## Example
    ```yaml
    backends:
      app:
        servers: ["192.0.2.10:443", {address: "192.0.2.11:443", backup: true}]
        tls: {ca: internal, server_name: app.example.internal}
        balance: source_hash
    ```

    ## Use instead
    Another way to balance, or a server that takes its share.
    ```yaml
    backends:
      app:
        servers: ["192.0.2.10:443", {address: "192.0.2.11:443", backup: true}]
        tls: {ca: internal, server_name: app.example.internal}
        balance: least_connections
    ```

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
    """
    for backend in {id(one.backend): one.backend for one in plan.upstreams}.values():
        if backend.balance is Balance.SOURCE_HASH and any(server.backup for server in backend.servers):
            yield backup_with_source_hash.found(
                f"nginx has no backup servers where it balances by source, as for `{backend.name}`",
                (*backend.path, "balance"),
                target="nginx",
                help=["balance in another way, or let the backup server take its share"],
                backends=[backend.name],
            )


@rule("nginx-too-many-locations", acceptable=False)
def too_many_locations(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The requests of a site can differ behind its rules in more than 512 ways: by backend, by the sets of headers that
    rules remove or set under a condition, and by the limit of their bodies. Each set of headers doubles the number.

    ## Why it is bad
    nginx needs a location for each way, and looks for them one by one.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {prefix: /1}}, response_headers: {remove: [X-1]}}
        - {when: {path: {prefix: /2}}, response_headers: {remove: [X-2]}}
        - {when: {path: {prefix: /3}}, response_headers: {remove: [X-3]}}
        - {when: {path: {prefix: /4}}, response_headers: {remove: [X-4]}}
        - {when: {path: {prefix: /5}}, response_headers: {remove: [X-5]}}
        - {when: {path: {prefix: /6}}, response_headers: {remove: [X-6]}}
        - {when: {path: {prefix: /7}}, response_headers: {remove: [X-7]}}
        - {when: {path: {prefix: /8}}, response_headers: {remove: [X-8]}}
        - {when: {path: {prefix: /9}}, response_headers: {remove: [X-9]}}
        - {when: {path: {prefix: /10}}, response_headers: {remove: [X-10]}}
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
    ```

    ## Use instead
    Rules that set or remove the same headers, rules without conditions, fewer limits; or several sites.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#location
    """
    for site in plan.sites:
        if not site.decrypt:
            continue
        found = ways_of(site)
        if found > LOCATIONS_LIMIT:
            yield too_many_locations.found(
                f"the requests of `{site.name}` can differ in {found} ways, and {LOCATIONS_LIMIT} is the most",
                (*site.path, "inspect"),
                target="nginx",
                help=["edit the same headers in fewer different rules, or make several sites of it"],
                sites=[site.name],
            )


def _edits(plan: Plan, *, response: bool) -> Iterator[tuple[Path, EditHeaders]]:
    key = "response_headers" if response else "request_headers"
    for path, one in _actions(plan, EditHeaders):
        if one.response is response:
            yield (*path, key), one


A = TypeVar("A")


def _actions(plan: Plan, kind: type[A]) -> Iterator[tuple[Path, A]]:
    for rule_list in plan.lists_as_written():
        for one in rule_list.rules:
            for action in one.actions:
                if isinstance(action, kind):
                    yield one.path, action
