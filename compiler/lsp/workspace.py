"""What an open file is a part of: which files make up its policy, and what is found in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...schemas.policy import Policy
from ..acceptance import Judged
from ..document import read_bytes
from ..pipeline import Loaded, examine, load
from ..target import InstalledTargets

_SECTIONS = frozenset(Policy.model_fields) - {"version", "name"}
_TOP_KEY = re.compile(r"""^["']?([a-z_]+)["']?\s*:""", re.MULTILINE)
_MODELINE = re.compile(r"^#.*\$schema=\S*policy\.schema\.json", re.MULTILINE)
_LOOKED_AT = 1 << 20


@dataclass(frozen=True, slots=True)
class Analysis:
    """A policy as an editor has it, and its findings."""

    loaded: Loaded
    judged: Judged


def analyse(policy: str, targets: InstalledTargets, unsaved: Mapping[str, bytes]) -> Analysis:
    """All findings of a policy, with what the editor has not saved in place of what is on disk."""
    loaded = load(policy, targets, unsaved)
    return Analysis(loaded, examine(loaded, targets, list(loaded.settings)))


def policy_of(path: str, unsaved: Mapping[str, bytes]) -> str | None:
    """The policy that a file belongs to: itself, or its folder. None where it does not look like one.

    Of a folder's files, one has the `version`. Where several have it, or this one does alone, each is a policy.
    """

    def top(name: str) -> frozenset[str]:
        return _top_keys(_text(name, unsaved))

    mine = top(path)
    named = os.path.basename(path) in ("policy.yaml", "policy.yml")
    if not (mine & _SECTIONS or named or _MODELINE.search(_text(path, unsaved))):
        return None
    folder = os.path.dirname(path)
    others = [name for name in _siblings(folder) if name != path]
    if "version" in mine:
        alone = not any(_is_part(top(name)) for name in others) or any("version" in top(name) for name in others)
    else:
        alone = sum("version" in top(name) and bool(top(name) & _SECTIONS) for name in others) != 1
    return path if alone else folder


def _is_part(keys: frozenset[str]) -> bool:
    return "version" not in keys and bool(keys & _SECTIONS)


def _siblings(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        os.path.join(folder, name) for name in names if name.endswith((".yaml", ".yml")) and not name.startswith(".")
    ]


def _text(path: str, unsaved: Mapping[str, bytes]) -> str:
    try:
        data = unsaved[path] if path in unsaved else read_bytes(path, _LOOKED_AT)
    except OSError:
        return ""
    return data.decode(errors="replace")


def _top_keys(text: str) -> frozenset[str]:
    """The keys at the left margin; the text need not be right. JSON has them in braces."""
    if text.lstrip()[:1] == "{":
        return frozenset(re.findall(r'"([a-z_]+)"\s*:', text))
    return frozenset(_TOP_KEY.findall(text))
