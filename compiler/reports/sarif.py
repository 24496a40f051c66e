"""Findings as SARIF 2.1.0, for code scanning.

One run (GitHub refuses several of one tool), places relative to the repository, and without what was accepted: GitHub
shows suppressed results as open ones. https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import quote

from ..diagnostics import Diagnostic, Fix, Location, Path, Rule, Severity, Span, format_path
from ..document import Document
from ..policy_edits import CannotEdit, replacements
from . import Report, from_repository, printable, told

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_ROOT = "%SRCROOT%"


def render(report: Report) -> str:
    """One log with one run, indented."""
    document = report.document
    found = report.judged.standing
    ids = sorted({finding.rule for finding in found})
    seen: Counter[str] = Counter()
    run = {
        "tool": {
            "driver": {
                "name": "policyc",
                "version": version("policyc"),
                "rules": [_rule(name, report.rules.get(name)) for name in ids],
            }
        },
        "automationDetails": {"id": "policyc/lint/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [{"executionSuccessful": report.readable}],
        "results": [_result(document, finding, ids.index(finding.rule), seen) for finding in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(name: str, rule: Rule | None) -> dict[str, Any]:
    page = rule.page if rule else f"`policyc explain {name}` says more."
    summary = rule.summary if rule else page
    made: dict[str, Any] = {
        "id": name,
        "name": "".join(part.capitalize() for part in name.split("-")),
        "shortDescription": {"text": summary},
        "fullDescription": {"text": summary},
        "help": {"text": page, "markdown": f"# {name}\n\n{page}\n"},
    }
    if rule:
        made["defaultConfiguration"] = {"level": _LEVELS[rule.severity]}
    return made


def _result(document: Document, finding: Diagnostic, index: int, seen: Counter[str]) -> dict[str, Any]:
    lines = [told(finding), *finding.notes, *(f"Help: {text}" for text in finding.help)]
    fingerprint = _fingerprint(document, finding)
    seen[fingerprint] += 1
    made: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": "\n".join(map(printable, lines))},
        "locations": [_location(document, finding.primary)],
        # GitHub reads the first name only, and follows a result by it from one upload to the next.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{fingerprint}:{seen[fingerprint]}",
            "policyPath/v1": f"{fingerprint}:{seen[fingerprint]}",
        },
    }
    if finding.related:
        made["relatedLocations"] = [
            {"id": number, **_location(document, location)} for number, location in enumerate(finding.related)
        ]
    fixes = [made_fix for fix in finding.fixes if (made_fix := _fix(document, fix))]
    if fixes:
        made["fixes"] = fixes
    concerned = {"target": finding.target, "sites": list(finding.sites), "backends": list(finding.backends)}
    properties = {key: value for key, value in concerned.items() if value}
    if properties:
        made["properties"] = properties
    return made


def _fingerprint(document: Document, finding: Diagnostic) -> str:
    """The same as long as the same thing is wrong with the same part of the policy, wherever its lines move to."""
    identity = _identity(document.values, finding.primary.path)
    if not finding.primary.path:
        identity = [document.line(document.span(finding.primary)).strip()]
    parts = (finding.rule, finding.target or "", *identity)
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:16]


def _identity(values: Any, path: Path) -> list[str]:
    """A path with what an item of a list is, and not where it stands in it."""
    node: Any = values
    parts: list[str] = []
    for part in path:
        if isinstance(node, dict) and part in node:
            node = cast("dict[str | int, Any]", node)[part]
            parts.append(str(part))
        elif isinstance(node, list) and isinstance(part, int) and part < len(cast("list[Any]", node)):
            node = cast("list[Any]", node)[part]
            named = cast("Mapping[str, Any]", node).get("name") if isinstance(node, dict) else None
            parts.append(str(named) if named else json.dumps(node, sort_keys=True))
        else:
            parts.append(str(part))
    return parts


def _location(document: Document, location: Location) -> dict[str, Any]:
    made: dict[str, Any] = {"physicalLocation": _physical(document, document.span(location))}
    if location.path:
        made["logicalLocations"] = [{"fullyQualifiedName": printable(format_path(location.path)), "kind": "member"}]
    if location.note:
        made["message"] = {"text": printable(location.note)}
    return made


def _physical(document: Document, span: Span) -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.line,
        "endColumn": max(span.end_column, span.column),
    }
    text = document.line(span)
    if text:
        region["snippet"] = {"text": text}
    return {"artifactLocation": _artifact(span.file), "region": region}


def _artifact(file: str) -> dict[str, Any]:
    # A name may hold bytes that are no text: percent triplets have room for them.
    return {"uri": quote(from_repository(file).encode(errors="surrogateescape")), "uriBaseId": _ROOT}


def _fix(document: Document, fix: Fix) -> dict[str, Any] | None:
    try:
        changes = replacements(document, fix)
    except CannotEdit:
        return None
    by_file: dict[str, list[dict[str, Any]]] = {}
    for change in changes:
        by_file.setdefault(change.file, []).append(
            {
                "deletedRegion": {"charOffset": change.start, "charLength": change.end - change.start},
                "insertedContent": {"text": change.text},
            }
        )
    return {
        "description": {"text": printable(fix.title)},
        "artifactChanges": [
            {"artifactLocation": _artifact(file), "replacements": pieces} for file, pieces in by_file.items()
        ],
    }
