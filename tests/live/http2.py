"""A visitor who speaks HTTP/2 and sends pseudo-header fields as they are given, right or wrong."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from policyc.compiler.loopback.visitor import Answer, Door, Refused


def ask(
    door: Door,
    method: bytes,
    path: bytes,
    authority: bytes | None,
    headers: Sequence[tuple[bytes, bytes]] = (),
    body: bytes = b"",
) -> Answer:
    """One request over a connection of its own; nothing of it is checked or normalised here.

    Raises Refused when the edge resets the stream, ends the connection, or refuses the handshake.
    """
    stream = door.connect()
    try:
        if not isinstance(stream, ssl.SSLSocket) or stream.selected_alpn_protocol() != "h2":
            raise AssertionError("the edge did not choose h2")
        return _exchange(stream, method, path, authority, headers, body)
    finally:
        stream.close()


def _exchange(
    stream: ssl.SSLSocket,
    method: bytes,
    path: bytes,
    authority: bytes | None,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes,
) -> Answer:
    connection = H2Connection(
        H2Configuration(
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
    )
    connection.initiate_connection()
    fields = [(b":method", method), (b":scheme", b"https"), (b":path", path)]
    fields += [(b":authority", authority)] if authority is not None else []
    fields += list(headers)
    connection.send_headers(1, fields, end_stream=not body)
    got: list[tuple[str, str]] = []
    content = b""
    try:
        while True:
            body = _send_what_fits(connection, body)
            stream.sendall(connection.data_to_send())
            data = stream.recv(65536)
            if not data:
                raise Refused("the connection was closed instead of an answer")
            for event in connection.receive_data(data):
                if isinstance(event, ResponseReceived):
                    got = [(_text(name), _text(value)) for name, value in event.headers]
                elif isinstance(event, DataReceived):
                    content += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, StreamEnded):
                    fields_only = tuple(field for field in got if field[0] != ":status")
                    return Answer(int(dict(got)[":status"]), fields_only, content)
                elif isinstance(event, StreamReset | ConnectionTerminated):
                    raise Refused(f"instead of an answer: {event}")
    except TimeoutError:
        raise
    except OSError as error:
        raise Refused(f"instead of an answer: {error}") from error
    except ProtocolError as error:
        raise AssertionError(f"the edge's frames are wrong: {error}") from error


def _send_what_fits(connection: H2Connection, body: bytes) -> bytes:
    """Send as much of the body as the edge has room for; the rest."""
    while body and (room := min(connection.local_flow_control_window(1), connection.max_outbound_frame_size)):
        connection.send_data(1, body[:room], end_stream=len(body) <= room)
        body = body[room:]
    return body


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
