"""Which sites share a filter chain of Envoy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from policyc.backends.envoy.groups import certificates_of, groups
from policyc.backends.envoy.support import Settings
from policyc.compiler.certificates import certificate_of
from policyc.compiler.loopback import pki
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


# --- with certificates of their own ---------------------------------------------------------------------------

SHARED = Settings(shared_chains=True)


def certificate(name: str, *carried: str, **fields: Any) -> PublicCertificate:
    issued = pki.leaf([f"{one}.example.com" for one in carried or (name,)])
    leaf = certificate_of(issued.certificate.public_bytes(Encoding.DER))
    return PublicCertificate(name, (), (replace(leaf, **fields),), f"{name}.key", f"{name}.key")


def own(name: str, *carried: str, **fields: Any) -> Site:
    """A site with its own certificate, of the same name, for its hostname and others."""
    return site(name, certificate=certificate(name, name, *carried, **fields))


def chains(sites: Sequence[Site]) -> list[list[str]]:
    """The sites of each chain, with the setting."""
    return [[one.name for one in group.sites] for group in groups(sites, SHARED)]


def test_certificates_of_their_own() -> None:
    sites = [own("a"), own("b"), site("c", certificate=certificate("a"))]
    assert names(sites[:2]) == [["a"], ["b"]]
    assert chains(sites[:2]) == [["a", "b"]]
    (group,) = groups(sites[:2], SHARED)
    assert [one.name for one in certificates_of(group)] == ["a", "b"]


def test_a_certificate_of_several_sites_is_there_once() -> None:
    both = certificate("both", "a", "b")
    (group,) = groups([site("a", certificate=both), site("b", certificate=both), own("c")], SHARED)
    assert [one.name for one in certificates_of(group)] == ["both", "c"]


@pytest.mark.parametrize(
    "other",
    [
        own("b", key_type="RSA", key_bits=2048),
        own("b", key_bits=384),
        own("b", must_staple=True),
        own("b", "X"),
        replace(own("b"), rule_lists=()),
        replace(own("b"), websocket=True),
        site("b", certificate=certificate("z")),
        site("b", certificate=certificate("b", "B")),
    ],
)
def test_a_certificate_that_stands_alone(other: Site) -> None:
    assert chains([own("a"), other, own("c")]) == [["a", "c"], ["b"]]


def test_a_name_that_two_certificates_carry() -> None:
    assert chains([own("a", "b"), own("b"), own("c")]) == [["a", "c"], ["b"]]
    assert chains([own("a", "*"), own("b"), own("c")]) == [["a", "b", "c"]]
    star = certificate("star", "*")
    assert chains([site("a", certificate=star), own("b"), own("c")]) == [["a", "b", "c"]]
    stars = [site(name, certificate=certificate(name, "*")) for name in "ab"]
    assert chains([*stars, own("c"), own("d")]) == [["a"], ["b"], ["c", "d"]]


def test_chains_with_certificates_are_of_bearable_size_and_stay() -> None:
    sites = [own(f"s{number}") for number in range(1050)]
    before, after = groups(sites, SHARED), groups([own("new"), *sites], SHARED)
    assert len(before) == 2
    assert max(len(group.sites) for group in before) < 600
    moved = {group.name: {one.name for one in group.sites} for group in before}
    for group in after:
        assert {one.name for one in group.sites} - {"new"} == moved[group.name]


def test_sites_of_a_certificate_stay_together() -> None:
    few = [certificate(f"few-{number}", f"*.few-{number}") for number in range(110)]
    sites = [
        site(f"s{number}-{index}.few-{index}", certificate=shown, rule_lists=(WEB,))
        for index, shown in enumerate(few)
        for number in range(10)
    ]
    found = [[one.name for one in certificates_of(group)] for group in groups(sites, SHARED)]
    assert len(found) == 2
    assert sorted(name for names in found for name in names) == sorted(one.name for one in few)


def test_a_certificate_of_very_many_sites_has_chains_of_its_own() -> None:
    star = certificate("star", "*")
    sites = [*(site(f"s{number}", certificate=star) for number in range(1001)), own("a"), own("b")]
    *starred, last = groups(sites, SHARED)
    assert [one.name for one in last.sites] == ["a", "b"]
    assert {one.name for group in starred for one in certificates_of(group)} == {"star"}
    assert max(len(group.sites) for group in starred) < 600
