"""Rates and bodies that nginx counts in another way."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ....compiler.diagnostics import Diagnostic, Severity, rule
from ....compiler.plan import LimitBody, Plan, RateLimit
from ..rates import said
from ..support import Settings
from .walking import actions


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
    for path, limit in actions(plan, RateLimit):
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
    for path, limit in actions(plan, RateLimit):
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
    for path, limit in actions(plan, LimitBody):
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
