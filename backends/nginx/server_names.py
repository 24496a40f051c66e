"""What follows from the name that a visitor asks for: by exact names, then by the name without its first label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...compiler.plan import Hostname, Listener
from .model import Expression, Key, Map, Value, Variable

PARENT = Variable("policyc_sni_parent")


def parent_map(sni: str) -> Map:
    """The name asked for without its first label."""
    return Map((), (Variable(sni),), PARENT.name, "", ((Expression(r"^[^.]+[.](.+)\z"), Variable("1")),))


def with_parent(blocks: list[Map], sni: str) -> list[Map]:
    """The maps, with the one that they need for wildcards."""
    return [parent_map(sni), *blocks] if any(PARENT in block.source for block in blocks) else blocks


def by_name(
    listener: Listener, variable: Variable, sni: str, values: Sequence[tuple[Hostname, str]], default: str
) -> Iterator[Map]:
    """A variable by the name asked for."""
    below = tuple((Key(host.name), value) for host, value in values if host.wildcard)
    otherwise: Value = default
    if below:
        otherwise = Variable(f"{variable.name}__below")
        yield Map(listener.path, (PARENT,), otherwise.name, default, below)
    exact = tuple((Key(host.name), value) for host, value in values if not host.wildcard)
    yield Map(listener.path, (Variable(sni),), variable.name, otherwise, exact)


def below(names: Iterable[Hostname], wildcards: set[str]) -> tuple[Hostname, ...]:
    """The exact names that are below one of these wildcards."""
    return tuple(host for host in names if not host.wildcard and host.name.partition(".")[2] in wildcards)


def hostnames(listener: Listener, decrypt: bool) -> list[Hostname]:
    """The names of a listener that are decrypted, or that are not."""
    return [host for site in listener.sites if site.decrypt is decrypt for host in site.hostnames]
