"""Findings as JSON, for programs. The form is versioned: `report_version` changes when a reader would have to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..acceptance import Judged
from ..diagnostics import Diagnostic, Location, Severity
from ..document import Document

REPORT_VERSION = 1


def render(document: Document, judged: Judged, targets: Sequence[str]) -> str:
    """One JSON object, indented."""
    report = {
        "report_version": REPORT_VERSION,
        "policy": document.name,
        "targets": list(targets),
        "summary": {
            **{str(severity): sum(f.severity is severity for f in judged.standing) for severity in Severity},
            "accepted": len(judged.accepted),
        },
        "findings": [_finding(document, finding) for finding in judged.standing],
        "accepted": [{**_finding(document, finding), "reason": reason} for finding, reason in judged.accepted],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _finding(document: Document, finding: Diagnostic) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "target": finding.target,
        "message": finding.message,
        "primary": _location(document, finding.primary),
        "related": [_location(document, location) for location in finding.related],
        "notes": list(finding.notes),
        "help": list(finding.help),
        "sites": list(finding.sites),
        "backends": list(finding.backends),
        "acceptable": finding.acceptable,
    }


def _location(document: Document, location: Location) -> dict[str, Any]:
    span = document.span(location)
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_column": span.end_column,
        "path": list(location.path),
        "note": location.note,
    }
