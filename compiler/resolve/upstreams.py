"""Backends as they are reached for one name."""

from __future__ import annotations

import hashlib

from ..features import Feature
from ..plan import Backend, Hostname, Upstream
from .part import Part, Shared


class Upstreams(Part):
    """Makes each of them once."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._found: dict[tuple[str, str | None, bool], Upstream] = {}
        self._ids: set[str] = set()

    def all(self) -> list[Upstream]:
        """All that were asked for, in that order."""
        return list(self._found.values())

    def of(self, backend: Backend, asked: Hostname | None, decrypt: bool, site: str) -> Upstream:
        """The backend as a site reaches it; `asked` is the hostname where that makes a difference."""
        name = backend.server_name if decrypt and backend.tls else None
        if decrypt and backend.tls and name is None and asked is not None:
            if asked.wildcard:
                self.use(
                    Feature.WILDCARD_SERVER_NAME,
                    (*backend.path, "tls", "server_name"),
                    site=site,
                    backend=backend.name,
                )
            else:
                name = asked.name
        key = (backend.name, name, decrypt)
        if key not in self._found:
            plain = not decrypt and backend.tls is not None
            wanted = backend.name + ("-passthrough" if plain else "" if name == backend.server_name else f"-{name}")
            if wanted in self._ids:
                wanted += "-" + hashlib.sha256(repr(key).encode()).hexdigest()[:8]
            self._ids.add(wanted)
            self._found[key] = Upstream(wanted, backend, name)
        return self._found[key]
