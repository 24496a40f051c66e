"""Header edits that nginx cannot do as they are meant."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Path, rule
from ....compiler.features import version_key
from ....compiler.plan import EditHeaders, Plan
from ..edits import added, cleared
from ..support import Settings
from .walking import actions


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


def _edits(plan: Plan, *, response: bool) -> Iterator[tuple[Path, EditHeaders]]:
    key = "response_headers" if response else "request_headers"
    for path, one in actions(plan, EditHeaders):
        if one.response is response:
            yield (*path, key), one
