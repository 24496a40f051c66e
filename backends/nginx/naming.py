"""Names of variables, blocks and sockets: unlike for unlike parts of the policy, and stable."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from ...compiler.plan import Listener, Plan, Upstream
from .support import Settings

SOCKET_LIMIT = 107
"""Bytes of a Unix socket's path (sun_path in unix(7), without its NUL)."""

MANY_UPSTREAMS = 256

_PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


def slug(name: str) -> str:
    """A name of the policy as a part of an nginx name.

    nginx folds case in names of variables and upstreams, and a variable's has letters, digits and ``_`` only.
    """
    if _PLAIN.match(name):
        return name.replace("-", "_")
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") + "__" + digest(name)


def digest(text: str) -> str:
    """A short name for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


Names = Mapping[str, str]
"""The names of upstream blocks by the ids of the upstreams."""


def upstream_names(upstreams: Iterable[Upstream], prefix: str) -> Names:
    """The names of the upstreams' blocks.

    nginx looks for a block by comparing names one by one: for each block when it starts, and for each request where a
    variable names it. Where they are many they begin unlike, so that the first letter decides.
    """
    ids = dict.fromkeys(one.id for one in upstreams)
    if len(ids) <= MANY_UPSTREAMS:
        return {one: f"{prefix}_{slug(one)}" for one in ids}
    return {one: f"{digest(one)[:4]}_{prefix}_{slug(one)}" for one in ids}


def http_socket(settings: Settings, plan: Plan, listener: Listener) -> str:
    """Where a listener's decrypted sites take connections from the TCP part."""
    return _socket_path(settings, plan, f"{listener.name}.http")


def tcp_socket(settings: Settings, plan: Plan, upstream: Upstream) -> str:
    """Where connections for a passed-through upstream go to lose their PROXY line."""
    return _socket_path(settings, plan, f"{upstream.id}.tcp")


def _socket_path(settings: Settings, plan: Plan, name: str) -> str:
    folder, readable = settings.runtime_dir.rstrip("/"), f"{plan.name}.{name}"
    path = f"{folder}/{readable}.sock"
    return path if len(path) <= SOCKET_LIMIT else f"{folder}/{digest(readable)}.sock"
