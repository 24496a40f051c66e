"""``policyc probe`` on the firewall: what a server presents is compared with what the firewall would hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from policyc.compiler import probe
from policyc.compiler.certificates import read_certificates
from policyc.compiler.loopback.pki import leaf
from policyc.compiler.probe import Presented, aims, judge_all, read_all
from policyc.compiler.tls_reading import Answer, Call

from .lab import Lab, behind, compiled, edge


class Servers:
    """In place of the network: every server presents the certificate of one file."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lab = lab
        self.file = ""
        monkeypatch.setattr(probe, "ask", self.ask)

    def ask(self, calls: Sequence[Call], timeout: float, at_once: int) -> list[Answer]:
        return [Answer(read_certificates(str(self.lab.folder / f"{self.file}.pem"))) for _ in calls]

    def present(self, file: str, document: dict[str, Any]) -> Presented:
        """What a probe makes of one certificate."""
        from policyc.compiler.target import installed_targets

        self.file = file
        loaded = compiled(self.lab.folder, document).loaded
        assert loaded.plan is not None
        presented, failures = read_all(aims(loaded.plan)[0], 1, 1)
        assert failures == []
        judge_all(loaded, installed_targets(), ["panos", "haproxy"], presented, datetime.now(UTC))
        (one,) = presented
        return one


@pytest.fixture
def servers(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Servers:
    """Servers that present what they are told to."""
    return Servers(lab, monkeypatch)


def without_certificate(document: dict[str, Any]) -> dict[str, Any]:
    document["backends"]["shop"]["tls"].pop("certificate")
    return document


def both(document: dict[str, Any], *files: str) -> dict[str, Any]:
    document["backends"]["shop"]["tls"]["certificate"] = [f"{file}.pem" for file in files]
    return document


def accepted(one: Presented) -> tuple[bool, bool]:
    """Whether the firewall would accept it, and whether a proxy would."""
    return not one.refused_by("panos"), not one.refused_by("haproxy")


@pytest.mark.parametrize("known", [True, False])
def test_at_the_edge_the_fingerprints_are_compared(lab: Lab, servers: Servers, known: bool) -> None:
    document = edge() if known else without_certificate(edge())
    assert accepted(servers.present("shop", document)) == (True, True)
    # Same name, same CA, another leaf: nothing to a proxy, the end of every session to the firewall.
    lab.seen("renewed", "shop.example.com", "www.shop.example.com")
    one = servers.present("renewed", document)
    assert accepted(one) == (False, True)
    assert [finding.rule for finding in one.findings if finding.severity == "error"] == ["backend-certificate-mismatch"]


def test_at_the_edge_while_a_certificate_is_changed_both_are_held(lab: Lab, servers: Servers) -> None:
    lab.seen("renewed", "shop.example.com", "www.shop.example.com")
    lab.seen("stranger", "shop.example.com")
    document = both(edge(), "shop", "renewed")
    for file in ("shop", "renewed"):
        assert accepted(servers.present(file, document)) == (True, True), file
    assert accepted(servers.present("stranger", document)) == (False, True)


def test_behind_a_proxy_the_firewall_must_hold_it(lab: Lab, servers: Servers) -> None:
    assert accepted(servers.present("app", behind())) == (True, True)
    lab.put("new-app", leaf(["app.internal"], lab.internal))
    one = servers.present("new-app", behind())
    assert accepted(one) == (False, True)
    (problem,) = one.problems
    assert problem.target == "panos"
    assert "in the policy, write both, then policyc build" in problem.help
    # Where the policy does not say, lint asks for what is presented; with it nothing stands against it.
    assert accepted(servers.present("app", without_certificate(behind()))) == (True, True)
    assert accepted(servers.present("new-app", both(behind(), "app", "new-app"))) == (True, True)
