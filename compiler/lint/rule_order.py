"""Rules that can never do anything."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Location, Severity, rule
from ..plan import Allow, Deny, Redirect
from . import Context


@rule("unreachable-rule", Severity.WARNING)
def unreachable(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A rule stands behind one of its own list that ends the walk for every request.

    ## Why it is bad
    It never applies, whatever it was meant to do.

    ## Use instead
    Move the rule that always ends the walk to the end of the list, or give it a condition.
    """
    for rule_list in context.plan.lists_as_written():
        closing = None
        for one in rule_list.rules:
            if closing is not None:
                yield unreachable.found(
                    "this rule is never reached",
                    one.path,
                    related=[Location(closing.path, "this one ends the walk for every request")],
                    help=["move the other to the end of the list, or give it a condition"],
                )
            elif (
                one.when.always
                and one.unless is None
                and any(isinstance(a, Allow | Deny | Redirect) for a in one.actions)
            ):
                closing = one
