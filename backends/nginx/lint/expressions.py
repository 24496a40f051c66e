"""What becomes a word of `nginx.conf` that is too long, or an expression that is too slow."""

from __future__ import annotations

from collections.abc import Iterator

from ....compiler.backtracking import condition_loops
from ....compiler.diagnostics import Diagnostic, Path, rule
from ....compiler.normal_form import escape_text
from ....compiler.path_tables import PathTable
from ....compiler.plan import EditHeaders, LogLabel, Plan, Redirect
from ..matching import STEPS_LIMIT, TOKEN_LIMIT, tests, written_length
from ..model import DOLLAR
from ..support import Settings
from ..tables import in_tables
from .walking import actions

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
    for path, action in actions(plan, object):
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
        for one in in_tables(rule_list.rules):
            fields = [*tests(one.when), *(tests(one.unless) if one.unless else ())]
            steps = sum(len(field) for field in fields)
            if steps > STEPS_LIMIT:
                first = one.rules[0] if isinstance(one, PathTable) else one
                yield rule_too_long.found(
                    f"this rule needs {steps} steps in nginx, and {STEPS_LIMIT} is the most that is safe",
                    first.path,
                    target="nginx",
                    help=["make several rules of it"],
                )
