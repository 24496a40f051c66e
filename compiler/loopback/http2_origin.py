"""The HTTP/2 side of an origin."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset

if TYPE_CHECKING:
    from .origin import Connection, Origin

from .origin import Seen


def converse(stream: socket.socket, connection: Connection, origin: Origin) -> None:
    """Answer the requests of one connection until it ends.

    What came is written down as HTTP/1.1 would say it, with ``HTTP/2`` as its version and ``:authority`` as Host.
    """
    h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None, validate_inbound_headers=False))
    h2.initiate_connection()
    stream.sendall(h2.data_to_send())
    heads: dict[int, bytes] = {}
    bodies: dict[int, bytes] = {}
    while data := stream.recv(65536):
        connection.hear(data)
        for event in h2.receive_data(data):
            _note(h2, event, heads, bodies)
            if isinstance(event, StreamEnded):
                seen = Seen(heads.pop(event.stream_id), bodies.pop(event.stream_id))
                connection.requests.append(seen)
                time.sleep(origin.delay)
                if not origin.answers:
                    return
                body = b"" if seen.method == b"HEAD" else origin.account(seen, connection)
                h2.send_headers(event.stream_id, [(b":status", b"200"), (b"content-type", b"application/json")])
                h2.send_data(event.stream_id, body, end_stream=True)
        stream.sendall(h2.data_to_send())


def _note(h2: H2Connection, event: Event, heads: dict[int, bytes], bodies: dict[int, bytes]) -> None:
    if isinstance(event, RequestReceived):
        fields = [(_bytes(name), _bytes(value)) for name, value in event.headers]
        pseudo = dict(fields)
        lines = [pseudo[b":method"] + b" " + pseudo[b":path"] + b" HTTP/2", b"host: " + pseudo.get(b":authority", b"")]
        lines += [name + b": " + value for name, value in fields if not name.startswith(b":")]
        heads[event.stream_id], bodies[event.stream_id] = b"\r\n".join(lines) + b"\r\n\r\n", b""
    elif isinstance(event, DataReceived):
        bodies[event.stream_id] += event.data
        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, StreamReset):
        heads.pop(event.stream_id, None)
        bodies.pop(event.stream_id, None)


def _bytes(value: bytes | str) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else value
