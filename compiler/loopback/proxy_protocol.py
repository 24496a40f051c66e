"""PROXY headers, which a balancer in front sends before anything else (proxy-protocol.txt, versions 1 and 2)."""

from __future__ import annotations

import socket
import struct

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21


def version_1(source: str | None, destination: str = "192.0.2.1", ports: tuple[int, int] = (51000, 443)) -> bytes:
    """One line of text. Without a source: ``PROXY UNKNOWN``, the balancer's own connection."""
    if source is None:
        return b"PROXY UNKNOWN\r\n"
    kind = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {kind} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def version_2(source: str | None, destination: str = "192.0.2.1", ports: tuple[int, int] = (51000, 443)) -> bytes:
    """The binary form. Without a source: ``LOCAL``, the balancer's own connection."""
    if source is None:
        return _SIGNATURE + struct.pack("!BBH", _LOCAL, 0, 0)
    ipv6 = ":" in source
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    body = addresses + struct.pack("!HH", *ports)
    return _SIGNATURE + struct.pack("!BBH", _PROXY, 0x21 if ipv6 else 0x11, len(body)) + body
