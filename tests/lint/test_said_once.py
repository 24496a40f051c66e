"""Where a target's rule says what a common one says, and more, one of them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import pages, scene
from .test_fixtures import FIXTURES

INSTEAD_OF = {
    rule.id: rule.instead_of
    for target in scene.targets_installed().values()
    for rule in target.rules()
    if rule.instead_of is not None
}
BOTH = """\
inspection_rules:
  web:
    - {when: {path: {prefix: /upload}}, limit_body: 0}
"""
PINNED = f"""\
inspection_rules: {{}}
backend_cas:
  public: {{ca: certs/public-root.pem}}
backends:
  app:
    servers: [192.0.2.10:443]
    tls:
      ca: public
      server_name: shop.example.com
      certificate: certs/shop.pem
      pins: ["sha256:{"0" * 64}"]
sites:
  shop: {{hostnames: [shop.example.com], public_certificate: shop, backend: app}}
"""
BEHIND = PINNED + "targets:\n  panos: {version: '11.2', position: behind_proxy}\n"


def told(folder: Path, part: str, *targets: str) -> list[tuple[str, str]]:
    """Rule and severity of what is found of the two pairs."""
    pairs = {*INSTEAD_OF, *INSTEAD_OF.values()}
    return [(one.rule, one.severity.value) for one in scene.look(folder, part, targets).findings if one.rule in pairs]


@pytest.mark.parametrize("rule", sorted(INSTEAD_OF))
def test_it_stands_for_a_common_rule(rule: str) -> None:
    assert pages.owners()[INSTEAD_OF[rule]] is None


@pytest.mark.parametrize("rule", sorted(INSTEAD_OF))
def test_its_fixtures_have_one_finding(tmp_path: Path, rule: str) -> None:
    for fixture in sorted((FIXTURES / rule).glob("bad*.yaml")):
        found = told(tmp_path, fixture.read_text(), str(pages.owners()[rule]))
        assert [name for name, _ in found] == [rule], fixture


def test_a_body_of_nothing(tmp_path: Path) -> None:
    assert told(tmp_path, BOTH, "nginx") == [("nginx-no-body-at-all", "error")]
    assert told(tmp_path, BOTH, "haproxy", "nginx") == [("nginx-no-body-at-all", "error")]
    assert told(tmp_path, BOTH, "haproxy") == [("limit-body-zero", "warning")]


def test_a_pin_of_another_certificate(tmp_path: Path) -> None:
    assert told(tmp_path, PINNED, "panos") == [("pin-excludes-certificate", "error")]
    assert told(tmp_path, PINNED, "haproxy") == [("pin-matches-no-certificate", "error")]
    # The proxy in front refuses what the firewall would hold.
    assert told(tmp_path, BEHIND, "panos") == [("pin-matches-no-certificate", "error")]


def test_an_accepted_finding_stands_for_none(tmp_path: Path) -> None:
    accept = "accept: [{finding: pin-excludes-certificate, target: panos, sites: [shop], reason: the server pins}]\n"
    assert told(tmp_path, PINNED + accept, "panos") == [("pin-matches-no-certificate", "error")]
