"""The server's state, and how findings and places look in the protocol. `features.py` answers with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import cached_property
from importlib.metadata import version

from lsprotocol import types
from pygls import uris
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec

from ...schemas.json_schema import policy_schema
from ..diagnostics import Diagnostic, Rule, Severity, Span
from ..document import Document
from ..lint import every_rule
from ..policy_edits import Replacement
from ..target import installed_targets
from .language import Language
from .workspace import Analysis, analyse, policy_of

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}


class Server(LanguageServer):
    """What is known of the language, and the last analysis of each policy."""

    def __init__(self) -> None:
        super().__init__("policyc", version("policyc"))  # pyright: ignore[reportUnknownMemberType]  # its **kwargs
        self.targets = installed_targets()
        self.analyses: dict[str, Analysis] = {}
        self.published: dict[str, set[str]] = {}
        self.waiting: dict[str, asyncio.TimerHandle] = {}

    @cached_property
    def language(self) -> Language:
        """The language with the settings of the installed targets."""
        return Language(policy_schema({name: target.settings_model() for name, target in self.targets.items()}))

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """All rules, with their pages."""
        return every_rule(self.targets)

    @property
    def codec(self) -> PositionCodec:
        """How the editor counts characters."""
        return self.workspace.position_codec

    def unsaved(self) -> dict[str, bytes]:
        """The texts of all open documents, by their paths."""
        open_documents = self.workspace.text_documents.values()
        return {document.path: document.source.encode(errors="replace") for document in open_documents}

    def policy(self, uri: str) -> str | None:
        """The policy that a document belongs to."""
        path = uris.to_fs_path(uri)
        return policy_of(path, self.unsaved()) if path else None

    def analysis(self, uri: str) -> Analysis | None:
        """The findings of a document's policy as it stands now."""
        policy = self.policy(uri)
        if policy is None:
            return None
        self.analyses[policy] = analyse(policy, self.targets, self.unsaved())
        return self.analyses[policy]

    def document_of(self, uri: str) -> Document | None:
        """The policy as it was when it could last be read."""
        policy = self.policy(uri)
        last = self.analyses.get(policy) if policy else None
        return last.loaded.document if last else None

    def publish(self, uri: str) -> None:
        """Send the findings of a document's policy, for each of its files."""
        analysis = self.analysis(uri)
        if analysis is None:
            self.send(uri, [])
            return
        document = analysis.loaded.document
        by_uri: dict[str, list[types.Diagnostic]] = {path_to_uri(file.name): [] for file in document.files}
        for finding in analysis.judged.standing:
            span = document.span(finding.primary)
            by_uri.setdefault(path_to_uri(span.file), []).append(self.diagnostic(document, finding))
        gone = self.published.get(document.name, set()) - by_uri.keys()
        self.published[document.name] = set(by_uri)
        for one in gone:
            self.send(one, [])
        for one, diagnostics in by_uri.items():
            self.send(one, diagnostics)

    def send(self, uri: str, diagnostics: Sequence[types.Diagnostic]) -> None:
        """Put an editor's list of findings in a file."""
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, list(diagnostics)))

    def diagnostic(self, document: Document, finding: Diagnostic) -> types.Diagnostic:
        """A finding as the protocol has it."""
        head = f"{finding.target}: {finding.message}" if finding.target else finding.message
        lines = [head, *finding.notes, *(f"help: {text}" for text in finding.help)]
        return types.Diagnostic(
            range=self.range(document, document.span(finding.primary)),
            message="\n".join(lines),
            severity=_SEVERITIES[finding.severity],
            code=finding.rule,
            source="policyc",
            related_information=[
                types.DiagnosticRelatedInformation(
                    self.location(document, document.span(one)), one.note or finding.rule
                )
                for one in finding.related
            ],
        )

    # --- places ---------------------------------------------------------------------------------------------------

    def range(self, document: Document, span: Span) -> types.Range:
        """A span as the editor counts."""
        lines = [line for file in document.files if file.name == span.file for line in file.text.splitlines(True)]
        return self._range(lines, span.line - 1, span.column - 1, span.line - 1, max(span.end_column, span.column) - 1)

    def _range(self, lines: Sequence[str], line: int, column: int, end_line: int, end_column: int) -> types.Range:
        found = types.Range(types.Position(line, column), types.Position(end_line, end_column))
        return self.codec.range_to_client_units(lines, found)  # pyright: ignore[reportArgumentType]

    def location(self, document: Document, span: Span) -> types.Location:
        """A span with its file."""
        return types.Location(path_to_uri(span.file), self.range(document, span))

    def between(self, text: str, start: int, end: int) -> types.Range:
        """Two offsets in a text as the editor counts."""
        lines = text.splitlines(keepends=True)
        return self._range(lines, *_line_and_column(text, start), *_line_and_column(text, end))

    def edit(
        self, document: Document, changes: Iterable[Replacement], files: Iterable[tuple[str, str]] = ()
    ) -> types.WorkspaceEdit:
        """Changes of a policy's files, and new contents of others."""
        edits: dict[str, list[types.TextEdit]] = {}
        texts = {file.name: file.text for file in document.files}
        for change in changes:
            where = self.between(texts[change.file], change.start, change.end)
            edits.setdefault(path_to_uri(change.file), []).append(types.TextEdit(where, change.text))
        for file, text in files:
            everything = types.Range(types.Position(0, 0), types.Position(len(text.splitlines()) + 1, 0))
            edits[path_to_uri(file)] = [types.TextEdit(everything, text)]
        return types.WorkspaceEdit(changes=edits)  # pyright: ignore[reportArgumentType]


def path_to_uri(path: str) -> str:
    """A file's URI."""
    return uris.from_fs_path(path) or path


def _line_and_column(text: str, place: int) -> tuple[int, int]:
    before = text[:place].splitlines(keepends=True)
    if not before or before[-1].endswith(("\n", "\r")):
        return len(before), 0
    return len(before) - 1, len(before[-1])
