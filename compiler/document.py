"""Reading: YAML text → plain values, and for any path in them the file, line and column.

YAML 1.2 core schema, by libyaml's events (PyYAML's own parser where libyaml is absent; a test proves that both
agree). Values are what `json` would give. Positions are packed, six numbers a mapping entry and three a list item, in
one array per container, and looked up only when something is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from . import progress
from .diagnostics import Diagnostic, Location, Path, Span, declare, removal
from .syntax_errors import explain

MAX_BYTES = 256 << 20
MAX_DEPTH = 64
MAX_FINDINGS = 1_000
"""Of one kind: what is wrong beyond that is no policy, and is not told one by one."""
MAX_ALIASED_VALUES = 100_000
"""How many values all aliases together may stand for: sharing is free here, but later stages see the copies."""

SYNTAX = declare(
    "invalid-syntax",
    """
    ## What it does
    The file is not YAML 1.2 (or JSON, which is part of it), so nothing of it was understood.

    ## Why it is bad
    policyc never guesses: a file that cannot be read whole is not compiled at all.

    ## Example
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443
        tls: {ca: internal, server_name: app.example.internal}
    ```

    ## Use instead
    Mend the place that the finding shows. Indent with spaces. Quote texts that hold `: `, ` #`, or begin with
    one of `*&!|>'"%@` and backtick.
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://yaml.org/spec/1.2.2/
    """,
)
UNREADABLE = declare(
    "unreadable-file",
    """
    ## What it does
    A file that the policy is made of, or names, cannot be read.

    ## Why it is bad
    A site without its certificate, or a backend without its trust anchor, gets no output at all.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/absent.pem, key: certs/shop.key}
    ```

    ## Use instead
    Check the path (it is relative to the file that names it), that it is an ordinary file, and its permissions.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://man7.org/linux/man-pages/man2/open.2.html#ERRORS
    """,
)
DUPLICATE_KEY = declare(
    "duplicate-key",
    """
    ## What it does
    A mapping has the same key twice, or two files of one policy define the same name.

    ## Why it is bad
    Most YAML readers keep the last one without a word; whoever reads the first believes something else.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
      shop: {cert: certs/www.pem, key: certs/www.key}
    ```

    ## Use instead
    Remove one, or merge the two.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://yaml.org/spec/1.2.2/#3211-nodes
    """,
)
UNSUPPORTED_YAML = declare(
    "unsupported-yaml",
    """
    ## What it does
    The file uses a part of YAML that a policy has no use for: a tag (`!!str`), a merge key (`<<`), a key that is
    no text, a second document, an alias of itself, or aliases or nesting beyond any sensible size.

    ## Why it is bad
    Readers disagree on these parts, and some exist only to make a small file explode in memory.

    ## Example
    ```yaml
    backends:
      app: &app
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal}
      api:
        <<: *app
    ```

    ## Use instead
    Write the value out. Quote a key that looks like a number: `"404": …`.
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://yaml.org/type/merge.html
    """,
)

_PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\\Z)", re.DOTALL)
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")  # YAML 1.1 says so, and libyaml follows it; YAML 1.2 says no
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_OCTAL = re.compile(r"0o[0-7]{1,18}\Z")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,16}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}

Container = dict[str, Any] | list[Any]

# Offsets in a packed entry: key line, column, end column; then value line, column, end column (0: many lines).
_MAPPING_ENTRY = 6
_LIST_ENTRY = 3


@dataclass(slots=True)
class SourceFile:
    """One file of a policy."""

    name: str
    """As the user gave it, for messages."""
    directory: str
    """Absolute; paths in the file are relative to it."""
    lines: list[str]
    text: str = ""
    """Without a byte order mark; empty where it is no text."""
    root: Any = None
    positions: dict[int, array[int]] = field(default_factory=dict)
    """By `id()` of a container below `root`, which keeps it alive."""
    _places: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    """By the same, of mappings that something was looked up in: which entry a key is."""

    def span(self, path: Path, of_key: bool = False) -> Span:
        """The place of a path. Keys that do not exist point at the deepest container that does."""
        node, best = self.root, Span(self.name, 1, 1, 2)
        for depth, part in enumerate(path):
            entry = self._entry(node, part)
            if entry is None and part == 0:
                continue  # a list that is written as its only element
            if entry is None:
                break
            numbers, node = entry
            last = depth == len(path) - 1
            keyed = len(numbers) == _MAPPING_ENTRY
            # A container is best shown by its key; "value" asks for it only where it is a scalar.
            take_key = keyed and ((last and of_key) or isinstance(node, dict | list))
            line, column, end = numbers[:3] if take_key or not keyed else numbers[3:]
            best = Span(self.name, line + 1, column + 1, self._end(line, column, end))
        return best

    def _end(self, line: int, column: int, end: int) -> int:
        if end > column:
            return end + 1
        text = self.lines[line].rstrip() if line < len(self.lines) else ""
        return max(len(text), column + 1) + 1

    def _entry(self, node: Any, part: str | int) -> tuple[array[int], Any] | None:
        if isinstance(node, dict) and isinstance(part, str) and part in node:
            mapping = cast("dict[str, Any]", node)
            places = self._places.get(id(mapping))
            if places is None:
                places = self._places[id(mapping)] = {key: index for index, key in enumerate(mapping)}
            start = places[part] * _MAPPING_ENTRY
            return self.positions[id(mapping)][start : start + _MAPPING_ENTRY], mapping[part]
        if isinstance(node, list) and isinstance(part, int):
            items = cast("list[Any]", node)
            if part < len(items):
                start = part * _LIST_ENTRY
                return self.positions[id(items)][start : start + _LIST_ENTRY], items[part]
        return None


@dataclass(slots=True)
class Document:
    """A policy's values, of one file or of a folder's, and where they stand."""

    name: str
    """The policy as the user named it: a file, or a folder."""
    values: dict[str, Any]
    files: list[SourceFile]
    _origins: dict[Path, tuple[SourceFile, Path]] = field(default_factory=dict)

    def value(self, path: Path) -> Any:
        """What stands at a path; None also where nothing does. A list may be written as its only element."""
        node: Any = self.values
        for part in path:
            if isinstance(node, dict):
                node = cast("dict[str | int, Any]", node).get(part)
            elif isinstance(node, list):
                items = cast("list[Any]", node)
                node = items[part] if isinstance(part, int) and part < len(items) else None
            elif part != 0:
                return None
        return node

    def origin(self, path: Path) -> tuple[SourceFile, Path]:
        """The file that holds a path, and the path within that file."""
        for length in (2, 1):
            found = self._origins.get(path[:length])
            if found:
                return found[0], found[1] + path[length:]
        return self.files[0], path

    def span(self, location: Location) -> Span:
        """The place of a location, for printing."""
        if location.span:
            return location.span
        file, path = self.origin(location.path)
        return file.span(path, location.of == "key")

    def line(self, span: Span) -> str:
        """The text of the line that a span is in, without its end; empty where there is none."""
        for file in self.files:
            if file.name == span.file and span.line <= len(file.lines):
                return file.lines[span.line - 1]
        return ""

    def scalar_text(self, path: Path) -> str:
        """What stands at a scalar's place, as written: ``2.60`` where the value is 2.6."""
        span = self.span(Location(path))
        return self.line(span)[span.column - 1 : span.end_column - 1]

    def resolve_path(self, path: Path, written: str) -> str:
        """The absolute path of a file named at `path`: relative to the file that names it."""
        return os.path.normpath(os.path.join(self.origin(path)[0].directory, written))

    @property
    def short_name(self) -> str:
        """The policy's name without its folder, as outputs have it. Bytes of it that are no text are question marks."""
        return os.path.basename(os.path.abspath(self.name)).encode(errors="replace").decode()

    @property
    def digest(self) -> str:
        """SHA-256, hex, of what the policy says: not of comments, nor of which file or line says it."""
        parts = {
            key: sorted(map(_canonical, cast("list[Any]", value))) if isinstance(value, list) else value
            for key, value in self.values.items()
        }
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()


def read(policy: str, unsaved: Mapping[str, bytes] | None = None) -> tuple[Document, list[Diagnostic], bool]:
    """A policy from a file, or from a folder's ``*.yaml`` and ``*.yml`` files, each parsed once. Folders in
    it are not read.

    `unsaved` has what stands in for files on disk, by their names as `Document.files` has them: an editor's text, or
    the one that a fix would write.

    Returns the document, what is wrong with it, and whether it could be read at all. Where it could not, the
    document holds just enough to print the findings.
    """
    findings: list[Diagnostic] = []
    document = Document(policy, {}, [])
    try:
        names = _file_names(policy)
    except OSError as error:
        findings.append(_unreadable(policy, reason(error)))
        return document, findings, False
    if not names:
        findings.append(_unreadable(policy, "there is no *.yaml or *.yml file in this folder"))
    for name in progress.counted("reading files", names):
        file = _read_file(name, findings, unsaved or {})
        if file:
            document.files.append(file)
    if any(finding.rule in (SYNTAX.id, UNREADABLE.id, UNSUPPORTED_YAML.id) for finding in findings):
        return document, findings, False
    _merge(document, findings)
    return document, findings, True


def _file_names(policy: str) -> list[str]:
    if not os.path.isdir(policy):
        return [policy]
    return [
        os.path.join(policy, name)
        for name in sorted(os.listdir(policy))
        if name.endswith((".yaml", ".yml")) and not name.startswith(".")
    ]


def _unreadable(name: str, why: str) -> Diagnostic:
    tried: list[str] = []
    if not os.path.isabs(name):
        with suppress(FileNotFoundError):  # the working folder is gone: then there is no absolute path
            tried = [f"looked for as {os.path.abspath(name)!r}"]
    return UNREADABLE.found(f"cannot read {name!r}: {why}", Location((), span=Span(name, 1, 1, 1)), help=tried)


def read_bytes(path: str, limit: int = MAX_BYTES) -> bytes:
    """An ordinary file's content. Raises OSError with a message for people, also for pipes, devices and folders."""
    # Opened without blocking: a FIFO must not make us wait for a writer that never comes.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if status.st_mode & 0o170000 != 0o100000:
            raise OSError("it is not an ordinary file")
        if status.st_size > limit:
            raise OSError(f"it has {status.st_size} bytes, more than the {limit} that are read")
        # Not with `limit` at once: Python sets as much memory aside as it is asked for. A file of /proc tells no size.
        return stream.read((status.st_size or limit) + 1)


def _hidden(key: re.Match[str]) -> str:
    """In place of a private key that somebody pasted, or named as the policy: findings quote the lines of a file."""
    return "\n".join("(a private key)" for _ in key[0].splitlines())


def reason(error: OSError) -> str:
    """An OSError as people say it, without number and file name."""
    return (error.strerror or str(error)).lower() if error.errno else str(error)


def _read_file(name: str, findings: list[Diagnostic], unsaved: Mapping[str, bytes]) -> SourceFile | None:
    try:
        data = unsaved[name] if name in unsaved else read_bytes(name)
    except (OSError, ValueError) as error:
        findings.append(_unreadable(name, reason(error) if isinstance(error, OSError) else str(error)))
        return None
    file = SourceFile(name, os.path.dirname(os.path.abspath(name)), [])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        findings.append(
            SYNTAX.found(
                f"byte 0x{data[error.start]:02x} is not UTF-8 text",
                Location((), span=Span(name, line, column, column + 1)),
                help=["save the file as UTF-8" if b"\0" not in data[:4096] else "this looks like a binary file"],
            )
        )
        return file
    file.text = text
    file.lines = _PRIVATE_KEY.sub(_hidden, text).splitlines()
    key = _PRIVATE_KEY.search(text)
    if key:
        # Not one stage further: messages quote values.
        line, column = text.count("\n", 0, key.start()) + 1, key.start() - text.rfind("\n", 0, key.start())
        findings.append(
            UNSUPPORTED_YAML.found(
                "a private key stands here",
                Location((), span=Span(name, line, column, column + 1)),
                help=["a policy names the files of keys and never holds one; whoever could read this file has the key"],
            )
        )
        return file
    found = _LINE_ENDS.search(text)
    if found:
        line = len(text[: found.start() + 1].splitlines())
        span = Span(name, line, len(file.lines[line - 1]) + 1, len(file.lines[line - 1]) + 2)
        findings.append(
            UNSUPPORTED_YAML.found(
                f"U+{ord(found[0]):04X} ends a line for some readers of YAML, and for others it does not",
                Location((), span=span),
                help=[f'remove it, or write it in double quotes as "\\u{ord(found[0]):04x}"'],
            )
        )
        return file
    _Builder(file, findings).build(text)
    return file


class _Stop(Exception):
    """Ends the reading of one file; the finding is already noted."""


class _Builder:
    """Events → values and positions, without recursion."""

    def __init__(self, file: SourceFile, findings: list[Diagnostic]) -> None:
        self.file = file
        self.findings = findings
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliased = 0

    def build(self, text: str) -> None:
        try:
            self._run(_events(text))
        except yaml.MarkedYAMLError as error:
            fault = explain(error, self.file.lines)
            related = [self._mark(fault.opened, f"the {fault.what} begins here")] if fault.opened else []
            self.findings.append(SYNTAX.found(fault.message, self._mark(fault.at), related=related, help=[fault.help]))
        except yaml.reader.ReaderError as error:
            before = text[: error.position] if isinstance(error.position, int) else ""
            line = before.count("\n") + 1
            column = len(before) - before.rfind("\n")
            character = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
            self.findings.append(
                SYNTAX.found(
                    f"the control character U+{character:04X} is not allowed in YAML",
                    Location((), span=Span(self.file.name, line, column, column + 1)),
                )
            )
        except _Stop:
            pass

    def _fail(self, event: yaml.Event, message: str, help: str) -> None:
        self.findings.append(UNSUPPORTED_YAML.found(message, self._at(event), help=[help]))
        raise _Stop

    def _mark(self, place: tuple[int, int], note: str = "") -> Location:
        line, column = place
        return Location((), note, span=Span(self.file.name, line + 1, column + 1, column + 2))

    def _at(self, event: yaml.Event) -> Location:
        start: Any = event.start_mark
        end: Any = event.end_mark
        last = end.column if end.line == start.line and end.column > start.column else start.column + 1
        return Location((), span=Span(self.file.name, start.line + 1, start.column + 1, last + 1))

    def _run(self, events: Iterator[yaml.Event]) -> None:
        # Per open container: itself, its positions, its anchor, how many values it holds (with all below), and for a
        # mapping the key that waits for its value.
        stack: list[list[Any]] = []
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._fail(
                        event,
                        "a second document begins here; a policy is one",
                        "remove the `---`, or use two files",
                    )
                continue
            if isinstance(event, yaml.ScalarEvent):
                value = self._scalar(event, stack)
                size = 1
            elif isinstance(event, yaml.AliasEvent):
                value, size = self._alias(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                if event.tag is not None:
                    self._fail(event, f"the tag `{event.tag}` is not part of the policy language", "remove it")
                if len(stack) >= MAX_DEPTH:
                    self._fail(
                        event,
                        f"nested more than {MAX_DEPTH} deep",
                        "a policy needs no more than a dozen levels",
                    )
                container: Container = {} if isinstance(event, yaml.MappingStartEvent) else []
                if stack and isinstance(stack[-1][0], dict) and stack[-1][4] is None:
                    self._fail(event, "a list or mapping cannot be a key", "keys are texts")
                if event.anchor:
                    self.anchors[event.anchor] = (None, 0)
                stack.append([container, array("I"), event.anchor, 1, None, event])
                continue
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                value, numbers, anchor, size, _, start = stack.pop()
                self.file.positions[id(value)] = numbers
                if anchor:
                    self.anchors[anchor] = (value, size)
                event = _Between(start.start_mark, event.end_mark)
            else:
                continue
            if not stack:
                self.file.root = value
                continue
            self._add(stack[-1], value, size, event)
        if self.file.root is None:
            self.findings.append(
                SYNTAX.found(
                    "the file holds no policy",
                    Location((), span=Span(self.file.name, 1, 1, 1)),
                    help=["begin with `version: 1`"],
                )
            )
        elif not isinstance(self.file.root, dict):
            self.findings.append(
                SYNTAX.found(
                    "a policy is a mapping of keys to values, and this is not",
                    Location((), span=Span(self.file.name, 1, 1, 2)),
                    help=["begin with `version: 1`"],
                )
            )

    def _add(self, top: list[Any], value: Any, size: int, event: Any) -> None:
        container, numbers = top[0], top[1]
        start, end = event.start_mark, event.end_mark
        last = end.column if end.line == start.line else 0
        top[3] += size
        if isinstance(container, list):
            cast("list[Any]", container).append(value)
            numbers.extend((start.line, start.column, last))
            return
        if top[4] is None:
            top[4] = (value, start.line, start.column, last)
            return
        key, line, column, key_end = top[4]
        top[4] = None
        mapping = cast("dict[str, Any]", container)
        if key in mapping:
            if len(self.findings) >= MAX_FINDINGS:
                self._fail(event, f"more than {MAX_FINDINGS:,} keys stand twice", "mend those above first")
            first = list(mapping).index(key) * _MAPPING_ENTRY
            again = Location(
                (),
                "again here",
                span=Span(self.file.name, line + 1, column + 1, (key_end or column + 1) + 1),
            )
            same = _same(value, mapping[key])
            self.findings.append(
                DUPLICATE_KEY.found(
                    f"the key `{key}` stands twice in one mapping",
                    again,
                    related=[
                        Location(
                            (),
                            "first here",
                            span=Span(
                                self.file.name,
                                numbers[first] + 1,
                                numbers[first + 1] + 1,
                                numbers[first + 2] + 1,
                            ),
                        )
                    ],
                    help=["remove one of the two; both say the same" if same else "remove one of the two"],
                    fixes=[removal(again, f"the second `{key}`, which says the same")] if same else [],
                )
            )
            return
        mapping[key] = value
        numbers.extend((line, column, key_end, start.line, start.column, last))

    def _scalar(self, event: yaml.ScalarEvent, stack: list[list[Any]]) -> Any:
        if event.tag is not None:
            self._fail(
                event,
                f"the tag `{event.tag}` is not part of the policy language",
                "remove it; quote the value if it is a text",
            )
        text: str = event.value
        value = text if event.style else plain_value(text)
        if stack and isinstance(stack[-1][0], dict) and stack[-1][4] is None:
            if not event.style and text == "<<":
                self._fail(event, "the merge key `<<` is not YAML 1.2", "write the values out")
            if not isinstance(value, str):
                self._fail(event, f"the key `{text}` is not a text", f'quote it: "{text}"')
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        return value

    def _alias(self, event: yaml.AliasEvent) -> tuple[Any, int]:
        found = self.anchors.get(event.anchor or "")
        if found is None:
            self._fail(event, f"there is no anchor `&{event.anchor}` above this alias", "write the value out")
        assert found is not None
        value, size = found
        if size == 0:
            self._fail(event, f"the alias `*{event.anchor}` is inside of what it stands for", "write the value out")
        self.aliased += size
        if self.aliased > MAX_ALIASED_VALUES:
            self._fail(event, f"aliases stand for more than {MAX_ALIASED_VALUES} values", "write the values out")
        return value, size


@dataclass(slots=True)
class _Between:
    """A container's extent, in place of the event that ends it."""

    start_mark: Any
    end_mark: Any


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar by YAML 1.2's core schema (section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        if _INTEGER.match(text):
            return int(text)
        if _FLOAT.match(text):
            return float(text)
        if _OCTAL.match(text):
            return int(text[2:], 8)
        if _HEXADECIMAL.match(text):
            return int(text[2:], 16)
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    parse: Any = yaml.parse  # pyright: ignore[reportUnknownMemberType]  # its stub leaves the stream open
    return parse(text, Loader=getattr(yaml, "CLoader", yaml.Loader))


def _merge(document: Document, findings: list[Diagnostic]) -> None:
    """One set of values from all files: collections join, the rest may be said once (or everywhere alike)."""
    values = document.values
    for file in document.files:
        root = cast("dict[str, Any]", file.root)
        for key, value in root.items():
            if key not in values:
                values[key] = (
                    dict(cast("dict[str, Any]", value))
                    if isinstance(value, dict)
                    else (list(cast("list[Any]", value)) if isinstance(value, list) else value)
                )
                document._origins[(key,)] = (file, (key,))  # pyright: ignore[reportPrivateUsage]
                _note_origins(document, file, key, value, 0)
            elif isinstance(value, dict) and isinstance(values[key], dict):
                _join(document, file, key, cast("dict[str, Any]", value), findings)
            elif isinstance(value, list) and isinstance(values[key], list):
                offset = len(values[key])
                values[key].extend(cast("list[Any]", value))
                _note_origins(document, file, key, value, offset)
            elif not _same(value, values[key]):
                _duplicate(document, file, (key,), findings)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _same(one: Any, other: Any) -> bool:
    return one == other and repr(one) == repr(other)  # `1 == True`, but not in their texts


def _join(document: Document, file: SourceFile, key: str, value: dict[str, Any], findings: list[Diagnostic]) -> None:
    into = document.values[key]
    for name, item in value.items():
        if name in into:
            _duplicate(document, file, (key, name), findings)
        else:
            into[name] = item
            document._origins[(key, name)] = (file, (key, name))  # pyright: ignore[reportPrivateUsage]


def _note_origins(document: Document, file: SourceFile, key: str, value: Any, offset: int) -> None:
    if isinstance(value, dict):
        for name in cast("dict[str, Any]", value):
            document._origins[(key, name)] = (file, (key, name))  # pyright: ignore[reportPrivateUsage]
    elif isinstance(value, list):
        for index in range(len(cast("list[Any]", value))):
            document._origins[(key, index + offset)] = (file, (key, index))  # pyright: ignore[reportPrivateUsage]


def _duplicate(document: Document, file: SourceFile, path: Path, findings: list[Diagnostic]) -> None:
    if len(path) == 1:
        what, order = f"`{path[0]}` is given in two files of this policy, and not alike", "say it in one of them"
    else:
        what = f"`{path[0]}.{path[1]}` is given in two files of this policy"
        order = "remove one of the two; if it is another thing, rename it"
    findings.append(
        DUPLICATE_KEY.found(
            what,
            Location((), "again here", span=file.span(path, of_key=True)),
            related=[Location((), "first here", span=document.span(Location(path, of="key")))],
            help=[order],
        )
    )
