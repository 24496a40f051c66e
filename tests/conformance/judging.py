"""Whether what became of a request on a real edge is what the case and the reference say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.serialization import Encoding
from policyc.compiler.decide import Decision, Forwarded, Redirected, Refused
from policyc.compiler.loopback.origin import Origin, Seen

from ..live.edges import MALFORMED
from .certificates import Certificates
from .reading import answered_fields, forwarded_fields
from .sending import Arrived, Sent
from .topics import Ask, Expect, Version

Origins = Mapping[str, Sequence[Origin]]
_OF_CONNECTION = {"connection", "keep-alive", "te", "transfer-encoding", "content-length", "upgrade"}


def complaints(
    ask: Ask, version: Version, sent: Sent, decision: Decision | None, origins: Origins, certificates: Certificates
) -> list[str]:
    """What is wrong; nothing where all is as it must be. `decision` is None where the reference has no reading."""
    expect = ask.expect
    wrong = _about_ending(ask, sent, origins)
    if expect.ending in ("passes", "switches") and len(sent.arrived) == 1:
        wrong += _about_arrival(ask, version, sent.arrived[0], decision, origins)
    if sent.answer is not None:
        wrong += _about_answer(ask, sent, decision, certificates)
    if expect.within and not expect.within[0] <= sent.took <= expect.within[1]:
        wrong.append(f"it took {sent.took:.2f} s, not {expect.within[0]} to {expect.within[1]}")
    return [*wrong, str(sent)] if wrong else []


def _about_ending(ask: Ask, sent: Sent, origins: Origins) -> list[str]:
    expect = ask.expect
    status = sent.answer.status if sent.answer else None
    in_handshake = sent.answer is None and sent.why.startswith("in the handshake")
    right = {
        "passes": status == 200 and len(sent.arrived) == 1,
        "status": status == expect.status and not sent.arrived,
        "malformed": status in MALFORMED and not sent.arrived,
        "handshake": in_handshake and not sent.arrived,
        # TLS 1.3: the visitor is done with the handshake before the edge has looked at the certificate.
        "stranger": status in (None, 400) and not sent.arrived,
        "failed": status in (502, 503) and not sent.arrived,
        "down": status in (502, 503) and not sent.arrived,
        "unanswered": status in (None, 502, 503) and not sent.arrived,
        "once": status in (502, 503) and len(sent.arrived) == 1,
        "late": status == 504,
        "through": status == 200 and len(sent.arrived) == 1,
        "switches": status == 101 and sent.mirrored and len(sent.arrived) == 1,
        "limited": status == (expect.status or 429) and not sent.arrived,
    }[expect.ending]
    wrong = [] if right else [f"expected {expect.ending} {expect.status or ''}"]
    if expect.ending in ("failed", "unanswered"):
        wrong += _about_silence(ask, expect, origins)
    return wrong


def _about_silence(ask: Ask, expect: Expect, origins: Origins) -> list[str]:
    """No server of the backend got any byte: of this request, or ever, where no other backend has it as well."""
    backend = expect.backend or (ask.host or "").partition(".")[0]
    wrong: list[str] = []
    for origin in origins[backend]:
        alone = not expect.heard and sum(origin in group for group in origins.values()) == 1
        heard = sum(one.heard for one in origin.connections) if alone else len(origin.received)
        if heard:
            wrong.append(f"{origin.name} heard {heard} bytes: {origin.received[:100]!r}")
    return wrong


def _about_arrival(
    ask: Ask, version: Version, arrived: Arrived, decision: Decision | None, origins: Origins
) -> list[str]:
    expect, seen = ask.expect, arrived.seen
    wrong: list[str] = []
    if ask.raw is None:
        wanted = (ask.method.encode("latin-1"), ask.target.encode("latin-1"), ask.body.encode("latin-1"))
        if (seen.method, seen.target, seen.body) != wanted:
            wrong.append(f"{seen.method!r} {seen.target!r:.100} with {len(seen.body)} bytes arrived")
    reading = decision if isinstance(decision, Forwarded) else None
    backend = expect.backend or (reading.upstream.backend.name if reading else None)
    if backend is not None and arrived.origin not in origins[backend]:
        wrong.append(f"it arrived at {arrived.origin.name}, not at {backend}")
    if backend is not None and expect.arrives.server not in (None, _server(origins[backend], arrived.origin)):
        wrong.append(f"it arrived at {arrived.origin.name}")
    found = {name: [value.decode("latin-1") for value in seen.values(name)] for name in _names(seen)}
    if reading is not None:
        wrong += _compare(forwarded_fields(ask, version, reading), found)
    wanted_fields = expect.arrives.headers.items()
    wrong += [
        f"{name} arrived as {found.get(name.lower())}, not {values}"
        for name, values in wanted_fields
        if found.get(name.lower(), []) != values
    ]
    wrong += [
        f"{name} arrived as {found.get(name.lower())}, not {value!r}"
        for name, value in expect.arrives.joined.items()
        if joined(found.get(name.lower(), [])) != joined([value])
    ]
    wrong += [f"{name} arrived: {found[name.lower()]}" for name in expect.arrives.absent if name.lower() in found]
    for what, is_so, said in (
        ("subject", arrived.connection.subject, expect.arrives.subject),
        ("SNI", arrived.connection.sni, expect.arrives.sni),
        ("protocol", arrived.origin.protocol, expect.arrives.protocol),
    ):
        if said is not None and is_so != said:
            wrong.append(f"the {what} behind was {is_so}, not {said}")
    return wrong


def _server(group: Sequence[Origin], origin: Origin) -> int | None:
    return group.index(origin) if origin in group else None


def _names(seen: Seen) -> set[str]:
    lines = [line.partition(b":")[0] for line in seen.head.split(b"\r\n")[1:] if line]
    return {line.decode("latin-1").lower() for line in lines}


def _compare(wanted: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str]]) -> list[str]:
    """Every field that must arrive does, and nothing else; several lines are as good as one (RFC 9110, 5.3)."""
    wrong: list[str] = []
    for name in sorted({*wanted, *found} - _OF_CONNECTION):
        if joined(wanted.get(name, [])) != joined(found.get(name, [])):
            wrong.append(f"{name} arrived as {found.get(name)!r:.200}, the reference says {wanted.get(name)!r:.200}")
    return wrong


def joined(values: Sequence[str]) -> str | None:
    """The value of a field, whatever its lines; None without any."""
    return re.sub(r"[ \t]*,[ \t]*", ",", ",".join(values)) if values else None


def _about_answer(ask: Ask, sent: Sent, decision: Decision | None, certificates: Certificates) -> list[str]:
    assert sent.answer is not None
    expect, wrong = ask.expect, list[str]()
    found: dict[str, list[str]] = {}
    for name, value in sent.answer.headers:
        found.setdefault(name, []).append(value)
    if isinstance(decision, Redirected) and found.get("location") != [decision.to]:
        wrong.append(f"it leads to {found.get('location')}, the reference says {decision.to}")
    location = expect.location
    if location is not None and ask.plain:
        location = location.replace("{port}", str(sent.port)).replace("{target}", ask.target)
    if location is not None and found.get("location") != [location]:
        wrong.append(f"it leads to {found.get('location')}")
    if isinstance(decision, Forwarded | Redirected | Refused):
        put, taken = answered_fields(decision)
        for name, values in put.items():
            if not set(values) <= {part for line in found.get(name, []) for part in (line, *line.split(", "))}:
                wrong.append(f"the answer's {name} is {found.get(name)}, the reference says {values}")
        wrong += [f"the answer has {name}, which a rule takes away" for name in taken if name in found]
    for name, values in expect.answer.headers.items():
        if joined(found.get(name.lower(), [])) != joined(values):
            wrong.append(f"the answer's {name} is {found.get(name.lower())}, not {values}")
    wrong += [f"the answer has {name}" for name in expect.answer.absent if name.lower() in found]
    if expect.answer.body is not None and sent.answer.body.decode("latin-1") != expect.answer.body:
        wrong.append(f"the answer's body is {sent.answer.body[:100]!r}")
    for what, is_so, said in (
        ("TLS", sent.spoken, expect.answer.spoken),
        ("ALPN", sent.alpn, expect.answer.alpn),
    ):
        if said is not None and is_so != said:
            wrong.append(f"{what} was {is_so}, not {said}")
    if expect.answer.shows is not None:
        shown = certificates.own.get(ask.name_asked or "", expect.answer.shows)
        if sent.certificate != certificates.issued[shown].certificate.public_bytes(Encoding.DER):
            wrong.append(f"the certificate shown is not {shown}")
    return wrong + _about_log(expect, sent)


def _about_log(expect: Expect, sent: Sent) -> list[str]:
    if not expect.log:
        return []
    if len(sent.logged) != 1:
        return [f"{len(sent.logged)} lines in the access log"]
    line = sent.logged[0]
    return [
        f"the access log says {name}: {line.get(name)!r}, not {value!r}"
        for name, value in expect.log.items()
        if _plain(name, line.get(name)) != value
    ]


def _plain(name: str, value: object) -> object:
    """A field as a case has it: targets differ in how they write a number, a list, and what is not there."""
    if name == "labels":
        return value.split(",") if isinstance(value, str) and value else value or []
    if name == "status":
        return int(str(value))
    return value or ""
