"""A policy moved to loopback: the same meaning, on ports and servers that an ordinary user's machine has."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from .ports import free_port

_ANYWHERE = ["0.0.0.0:443", "[::]:443"]
# Where the language names files. In `backends`, a `ca` is the name of one of `backend_cas`.
_FILES = {
    "public_certificates": {"cert", "key"},
    "backend_cas": {"ca", "crl"},
    "backends": {"certificate", "cert", "key"},
}


@dataclass(frozen=True)
class Relocated:
    """A policy that runs here. `text` is JSON, which is YAML as well.

    `ports`: listener → its TLS ports on 127.0.0.1 and, for an IPv6 socket, ::1, as ``(address, port)``; `plain`: the
    same for its redirect sockets.
    """

    text: str
    ports: Mapping[str, Sequence[tuple[str, int]]]
    plain: Mapping[str, Sequence[tuple[str, int]]]

    @property
    def sockets(self) -> list[tuple[str, int]]:
        """Every socket that the edge listens on."""
        return [where for part in (self.ports, self.plain) for sockets in part.values() for where in sockets]


def relocate(policy: str | Mapping[str, Any], base: Path, servers: Mapping[str, Sequence[str]]) -> Relocated:
    """Move a policy (its text, or its values) to loopback.

    Its sockets get free ports there, its backends the addresses of `servers` (backend → one for each of its servers),
    and the files that it names, relative to `base`, are named absolutely. Raises ValueError for a backend whose number
    of servers differs.
    """
    values: dict[str, Any] = yaml.safe_load(policy) if isinstance(policy, str) else copy.deepcopy(dict(policy))
    listeners: dict[str, Any] = values.setdefault("listeners", {"https": {}})
    ports = {name: _rebind(listener, "bind", _ANYWHERE) for name, listener in listeners.items()}
    plain = {name: _rebind(listener, "redirect_http", []) for name, listener in listeners.items()}
    for name, backend in values["backends"].items():
        old, new = backend["servers"], servers[name]
        if len(old) != len(new):
            raise ValueError(f"backend {name} has {len(old)} servers, not {len(new)}")
        backend["servers"] = [
            {**server, "address": address} if isinstance(server, dict) else address
            for server, address in zip(old, new, strict=True)
        ]
    for part, keys in _FILES.items():
        _absolute(values.get(part), keys, base.resolve())
    return Relocated(json.dumps(values, indent=2), ports, plain)


def _rebind(listener: dict[str, Any], key: str, default: Sequence[str]) -> list[tuple[str, int]]:
    old: Sequence[str] = listener.get(key, default)
    places = ["::1" if text.startswith("[") else "127.0.0.1" for text in old]
    sockets = [(place, free_port(place)) for place in places]
    if sockets:
        listener[key] = [f"[{place}]:{port}" if ":" in place else f"{place}:{port}" for place, port in sockets]
    return sockets


def _absolute(value: Any, keys: Set[str], base: Path) -> None:
    """Make the names of files absolute that stand under `keys`, however deep."""
    if not isinstance(value, dict):
        return
    part = cast("dict[str, Any]", value)
    for key, inner in part.items():
        if key not in keys:
            _absolute(inner, keys, base)
        elif isinstance(inner, str):
            part[key] = str(base / inner)
        else:
            part[key] = [str(base / file) for file in inner]
