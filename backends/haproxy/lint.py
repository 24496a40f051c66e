"""What only HAProxy gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.diagnostics import Diagnostic, rule
from ...compiler.plan import Plan
from .lower import compiled_size
from .support import Settings

_COMPILED_LIMIT = 60_000


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
        servers: [192.0.2.10:443, {address: 192.0.2.11:443, backup: true}]
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
    A path, an expression or a header's value becomes an expression that PCRE2 may compile to more than 60,000 bytes.

    ## Why it is bad
    HAProxy does not start with one of more than 64 KiB.

    ## Example
    ```yaml
    when: {path: {exact: /a-path-of-2000-letters…, ignore_case: true}}
    deny: 403
    ```

    ## Use instead
    A prefix, or a shorter expression.

    ## Targets
    haproxy, all versions.
    """
    for path, condition in plan.conditions():
        for key, matchers in (("path", condition.paths), ("header", condition.headers)):
            for matcher in matchers:
                if compiled_size(matcher.expression) > _COMPILED_LIMIT:
                    shown = matcher.text if len(matcher.text) <= 60 else f"{matcher.text[:60]}…"
                    yield expression_too_long.found(
                        f"`{shown}` becomes an expression that is too long for HAProxy",
                        (*path, key),
                        target="haproxy",
                        help=["use a prefix, or a shorter expression"],
                    )
