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
from policyc.compiler.plan import EditHeaders, LimitBody, LogLabel, Plan, RateLimit

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


def decided(plan: Plan, ask: Ask, version: Version, certificates: Certificates) -> Decision:
    """What the reference says of a request."""
    default = "::1" if ask.ipv6 else "127.0.0.1"
    peer = default if ask.proxy_local or (ask.proxy is None and ask.source is None) else ask.source or "198.51.100.7"
    shown = None
    if ask.certificate:
        subject = certificates.issued[ask.certificate].certificate.subject.rfc4514_string()
        shown = VisitorCertificate(subject, frozenset(_GOOD_VISITORS.get(ask.certificate, set())))
    headers = tuple((name.encode("latin-1"), value.strip(" \t").encode("latin-1")) for name, value in fields(ask))
    request = Request(
        ask.method.encode("latin-1"),
        ask.target.encode("latin-1"),
        (ask.host.encode("latin-1"),) if ask.host is not None else (),
        headers,
        "1.1" if version == "h1" else "2",
    )
    return decide(plan, Connection(ask.listener, ask.name_asked, ip_address(peer), shown), request)


def forwarded_fields(ask: Ask, decision: Forwarded) -> Fields:
    """The header fields that the origin must get, by lower-case name: without those of connection and framing."""
    gone = {"connection", "keep-alive", "te", "upgrade", "transfer-encoding", "content-length", "host", "expect"}
    gone |= {name.lower() for name, _ in decision.added} | {name.lower() for name in decision.removed}
    found: Fields = {}
    for name, value in fields(ask):
        if name.lower() not in gone and name.replace("-", "").isalnum():
            found.setdefault(name.lower(), []).append(value.strip(" \t"))
    for name, value in (("host", decision.host), *decision.added):
        found[name.lower()] = [value]
    return edited(found, decision, response=False)


def edited(found: Fields, decision: Forwarded | Refused | Redirected, *, response: bool) -> Fields:
    """Header fields after the edits of the rules that applied, in order."""
    for _, action in decision.working:
        if isinstance(action, EditHeaders) and action.response is response:
            for name in action.remove:
                found.pop(name, None)
            for name, value in action.set:
                found[name.lower()] = [value]
            for name, value in action.add:
                found.setdefault(name.lower(), []).append(value)
    return found


def complaints(ask: Ask, decision: Decision) -> list[str]:
    """Where the reference says something else than the case expects."""
    expect = ask.expect
    match expect.ending, decision:
        case (("passes" | "failed" | "late" | "switches"), Forwarded()):
            return _about_forwarded(ask, decision)
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


def _about_forwarded(ask: Ask, decision: Forwarded) -> list[str]:
    expect, backend = ask.expect, decision.upstream.backend.name
    wrong = [f"forwarded to {backend}, not to {expect.backend}"] if expect.backend not in (None, backend) else []
    if decision.websocket is not (expect.ending == "switches"):
        wrong.append(f"websocket is {decision.websocket}")
    for rule, action in decision.working:
        if isinstance(action, LimitBody) and len(ask.body) > action.size:
            wrong.append(f"a body that {rule.id} limits")
    found = forwarded_fields(ask, decision)
    for name, values in expect.arrives.headers.items():
        if found.get(name.lower(), []) != values:
            wrong.append(f"{name} is {found.get(name.lower())}, not {values}")
    for name, value in expect.arrives.joined.items():
        if ", ".join(found.get(name.lower(), [])) != value:
            wrong.append(f"{name} is {found.get(name.lower())}, not {value}")
    wrong += [f"{name} is not gone" for name in expect.arrives.absent if name.lower() in found]
    name = decision.upstream.server_name
    if expect.arrives.sni not in (None, name):
        wrong.append(f"the name sent is {name}, not {expect.arrives.sni}")
    wrong += _about_log(ask, decision)
    return wrong


def _about_log(ask: Ask, decision: Forwarded) -> list[str]:
    labels = [action.label for _, action in decision.working if isinstance(action, LogLabel)]
    wanted = ask.expect.log.get("labels", labels)
    return [] if wanted == labels else [f"the labels are {labels}, not {wanted}"]
