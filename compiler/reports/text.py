"""Findings as text, with the policy's lines quoted."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from ..acceptance import Judged
from ..diagnostics import Diagnostic, Location, Severity, Span
from ..document import Document
from . import printable, told

_COLOURS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.INFO: "36"}
_WIDTH = 110
_CODE = re.compile("`[^`]*`")
_LEAD = 20
"""Room for what stands before code on its line."""
_SPACE = "\x1f"  # no finding holds a control character: they were made visible


def render(document: Document, judged: Judged, colour: bool = False, show_accepted: bool = False) -> str:
    """All findings, each with the policy's lines, and a summary line. `colour`: with ANSI sequences."""
    parts = [_finding(document, finding, colour) for finding in judged.standing]
    if show_accepted:
        parts += [_accepted(document, finding, entry.reason, colour) for finding, entry in judged.accepted]
    return "".join(part + "\n" for part in parts) + summary(judged, colour) + "\n"


def summary(judged: Judged, colour: bool = False) -> str:
    """How many findings there are, by severity, how many were accepted, and how many can be fixed."""
    counts = [(sum(f.severity is severity for f in judged.standing), severity) for severity in Severity]
    words = [
        _paint(
            f"{count} {severity}{'s' if count != 1 and severity is not Severity.INFO else ''}",
            _COLOURS[severity],
            colour,
        )
        for count, severity in counts
        if count
    ]
    accepted = f"{len(judged.accepted)} accepted" if judged.accepted else ""
    counted = ", ".join(filter(None, [*(words or ["nothing found"]), accepted]))
    return counted + _mendable(judged)


def _mendable(judged: Judged) -> str:
    fixable = sum(bool(finding.fixes) for finding in judged.standing)
    return f"; {fixable} {'has a fix' if fixable == 1 else 'have fixes'}: policyc lint --fix" if fixable else ""


def _finding(document: Document, finding: Diagnostic, colour: bool) -> str:
    head = f"{finding.severity}[{finding.rule}]"
    message = _paint(printable(told(finding)), "1", colour)
    lines = [f"{_paint(head, _COLOURS[finding.severity], colour)}: {message}"]
    lines += quoted(document, finding.primary, finding.related, _COLOURS[finding.severity] if colour else "")
    indent = " " * (gutter(document, finding.primary, finding.related) + 1)
    label = finding.target or "note"
    for text, kind in ((note, label) for note in finding.notes):
        lines += _wrapped(f"{indent}= {kind}: ", printable(text))
    for text in finding.help:
        lines += _wrapped(f"{indent}= help: ", printable(text))
    lines.append(f"{indent}= explain: policyc explain {finding.rule}")
    return "\n".join(lines) + "\n"


def _accepted(document: Document, finding: Diagnostic, reason: str, colour: bool) -> str:
    span = document.span(finding.primary)
    head = _paint(f"accepted[{finding.rule}]", "2", colour)
    return (
        f"{head}: {printable(told(finding))}\n"
        f"  --> {printable(span.file)}:{span.line}:{span.column}\n   = reason: {printable(reason)}\n"
    )


def gutter(document: Document, primary: Location, related: Sequence[Location]) -> int:
    """How wide the column of line numbers is, with the space behind them."""
    spans = [document.span(location) for location in (primary, *related)]
    return len(str(max(span.line for span in spans))) + 1


def quoted(document: Document, primary: Location, related: Sequence[Location], colour: str = "") -> Iterator[str]:
    """The place, and the lines of the policy with what each has to say. `colour`: an ANSI code for the place."""
    width = gutter(document, primary, related)
    span = document.span(primary)
    yield f"{' ' * width}--> {printable(span.file)}:{span.line}:{span.column}"
    marks: dict[str, list[tuple[Span, Location, bool]]] = {span.file: [(span, primary, True)]}
    for location in related:
        other = document.span(location)
        marks.setdefault(other.file, []).append((other, location, False))
    first = span.file
    for file, entries in marks.items():
        if file != first:
            yield f"{' ' * width}::: {printable(file)}:{entries[0][0].line}:{entries[0][0].column}"
        yield " " * width + " |"
        shown = 0
        for span, location, is_primary in sorted(entries, key=lambda entry: (entry[0].line, entry[0].column)):
            text = document.line(span)
            if not text:
                continue
            # Of a very long line only the part around the place is shown.
            cut = max(0, span.column - 1 - _WIDTH // 2) if len(text) > 2 * _WIDTH else 0
            text = text[cut : cut + 2 * _WIDTH]
            span = Span(span.file, span.line, span.column - cut, span.end_column - cut)
            if span.line != shown:
                yield f"{span.line:<{width}} | {printable(text)}".rstrip()
                shown = span.line
            start = min(span.column - 1, len(text))
            length = max(1, min(span.end_column - 1, len(text)) - start)
            sign = ("^" if is_primary else "-") * length
            pad = " " * len(printable(text[:start]))
            painted = _paint(sign, colour if is_primary else "34", bool(colour))
            yield f"{' ' * width} | {pad}{painted} {printable(location.note)}".rstrip()


def _wrapped(head: str, text: str) -> list[str]:
    # What is to be copied stays whole: code in backticks, and a text with a pipeline.
    if " | " in text or any(len(code) > _WIDTH - len(head) - _LEAD for code in _CODE.findall(text)):
        return [head + text]
    kept = _CODE.sub(lambda match: match[0].replace(" ", _SPACE), text)
    lines = textwrap.wrap(
        kept,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_SPACE, " ") for line in lines] or [head.rstrip()]


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text
