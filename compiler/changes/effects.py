"""What is otherwise between two decisions about one request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..decide import Decision, Forwarded, HandshakeRefused, PassedThrough, Redirected, Refused, Working
from ..forwarding import edits_of
from ..plan import BackendTls, LimitBody, LogLabel, RateLimit, Rule, Upstream, Verify
from . import Kind
from .meaning import meaning


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that is otherwise: requests with equal effects are told as one. `words` follow "requests …"."""

    kind: Kind
    words: str


def effects(before: Decision, after: Decision) -> Iterator[Effect]:
    """What is otherwise; nothing where both are to the same effect."""
    first = _outcome(before, after)
    if first is not None:
        yield first
        return
    if isinstance(before, Forwarded) and isinstance(after, Forwarded):
        yield from _limits(before.working, after.working)
        yield from _edits(before.working, after.working, response=False)
    if not isinstance(before, HandshakeRefused | PassedThrough) and not isinstance(
        after, HandshakeRefused | PassedThrough
    ):
        yield from _edits(before.working, after.working, response=True)
        yield from _labels(before.working, after.working)


def told(decision: Decision) -> str:
    """A decision in a few words."""
    match decision:
        case HandshakeRefused(why):
            return f"the handshake is refused: {why}"
        case PassedThrough(upstream=upstream):
            return f"passed through to {upstream.backend.name}"
        case Forwarded(upstream=upstream, allowed_by=rule):
            return f"forwarded to {upstream.backend.name}" + (f" ({_named(rule)})" if rule else "")
        case Refused(status, why, rule):
            return f"{status} by {_named(rule)}" if rule else f"{status}: {why}"
        case Redirected(status, to, rule):
            return f"{status} to {to} by {_named(rule)}"


def _fate(decision: Decision) -> str:
    """The same, equal for all that is refused before any rule."""
    return (
        f"{decision.status} before any rule" if isinstance(decision, Refused) and not decision.rule else told(decision)
    )


def _named(rule: Rule) -> str:
    return f"rule {rule.name or rule.id}"


def _outcome(before: Decision, after: Decision) -> Effect | None:
    match before, after:
        case (Forwarded(), Forwarded()) | (PassedThrough(), PassedThrough()):
            return _backend(before.upstream, after.upstream, decrypted=isinstance(before, Forwarded))
        case (Refused(status), Refused(other)) if status == other:
            return None
        case (Redirected(status, to), Redirected(other, there)) if (status, to) == (other, there):
            return None
        case (HandshakeRefused(), HandshakeRefused()):
            return None
        case _, Forwarded() | PassedThrough():
            return Effect(Kind.ALLOWED, f"are now {told(after)} (was {_fate(before)})")
        case _, Refused() | HandshakeRefused() if isinstance(before, Forwarded | PassedThrough):
            return Effect(Kind.DENIED, f"are now refused: {_fate(after)}")
        case _:
            return Effect(Kind.ANSWER, f"are now answered {_fate(after)} (was {_fate(before)})")


def _backend(before: Upstream, after: Upstream, *, decrypted: bool) -> Effect | None:
    one, other = before.backend, after.backend
    if one.name == other.name or as_reached(before) == as_reached(after):
        return None
    weaker = decrypted and verification(other.tls) < verification(one.tls)
    words = f"now go to {other.name} (was {one.name})"
    if weaker:
        return Effect(Kind.UNVERIFIED, f"{words}, which is reached {VERIFICATION[verification(other.tls)]}")
    return Effect(Kind.BACKEND, words)


def as_reached(upstream: Upstream) -> object:
    """What is equal for two backends that are reached alike, whatever they are called."""
    return [
        *(meaning(getattr(upstream.backend, name)) for name in ("servers", "tls", "protocol", "host_header")),
        upstream.server_name,
    ]


VERIFICATION = (
    "in clear",
    "without verification",
    "verified by CA, but not by name",
    "verified by CA and name",
)


def verification(tls: BackendTls | None) -> int:
    """How much of a backend is verified; an index of `VERIFICATION`."""
    return 0 if tls is None else {Verify.NONE: 1, Verify.CHAIN: 2, Verify.FULL: 3}[tls.verify]


def _limits(before: Working, after: Working) -> Iterator[Effect]:
    old, new = (
        Counter(_limit(action) for _, action in working if isinstance(action, RateLimit | LimitBody))
        for working in (before, after)
    )
    gone, come = list((old - new).elements()), list((new - old).elements())
    if gone or come:
        words = [f"no longer to {one}" for one in gone] + [f"now to {one}" for one in come]
        yield Effect(Kind.LIMIT, f"are limited {', '.join(words)}")


def _limit(action: RateLimit | LimitBody) -> str:
    if isinstance(action, LimitBody):
        return f"bodies of {action.size} bytes"
    burst = f" and {action.burst} more at once" if action.burst else ""
    return f"{action.count} in {action.period / 1000:g} s{burst}"


def _edits(before: Working, after: Working, *, response: bool) -> Iterator[Effect]:
    old, new = _steps(before, response), _steps(after, response)
    if old == new:
        return
    gone, come = list((Counter(old) - Counter(new)).elements()), list((Counter(new) - Counter(old)).elements())
    words = [f"no longer {one}" for one in gone] + [f"now {one}" for one in come] or [
        "the same edits, in another order"
    ]
    yield Effect(Kind.HEADERS, f"get other headers in the {'response' if response else 'request'}: {', '.join(words)}")


def _steps(working: Working, response: bool) -> list[str]:
    """The edits of one direction, one by one."""
    return [
        step
        for edit in edits_of(working, response=response)
        for step in (
            *(f"remove {name}" for name in edit.remove),
            *(f"set {name}: {value}" for name, value in edit.set),
            *(f"add {name}: {value}" for name, value in edit.add),
        )
    ]


def _labels(before: Working, after: Working) -> Iterator[Effect]:
    old, new = ([action.label for _, action in working if isinstance(action, LogLabel)] for working in (before, after))
    if old != new:
        yield Effect(Kind.LOG, f"are logged as {', '.join(new) or 'nothing'} (was {', '.join(old) or 'nothing'})")
