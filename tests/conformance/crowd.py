"""More sites beside those of a topic, as alike as sites can be, so that targets write for many what they share.

The cases do not ask for them, and nothing listens behind them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

SIZE = 9
"""Enough for the shapes that are for many: nginx has a location for each of up to eight upstreams of a server."""
CERTIFICATE = "all"
"""The one that has names to spare."""

_OWN = ("hostnames", "backend", "routes")


def backend_names() -> list[str]:
    """The backends that are added."""
    return [f"beside-{number}" for number in range(SIZE)]


def crowded(policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy with sites beside each of a kind that has the usual certificate."""
    kinds: dict[str, str] = {}
    for name, site in policy["sites"].items():
        if site.get("public_certificate") == CERTIFICATE:
            kinds.setdefault(json.dumps({key: one for key, one in site.items() if key not in _OWN}), name)
    sites: dict[str, Any] = dict(policy["sites"])
    for name in kinds.values():
        rest = {key: one for key, one in policy["sites"][name].items() if key not in _OWN}
        for number, backend in enumerate(backend_names()):
            host = f"beside-{number}-{name}.example.com"
            sites[f"beside-{number}-{name}"] = {**rest, "hostnames": [host], "backend": backend}
    beside = {name: [f"beside-{number}-{name}" for number in range(SIZE)] for name in kinds.values()}
    accepted = [
        {**entry, "sites": [*entry["sites"], *(one for name in entry["sites"] for one in beside.get(name, ()))]}
        if "sites" in entry
        else entry
        for entry in policy.get("accept", ())
    ]
    added = {name: {"servers": ["192.0.2.99:80"], "tls": False} for name in backend_names()} if kinds else {}
    return {**policy, "sites": sites, "backends": {**policy["backends"], **added}, "accept": accepted}
