"""Sends the requests of cases to a running edge, and tells what the visitor got and what arrived behind it."""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policyc.compiler.loopback import proxy_protocol
from policyc.compiler.loopback.origin import Connection, Origin, Seen
from policyc.compiler.loopback.visitor import Answer, Door, Refused, Visitor

from ..live import http2
from ..live.edges import Edge, every_origin
from .certificates import Certificates
from .topics import Ask, Tls, Version

HEALTH = b"/healthz"
"""What health checks ask for in every topic: nobody counts it as a visitor's request."""

_SENT_AND_BACK = b"bytes both ways \x00\xff" * 50
_TLS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_SHORTEST_CUT = 1000
_GARBAGE = b"PROXY TCP4 nobody 192.0.2.1 1 2\r\n"


@dataclass(frozen=True)
class Arrived:
    """One request that arrived behind the edge."""

    origin: Origin
    connection: Connection
    seen: Seen


@dataclass
class Sent:
    """What became of one request."""

    answer: Answer | None = None
    """None: the connection or the stream was ended instead."""
    why: str = ""
    arrived: tuple[Arrived, ...] = ()
    took: float = 0
    port: int = 0
    """The listener's first for TLS."""
    spoken: str | None = None
    alpn: str | None = None
    certificate: bytes = b""
    mirrored: bool = False
    """An upgraded connection carried bytes both ways."""
    logged: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    def __str__(self) -> str:
        status = self.answer.status if self.answer else None
        lines = [f"{one.origin.name}: {_first_line(one.seen)!r}"[:200] for one in self.arrived]
        return f"status {status} {self.why}, arrived: {lines or 'nothing'}"


def _first_line(seen: Seen) -> bytes:
    return seen.head.partition(b"\r\n")[0]


class Sender:
    """Sends the steps of one case to one edge. A context manager: it keeps the connection of the step before."""

    def __init__(self, edge: Edge, certificates: Certificates, version: Version) -> None:
        self.edge = edge
        self._certificates = certificates
        self._version: Version = version
        self._open: Visitor | None = None

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            self._open.close()

    def send(self, ask: Ask) -> Sent:
        """Send one request."""
        for origin in every_origin(self.edge.origins):
            origin.forget()
        log = LogReader(self.edge)
        sent = Sent(port=self.edge.relocated.ports[ask.listener][0][1])
        begin = time.monotonic()
        try:
            self._exchange(ask, sent)
        except Refused as refused:
            sent.why = str(refused)
        except ssl.SSLCertVerificationError as error:
            sent.why = f"the visitor does not take the certificate: {error.verify_message}"
        except ConnectionRefusedError as error:
            raise AssertionError(f"{self.edge.target} does not listen:\n{self.edge.proxy.log[-2000:]}") from error
        sent.took = time.monotonic() - begin
        sent.arrived = tuple(arrived(self.edge.origins))
        if ask.expect.log:
            sent.logged = log.lines(ask.target)
        return sent

    def _exchange(self, ask: Ask, sent: Sent) -> None:
        if self._version == "h2" and not ask.plain:
            sent.answer = http2.ask(
                self._door(ask, ("h2",)),
                ask.method.encode("latin-1"),
                ask.target.encode("latin-1"),
                ask.host.encode("latin-1") if ask.host is not None else None,
                [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields(ask)]
                + ([(b"content-length", str(len(ask.body)).encode())] if ask.body and ask.framing == "length" else []),
                ask.body.encode("latin-1"),
            )
            return
        if self._open is None or not ask.same_connection:
            if self._open is not None:
                self._open.close()
                self._open = None
            self._open = Visitor(self._door(ask, ("http/1.1",)))
        visitor = self._open
        if isinstance(visitor.stream, ssl.SSLSocket):
            sent.spoken = visitor.stream.version()
            sent.alpn = visitor.stream.selected_alpn_protocol()
            sent.certificate = visitor.certificate
        sent.answer = visitor.ask(message(ask))
        if sent.answer.status == 101:
            sent.mirrored = visitor.exchange(_SENT_AND_BACK) == _SENT_AND_BACK

    def _door(self, ask: Ask, protocols: tuple[str, ...]) -> Door:
        if ask.plain:
            return self.edge.plain_door(ask.listener)
        tls = ask.tls or Tls()
        options: dict[str, Any] = {
            "protocols": tuple(tls.offers) if tls.offers is not None else protocols,
            "versions": (_TLS[tls.low], _TLS[tls.high]),
            "ciphers": tls.ciphers,
            "source": None if ask.proxy else ask.source,
            "first": _proxy_header(ask),
        }
        if ask.certificate:
            options["certificate"] = self._certificates.pair(ask.certificate)
        if ask.name_asked == "":
            return self.edge.door(None, ask.listener, ipv6=ask.ipv6, **options)
        return self.edge.door(ask.name_asked, ask.listener, ipv6=ask.ipv6, **options)


def arrived(origins: Mapping[str, Sequence[Origin]]) -> Iterator[Arrived]:
    """Every request that has arrived since the origins were told to forget, but for health checks."""
    for origin in every_origin(origins):
        for connection in list(origin.connections):
            for seen in list(connection.requests):
                if seen.target != HEALTH:
                    yield Arrived(origin, connection, seen)


def fields(ask: Ask) -> list[tuple[str, str]]:
    """The field lines of an ask, as ``(name, value)``."""
    pairs = [line.partition(":") for line in ask.headers]
    return [(name, value.removeprefix(" ")) for name, _, value in pairs]


def message(ask: Ask) -> bytes:
    """An ask in HTTP/1.1."""
    if ask.raw is not None:
        return ask.raw.replace("\n", "\r\n").encode("latin-1")
    lines = [f"Host: {ask.host}"] if ask.host is not None else []
    lines += [f"{name}: {value}" for name, value in fields(ask)]
    body = ask.body.encode("latin-1")
    if ask.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"
    elif ask.framing == "length" and body:
        lines.append(f"Content-Length: {len(body)}")
    head = f"{ask.method} {ask.target} HTTP/1.1\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
    return head.encode("latin-1") + body


def _proxy_header(ask: Ask) -> bytes:
    source = None if ask.proxy_local else ask.source or "198.51.100.7"
    destination = "2001:db8::1" if source and ":" in source else "192.0.2.1"
    match ask.proxy:
        case "v1":
            return proxy_protocol.version_1(source, destination)
        case "v2":
            return proxy_protocol.version_2(source, destination)
        case "garbage":
            return _GARBAGE
        case _:
            return b""


class LogReader:
    """The lines of an edge's access log from now on."""

    _PATIENCE = 2.0  # seconds

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._file = edge.folder / "access.log"
        self._start = self._file.stat().st_size if self._file.exists() else edge.proxy.printed_length()

    def lines(self, target: str) -> list[Mapping[str, Any]]:
        """The lines about a request target; waits a moment for the first."""
        end = time.monotonic() + self._PATIENCE
        while True:
            # A target may cut a long one short.
            found = [line for line in self._read() if str(line.get("target")).startswith(target[:_SHORTEST_CUT])]
            if found or time.monotonic() > end:
                return found
            time.sleep(0.05)

    def _read(self) -> Iterator[Mapping[str, Any]]:
        if self._file.exists():
            with self._file.open("rb") as stream:
                stream.seek(self._start)
                text = stream.read()
        else:
            text = self._edge.proxy.printed(self._start)
        for line in text.splitlines():
            with contextlib.suppress(ValueError):  # a proxy's own message, or a line that is not whole yet
                value: object = json.loads(line)
                if isinstance(value, dict):
                    yield value  # pyright: ignore[reportUnknownVariableType]
