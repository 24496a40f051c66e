"""What only Envoy gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.diagnostics import Diagnostic, Severity, rule
from ...compiler.features import version_key
from ...compiler.plan import Plan
from .conditions import MAX_PROGRAM_SIZE, program_size
from .support import TESTED, Settings, lacks_suite

# Measured on 1.40: removed from a request, or replaced, before a route is chosen.
_NOT_SEEN = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "x-forwarded-client-cert",
        "x-forwarded-proto",
    }
)


@rule("envoy-header-not-seen", acceptable=False)
def header_not_seen(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule looks at a request header that Envoy takes away or replaces before rules see it: those of the connection
    (`Connection`, `Keep-Alive`, `Transfer-Encoding`, `Upgrade`, `Expect`), `X-Forwarded-Proto`,
    `X-Forwarded-Client-Cert`, and everything that begins with `X-Envoy-`.

    ## Why it is bad
    The rule would decide otherwise than on other targets, and a deny rule would never apply.

    ## Example
    ```yaml
    when: {header: {name: X-Forwarded-Client-Cert, present: true}}
    deny: 403
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
    when: {path: {regex: "^/[a-z]{1000}/[a-z]{1000}"}}
    deny: 403
    ```

    ## Use instead
    `+` or `*` instead of large repetitions, or several shorter expressions.

    ## Targets
    envoy

    ## References
    https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/regex.proto
    """
    for path, condition in plan.conditions():
        for key, matchers in (("path", condition.paths), ("header", condition.headers)):
            for matcher in matchers:
                if program_size(matcher.expression) > MAX_PROGRAM_SIZE:
                    yield regex_too_large.found(
                        f"`{_short(matcher.text)}` becomes an expression that is too large for Envoy",
                        (*path, key),
                        target="envoy",
                        help=["use `+` or `*` instead of large repetitions, or several shorter expressions"],
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
      envoy: {version: "1.38"}
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


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
