"""A server behind the edge that writes down what reaches it, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from .ports import free_port


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. `head` is everything up to and with the empty line."""

    head: bytes
    body: bytes

    @property
    def method(self) -> bytes:
        """The first word of the request line."""
        return self.head.split(b" ", 1)[0]

    @property
    def target(self) -> bytes:
        """What stands between method and version, whatever it is."""
        return self.head.split(b"\r\n", 1)[0].split(b" ", 1)[1].rsplit(b" ", 1)[0]

    @property
    def version(self) -> bytes:
        """The last word of the request line."""
        return self.head.split(b"\r\n", 1)[0].rsplit(b" ", 1)[1]

    def values(self, name: str) -> list[bytes]:
        """The values of all field lines of a name, in order."""
        lines = [line.partition(b":") for line in self.head.split(b"\r\n")[1:]]
        return [value.strip() for key, _, value in lines if key.lower() == name.lower().encode()]


@dataclass
class Connection:
    """One connection. `handshake`: whether TLS was agreed (True for plain TCP)."""

    sni: str | None = None
    tls_version: str | None = None
    handshake: bool = False
    subject: str | None = None
    """The common name of the certificate that the other side showed."""
    resumed: bool = False
    """Whether the TLS session is one of an earlier connection."""
    received: bytes = b""
    """Every byte after the handshake since the last `forget`."""
    heard: int = 0
    """How many bytes came after the handshake, ever."""
    requests: list[Seen] = field(default_factory=list[Seen])

    def hear(self, data: bytes) -> None:
        """Write down bytes that came."""
        self.received += data
        self.heard += len(data)


class _Socket(ssl.SSLSocket):
    """A TLS socket that knows its record: the SNI is there as soon as the visitor has said it."""

    record: Connection | None = None


class Origin:
    """A threaded HTTP/1.1 server on a loopback port of its own; TLS when given a certificate.

    It answers 200 with a JSON of what it saw, keeps connections alive, and waits `delay` seconds before it answers.
    With ``answers=False`` it closes the connection after reading a request. `respond` may give another whole response
    (bytes) for a request. With ``upgrades=True`` it agrees to a WebSocket and then sends back every byte. `client_ca`:
    it asks for a certificate that this CA signed, and talks to nobody without. With ``protocol="h2"`` it speaks HTTP/2
    only. A context manager.
    """

    def __init__(
        self,
        name: str,
        certificate: tuple[Path, Path] | None = None,
        *,
        address: str = "127.0.0.1",
        answers: bool = True,
        delay: float = 0,
        max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        respond: Callable[[Seen], bytes | None] = lambda _: None,
        upgrades: bool = False,
        client_ca: Path | None = None,
        protocol: str = "http/1.1",
    ) -> None:
        self.name = name
        self.address = address
        self.port = free_port(address)
        self.answers = answers
        self.delay = delay
        self.respond = respond
        self.upgrades = upgrades
        self.protocol = protocol
        self.connections: list[Connection] = []
        self._tls = _server_context(certificate, max_version, protocol, client_ca) if certificate else None
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    @property
    def socket(self) -> str:
        """``127.0.0.1:24000``, as a policy writes it."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def requests(self) -> list[Seen]:
        """All requests of all connections, by connection."""
        return [seen for connection in list(self.connections) for seen in connection.requests]

    @property
    def received(self) -> bytes:
        """Every byte after a handshake, of all connections."""
        return b"".join(connection.received for connection in list(self.connections))

    def forget(self) -> None:
        """Forget the requests seen so far; connections stay."""
        for connection in self.connections:
            connection.requests.clear()
            connection.received = b""

    def start(self) -> None:
        """Listen and answer until `stop`."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        listener = socket.create_server((self.address, self.port), family=family, backlog=128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._listener is not None:
            # Closing alone does not wake a thread that waits in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in list(self._open):
            _cut(connection)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        connection = Connection()
        self.connections.append(connection)
        plain.settimeout(120)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = plain
        try:
            if self._tls is not None:
                stream = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                if isinstance(stream, _Socket):
                    stream.record = connection
                stream.do_handshake()
                connection.tls_version = stream.version()
                connection.subject = _subject(stream)
                connection.resumed = bool(stream.session_reused)
            connection.handshake = True
            self._open.add(stream)
            if self.protocol == "h2":
                from .http2_origin import converse

                converse(stream, connection, self)
            else:
                self._converse(stream, connection)
        except OSError:
            pass  # the peer refused the certificate or went away: the connection's record says how far it came
        finally:
            self._open.discard(stream)
            _cut(stream)

    def _converse(self, stream: socket.socket, connection: Connection) -> None:
        waiting = bytearray()

        def more() -> bool:
            data = stream.recv(65536)
            connection.hear(data)
            waiting.extend(data)
            return bool(data)

        while True:
            while b"\r\n\r\n" not in waiting:
                if not more():
                    return
            end = waiting.index(b"\r\n\r\n") + 4
            head = bytes(waiting[:end])
            del waiting[:end]
            seen = Seen(head, _body(head, waiting, more))
            connection.requests.append(seen)
            time.sleep(self.delay)
            if not self.answers:
                return
            if self.upgrades and seen.values("upgrade"):
                stream.sendall(_switched(seen))
                _mirror(stream, connection, bytes(waiting))
                return
            stream.sendall(self.respond(seen) or self._echo(seen, connection))

    def account(self, seen: Seen, connection: Connection) -> bytes:
        """A JSON of what it saw."""
        return json.dumps(
            {
                "origin": self.name,
                "sni": connection.sni,
                "request": seen.head.decode("latin-1").split("\r\n")[:-2],
                "body_length": len(seen.body),
            },
            indent=1,
        ).encode()

    def _echo(self, seen: Seen, connection: Connection) -> bytes:
        body = self.account(seen, connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return head if seen.method == b"HEAD" else head + body


def _server_context(
    certificate: tuple[Path, Path], max_version: ssl.TLSVersion, protocol: str, client_ca: Path | None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = max_version
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols([protocol])
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    context.sslsocket_class = _Socket

    def remember(stream: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if isinstance(stream, _Socket) and stream.record:
            stream.record.sni = name

    context.sni_callback = remember
    return context


def _body(head: bytes, waiting: bytearray, more: Callable[[], bool]) -> bytes:
    """Take a request's body from `waiting`, by Content-Length or chunks (RFC 9112, 6)."""

    def take(count: int) -> bytes:
        while len(waiting) < count:
            if not more():
                raise ConnectionResetError("the request's body is cut off")
        data = bytes(waiting[:count])
        del waiting[:count]
        return data

    def line() -> bytes:
        while b"\r\n" not in waiting:
            if not more():
                raise ConnectionResetError("the request's body is cut off")
        return take(waiting.index(b"\r\n") + 2)

    seen = Seen(head, b"")
    if seen.values("transfer-encoding"):
        body = b""
        while size := int(line().split(b";")[0], 16):
            body += take(size)
            take(2)
        while line() != b"\r\n":
            pass
        return body
    return take(int((seen.values("content-length") or [b"0"])[0]))


def _subject(stream: socket.socket) -> str | None:
    shown = stream.getpeercert() if isinstance(stream, ssl.SSLSocket) else None
    names = [value for part in (shown or {}).get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if names else None


_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


def _switched(seen: Seen) -> bytes:
    key = (seen.values("sec-websocket-key") or [b""])[0]
    accept = base64.b64encode(hashlib.sha1(key + _WEBSOCKET).digest())  # noqa: S324  # RFC 6455 says so
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _mirror(stream: socket.socket, connection: Connection, data: bytes) -> None:
    while True:
        stream.sendall(data)
        data = stream.recv(65536)
        connection.hear(data)
        if not data:
            return


def _cut(stream: socket.socket) -> None:
    with suppress(OSError):  # not connected any more
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()
