"""Runs one case: on a proxy of a laboratory, or by the reference."""

from __future__ import annotations

import time
from collections.abc import Sequence

from . import judging, reading
from .laboratory import Laboratory
from .sending import Sender, Sent
from .topics import Ask, Case, Version

_BETWEEN_TRIES = 0.2


def read_case(laboratory: Laboratory, case: Case, version: Version) -> list[str]:
    """Where the reference says something else than the case; nothing where it agrees."""
    for ask in case.steps:
        decision = reading.decided(laboratory.plan, ask, version, laboratory.certificates)
        wrong = reading.complaints(ask, version, decision)
        if wrong:
            return [_named(ask), *wrong]
    return []


def run_case(laboratory: Laboratory, target: str, case: Case, version: Version) -> list[str]:
    """What is wrong on a proxy; nothing where all is as the case and the reference say."""
    edge = laboratory.edges.running[target]
    with Sender(edge, laboratory.certificates, version) as sender:
        for ask in case.steps:
            time.sleep(ask.wait)
            everything: list[Sent] = []
            for _ in range(ask.times):
                sent, wrong = _ask(laboratory, sender, ask, version)
                if wrong:
                    return [_named(ask), *wrong]
                everything.append(sent)
            wrong = _about_spread(ask, everything, laboratory)
            if wrong:
                return [_named(ask), *wrong]
    return []


def _ask(laboratory: Laboratory, sender: Sender, ask: Ask, version: Version) -> tuple[Sent, list[str]]:
    decision = None
    if ask.has_reading:
        decision = reading.decided(laboratory.plan, ask, version, laboratory.certificates)
    end = time.monotonic() + ask.eventually
    while True:
        sent = sender.send(ask)
        wrong = judging.complaints(ask, version, sent, decision, laboratory.origins, laboratory.certificates)
        if not wrong or time.monotonic() > end:
            return sent, wrong
        time.sleep(_BETWEEN_TRIES)


def _about_spread(ask: Ask, everything: Sequence[Sent], laboratory: Laboratory) -> list[str]:
    """Whether each server of the backend got its share."""
    if ask.sticky:
        used = {arrived.origin.name for sent in everything for arrived in sent.arrived}
        return [] if len(used) == 1 else [f"the servers {sorted(used)} got them, not one alone"]
    if ask.spread is None:
        return []
    backend = ask.expect.backend or (ask.host or "").partition(".")[0]
    got = [
        sum(arrived.origin is origin for sent in everything for arrived in sent.arrived)
        for origin in laboratory.origins[backend]
    ]
    right = all(low <= count <= high for count, (low, high) in zip(got, ask.spread, strict=True))
    return [] if right else [f"the servers got {got}, not {ask.spread}"]


def _named(ask: Ask) -> str:
    return f"{ask.method} {ask.target[:100]} of {ask.host}:"
