"""A policy's own tests against a target's real program, on this machine.

The policy is moved to loopback: its certificates, CAs and servers are replaced by ones made on the spot, its rules and
names stay. Every visitor comes through a PROXY header, and so from whatever address the test says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..schemas.policy_tests import Expected
from ..schemas.target import TargetSettings
from . import stopping
from .bundle import Bundle
from .loopback.moved_plan import Moved, move, visitor_certificate
from .loopback.origin import Seen
from .loopback.proxy import Proxy
from .loopback.proxy_protocol import version_2
from .loopback.visitor import Answer, Door, Refused, Visitor
from .plan import Plan
from .policy_tests import Case, Difference, compare_headers
from .target import Target

NOT_SEEN = ("rule", "labels", "limited_by")
"""What a test may expect, and only the reference can tell."""

_FROM_BACKEND = "from the backend"


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of a request. `arrived`: by backend, what it got. `passed`: the backend whose own TLS was met."""

    answer: Answer | None
    why: str
    arrived: Mapping[str, Seen]
    passed: str | None


def run_live(
    plan: Plan, target: Target[TargetSettings], settings: TargetSettings, cases: Sequence[Case]
) -> Iterator[tuple[Case, list[Difference]]]:
    """Each test with what the target did otherwise than it expects.

    Raises `Missing` where the target's program is not here and `DidNotStart` where it does not take its configuration.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(stopping.temporary_folder("policyc-")))
        files = folder / "files"
        files.mkdir(mode=0o700)
        wanted = _removed_headers(cases)
        moved = move(plan, files, lambda seen: _response(seen, wanted), stack)
        bundle = target.build(moved.plan, target.settings_here(settings, str(folder)), "policy")
        built = folder / "built"
        _write(built, bundle)
        sockets = [("127.0.0.1", port) for port in moved.doors.values()]
        stack.enter_context(Proxy(target.name, built, sockets))
        for case in cases:
            yield case, list(_compare(case, _observe(moved, files, case)))


def _write(folder: Path, bundle: Bundle) -> None:
    keys = {key.path: Path(key.source).read_bytes() for key in bundle.keys}
    for name, data in {**bundle.files, **keys}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _removed_headers(cases: Sequence[Case]) -> list[str]:
    """The headers that a test expects to be taken away: a backend must send them first."""
    return sorted({name for case in cases for name, value in case.expect.response_headers.items() if value is None})


def _response(seen: Seen, headers: Sequence[str]) -> bytes | None:
    if seen.values("upgrade"):
        return None
    lines = "".join(f"{name}: {_FROM_BACKEND}\r\n" for name in headers)
    return f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{lines}\r\n".encode()


def _observe(moved: Moved, files: Path, case: Case) -> Observed:
    """Ask, as the test says it."""
    for origin in (one for group in moved.origins.values() for one in group):
        origin.forget()
    shown = case.certificate
    door = Door(
        moved.doors[case.connection.listener],
        moved.trusts,
        case.connection.sni,
        first=version_2(str(case.connection.peer), "::1" if case.connection.peer.version == 6 else "192.0.2.1"),
        certificate=visitor_certificate(moved, files, shown.subject, shown.ca) if shown else None,
    )
    request = case.request
    lines = [b"Host: " + host for host in request.host] + [name + b": " + value for name, value in request.headers]
    raw = b"\r\n".join([request.method + b" " + request.target + b" HTTP/1.1", *lines, b"", b""])
    answer, why, certificate = None, "", b""
    try:
        with Visitor(door) as visitor:
            certificate = visitor.certificate
            answer = visitor.ask(raw)
    except Refused as refused:
        why = str(refused)
    return Observed(
        answer,
        why,
        {name: seen for name, group in moved.origins.items() for origin in group for seen in origin.requests},
        next((name for name, leaf in moved.leaves.items() if leaf == certificate), None),
    )


def _compare(case: Case, observed: Observed) -> Iterator[Difference]:
    expect, at = case.expect, (*case.path, "expect")
    got = _outcome(observed)
    for wanted, fits in _outcomes(expect, observed):
        if not fits:
            yield Difference(at, "outcome", wanted, got)
    location = observed.answer.header("location") if observed.answer else None
    if expect.location is not None and location != expect.location:
        yield Difference((*at, "location"), "location", expect.location, location or "none")
    arrived = next(iter(observed.arrived.values()), None)
    host = arrived.values("host")[0].decode("latin-1") if arrived else None
    if expect.host is not None and host != expect.host:
        yield Difference((*at, "host"), "host", expect.host, host or "none")
    sent = [
        (name.lower(), value.decode("latin-1"))
        for name in expect.request_headers
        for value in (arrived.values(name) if arrived else ())
    ]
    yield from compare_headers(expect.request_headers, sent, (*at, "request_headers"), "request header")
    yield from compare_headers(
        expect.response_headers,
        observed.answer.headers if observed.answer else (),
        (*at, "response_headers"),
        "response header",
    )


def _outcomes(expect: Expected, observed: Observed) -> Iterator[tuple[str, bool]]:
    status = observed.answer.status if observed.answer else None
    arrived = list(observed.arrived)
    if expect.handshake:
        # Some targets finish the handshake and refuse the request, which is the same to a visitor's certificate.
        yield "the handshake is refused", status in (None, 400) and not arrived
    if expect.passed_through:
        yield f"passed through to {expect.passed_through}", observed.passed == expect.passed_through
    if expect.backend:
        yield f"forwarded to {expect.backend}", arrived == [expect.backend] and observed.passed is None
    if expect.status is not None:
        yield f"status {expect.status}", status == expect.status and not arrived


def _outcome(observed: Observed) -> str:
    if observed.passed:
        return f"passed through to {observed.passed}"
    status = f"status {observed.answer.status}" if observed.answer else observed.why or "no answer"
    return f"{status}, arrived at {', '.join(observed.arrived)}" if observed.arrived else status
