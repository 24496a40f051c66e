"""Which sites share a filter chain of Envoy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from policyc.backends.envoy.groups import groups
from policyc.backends.envoy.support import Settings
from policyc.compiler.normal_form import STRICT, USUAL_METHODS
from policyc.compiler.plan import (
    Backend,
    Balance,
    HostGroup,
    Hostname,
    PublicCertificate,
    RuleList,
    Server,
    Site,
    Socket,
    Timeouts,
    Upstream,
)

SERVER = Server((), Socket(ip_address("192.0.2.1"), 80), 1, backup=False)
TIMES = Timeouts(1000, 2000, 3000)
BACKEND = Backend("main", (), (SERVER,), None, None, Balance.ROUND_ROBIN, None, TIMES, "http/1.1", None)
CERTIFICATE = PublicCertificate("all", (), (), "all.key", "all.key")
WEB = RuleList("web", (), ())


def site(name: str, *others: str, backend: Backend = BACKEND, **fields: Any) -> Site:
    names = tuple(map(Hostname, (f"{name}.example.com", *others)))
    group = HostGroup(name, names, Upstream(backend.name, backend, None), ())
    made = Site(name, (), names, True, CERTIFICATE, (WEB,), (group,), None, None, (), USUAL_METHODS, False, STRICT)
    return replace(made, **fields)


def names(sites: Sequence[Site], version: str = "1.40") -> list[list[str]]:
    """The sites of each chain."""
    return [[one.name for one in group.sites] for group in groups(sites, Settings(version=version))]


def test_alike() -> None:
    sites = [site("a"), site("b", backend=replace(BACKEND, name="other")), site("c", "alias.example.com")]
    assert names(sites) == [["a", "b", "c"]]
    assert names(sites[:1]) == [["a"]]
    assert names(sites, "1.39") == [["a"], ["b"], ["c"]]


def test_one_alone_has_its_own_name() -> None:
    alone = replace(CERTIFICATE, name="own")
    found = groups([site("a"), site("b", certificate=alone), site("c")], Settings())
    assert [group.name for group in found][1] == "b"
    assert ":" in found[0].name


@pytest.mark.parametrize(
    "other",
    [
        site("b", certificate=replace(CERTIFICATE, name="own")),
        site("b", rule_lists=()),
        site("b", websocket=True),
        site("b", decrypt=False, certificate=None),
        site("b", hostnames=(Hostname("example.com", wildcard=True),)),
        site("b", *(f"b{number}.example.com" for number in range(8))),
        site("b", backend=replace(BACKEND, host_header="inside.example.com")),
        site("b", backend=replace(BACKEND, balance=Balance.SOURCE_HASH)),
        site("b", backend=replace(BACKEND, timeouts=replace(TIMES, idle=1))),
        site("b", backend=replace(BACKEND, servers=(SERVER, SERVER))),
        site("b", backend=replace(BACKEND, servers=(SERVER, replace(SERVER, backup=True)))),
    ],
)
def test_not_alike(other: Site) -> None:
    assert names([site("a"), other, site("c")]) == [["a", "c"], ["b"]]


def test_chains_are_of_bearable_size_and_stay() -> None:
    sites = [site(f"site-{number}") for number in range(2100)]
    before, after = groups(sites, Settings()), groups([site("new"), *sites], Settings())
    assert len(before) == 4
    assert max(len(group.sites) for group in before) < 700
    moved = {group.name: {one.name for one in group.sites} for group in before}
    for group in after:
        assert {one.name for one in group.sites} - {"new"} == moved[group.name]
