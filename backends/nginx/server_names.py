"""What follows from the name that a visitor asks for: by exact names, then by the name without its first label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...compiler.plan import Hostname, Listener
from .model import Expression, Key, Map, Value, Variable


def _parent(name: str) -> Variable:
    return Variable("policyc_host_parent" if name == "host" else "policyc_sni_parent")


def with_parent(blocks: list[Map], name: str) -> list[Map]:
    """The maps, with the one that they need for wildcards: the name asked for without its first label."""
    parent = _parent(name)
    if not any(parent in block.source for block in blocks):
        return blocks
    return [Map((), (Variable(name),), parent.name, "", ((Expression(r"^[^.]+[.](.+)\z"), Variable("1")),)), *blocks]


def by_name(
    listener: Listener, variable: Variable, name: str, values: Sequence[tuple[Hostname, Value]], default: str
) -> Iterator[Map]:
    """A variable by the name asked for, which is in the variable `name`."""
    below = tuple((Key(host.name), value) for host, value in values if host.wildcard)
    otherwise: Value = default
    if below:
        otherwise = Variable(f"{variable.name}__below")
        yield Map(listener.path, (_parent(name),), otherwise.name, default, below)
    exact = tuple((Key(host.name), value) for host, value in values if not host.wildcard)
    yield Map(listener.path, (Variable(name),), variable.name, otherwise, exact)


def below(names: Iterable[Hostname], wildcards: set[str]) -> tuple[Hostname, ...]:
    """The exact names that are below one of these wildcards."""
    return tuple(host for host in names if not host.wildcard and host.name.partition(".")[2] in wildcards)


def hostnames(listener: Listener, decrypt: bool) -> list[Hostname]:
    """The names of a listener that are decrypted, or that are not."""
    return [host for site in listener.sites if site.decrypt is decrypt for host in site.hostnames]
