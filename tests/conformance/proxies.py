"""The proxies that the cases run on: the installed ones, or those that ``--proxy`` names, each with its version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from policyc.compiler.loopback.proxy import Missing, program, version

from ..live.edges import STREAM_MODULE
from ..live.supported import TARGETS, VERSIONS


class BadChoice(ValueError):
    """``--proxy`` was given something that is no choice. For people."""


@dataclass(frozen=True)
class Chosen:
    """One proxy: its program (None: it is not installed), and its version as it says itself."""

    target: str
    program: str | None
    exact_version: str
    stated: str | None = None
    """The version that the policy shall say, where it was given."""

    @property
    def version(self) -> str:
        """``targets.<target>.version``."""
        return self.stated or self.exact_version

    @property
    def settings(self) -> Mapping[str, Any]:
        """``targets.<target>`` but for what belongs to this machine's folders."""
        more = {"stream_module": STREAM_MODULE} if self.target == "nginx" else {}
        return {"version": self.version, **more}


def choose(options: Iterable[str]) -> dict[str, Chosen]:
    """All proxies. `options` are of the form ``nginx=/path/to/nginx`` or ``nginx=/path/to/nginx:1.29``.

    Raises BadChoice.
    """
    files: dict[str, tuple[str, str | None]] = {}
    for option in options:
        target, equals, rest = option.partition("=")
        if target not in TARGETS or not equals or not rest:
            raise BadChoice(
                f"--proxy {option}: write TARGET=PROGRAM or TARGET=PROGRAM:VERSION, of {', '.join(TARGETS)}"
            )
        file, _, stated = rest.partition(":")
        files[target] = (file, stated or None)
    return {target: _chosen(target, *files.get(target, (None, None))) for target in TARGETS}


def _chosen(target: str, file: str | None, stated: str | None) -> Chosen:
    try:
        found = file or program(target)
        return Chosen(target, found, version(found), stated)
    except Missing as missing:
        if file is not None:
            raise BadChoice(f"--proxy {target}={file}: {missing}") from missing
        return Chosen(target, None, VERSIONS[target], stated)
