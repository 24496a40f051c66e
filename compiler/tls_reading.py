"""Reading the certificates that servers present: one handshake each, bounded in time, bytes and number at once.

Nothing is verified here and nothing is sent but the handshake: what a certificate is worth is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .certificates import BadCertificate, certificate_of
from .document import reason
from .plan import Certificate, Socket

MAX_BYTES = 1 << 20
"""How much is read of one server. A chain of ten with RSA keys of 8192 bits has some 30 thousand."""
MAX_CERTIFICATES = 20
_ALERT, _HANDSHAKE = 21, 22  # RFC 8446, 5.1: the first byte that a TLS server sends is one of these
_DER = 2  # _ssl.ENCODING_DER

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One server to be asked, and how the edge would ask it."""

    socket: Socket
    server_name: str
    min_version: str
    protocol: str
    shows_certificate: bool = False
    """The edge would show a certificate of its own, which is not done here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: what the server sent, its leaf first, or why nothing could be read."""

    chain: tuple[Certificate, ...] = ()
    failure: str = ""
    tls_version: str = ""


class _Failed(Exception):
    """Why no certificate was read; the message is for people."""


@dataclass(slots=True)
class _Progress:
    """How far a handshake came, for saying so when the time is over."""

    connected: bool = False
    heard: int = 0
    sent: tuple[bytes, ...] = field(default=())


def ask(calls: Sequence[Call], timeout: float, at_once: int) -> list[Answer]:
    """The answers in the order of the calls. Each takes `timeout` seconds at most, and `at_once` are under way."""
    return asyncio.run(_ask(calls, timeout, at_once))


async def _ask(calls: Sequence[Call], timeout: float, at_once: int) -> list[Answer]:
    gate = asyncio.Semaphore(at_once)

    async def one(call: Call) -> Answer:
        async with gate:
            return await _answer(call, timeout)

    return await asyncio.gather(*map(one, calls))


async def _answer(call: Call, timeout: float) -> Answer:
    progress = _Progress()
    try:
        async with asyncio.timeout(timeout):
            version = await _handshake(call, progress)
        return Answer(_certificates(progress.sent), tls_version=version)
    except TimeoutError as error:
        if error.errno:  # the system's own: it gave up sooner
            return Answer(failure=f"not reached: {_reason(error)}")
        return Answer(failure=_too_late(progress, timeout))
    except (_Failed, BadCertificate) as error:
        return Answer(failure=str(error))
    except ssl.SSLError as error:
        return _refused(call, progress, error)
    except OSError as error:
        what = "it cut the connection off within the handshake" if progress.connected else "not reached"
        return Answer(failure=f"{what}: {_reason(error)}")


def _reason(error: OSError) -> str:
    """The system's own words: asyncio puts others over them."""
    return os.strerror(error.errno).lower() if error.errno else reason(error)


def _too_late(progress: _Progress, timeout: float) -> str:
    if not progress.connected:
        return f"not reached: no connection within {timeout:g} s"
    if not progress.heard:
        return f"connected, and it said nothing within {timeout:g} s"
    return f"the handshake was not done within {timeout:g} s, though it answers"


def _refused(call: Call, progress: _Progress, error: ssl.SSLError) -> Answer:
    words = (error.reason or str(error)).replace("_", " ").lower()
    if call.shows_certificate and progress.sent:
        # Up to TLS 1.2 it shows its own certificate first, proves that it has the key, and then asks for ours.
        return Answer(_certificates(progress.sent))
    return Answer(failure=f"no TLS {call.min_version} or newer was agreed: {words}")


def _context(call: Call) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is to be read whatever it is; judging comes after
    # Weak keys and hashes too are read, so that the rule that names them can.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = _VERSIONS[call.min_version]
    if call.protocol == "h2":
        context.set_alpn_protocols(["h2"])
    return context


async def _handshake(call: Call, progress: _Progress) -> str:
    """Connects and agrees on TLS; gives its version. What was sent is in `progress`, of a broken handshake too."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _context(call).wrap_bio(incoming, outgoing, server_hostname=call.server_name)
    # An address, never a name: nothing is asked of DNS.
    reader, writer = await asyncio.open_connection(str(call.socket.address), call.socket.port)
    progress.connected = True
    try:
        while True:
            try:
                tls.do_handshake()
                progress.sent = _sent(tls)
                return tls.version() or ""
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                await writer.drain()
                await _hear(reader, incoming, progress)
            except ssl.SSLError:
                progress.sent = _sent(tls)
                raise
    finally:
        writer.transport.abort()


async def _hear(reader: asyncio.StreamReader, incoming: ssl.MemoryBIO, progress: _Progress) -> None:
    data = await reader.read(16384)
    if not data:
        raise _Failed("it closed the connection " + ("within the handshake" if progress.heard else "without a word"))
    if not progress.heard and data[0] not in (_ALERT, _HANDSHAKE):
        raise _Failed("it answers, and not in TLS")
    progress.heard += len(data)
    if progress.heard > MAX_BYTES:
        raise _Failed(f"it sent more than {MAX_BYTES} bytes within the handshake")
    incoming.write(data)


def _sent(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates as sent, in DER. Python has a public call for it from 3.13 on only."""
    whole: Any = tls
    if hasattr(whole, "get_unverified_chain"):
        return tuple(cast("Sequence[bytes]", whole.get_unverified_chain() or ()))
    return tuple(bytes(one.public_bytes(_DER)) for one in whole._sslobj.get_unverified_chain() or ())


def _certificates(sent: Sequence[bytes]) -> tuple[Certificate, ...]:
    if not sent:
        raise BadCertificate("it presents no certificate")
    if len(sent) > MAX_CERTIFICATES:
        raise BadCertificate(f"it presents {len(sent)} certificates, more than the {MAX_CERTIFICATES} that are read")
    leaf = certificate_of(sent[0])
    above: list[Certificate] = []
    for der in sent[1:]:
        try:
            above.append(certificate_of(der))
        except BadCertificate:
            continue  # it leads nowhere, then: the judgement of the chain says so
    return (leaf, *above)
