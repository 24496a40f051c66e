"""What the server answers: one function for each question of the protocol."""

from __future__ import annotations

import asyncio

from lsprotocol import types
from pygls import uris

from ..diagnostics import Diagnostic, Span
from ..document import SourceFile
from ..policy_edits import offset
from . import answers
from .server import Server
from .workspace import Analysis

_PAUSE = 0.2
"""Seconds without a change before the findings are looked for anew."""

_KINDS = {
    "key": types.CompletionItemKind.Property,
    "name": types.CompletionItemKind.Reference,
    "value": types.CompletionItemKind.Value,
    "finding": types.CompletionItemKind.EnumMember,
}

_Position = types.HoverParams | types.DefinitionParams | types.ReferenceParams | types.CompletionParams


def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    """Findings of what was opened."""
    ls.publish(params.text_document.uri)


def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
    """Findings anew: certificates may have changed with it."""
    ls.publish(params.text_document.uri)


def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    """Findings once nothing was typed for a moment."""
    uri = params.text_document.uri
    _forget(ls, uri)
    ls.waiting[uri] = asyncio.get_running_loop().call_later(_PAUSE, _publish_late, ls, uri)


def _publish_late(ls: Server, uri: str) -> None:
    ls.waiting.pop(uri, None)
    ls.publish(uri)


def _forget(ls: Server, uri: str) -> None:
    waiting = ls.waiting.pop(uri, None)
    if waiting:
        waiting.cancel()


def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    """Nobody looks at its findings any more."""
    _forget(ls, params.text_document.uri)
    ls.send(params.text_document.uri, [])


def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """What the language says about a place, and the pages of its findings."""
    uri = params.text_document.uri
    analysis = ls.analysis(uri)
    if analysis is None:
        return None
    text = ls.workspace.get_text_document(uri)
    place = text.offset_at_position(params.position)
    there = _findings_at(uri, place, place, analysis)
    found = answers.hover(text.source, place, ls.language, ls.rules, there, analysis.loaded.document)
    if found is None:
        return None
    content = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.Hover(content, ls.between(text.source, found.start, found.end))


def definition(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    """Where a name is defined."""
    named, analysis = _named(ls, params)
    if named is None or analysis is None:
        return None
    span = answers.definition(analysis.loaded.document, *named)
    return ls.location(analysis.loaded.document, span) if span else None


def references(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
    """Where a name is used."""
    named, analysis = _named(ls, params)
    if named is None or analysis is None:
        return []
    document = analysis.loaded.document
    return [ls.location(document, span) for span in answers.uses_of(document, *named)]


def completion(ls: Server, params: types.CompletionParams) -> types.CompletionList:
    """What can be written at a place."""
    uri = params.text_document.uri
    text = ls.workspace.get_text_document(uri)
    offers: list[answers.Offer] = []
    if ls.policy(uri) is not None:
        place = text.offset_at_position(params.position)
        offers = answers.complete(text.source, place, ls.language, ls.rules, ls.document_of(uri))
    return types.CompletionList(is_incomplete=False, items=[_item(ls, text.source, offer) for offer in offers])


def code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    """Fixes of the findings at a place, and to accept them."""
    uri = params.text_document.uri
    analysis = ls.analysis(uri)
    if analysis is None:
        return []
    text = ls.workspace.get_text_document(uri)
    start, end = text.offset_at_position(params.range.start), text.offset_at_position(params.range.end)
    document = analysis.loaded.document
    return [
        types.CodeAction(
            title=action.title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[ls.diagnostic(document, action.finding)],
            is_preferred=action.preferred,
            edit=ls.edit(document, action.changes, action.files),
        )
        for action in answers.actions(document, _findings_at(uri, start, end, analysis))
    ]


def _item(ls: Server, text: str, offer: answers.Offer) -> types.CompletionItem:
    documentation = types.MarkupContent(types.MarkupKind.Markdown, offer.documentation)
    return types.CompletionItem(
        label=offer.label,
        kind=_KINDS[offer.kind],
        detail=offer.detail or None,
        documentation=documentation if offer.documentation else None,
        text_edit=types.TextEdit(ls.between(text, offer.start, offer.end), offer.insert),
        filter_text=offer.insert,
    )


def _named(ls: Server, params: _Position) -> tuple[tuple[str, str] | None, Analysis | None]:
    uri = params.text_document.uri
    text = ls.workspace.get_text_document(uri)
    return answers.named_at(text.source, text.offset_at_position(params.position)), ls.analysis(uri)


def _findings_at(uri: str, start: int, end: int, analysis: Analysis) -> list[Diagnostic]:
    path = uris.to_fs_path(uri)
    document = analysis.loaded.document
    file = next((one for one in document.files if one.name == path), None)
    if file is None:
        return []
    spans = [(finding, document.span(finding.primary)) for finding in analysis.judged.standing]
    return [finding for finding, span in spans if span.file == path and _covers(file, span, start, end)]


def _covers(file: SourceFile, span: Span, start: int, end: int) -> bool:
    """Whether a span has a character, or an end, in common with a stretch of its file."""
    begin = offset(file, span.line, span.column)
    return begin <= end and start <= begin + span.end_column - span.column


def make_server() -> Server:
    """A server with all that it answers."""
    ls = Server()
    for name, function, options in (
        (types.TEXT_DOCUMENT_DID_OPEN, did_open, None),
        (types.TEXT_DOCUMENT_DID_SAVE, did_save, None),
        (types.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
        (types.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
        (types.TEXT_DOCUMENT_HOVER, hover, None),
        (types.TEXT_DOCUMENT_DEFINITION, definition, None),
        (types.TEXT_DOCUMENT_REFERENCES, references, None),
        (types.TEXT_DOCUMENT_COMPLETION, completion, types.CompletionOptions(trigger_characters=[*" [{,-", '"'])),
        (
            types.TEXT_DOCUMENT_CODE_ACTION,
            code_action,
            types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
        ),
    ):
        ls.feature(name, options)(function)
    return ls


def serve() -> None:
    """Answer an editor on stdin and stdout until it says goodbye."""
    make_server().start_io()
