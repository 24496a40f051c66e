"""Random pairs of policies: what random requests show to be otherwise, `policyc diff` has found, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from policyc.compiler.changes.compare import compare
from policyc.compiler.changes.effects import effects
from policyc.compiler.decide import Connection, decide
from policyc.compiler.pipeline import load
from policyc.compiler.plan import Plan

from ..fuzz import policies, requests
from ..fuzz.test_differential import of
from ..live.asks import Ask
from ..live.test_reference import request_of
from .conftest import self_signed
from .test_diff import ask_again

PAIRS = int(os.environ.get("POLICYC_DIFF_PAIRS", "8"))
REQUESTS = int(os.environ.get("POLICYC_DIFF_REQUESTS", "200"))

Policy = dict[str, Any]


def _mixed(policies_drawn: tuple[Policy, Policy], keys: list[str]) -> tuple[Policy, Policy]:
    """A policy, and the same with some parts of another one."""
    old, other = policies_drawn
    new = json.loads(json.dumps(old))
    for key in keys:
        if key == "listeners":
            new[key] = other[key]
        elif key in ("one", "two"):
            new["inspection_rules"][key] = other["inspection_rules"][key]
        else:
            new["sites"][key] = other["sites"][key]
    return old, new


def pairs(folder: Path) -> st.SearchStrategy[tuple[Policy, Policy]]:
    """Two policies that share most of their parts."""
    self_signed(folder, "all", "*.example.com", "*.w.example.com")
    pair = {"cert": str(folder / "all.pem"), "key": str(folder / "all.key")}
    drawn = policies.policies(pair, headers=True)
    parts = st.lists(st.sampled_from(["one", "two", "ab", "c", "w", "listeners"]), min_size=1, max_size=2, unique=True)
    return st.builds(_mixed, st.tuples(drawn, drawn), parts)


def _plan(policy: Policy, folder: Path) -> Plan:
    file = folder / "policy.yaml"
    file.write_text(json.dumps(policy))
    loaded = load(str(file), {})
    assert loaded.plan is not None
    assert loaded.findings == []
    return loaded.plan


def _shown(old: Plan, new: Plan, asks: list[Ask]) -> Iterator[tuple[str, str, str]]:
    """By hostname what requests show to be otherwise: the kind, the words, and the request."""
    names = [host for site in old.sites for host in site.hostnames]
    for ask in asks:
        host = (ask.sni or ask.host or "").partition(":")[0].lower()
        name = next((one for one in sorted(names, key=lambda one: one.wildcard) if one.covers(host)), None)
        if name is None:
            continue
        connection = Connection("public", host, ip_address(ask.source or "127.0.0.1"))
        request = replace(request_of(ask), host=(host.encode(),))
        for effect in effects(decide(old, connection, request), decide(new, connection, request)):
            yield str(name), f"{effect.kind.id} {effect.words}", repr(ask)


@pytest.mark.parametrize("number", range(PAIRS))
def test_what_requests_show_is_found(number: int, tmp_path: Path) -> None:
    ((old_policy, new_policy),) = of(pairs(tmp_path), 1, 7_000 + number)
    old, new = _plan(old_policy, tmp_path), _plan(new_policy, tmp_path)
    comparison = compare(old, new)
    assert comparison.complete
    asks = of(requests.asks(headers=True), REQUESTS, 9_000 + number)
    missed = {
        (host, words): ask
        for host, words, ask in _shown(old, new, asks)
        if not any(
            host in change.hosts
            and change.kind.id == words.split()[0]
            and change.message.endswith(words.partition(" ")[2])
            for change in comparison.changes
        )
    }
    assert missed == {}, json.dumps([old_policy, new_policy], indent=1)
    ask_again(comparison, old, new)
