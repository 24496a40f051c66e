"""Settings that need decryption, where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import GOOD, Ran

LEGACY = "sites:\n  legacy: {hostnames: [legacy.example.com], decrypt: false, backend: BACKEND}\n"
RULE = "setting-without-decryption"


@pytest.fixture
def told(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> Callable[[str], list[str]]:
    """Places of the findings, for a policy with another site and one more backend."""

    def lint(text: str) -> list[str]:
        ran = policyc("lint", write_policy(text), "--format", "json")
        found = [one for one in json.loads(ran.out)["findings"] if one["rule"] == RULE]
        assert {one["severity"] for one in found} <= {"warning"}
        return [".".join(one["primary"]["path"]) for one in found]

    return lint


def with_backend(keys: str, backend: str = "legacy") -> str:
    text = GOOD.replace("sites:\n", LEGACY.replace("BACKEND", backend))
    return text.replace("backends:\n", f'backends:\n  legacy: {{servers: ["192.0.2.30:443"], {keys}}}\n')


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", []),
        ("balance: source_hash, timeouts: {connect: 1s, idle: 2s}", []),
        ("tls: {ca: pki}", ["tls"]),
        ("tls: false", ["tls"]),
        ("protocol: h2", ["protocol"]),
        ("host_header: legacy.internal", ["host_header"]),
        ("timeouts: {response: 1s}", ["timeouts.response"]),
        ("health: {path: /up, interval: 1s, rise: 1}", ["health.path"]),
        ("health: {path: /up, expect: [204]}", ["health.path", "health.expect"]),
    ],
)
def test_each_setting_is_told(told: Callable[[str], list[str]], keys: str, expected: list[str]) -> None:
    assert told(with_backend(keys)) == [f"backends.legacy.{one}" for one in expected]


def test_a_backend_that_a_decrypted_site_reaches_too_is_not(told: Callable[[str], list[str]]) -> None:
    assert told(with_backend("", backend="app")) == []
    routed = with_backend("tls: false").replace(
        "    inspect: [web]\n", "    inspect: [web]\n    routes: [{path: {prefix: /old}, backend: legacy}]\n"
    )
    assert told(routed) == []
    assert told(routed.replace("    routes:", "    #")) == ["backends.legacy.tls"]
