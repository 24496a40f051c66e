"""One request, said in HTTP/1.1 or in HTTP/2, and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policyc.compiler.loopback import visitor
from policyc.compiler.loopback.visitor import Answer

from . import http2
from .edges import Edge, Outcome

Version = Literal["h1", "h2"]
VERSIONS: tuple[Version, ...] = ("h1", "h2")


@dataclass(frozen=True)
class Ask:
    """A request as it is sent, in latin-1. `sni` None takes the host's name; `host` None sends none."""

    target: str = "/"
    method: str = "GET"
    host: str | None = "www.example.com"
    sni: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    source: str | None = None
    ipv6: bool = False
    listener: str = "public"

    def of(self, edge: Edge, version: Version) -> Outcome:
        """What becomes of it on an edge."""
        return edge.try_(lambda: self._send(edge, version))

    def _send(self, edge: Edge, version: Version) -> Answer:
        sni = self.sni or (self.host or "").partition(":")[0].lower()
        protocols = {"h1": ("http/1.1",), "h2": ("h2",)}[version]
        door = edge.door(sni, self.listener, ipv6=self.ipv6, protocols=protocols, source=self.source)
        if version == "h1":
            return visitor.ask(door, self.h1())
        return http2.ask(
            door,
            self.method.encode("latin-1"),
            self.target.encode("latin-1"),
            self.host.encode("latin-1") if self.host is not None else None,
            [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers]
            + ([(b"content-length", str(len(self.body)).encode())] if self.body else []),
            self.body,
        )

    def h1(self) -> bytes:
        """Its bytes in HTTP/1.1."""
        lines = [f"Host: {self.host}"] if self.host is not None else []
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}"] if self.body else []
        head = f"{self.method} {self.target} HTTP/1.1\r\n" + "".join(line + "\r\n" for line in lines) + "\r\n"
        return head.encode("latin-1") + self.body


def assert_passed(ask: Ask, outcome: Outcome) -> None:
    """The visitor got 200, and exactly this request arrived: method and target byte for byte."""
    assert outcome.status == 200, str(outcome)
    assert [(seen.method, seen.target) for seen in outcome.arrived] == [
        (ask.method.encode("latin-1"), ask.target.encode("latin-1"))
    ]


def assert_refused(outcome: Outcome, status: int | frozenset[int | None]) -> None:
    """The visitor got this status (or one of these), and nothing arrived."""
    expected = status if isinstance(status, frozenset) else {status}
    assert outcome.status in expected, str(outcome)
    assert outcome.arrived == (), str(outcome)


def assert_decided(ask: Ask, outcome: Outcome, expected: int | frozenset[int | None]) -> None:
    """200 means passed, anything else refused."""
    if expected == 200:
        assert_passed(ask, outcome)
    else:
        assert_refused(outcome, expected)
