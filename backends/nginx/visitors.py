"""Whose request it is, behind trusted proxies.

nginx's own module for it (realip) knows one header only, which on a socket with a PROXY header is that one, and takes
ports and more for addresses. So X-Forwarded-For is walked by maps, from the right, after it was checked as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...compiler.normal_form import FORWARDED_FOR, MAX_FORWARDED
from ...compiler.plan import Listener
from .model import Expression, Geo, Joined, Key, Map, Refusal, Value, Variable
from .naming import digest

PEER = Variable("remote_addr")
"""The other end of the connection, or who it is by the PROXY header in front."""
SOURCE = Variable("policyc_source")
FORWARDED = Variable(f"policyc_forwarded_{MAX_FORWARDED}")
"""What the backend is told: the addresses that are believed, then the peer's."""

_BELIEVED = Variable("policyc_believed")
_HEADER = Variable("http_x_forwarded_for")


class Visitors:
    """The maps of all listeners. Without trusted proxies there are none: it is the peer."""

    def __init__(self, listeners: tuple[Listener, ...]) -> None:
        # One without a decrypted site sets nothing that the maps could be asked with.
        listeners = tuple(one for one in listeners if any(site.decrypt for site in one.sites))
        self.any_trusted = any(listener.trusted_proxies for listener in listeners)
        self.source = SOURCE if self.any_trusted else None
        self.blocks: list[Map | Geo] = list(_forwarded()) if self.any_trusted else []
        for listener in listeners:
            if listener.trusted_proxies:
                self.blocks += _walk(listener)

    def checks(self, listener: Listener) -> list[Refusal]:
        """What is refused before the source is known."""
        return [Refusal(Variable(f"policyc_bad_forwarded_{_key(listener)}"), 400)] if listener.trusted_proxies else []

    def known(self, listener: Listener) -> list[tuple[Variable, Value]]:
        """What is set then."""
        if not self.any_trusted:
            return []
        if not listener.trusted_proxies:
            return [(SOURCE, PEER)]
        key = _key(listener)
        return [
            (_BELIEVED, Variable(f"policyc_believed_{key}")),
            (SOURCE, Variable(f"policyc_source_{key}_{MAX_FORWARDED}")),
        ]


def _key(listener: Listener) -> str:
    return digest(" ".join(map(str, listener.trusted_proxies)))


def _forwarded() -> Iterator[Map]:
    """The addresses that are believed, counted from the right, and all of them as one value."""
    so_far = PEER
    for index in range(1, MAX_FORWARDED + 1):
        behind = rf"(?:[ \t]*,[ \t]*[^ \t,]+){{{index - 1}}}"
        address = Variable(f"policyc_believed_{index}")
        yield Map((), (_BELIEVED,), address.name, "", ((Expression(rf"([^ \t,]+){behind}[ \t]*\z"), Variable("1")),))
        value = Variable(f"policyc_forwarded_{index}")
        yield Map((), (address,), value.name, Joined((address, ", ", so_far)), ((Key(""), so_far),))
        so_far = value


def _walk(listener: Listener) -> Iterator[Map | Geo]:
    key, path = _key(listener), (*listener.path, "trusted_proxies")
    source = PEER
    for index in range(MAX_FORWARDED):
        trusted = Variable(f"policyc_trusted_{key}_{index}")
        yield Geo(path, trusted.name, listener.trusted_proxies, source)
        if index == 0:
            plain = rf"^1[|]{FORWARDED_FOR}\z"
            bad = f"policyc_bad_forwarded_{key}"
            yield Map(path, (trusted, "|", _HEADER), bad, "1", ((Expression("^[|]"), ""), (Expression(plain), "")))
            yield Map(path, (trusted,), f"policyc_believed_{key}", "", ((Key("1"), _HEADER),))
        found = Variable(f"policyc_source_{key}_{index + 1}")
        following = (trusted, "|", Variable(f"policyc_believed_{index + 1}"))
        yield Map(path, following, found.name, source, ((Expression(r"^1[|](.+)\z"), Variable("1")),))
        source = found
