"""What the reference semantics say of the requests of cases."""

from __future__ import annotations

from ipaddress import ip_address

from policyc.compiler.decide import (
    Connection,
    Decision,
    Forwarded,
    HandshakeRefused,
    PassedThrough,
    Redirected,
    Refused,
    Request,
    VisitorCertificate,
    decide,
)
from policyc.compiler.forwarding import answered, arriving, edits_of
from policyc.compiler.plan import LimitBody, LogLabel, Plan, RateLimit

from .certificates import Certificates
from .sending import fields
from .topics import Ask, Version

_GOOD_VISITORS = {
    "alice": {"partner"},
    "ivan-no-usage": {"partner"},
    "erin": {"partner-crl"},
}
"""Who is a good client by which CA: facts of pki.yaml, not of the code."""

Fields = dict[str, list[str]]
_FORWARDED = {"passes", "failed", "down", "unanswered", "once", "late", "switches"}
"""How it can end for what the edge lets through."""
_OLD = "as it was"


def decided(plan: Plan, ask: Ask, version: Version, certificates: Certificates) -> Decision:
    """What the reference says of a request."""
    default = "::1" if ask.ipv6 else "127.0.0.1"
    peer = default if ask.proxy_local or (ask.proxy is None and ask.source is None) else ask.source or "198.51.100.7"
    shown = None
    if ask.certificate:
        subject = certificates.issued[ask.certificate].certificate.subject.rfc4514_string()
        shown = VisitorCertificate(subject, frozenset(_GOOD_VISITORS.get(ask.certificate, set())))
    connection = Connection(ask.listener, ask.name_asked, ip_address(peer), shown)
    return decide(plan, connection, request_of(ask, version))


def request_of(ask: Ask, version: Version) -> Request:
    """An ask as the reference takes it."""
    return Request(
        ask.method.encode("latin-1"),
        ask.target.encode("latin-1"),
        (ask.host.encode("latin-1"),) if ask.host is not None else (),
        tuple((name.encode("latin-1"), value.strip(" \t").encode("latin-1")) for name, value in fields(ask)),
        "1.1" if version == "h1" else "2",
    )


def forwarded_fields(ask: Ask, version: Version, decision: Forwarded) -> Fields:
    """The header fields that the origin must get, Host among them, by lower-case name."""
    found: Fields = {"host": [decision.host]}
    for name, value in arriving(decision, request_of(ask, version)):
        found.setdefault(name, []).append(value)
    return found


def answered_fields(decision: Forwarded | Refused | Redirected) -> tuple[Fields, set[str]]:
    """What the rules put into an answer, and the names that they take out of it."""
    removed = {name for edit in edits_of(decision.working, response=True) for name in edit.remove}
    found: Fields = {}
    for name, value in answered(decision, [(name, _OLD) for name in removed]):
        found.setdefault(name, []).append(value)
    return found, removed - found.keys()


def complaints(ask: Ask, version: Version, decision: Decision) -> list[str]:
    """Where the reference says something else than the case expects."""
    expect = ask.expect
    match expect.ending, decision:
        case ending, Forwarded() if ending in _FORWARDED:
            return _about_forwarded(ask, version, decision)
        case "limited", Forwarded():
            kind = {429: RateLimit, 413: LimitBody}[expect.status or 429]
            by = {rule.id for rule, action in decision.working if isinstance(action, kind)}
            return [] if by and (expect.rule is None or expect.rule in by) else [f"limited by {by or 'nothing'}"]
        case "status", Redirected():
            said = (decision.status, decision.to, decision.rule.id)
            wanted = (expect.status, expect.location or decision.to, expect.rule or decision.rule.id)
            return [] if said == wanted else [f"redirected: {said}"]
        case "status", Refused():
            rule = decision.rule.id if decision.rule else None
            right = decision.status == expect.status and expect.rule in (None, rule)
            return [] if right else [f"refused with {decision.status} by {rule}: {decision.why}"]
        case "malformed", Refused(400 | 421, _, None):
            return []
        case "handshake", HandshakeRefused(_, False):
            return []
        case "stranger", HandshakeRefused(_, True):
            return []
        case "through", PassedThrough():
            return [] if decision.upstream.backend.name == expect.backend else [f"to {decision.upstream.backend.name}"]
        case _:
            return [f"expected {expect.ending} {expect.status or ''}, the reference says {decision!r:.300}"]


def _about_forwarded(ask: Ask, version: Version, decision: Forwarded) -> list[str]:
    expect, backend = ask.expect, decision.upstream.backend.name
    wrong = [f"forwarded to {backend}, not to {expect.backend}"] if expect.backend not in (None, backend) else []
    if decision.websocket is not (expect.ending == "switches"):
        wrong.append(f"websocket is {decision.websocket}")
    for rule, action in decision.working:
        if isinstance(action, LimitBody) and len(ask.body) > action.size:
            wrong.append(f"a body that {rule.id} limits")
    found = forwarded_fields(ask, version, decision)
    for name, values in expect.arrives.headers.items():
        if found.get(name.lower(), []) != values:
            wrong.append(f"{name} is {found.get(name.lower())}, not {values}")
    for name, value in expect.arrives.joined.items():
        if ", ".join(found.get(name.lower(), [])) != value:
            wrong.append(f"{name} is {found.get(name.lower())}, not {value}")
    wrong += [f"{name} is not gone" for name in expect.arrives.absent if name.lower() in found]
    # An upstream of a wildcard has no name of its own: it is verified for the one that the visitor asked for.
    name = decision.upstream.server_name or dict(decision.added)["X-Forwarded-Host"]
    if expect.arrives.sni not in (None, name):
        wrong.append(f"the name sent is {name}, not {expect.arrives.sni}")
    wrong += _about_log(ask, decision)
    return wrong


def _about_log(ask: Ask, decision: Forwarded) -> list[str]:
    labels = [action.label for _, action in decision.working if isinstance(action, LogLabel)]
    wanted = ask.expect.log.get("labels", labels)
    return [] if wanted == labels else [f"the labels are {labels}, not {wanted}"]
