"""The support matrix as Markdown: each part of the language, and what each target answers."""

from __future__ import annotations

from collections.abc import Mapping

from ...schemas.target import TargetSettings
from ..features import Feature, Support
from ..lint.support import answer
from ..target import Target


def render(targets: Mapping[str, Target[TargetSettings]], settings: Mapping[str, TargetSettings]) -> str:
    """A table with a row for each feature, and below it what there is to say of an answer.

    `settings` has those of each target: versions and places that the answers are for.
    """
    tables = {name: target.support(settings[name]) for name, target in targets.items()}
    heads = [f"{targets[name].title} {settings[name].version}" for name in tables]
    lines = [
        "# What each target can do",
        "",
        "Made by `policyc targets --format markdown`, from the answers that lint gives. `policyc targets POLICY`",
        "answers for the versions and places of a policy.",
        "",
        "| part of the language | " + " | ".join(heads) + " |",
        "| --- |" + " --- |" * len(heads),
    ]
    notes: list[str] = []
    for feature in Feature:
        cells: list[str] = []
        for name, table in tables.items():
            support = table[feature]
            cells.append(_sign(support, settings[name].version))
            if support.reason or support.link:
                notes.append(f"- `{feature.id}`, {targets[name].title}: {_note(support)}")
        lines.append(f"| `{feature.id}`: {_cell(feature.description)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "## Why, and by what means", "", *notes]) + "\n"


def _sign(support: Support, version: str) -> str:
    if support.honoured_by(version):
        return "yes" if support.state == "native" else "yes, by other means"
    return f"since {support.since}" if support.since and support.state in ("native", "emulated") else "no"


def _note(support: Support) -> str:
    return answer(support) + (f" ({support.link})" if support.link else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
