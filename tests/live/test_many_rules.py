"""Lists of rules that are long, and no tables: all of them count."""

from __future__ import annotations

import pytest
from policyc.compiler.loopback.origin import Origin

from .asks import Ask
from .conftest import Certificates, Scene
from .edges import Edge

NUMBER = 700
"""More than one target tests in two steps."""


def scene(certificates: Certificates) -> Scene:
    """Many rules, and one rule with as many alternatives."""
    suffixes = [f".end{number}" for number in range(NUMBER)]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("many-rules", "*.example.com")},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {
            "rules": [{"when": {"path": {"suffix": text}}, "deny": 403 + n % 2} for n, text in enumerate(suffixes)],
            "paths": [{"when": {"path": {"suffix": suffixes}}, "deny": 410}],
        },
        "sites": {
            name: {
                "hostnames": [f"{name}.example.com"],
                "public_certificate": "all",
                "backend": "main",
                "inspect": [name],
            }
            for name in ("rules", "paths")
        },
    }
    return Scene(policy, {"main": [Origin("main")]})


@pytest.mark.parametrize("number", [0, 23, 24, 575, 576, 577, NUMBER - 1])
def test_each_rule_counts(edge: Edge, number: int) -> None:
    outcome = Ask(f"/x.end{number}", host="rules.example.com").of(edge, "h1")
    assert (outcome.status, outcome.arrived) == (403 + number % 2, ())


def test_what_no_rule_is_about_passes(edge: Edge) -> None:
    assert Ask(f"/x.end{NUMBER}", host="rules.example.com").of(edge, "h1").status == 200


@pytest.mark.parametrize("number", [0, NUMBER // 2, NUMBER - 1])
def test_each_alternative_counts(edge: Edge, number: int) -> None:
    outcome = Ask(f"/x.end{number}", host="paths.example.com").of(edge, "h1")
    assert (outcome.status, outcome.arrived) == (410, ())
