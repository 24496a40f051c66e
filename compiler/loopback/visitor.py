"""A visitor who says exactly what a test wants said, over TLS that trusts one CA only, or in clear."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Self

TIMEOUT = 15


class Refused(Exception):
    """The edge ended the connection: in the handshake, or instead of an answer."""


@dataclass(frozen=True)
class Answer:
    """A response. Header names are lower-case; `headers` keeps every field line."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name.lower()), None)


@dataclass(frozen=True)
class Door:
    """A place to connect to, and how. Without `trusts` in clear; with it TLS that trusts this CA file only.

    `sni` None sends none. The certificate must carry `expects`, by default the SNI. `source` is the address to come
    from. `versions` bounds TLS, `ciphers` are the TLS 1.2 suites in OpenSSL's words. `certificate` (with its key) is
    shown where the edge asks for one. `first` are bytes to send before TLS, such as a PROXY header.
    """

    port: int
    trusts: Path | None = None
    sni: str | None = None
    expects: str | None = None
    address: str = "127.0.0.1"
    source: str | None = None
    protocols: tuple[str, ...] = ("http/1.1",)
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ciphers: str | None = None
    certificate: tuple[Path, Path] | None = None
    first: bytes = b""

    def connect(self) -> socket.socket:
        """A connection, TLS agreed and certificate verified.

        Raises Refused when the edge ends the handshake, ssl.SSLCertVerificationError when the visitor does.
        """
        plain = socket.create_connection((self.address, self.port), TIMEOUT, (self.source, 0) if self.source else None)
        # Without it a request waits some 40 ms for the acknowledgement of the handshake's last message.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.first:
            plain.sendall(self.first)
        if self.trusts is None:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.trusts)
        context.minimum_version, context.maximum_version = self.versions
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        context.set_alpn_protocols(list(self.protocols))
        context.check_hostname = self.sni is not None and self.expects is None
        try:
            return context.wrap_socket(plain, server_hostname=self.sni)
        except ssl.SSLCertVerificationError:
            plain.close()
            raise
        except OSError as error:
            plain.close()
            raise Refused(f"in the handshake: {error}") from error


class Visitor:
    """One HTTP/1.1 connection through a door; raw bytes in, answers out. A context manager."""

    def __init__(self, door: Door) -> None:
        self.stream = door.connect()
        """The connection, for its certificate and version."""

    def ask(self, request: bytes) -> Answer:
        """Send bytes and read one response. Raises Refused when the edge does anything else than answer in HTTP/1."""
        method = request.split(b" ", 1)[0].decode("latin-1")
        try:
            # An edge may answer before it has read a whole body, and close: the answer counts.
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                self.stream.sendall(request)
            response = HTTPResponse(self.stream, method=method)
            response.begin()
            headers = tuple((key.lower(), value) for key, value in response.getheaders())
            return Answer(response.status, headers, response.read())
        except TimeoutError:
            raise
        except (OSError, HTTPException) as error:
            raise Refused(f"instead of an answer: {error}") from error

    def exchange(self, data: bytes) -> bytes:
        """Send bytes through an upgraded connection and read as many as were sent; fewer when the edge ends it."""
        self.stream.sendall(data)
        got = b""
        while len(got) < len(data) and (more := self.stream.recv(len(data) - len(got))):
            got += more
        return got

    @property
    def certificate(self) -> bytes:
        """The DER of the certificate that the edge showed."""
        if not isinstance(self.stream, ssl.SSLSocket):
            raise TypeError("not a TLS connection")
        return self.stream.getpeercert(binary_form=True) or b""

    def close(self) -> None:
        """End the connection."""
        self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def request(target: str | bytes = "/", host: str = "", method: str = "GET", *lines: str, body: bytes = b"") -> bytes:
    """The bytes of an HTTP/1.1 request; `lines` are further header lines as they stand."""
    raw = target.encode("latin-1") if isinstance(target, str) else target
    head = [f"Host: {host}"] if host else []
    if body:
        head.append(f"Content-Length: {len(body)}")
    fields = "".join(line + "\r\n" for line in [*head, *lines]).encode("latin-1")
    return method.encode() + b" " + raw + b" HTTP/1.1\r\n" + fields + b"\r\n" + body


def ask(door: Door, raw: bytes) -> Answer:
    """One request over a connection of its own. Raises Refused when the edge refuses the handshake or closes."""
    with Visitor(door) as visitor:
        return visitor.ask(raw)
