"""The pages of docs/rules: what `policyc explain` prints, with the real output of each Example.

python -m tests.lint.pages      writes them anew (`make docs`)
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from policyc.compiler.acceptance import Judged
from policyc.compiler.diagnostics import Diagnostic, Rule
from policyc.compiler.features import Feature
from policyc.compiler.lint import late_rules, lint_rules, stage_rules
from policyc.compiler.lint.support import rule_id
from policyc.compiler.reports import text

from . import scene
from .certificates import TODAY

FOLDER = Path(__file__).parents[2] / "docs" / "rules"
SECTIONS = ("What it does", "Why it is bad", "Example", "Use instead", "Targets", "References")
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_POLICY = re.compile(r"\A[a-z_]+:", re.MULTILINE)
_OF_FEATURES = frozenset(rule_id(feature) for feature in Feature)
"""These findings go as targets learn: they are no part of a page."""


def owners() -> Mapping[str, str | None]:
    """All rules by id with the target that they are of; None: they speak of no target."""
    found: dict[str, str | None] = {rule.id: None for rule in (*stage_rules(), *lint_rules())}
    for name, target in scene.targets_installed().items():
        found |= {rule.id: name for rule in target.rules()}
    return found


def rules() -> list[Rule]:
    """All rules that have a page in docs, in the order of their names."""
    own = [rule for target in scene.targets_installed().values() for rule in target.rules()]
    return sorted((*stage_rules(), *lint_rules(), *late_rules(), *own), key=lambda rule: rule.id)


def sections(page: str) -> dict[str, str]:
    """A page's sections by their titles."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def policy_in(section: str) -> str | None:
    """The part of a policy that a section shows; None where it shows none, or less than whole sections of one."""
    block = _YAML.search(section)
    return block[1] if block and _POLICY.match(block[1]) else None


def findings(folder: Path, part: str, target: str | None) -> scene.Seen:
    """What is found in a part of a policy, for the target that a rule is of."""
    seen = scene.look(folder, part, [target] if target else [])
    return scene.Seen(seen.document, [one for one in seen.findings if one.rule not in _OF_FEATURES])


def render(folder: Path, rule: Rule, target: str | None) -> str:
    """A rule's page. `folder` is where its Example is put and judged."""
    accepting = (
        "can be accepted for named backends"
        if rule.acceptable and rule.per_backend
        else "can be accepted"
        if rule.acceptable
        else "cannot be accepted"
    )
    head = f"# {rule.id}\n\nSeverity: {rule.severity}. It {accepting}.\n\n"
    parts = sections(rule.page)
    part = policy_in(parts.get("Example", ""))
    if part is not None:
        parts["Example"] = f"{parts['Example'].strip()}\n\n```text\n{_printed(folder, part, rule, target)}```\n"
    return head + "\n\n".join(f"## {title}\n{body.strip()}" for title, body in parts.items()) + "\n"


def _printed(folder: Path, part: str, rule: Rule, target: str | None) -> str:
    seen = findings(folder, part, target)
    own: list[Diagnostic] = [one for one in seen.findings if one.rule == rule.id]
    printed = text.render(seen.document, Judged(own, [])).rpartition("\n\n")[0] + "\n"
    return printed.replace(f"`{folder}/", "`/edge/").replace(f"{folder}/", "")


def index() -> str:
    """The list of all rules."""
    lines = [
        "# Rules",
        "",
        "Made by `make docs` from the rules' own pages (`policyc explain RULE`). Each Example is a part of a policy:",
        f"the sections that it leaves out are these, and findings are judged for {TODAY:%Y-%m-%d}.",
        "",
        "```yaml",
        scene.BASE.rstrip(),
        "```",
        "",
        "| rule | severity | what it finds |",
        "| --- | --- | --- |",
    ]
    for rule in rules():
        what = " ".join(sections(rule.page)["What it does"].split("\n\n")[0].split())
        first = re.split(r"(?<=[.:])\s(?=[A-Z])", what)[0]
        lines.append(f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {first.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def pages(folder: Path) -> dict[str, str]:
    """All files of docs/rules by name."""
    known = owners()
    made = {f"{rule.id}.md": render(folder, rule, known.get(rule.id)) for rule in rules()}
    return {"README.md": index(), **made}


def main() -> int:
    """Write them, and remove those of rules that are no more."""
    with tempfile.TemporaryDirectory() as folder:
        made = pages(Path(folder))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, content in made.items():
        (FOLDER / name).write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
