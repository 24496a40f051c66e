"""Findings as JSON, for programs. The form is versioned: `report_version` changes when a reader would have to.

`schemas/report.schema.json` describes it. A key may be added without a new version.
"""

from __future__ import annotations

import json
from typing import Any

from ..diagnostics import Diagnostic, Fix, Location, Severity
from ..document import Document
from . import Report

REPORT_VERSION = 1


def render(report: Report) -> str:
    """One JSON object, indented."""
    document, judged = report.document, report.judged
    content = {
        "report_version": REPORT_VERSION,
        "policy": document.name,
        "readable": report.readable,
        "targets": list(report.targets),
        "summary": {
            **{str(severity): sum(f.severity is severity for f in judged.standing) for severity in Severity},
            "accepted": len(judged.accepted),
        },
        "findings": [_finding(document, finding) for finding in judged.standing],
        "accepted": [{**_finding(document, finding), "reason": entry.reason} for finding, entry in judged.accepted],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


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
        "fixes": [_fix(document, fix) for fix in finding.fixes],
        "sites": list(finding.sites),
        "backends": list(finding.backends),
        "acceptable": finding.acceptable,
    }


def _fix(document: Document, fix: Fix) -> dict[str, Any]:
    return {
        "title": fix.title,
        "edits": [
            {"at": _location(document, edit.at), "of": edit.at.of, "value": edit.value, "remove": edit.value is None}
            for edit in fix.edits
        ],
        "files": [file for file, _ in fix.files],
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
