"""What only nginx gets wrong."""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.diagnostics import Diagnostic, rule
from ...compiler.normal_form import escape_text
from ...compiler.plan import Plan
from .matching import STEPS_LIMIT, TOKEN_LIMIT, tests, written_length
from .support import Settings


@rule("nginx-expression-too-long", acceptable=False)
def expression_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A path, an expression, a header's value or a list of methods becomes one word of more than 3,500 bytes in
    `nginx.conf`.

    ## Why it is bad
    nginx does not start with a word of more than 4,096 bytes.

    ## Example
    ```yaml
    when: {path: {exact: /a-path-of-4000-characters…}}
    deny: 403
    ```

    ## Use instead
    A prefix, or a shorter expression.

    ## Targets
    nginx, all versions.
    """
    for path, condition in plan.conditions():
        methods = "|".join(escape_text(method) for method in condition.methods)
        for key, text, expression in (
            *(("path", one.text, one.expression) for one in condition.paths),
            *(("header", one.text, one.expression) for one in condition.headers),
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


@rule("nginx-rule-too-long", acceptable=False)
def rule_too_long(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    One rule needs more than 60 steps: one for each key of `when` and `unless`, for each header's name, and for each
    3,500 bytes of paths.

    ## Why it is bad
    The steps are variables that name each other. nginx gives up at 100 of them, and takes the rule for one that does
    not apply: what it denies would pass.

    ## Use instead
    Several rules.

    ## Targets
    nginx, all versions.
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
