"""What only HAProxy gets wrong is told, and what it gets right is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.loopback import pki
from policyc.compiler.pipeline import examine, load
from policyc.compiler.target import installed_targets

Policy = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its CA."""
    folder = tmp_path_factory.mktemp("findings")
    ca = pki.authority("CA")
    (folder / "ca.pem").write_bytes(ca.pem)
    pki.write(folder, "all", pki.leaf(["*.example.com", "*.apps.example.com"], ca))
    return folder


def found(folder: Path, rules: list[Policy], **changes: Mapping[str, Any]) -> list[str]:
    """HAProxy's own findings on a small policy with these rules."""
    policy: Policy = {
        "version": 1,
        "public_certificates": {"all": {"cert": "all.pem", "key": "all.key"}},
        "backend_cas": {"internal": {"ca": "ca.pem"}},
        "backends": {"main": {"servers": ["192.0.2.1:443"], "tls": {"ca": "internal", "server_name": "x.example.com"}}},
        "inspection_rules": {"rules": rules},
        "sites": {
            "main": {
                "hostnames": ["www.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["rules"],
            }
        },
    }
    for part, named in changes.items():
        for name, keys in named.items():
            policy[part][name] = {**policy[part].get(name, {}), **keys}
    file = folder / "policy.yaml"
    file.write_text(json.dumps(policy))
    targets = installed_targets()
    loaded = load(str(file), targets)
    assert loaded.findings == []
    examined = examine(loaded, targets, ["haproxy"])
    return [finding.rule for finding in examined.standing if finding.rule.startswith("haproxy-")]


def when(**condition: Any) -> Policy:
    return {"when": condition, "deny": 403}


SLOW = [
    when(path={"regex": "a.*b.*c"}),
    when(path={"regex": "^/(?:x|y.*)[a-z]*[b-d]*e"}),
    when(header={"name": "X", "regex": "a.*b.*c"}),
    when(header={"name": "X", "regex": "^[a-z ]*x.*y.*z$"}),
    when(query={"name": "x", "regex": "a.*b.*c"}),
    {"unless": {"path": {"regex": "a.*b.*c"}}, "deny": 403},
]
QUICK = [
    when(path={"regex": "a.*b"}),
    when(path={"regex": "^/[0-9]+/[0-9]+/[a-z]+/[0-9]+/x$"}),
    when(path={"prefix": ["/a/b/c/d/e"]}),
    when(header={"name": "X", "regex": ["^[0-9]+[.][0-9]+[.][0-9]+$", "a|b|c.*d"]}),
    when(query={"name": "x", "regex": "^[a-z]+-[0-9]+$"}),
]


@pytest.mark.parametrize("rule", SLOW, ids=json.dumps)
def test_too_slow(folder: Path, rule: Policy) -> None:
    """Measured: 4 kB took HAProxy 4.4 s, 7 kB ended it."""
    assert found(folder, [rule]) == ["haproxy-expression-too-slow"]


@pytest.mark.parametrize("rule", QUICK, ids=json.dumps)
def test_quick(folder: Path, rule: Policy) -> None:
    assert found(folder, [rule]) == []


def test_too_many_slow_ones(folder: Path) -> None:
    rules = [when(path={"regex": f"a{number}.*b"}) for number in range(26)]
    assert found(folder, rules[1:]) == []
    assert found(folder, rules) == ["haproxy-expression-too-slow"]


def test_a_variant_of_a_list_is_not_told_again(folder: Path) -> None:
    sites = {
        "slash": {
            "hostnames": ["slash.example.com"],
            "public_certificate": "all",
            "backend": "main",
            "inspect": ["rules"],
            "paths": {"encoded_slash": True},
        }
    }
    assert found(folder, [when(path={"regex": "a.*b.*c"})], sites=sites) == ["haproxy-expression-too-slow"]


@pytest.mark.parametrize(
    ("size", "findings"), [("64KiB", []), ("65537", ["haproxy-body-without-length"]), ("0B", [])], ids=str
)
def test_bodies(folder: Path, size: str, findings: list[str]) -> None:
    assert found(folder, [{"limit_body": size if size != "65537" else 65537}]) == findings


@pytest.mark.parametrize(
    ("rate", "burst", "findings"),
    [("1/h", 100, []), ("1/h", 1000, ["haproxy-rate-too-slow"]), ("1000/s", 1_000_000, [])],
)
def test_rates(folder: Path, rate: str, burst: int, findings: list[str]) -> None:
    assert found(folder, [{"rate_limit": {"rate": rate, "burst": burst}}]) == findings


def test_checks_without_a_name(folder: Path) -> None:
    apps = {"apps": {"hostnames": ["*.apps.example.com"], "public_certificate": "all", "backend": "apps"}}
    plain = {"servers": ["192.0.2.2:443"], "tls": {"ca": "internal"}}
    assert found(folder, [], sites=apps, backends={"apps": plain}) == []
    checked = {**plain, "health": {"path": "/up"}}
    assert found(folder, [], sites=apps, backends={"apps": checked}) == ["haproxy-check-without-name"]
    named = {**checked, "tls": {"ca": "internal", "server_name": "apps.example.com"}}
    assert found(folder, [], sites=apps, backends={"apps": named}) == []
