"""``policyc explain``."""

from __future__ import annotations

from typing import Annotated

import typer

HELP = "What a finding means, why it is bad, and what to do."


def command(
    rule: Annotated[str | None, typer.Argument(help="A rule's name. Default: list them all.")] = None,
) -> None:
    """Print a rule's page; without a name, all rules."""
    from ..lint import common_rules, every_rule
    from ..spelling import nearest
    from ..target import installed_targets
    from . import session

    known = common_rules()
    if rule not in known:
        known = every_rule(installed_targets())
    if rule is None:
        width = max(map(len, known))
        for name, one in sorted(known.items()):
            print(f"{name:<{width}}  {one.severity:<7}  {one.summary}")
        return
    if rule not in known:
        session.usage(f"there is no rule {rule!r}", nearest(rule, known))
    print(f"# {rule}\n\nSeverity: {known[rule].severity}\n\n{known[rule].page}")
