"""Findings as workflow commands of GitHub Actions: annotations at the policy's lines.

GitHub shows ten errors, ten warnings and ten notices of one step; the log has them all.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from ..diagnostics import Diagnostic, Severity
from ..document import Document
from . import Report, from_repository, printable, told
from .text import summary

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report) -> str:
    """One line for each finding, and the summary as plain text."""
    lines = [_command(report.document, finding) for finding in report.judged.standing]
    return "".join(line + "\n" for line in lines) + summary(report.judged) + "\n"


def _command(document: Document, finding: Diagnostic) -> str:
    span = document.span(finding.primary)
    properties = {
        "file": from_repository(span.file),
        "line": span.line,
        "endLine": span.line,
        "col": span.column,
        "endColumn": max(span.end_column - 1, span.column),
        "title": finding.rule,
    }
    body = [told(finding), *finding.notes, *(f"help: {text}" for text in finding.help)]
    message = "\n".join(printable(text) for text in body)
    written = ",".join(f"{key}={_property(printable(str(value)))}" for key, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {written}::{_message(message)}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
