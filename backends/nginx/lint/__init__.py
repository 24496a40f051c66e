"""What only nginx gets wrong. One module per concern, one function per rule."""

from __future__ import annotations

from collections.abc import Sequence

from ....compiler.diagnostics import Rule, rules_in


def rules() -> Sequence[Rule]:
    """All of them, in the order of the modules."""
    from . import expressions, headers, limits, sites

    return [rule for module in (expressions, headers, limits, sites) for rule in rules_in(module)]
