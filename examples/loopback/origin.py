"""A server behind the edge that writes down what reaches it, byte for byte."""

from __future__ import annotations

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
    client: bytes | None = None
    """The DER of the certificate that the other end showed."""
    received: bytes = b""
    """Every byte after the handshake."""
    requests: list[Seen] = field(default_factory=list[Seen])


class _Socket(ssl.SSLSocket):
    """A TLS socket that knows its record: the SNI is there as soon as the visitor has said it."""

    record: Connection | None = None


class Origin:
    """A threaded HTTP server on a loopback port of its own; TLS when given a certificate.

    With ``protocol="h2"`` it speaks HTTP/2 only, else HTTP/1.1. With `clients` (a CA's file) it asks for a certificate
    of that CA and talks to nobody else. It answers 200 with a JSON of what it saw, keeps connections alive, and waits
    `delay` seconds before it answers. With ``answers=False`` it closes the connection after reading a request.
    `respond` may give another whole response (bytes) for a request; these three are for HTTP/1.1. A context manager.
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
        clients: Path | None = None,
        protocol: str = "http/1.1",
        respond: Callable[[Seen], bytes | None] = lambda _: None,
    ) -> None:
        self.name = name
        self.address = address
        self.port = free_port(address)
        self.answers = answers
        self.delay = delay
        self.protocol = protocol
        self.respond = respond
        self.connections: list[Connection] = []
        self._tls = _server_context(certificate, max_version, clients, protocol) if certificate else None
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
                connection.client = stream.getpeercert(binary_form=True)
            connection.handshake = True
            self._open.add(stream)
            if self.protocol == "h2":
                from .origin_h2 import converse

                converse(stream, connection, lambda seen: self._echo_body(seen, connection))
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
            connection.received += data
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
            stream.sendall(self.respond(seen) or self._echo(seen, connection))

    def _echo(self, seen: Seen, connection: Connection) -> bytes:
        body = self._echo_body(seen, connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        return head if seen.method == b"HEAD" else head + body

    def _echo_body(self, seen: Seen, connection: Connection) -> bytes:
        return json.dumps(
            {
                "origin": self.name,
                "sni": connection.sni,
                "request": seen.head.decode("latin-1").split("\r\n")[:-2],
                "body_length": len(seen.body),
            },
            indent=1,
        ).encode()


def _server_context(
    certificate: tuple[Path, Path], max_version: ssl.TLSVersion, clients: Path | None, protocol: str
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = max_version
    context.load_cert_chain(*certificate)
    context.set_alpn_protocols([protocol])
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
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


def _cut(stream: socket.socket) -> None:
    with suppress(OSError):  # not connected any more
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()
