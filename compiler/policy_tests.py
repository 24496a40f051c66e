"""A policy's own tests: read, asked of the reference semantics, and compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from ..schemas.policy_tests import Expected, PolicyTest, PolicyTests, TestRequest
from ..schemas.policy_tests import VisitorCertificate as ShownCertificate
from .decide import (
    Connection,
    Decision,
    Forwarded,
    HandshakeRefused,
    PassedThrough,
    Redirected,
    Refused,
    Request,
    VisitorCertificate,
    Working,
    decide,
)
from .diagnostics import Diagnostic, Path
from .document import Document, read
from .forwarding import answered, arriving
from .plan import LimitBody, LogLabel, Plan, RateLimit, Rule
from .urls import parse_url
from .validate import INVALID_VALUE, UNKNOWN_NAME, nearest, validated


@dataclass(frozen=True, slots=True)
class Case:
    """A test that can be asked. `path` is its place in the tests' document."""

    path: Path
    name: str
    connection: Connection
    request: Request
    expect: Expected
    certificate: ShownCertificate | None
    """What the visitor shows, as the test says it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected. Texts for people; `path` is where it is expected."""

    path: Path
    what: str
    expected: str
    got: str


def load_tests(name: str, plan: Plan) -> tuple[Document, list[Case], list[Diagnostic]]:
    """The tests of a file (or folder) for a plan, and what is wrong with them."""
    document, findings, readable = read(name)
    if not readable:
        return document, [], findings
    tests, more = validated(document, PolicyTests)
    findings += more
    cases: list[Case] = []
    for index, test in enumerate(tests.tests if tests else ()):
        found = _case(plan, test, ("tests", index), findings)
        cases += [found] if found else []
    return document, cases, findings


def _case(plan: Plan, test: PolicyTest, path: Path, findings: list[Diagnostic]) -> Case | None:
    before = len(findings)
    asked, at = test.request, (*path, "request")
    try:
        url = parse_url(asked.url)
    except ValueError as error:
        findings.append(INVALID_VALUE.found(str(error), at))
        return None
    listener = _listener(plan, asked, url.port, at, findings)
    _known_backends(plan, test.expect, (*path, "expect"), findings)
    anchors = [one.name for one in plan.anchors]
    shown = asked.certificate
    if shown and shown.ca and shown.ca not in anchors:
        findings.append(
            UNKNOWN_NAME.found(
                f"there is no `{shown.ca}` in `backend_cas`",
                (*at, "certificate", "ca"),
                help=nearest(shown.ca, anchors),
            )
        )
    if len(findings) > before:
        return None
    return Case(
        path,
        test.name or f"{asked.method} {asked.url}",
        Connection(
            listener,
            (url.host.lower() or None) if asked.sni is None else asked.sni or None,
            ip_address(asked.source),
            VisitorCertificate(shown.subject, frozenset([shown.ca] if shown.ca else [])) if shown else None,
        ),
        Request(
            asked.method.encode(),
            url.target,
            (url.authority,),
            tuple(
                (name.encode(), value.encode())
                for name, values in asked.headers.items()
                for value in ([values] if isinstance(values, str) else values)
            ),
        ),
        test.expect,
        shown,
    )


def _listener(plan: Plan, asked: TestRequest, port: int, path: Path, findings: list[Diagnostic]) -> str:
    names = [one.name for one in plan.listeners]
    if asked.listener is not None:
        if asked.listener not in names:
            findings.append(
                UNKNOWN_NAME.found(
                    f"there is no `{asked.listener}` in `listeners`",
                    (*path, "listener"),
                    help=nearest(asked.listener, names),
                )
            )
        return asked.listener
    found = [one.name for one in plan.listeners if any(bind.port == port for bind in one.binds)]
    if not found:
        findings.append(
            INVALID_VALUE.found(
                f"no listener is on port {port}",
                path,
                help=[f"write the port in the URL, or name a `listener`: {', '.join(names)}"],
            )
        )
        return ""
    return found[0]


def _known_backends(plan: Plan, expect: Expected, path: Path, findings: list[Diagnostic]) -> None:
    names = [one.name for one in plan.backends]
    for key in ("backend", "passed_through"):
        name: str | None = getattr(expect, key)
        if name is not None and name not in names:
            findings.append(
                UNKNOWN_NAME.found(f"there is no `{name}` in `backends`", (*path, key), help=nearest(name, names))
            )


# --- comparing ----------------------------------------------------------------------------------------------------


def differences(plan: Plan, case: Case) -> list[Difference]:
    """What the reference semantics decides otherwise than a test expects; nothing where it passes."""
    return list(compare(case, decide(plan, case.connection, case.request)))


def compare(case: Case, decision: Decision) -> Iterator[Difference]:
    """What a decision has otherwise than a test expects."""
    expect = case.expect
    at = (*case.path, "expect")
    wanted = _wanted_outcome(expect)
    if wanted is not None and wanted != outcome(decision):
        yield Difference(at, "outcome", wanted, f"{outcome(decision)}{_because(decision)}")
    for key, got in (
        ("rule", _name(_deciding(decision))),
        ("location", decision.to if isinstance(decision, Redirected) else None),
        ("host", decision.host if isinstance(decision, Forwarded) else None),
    ):
        named: str | None = getattr(expect, key)
        if named is not None and named != got:
            yield Difference((*at, key), key, named, got or "none")
    sent = arriving(decision, case.request) if isinstance(decision, Forwarded) else ()
    yield from compare_headers(expect.request_headers, sent, (*at, "request_headers"), "request header")
    working = decision.working if isinstance(decision, Forwarded | Refused | Redirected) else ()
    if expect.response_headers and isinstance(decision, Forwarded | Refused | Redirected):
        # A header that only the backend could have written counts as taken away where it does not come through.
        before = [(name, "from the backend") for name, value in expect.response_headers.items() if value is None]
        yield from compare_headers(
            expect.response_headers, answered(decision, before), (*at, "response_headers"), "response header"
        )
    if expect.labels is not None:
        yield from _list(expect.labels, _labels(working), (*at, "labels"), "labels")
    if expect.limited_by is not None:
        limits = working if isinstance(decision, Forwarded) else ()
        yield from _list(expect.limited_by, _limits(limits), (*at, "limited_by"), "limited by")


def _wanted_outcome(expect: Expected) -> str | None:
    if expect.handshake:
        return "the handshake is refused"
    if expect.passed_through:
        return f"passed through to {expect.passed_through}"
    if expect.backend:
        return f"forwarded to {expect.backend}"
    return None if expect.status is None else f"status {expect.status}"


def outcome(decision: Decision) -> str:
    """What becomes of the request, in a few words."""
    match decision:
        case HandshakeRefused():
            return "the handshake is refused"
        case PassedThrough(upstream=upstream):
            return f"passed through to {upstream.backend.name}"
        case Forwarded(upstream=upstream):
            return f"forwarded to {upstream.backend.name}"
        case Refused(status=status) | Redirected(status=status):
            return f"status {status}"


def _because(decision: Decision) -> str:
    match decision:
        case HandshakeRefused(why):
            return f": {why}"
        case Refused(why=why, rule=rule):
            return f": {why}" + (f" ({_name(rule)})" if rule else "")
        case Redirected(rule=rule):
            return f": a redirect ({_name(rule)})"
        case Forwarded(allowed_by=rule) if rule:
            return f": allowed ({_name(rule)})"
        case _:
            return ""


def _deciding(decision: Decision) -> Rule | None:
    match decision:
        case Refused(rule=rule) | Redirected(rule=rule) | Forwarded(allowed_by=rule):
            return rule
        case _:
            return None


def _name(rule: Rule | None) -> str | None:
    return (rule.name or rule.id) if rule else None


def compare_headers(
    wanted: dict[str, str | None], got: Iterable[tuple[str, str]], path: Path, what: str
) -> Iterator[Difference]:
    """What a message has otherwise than expected. Names in `got` are in lower case."""
    lines = list(got)
    for name, value in wanted.items():
        values = [text for key, text in lines if key == name.lower()]
        found = ", ".join(values) if values else None
        if found != value:
            yield Difference((*path, name), f"{what} {name}", value or "none", found or "none")


def _list(wanted: Sequence[str], got: Sequence[str], path: Path, what: str) -> Iterator[Difference]:
    if list(wanted) != list(got):
        yield Difference(path, what, ", ".join(wanted) or "none", ", ".join(got) or "none")


def _labels(working: Working) -> list[str]:
    return [action.label for _, action in working if isinstance(action, LogLabel)]


def _limits(working: Working) -> list[str]:
    return [_name(rule) or "" for rule, action in working if isinstance(action, RateLimit | LimitBody)]
