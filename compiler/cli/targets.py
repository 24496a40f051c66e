"""``policyc targets``."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

HELP = "What each target can do, and why not."

_SIGNS = {"native": "yes", "emulated": "yes*", "impossible": "no", "planned": "not yet"}


class Form(StrEnum):
    """How the matrix is printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def command(
    policy: Annotated[str | None, typer.Argument(help="Answer for the versions and places in this policy.")] = None,
    form: Annotated[Form, typer.Option("--format", help="Table, JSON, or a page with the reasons.")] = Form.TEXT,
) -> None:
    """Print the support matrix: a row for each part of the language, a column for each target."""
    from ..features import Feature
    from ..pipeline import load, settings_for
    from ..target import installed_targets
    from ..validate import default_settings
    from . import session

    targets = installed_targets()
    settings = {name: default_settings(target) for name, target in targets.items()}
    if policy is not None:
        loaded = load(policy, targets)
        if loaded.policy is None:
            session.usage(f"{policy} has errors: see `policyc lint {policy}`")
        settings = {name: settings_for(loaded, target) for name, target in targets.items()}
    if form is Form.MARKDOWN:
        from ..reports import support_matrix

        print(support_matrix.render(targets, settings), end="")
        return
    tables = {name: target.support(settings[name]) for name, target in targets.items()}
    if form is Form.JSON:
        rows = [
            {
                "feature": feature.id,
                "description": feature.description,
                "targets": {
                    name: {
                        "supported": table[feature].honoured_by(settings[name].version),
                        "state": table[feature].state,
                        "reason": table[feature].reason,
                        "since": table[feature].since,
                        "link": table[feature].link,
                    }
                    for name, table in tables.items()
                },
            }
            for feature in Feature
        ]
        versions = {name: settings[name].version for name in targets}
        print(json.dumps({"report_version": 1, "versions": versions, "features": rows}, indent=2))
        return
    width = max(len(feature.id) for feature in Feature)
    heads = [f"{name} {settings[name].version}" for name in targets]
    print(f"{'':<{width}}  " + "  ".join(f"{head:<13}" for head in heads).rstrip())
    for feature in Feature:
        cells: list[str] = []
        for name, table in tables.items():
            support = table[feature]
            late = support.since is not None and not support.honoured_by(settings[name].version)
            cells.append(f"since {support.since}" if late else _SIGNS[support.state])
        print(f"{feature.id:<{width}}  " + "  ".join(f"{cell:<13}" for cell in cells).rstrip())
    print("\nyes*: by other means. Why not: policyc explain unsupported-<part>")
