"""``policyc trace``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ..decide import Connection, Decision, Forwarded, Request
    from ..diagnostics import Path
    from ..document import Document
    from ..plan import Address, Plan, Upstream

HELP = "What the policy says must become of one request, step by step."

_SOURCE = "203.0.113.1"


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    url: Annotated[str, typer.Argument(help="https://HOST[:PORT]/PATH[?QUERY], sent as it is written.")],
    method: Annotated[str, typer.Option(help="The request's method.")] = "GET",
    source: Annotated[str, typer.Option(help="The address that the visitor comes from.")] = _SOURCE,
    header: Annotated[list[str] | None, typer.Option(help="`Name: value`; may be given again.")] = None,
    sni: Annotated[str | None, typer.Option(help="The SNI. Default: the URL's host.")] = None,
    listener: Annotated[str | None, typer.Option(help="The listener. Default: the first on the URL's port.")] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--target", help="Also what this target makes of it; may be given again.", metavar="TARGET"),
    ] = None,
) -> None:
    """Exit status: 0 whatever becomes of the request, 3 the policy cannot be read."""
    from ..acceptance import Judged
    from ..decide import Connection, Request, decide
    from ..pipeline import has_errors, load, settings_for
    from ..urls import parse_url
    from . import session

    targets, asked = session.chosen_targets(on or [])
    try:
        parts = parse_url(url)
    except ValueError as error:
        session.usage(str(error))
    address = _address(source)
    fields = [_field(text) for text in header or ()]
    loaded = load(policy, {name: targets[name] for name in asked})
    findings = session.of_its_meaning(loaded.findings, asked)
    if loaded.plan is None or has_errors(findings):
        session.report(loaded.document, Judged(standing=findings, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    name = _listener(loaded.plan, listener, parts.port)
    connection = Connection(name, (sni if sni is not None else parts.host) or None, address)
    request = Request(os.fsencode(method), parts.target, (parts.authority,), tuple(fields))
    decision = decide(loaded.plan, connection, request)
    for line in _told(loaded.document, loaded.plan, connection, request, decision):
        print(line)
    for name in asked:
        settings = settings_for(loaded, targets[name])
        print(f"\non {name} {settings.version}:")
        for passage in targets[name].trace(loaded.plan, settings, connection, request, decision):
            print(_step(loaded.document, passage.what, passage.path))


def _address(text: str) -> Address:
    from ipaddress import ip_address

    from . import session

    try:
        return ip_address(text)
    except ValueError:
        session.usage(f"--source {text!r} is not an IP address: write 192.0.2.7 or 2001:db8::7")


def _field(text: str) -> tuple[bytes, bytes]:
    from . import session

    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        session.usage(f"--header {text!r} is not a header: write 'X-Role: admin'")
    return os.fsencode(name.strip()), os.fsencode(value.strip())


def _listener(plan: Plan, wanted: str | None, port: int) -> str:
    from . import session

    names = [one.name for one in plan.listeners]
    if wanted is None:
        found = [one.name for one in plan.listeners if any(bind.port == port for bind in one.binds)]
        if not found:
            session.usage(f"no listener is on port {port}: name one with --listener", [f"known: {', '.join(names)}"])
        return found[0]
    if wanted not in names:
        session.usage(f"there is no listener {wanted!r}", [f"known: {', '.join(names)}"])
    return wanted


def _told(
    document: Document, plan: Plan, connection: Connection, request: Request, decision: Decision
) -> Iterator[str]:
    """The lines of the answer; each step with its place in the policy."""
    from ..decide import Forwarded, HandshakeRefused, PassedThrough, Redirected, Refused, site_of
    from ..lint.certificates import described

    def step(what: str, path: Path) -> str:
        return _step(document, what, path)

    (listener,) = (one for one in plan.listeners if one.name == connection.listener)
    asked = (request.method, request.target, b"for", request.host[0], b"from", str(connection.peer).encode())
    yield _shown(b" ".join(asked))
    yield step(f"listener {listener.name}, SNI {_shown(os.fsencode(connection.sni or 'none'))}", listener.path)
    site = site_of(listener, connection)
    if site is not None:
        yield step(f"site {site.name}", site.path)
        if site.certificate is not None:
            yield step(f"is shown {site.certificate.name}: {described(site.certificate.leaf)}", site.certificate.path)
    if isinstance(decision, Refused | Redirected | Forwarded):
        for rule, applies in decision.walk:
            yield step(f"rule {rule.name or rule.id} {'applies' if applies else 'does not apply'}", rule.path)
    match decision:
        case HandshakeRefused(why):
            yield f"the handshake is refused: {why}"
        case PassedThrough(upstream=upstream):
            yield step(f"backend {upstream.backend.name}", upstream.backend.path)
            yield "passed through: the server's own certificate is shown, and no request is looked at"
        case Refused(status, why):
            yield f"{status}: {why}"
        case Redirected(status, to):
            yield f"{status}: redirected to {to}"
        case Forwarded(upstream=upstream):
            yield step(f"backend {upstream.backend.name}", upstream.backend.path)
            yield from _inner(upstream)
            yield from _sent(decision)
            yield f"forwarded to {upstream.backend.name}"


def _step(document: Document, what: str, path: Path | None) -> str:
    from ..diagnostics import Location

    if path is None:
        return f"  {what}"
    span = document.span(Location(path))
    return f"  {what}  ({span.file}:{span.line})"


def _shown(text: bytes) -> str:
    """Bytes from the command line, safe for a terminal."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in text)


def _inner(upstream: Upstream) -> Iterator[str]:
    """What must be true of the backend."""
    tls = upstream.backend.tls
    if tls is None:
        yield "  in clear: the server is not verified"
        return
    name = f"SNI {upstream.server_name}"
    if tls.anchors is None:
        yield f"  TLS, {name}; any certificate is accepted"
        return
    carries = f" and carry {upstream.server_name}" if tls.verify == "full" else ", whatever its name"
    yield f"  TLS, {name}; its certificate must be from {tls.anchors.name}{carries}"


def _sent(decision: Forwarded) -> Iterator[str]:
    """What is changed on the way."""
    from ..plan import EditHeaders, LimitBody, LogLabel, RateLimit

    yield f"  Host: {decision.host}"
    for name, value in decision.added:
        yield f"  {name}: {value}"
    for rule, action in decision.working:
        match action:
            case RateLimit(count, period, burst):
                what = f"at most {count} in {period / 1000:g} s from this source, and {burst} more at once"
            case LimitBody(size):
                what = f"a body of at most {size} bytes"
            case EditHeaders(response):
                what = f"headers of the {'response' if response else 'request'} are edited"
            case LogLabel(label):
                what = f"logged with the label {label}"
        yield f"  {what}, by rule {rule.name or rule.id}"
