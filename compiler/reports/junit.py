"""Findings as JUnit XML: a failed test for each that fails the run, so that CI services list them.

One below the threshold is a passed test that says so in its output, an accepted one is a skipped test. Where there is
nothing to tell, one test says that the policy was checked.
"""

from __future__ import annotations

from lxml import etree

from ..diagnostics import Diagnostic
from ..document import Document
from . import Report, from_repository, printable, told

_NAME = "policyc lint"


def render(report: Report) -> str:
    """One test suite."""
    document, judged = report.document, report.judged
    failing = [finding for finding in judged.standing if finding.severity.at_least(report.fail_on)]
    total = len(judged.standing) + len(judged.accepted)
    counts = {"tests": max(total, 1), "failures": len(failing), "errors": 0, "skipped": len(judged.accepted)}
    numbers = {key: str(count) for key, count in counts.items()}
    root = etree.Element("testsuites", {"name": _NAME, **numbers})
    suite = etree.SubElement(root, "testsuite", {"name": printable(document.name), **numbers})
    for finding in judged.standing:
        case = _case(suite, document, finding)
        if finding in failing:
            failure = etree.SubElement(case, "failure", message=printable(told(finding)), type=str(finding.severity))
            failure.text = _body(document, finding)
        else:
            etree.SubElement(case, "system-out").text = f"{finding.severity}: {_body(document, finding)}"
    for finding, entry in judged.accepted:
        etree.SubElement(_case(suite, document, finding), "skipped", message=printable(f"accepted: {entry.reason}"))
    if not total:
        etree.SubElement(suite, "testcase", classname=_NAME, name="nothing found")
    etree.indent(root)
    return etree.tostring(root, encoding="unicode", xml_declaration=False, pretty_print=True)


def _case(suite: etree._Element, document: Document, finding: Diagnostic) -> etree._Element:  # pyright: ignore[reportPrivateUsage]
    span = document.span(finding.primary)
    return etree.SubElement(
        suite,
        "testcase",
        classname=finding.rule,
        name=printable(f"{told(finding)} ({from_repository(span.file)}:{span.line})"),
        file=printable(from_repository(span.file)),
        line=str(span.line),
    )


def _body(document: Document, finding: Diagnostic) -> str:
    span = document.span(finding.primary)
    lines = [
        f"{finding.rule}: {told(finding)}",
        f"at {span.file}:{span.line}:{span.column}",
        *finding.notes,
        *(f"help: {text}" for text in finding.help),
        f"explain: policyc explain {finding.rule}",
    ]
    return "\n".join(printable(line) for line in lines)
