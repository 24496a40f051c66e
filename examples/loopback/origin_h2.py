"""HTTP/2 for an origin. It needs the package `h2`, which the tests have and an ordinary user need not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

if TYPE_CHECKING:
    from .origin import Connection, Seen


def converse(stream: socket.socket, record: Connection, answer: Callable[[Seen], bytes]) -> None:
    """Answer requests until the other end goes away. A head is written down as HTTP/1 would spell it."""
    from .origin import Seen

    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    heads: dict[int, bytes] = {}
    bodies: dict[int, bytes] = {}
    while True:
        stream.sendall(connection.data_to_send())
        data = stream.recv(65536)
        if not data:
            return
        record.received += data
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                heads[event.stream_id] = _head(event.headers)
                bodies[event.stream_id] = b""
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                seen = Seen(heads.pop(event.stream_id), bodies.pop(event.stream_id))
                record.requests.append(seen)
                body = b"" if seen.method == b"HEAD" else answer(seen)
                connection.send_headers(event.stream_id, [(b":status", b"200"), (b"content-type", b"application/json")])
                connection.send_data(event.stream_id, body, end_stream=True)


def _head(fields: list[tuple[bytes, bytes]]) -> bytes:
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    lines = [pseudo[b":method"] + b" " + pseudo[b":path"] + b" HTTP/2"]
    lines += [b"host: " + pseudo[b":authority"]] if b":authority" in pseudo else []
    lines += [name + b": " + value for name, value in fields if not name.startswith(b":")]
    return b"\r\n".join(lines) + b"\r\n\r\n"
