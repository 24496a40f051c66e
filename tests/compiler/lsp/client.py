"""A language client as an editor has one: JSON-RPC with a server's process over its stdin and stdout, nothing else."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

_PATIENCE = 30.0


class Client:
    """One session with ``policyc lsp``. It fails on whatever the server must not do: errors, and stray output."""

    def __init__(self, folder: Path) -> None:
        program = [sys.executable, "-c", "from policyc.compiler.cli import main; main()", "lsp"]
        self.process = subprocess.Popen(
            program, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.folder = folder
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._stderr = threading.Thread(target=self._drain, daemon=True)
        self._stderr.start()
        self.errors = b""
        self._number = 0
        self._versions: dict[str, int] = {}
        self._texts: dict[str, str] = {}
        self.findings: dict[str, list[dict[str, Any]]] = {}
        self.publications = 0
        self.capabilities: dict[str, Any] = self.ask(
            "initialize", {"processId": None, "rootUri": folder.as_uri(), "capabilities": {}}
        )["capabilities"]
        self.tell("initialized", {})

    def _drain(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.errors += line

    def _read(self) -> None:
        assert self.process.stdout
        while True:
            length = 0
            while (line := self.process.stdout.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                self._arrived.put(None)
                return
            self._arrived.put(json.loads(self.process.stdout.read(length)))

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        self.process.stdin.flush()

    def _next(self, until: float) -> dict[str, Any]:
        message = self._arrived.get(timeout=max(0.01, until - time.monotonic()))
        assert message is not None, f"the server ended: {self.errors.decode()}"
        if message.get("method") == "textDocument/publishDiagnostics":
            self.findings[message["params"]["uri"]] = message["params"]["diagnostics"]
            self.publications += 1
        assert message.get("method") not in ("window/showMessage", "window/logMessage"), message
        return message

    def tell(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        """Send a request and wait for its answer."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        until = time.monotonic() + _PATIENCE
        while True:
            message = self._next(until)
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message["error"]
                return message.get("result")

    def published(self, name: str) -> list[dict[str, Any]]:
        """Wait for findings of a file."""
        uri = self.uri(name)
        self.findings.pop(uri, None)
        until = time.monotonic() + _PATIENCE
        while uri not in self.findings:
            self._next(until)
        return self.findings[uri]

    def uri(self, name: str) -> str:
        """A file's URI."""
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a document and wait for its findings."""
        self._versions[name], self._texts[name] = 1, text
        item = {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})
        return self.published(name)

    def change(self, name: str, text: str, wait: bool = True) -> list[dict[str, Any]]:
        """Replace a document's text and, if asked, wait for its findings."""
        self._versions[name] += 1
        self._texts[name] = text
        document = {"uri": self.uri(name), "version": self._versions[name]}
        self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self.published(name) if wait else []

    def at(self, name: str, place: str, within: int = 0) -> dict[str, Any]:
        """The parameters for the place where a text stands, `within` characters from its beginning, in UTF-16."""
        text = self._texts[name]
        assert text.count(place) == 1, place
        before = text[: text.index(place) + within]
        column = len(before.rpartition("\n")[2].encode("utf-16-le")) // 2
        position = {"line": before.count("\n"), "character": column}
        return {"textDocument": {"uri": self.uri(name)}, "position": position}

    def text_in(self, name: str, span: dict[str, Any]) -> str:
        """The characters of a range, counted in UTF-16."""
        return self._text(name)[self._offset(name, span["start"]) : self._offset(name, span["end"])]

    def _text(self, name: str) -> str:
        return self._texts.get(name) or (self.folder / name).read_text()

    def _offset(self, name: str, position: dict[str, int]) -> int:
        lines = self._text(name).splitlines(keepends=True)
        if position["line"] >= len(lines):
            return len(self._text(name))
        line = lines[position["line"]].encode("utf-16-le")[: 2 * position["character"]].decode("utf-16-le")
        return sum(map(len, lines[: position["line"]])) + len(line)

    def edited(self, name: str, edit: dict[str, Any]) -> str:
        """A document's text after a workspace edit."""
        text = self._text(name)
        changes = cast("dict[str, list[dict[str, Any]]]", edit["changes"])[self.uri(name)]
        for change in sorted(changes, key=lambda one: self._offset(name, one["range"]["start"]), reverse=True):
            start, end = (self._offset(name, change["range"][key]) for key in ("start", "end"))
            text = text[:start] + change["newText"] + text[end:]
        return text

    def close(self) -> None:
        """Say goodbye, as the protocol wants it, and see that the server goes."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        assert self.process.wait(timeout=10) == 0
        self._reader.join(timeout=10)
        self._stderr.join(timeout=10)
        assert b"Traceback" not in self.errors, self.errors.decode()

    def kill(self) -> None:
        """Leave no process behind, whatever happened."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
