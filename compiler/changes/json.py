"""A comparison as JSON, for programs. `report_version` changes when a reader would have to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from . import Change, Comparison, Kind

REPORT_VERSION = 1


def render(old: str, new: str, comparison: Comparison, notes: Sequence[str] = ()) -> str:
    """One JSON object, indented; changes are in the order of their weight."""
    counts = Counter(change.kind for change in comparison.changes)
    report = {
        "report_version": REPORT_VERSION,
        "old": old,
        "new": new,
        "complete": comparison.complete,
        "summary": {
            **{kind.id: counts[kind] for kind in Kind},
            "hostnames": len(comparison.hosts),
            "affected": len(comparison.affected),
        },
        "affected": list(comparison.affected),
        "changes": [_change(change) for change in comparison.changes],
        "notes": list(notes),
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _change(change: Change) -> dict[str, Any]:
    witness = change.witness
    return {
        "kind": change.kind.id,
        "message": change.message,
        "hostnames": list(change.hosts),
        "target": change.only_target,
        "details": list(change.details),
        "witness": {
            "listener": witness.listener,
            "sni": witness.sni,
            "source": witness.source,
            "method": witness.method,
            "url": witness.url,
            "headers": [list(line) for line in witness.headers],
            "before": witness.before,
            "after": witness.after,
        }
        if witness
        else None,
    }
