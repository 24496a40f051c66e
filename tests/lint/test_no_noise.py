"""Nothing is found that is not there: in the examples, and in a policy of 200 sites but for its ten mistakes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from policyc.compiler.lint import lint_rules, stage_rules
from policyc.compiler.pipeline import examine, load
from policyc.compiler.target import installed_targets

from ..backends.conftest import POLICIES, examples  # pyright: ignore[reportUnusedImport]  # noqa: F401  # a fixture
from ..backends.conftest import TODAY as MADE
from . import certificates, scene


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_is_found_in_the_examples(request: pytest.FixtureRequest, policy: str) -> None:
    folder: Path = request.getfixturevalue("examples")
    targets = installed_targets()
    loaded = load(str(folder / policy), targets)
    common = {rule.id for rule in (*stage_rules(), *lint_rules())}
    found = examine(loaded, targets, list(loaded.settings), MADE).standing
    assert [finding for finding in found if finding.rule in common] == []


SITES = 200


def large() -> dict[str, Any]:
    """A policy as large edges have them: shared lists, wildcards, routes, mTLS, sites that are passed through."""
    backends: dict[str, Any] = {
        f"app-{number}": {
            "servers": [f"10.{number // 100}.{number % 100}.{index}:8443" for index in range(1, 2 + number % 3)],
            "tls": {"ca": "internal", "server_name": f"app-{number}.example.internal"},
            **({"health": {"path": "/healthz", "interval": "5s"}} if number % 2 else {}),
            **({"timeouts": {"connect": "2s", "response": "30s"}} if number % 5 == 0 else {}),
        }
        for number in range(SITES)
    }
    backends["api"] = {"servers": ["10.9.9.9:8443"], "tls": {"ca": "internal", "server_name": "api.example.internal"}}
    inside = {"source": ["10.0.0.0/8", "2001:db8::/32"]}
    lists: dict[str, Any] = {
        "hygiene": [
            {"when": {"path": {"suffix": [".bak", ".sql", "~"], "ignore_case": True}}, "deny": 404},
            {"when": {"path": {"regex": "/[.][a-z]"}}, "unless": {"path": {"prefix": "/.well-known"}}, "deny": 404},
            {"response_headers": {"remove": ["Server"], "set": {"Strict-Transport-Security": "max-age=63072000"}}},
        ],
        "admin": [
            {"when": {"path": {"exact": "/admin/status"}, "method": ["GET", "HEAD"]}, "allow": True},
            {"when": {"path": {"prefix": ["/admin", "/manage"]}}, "unless": inside, "deny": 403},
            {"when": {"path": {"prefix": "/admin"}, "method": ["DELETE"]}, "deny": 405},
            {"when": {"path": {"prefix": "/login"}, "method": ["POST"]}, "rate_limit": {"rate": "5/s", "burst": 10}},
        ],
        "uploads": [
            {"unless": {"path": {"prefix": "/upload"}}, "limit_body": "1MiB"},
            {"when": {"path": {"prefix": "/upload"}}, "limit_body": "100MiB"},
        ],
        "moved": [
            {"when": {"path": {"prefix": "/old"}}, "redirect": {"to": "/new"}},
            {"when": {"path": {"exact": "/"}}, "unless": {"header": {"name": "Cookie", "present": True}},
             "redirect": {"to": "/welcome", "status": 302}},
        ],
        **{
            f"own-{number}": [
                {"when": {"path": {"prefix": f"/team-{number}"}}, "unless": inside, "deny": 403},
                {"when": {"path": {"prefix": f"/team-{number}/{step}"}, "method": ["PUT", "PATCH"]}, "deny": 405},
            ]
            for number, step in ((number, number % 7) for number in range(0, SITES, 4) if number % 25 != 24)
        },
    }  # fmt: skip
    sites: dict[str, Any] = {}
    for number in range(SITES):
        name = f"site-{number}.example.com"
        if number % 25 == 24:
            sites[f"site-{number}"] = {"hostnames": [name], "decrypt": False, "backend": f"app-{number}"}
            for key in ("tls", "health", "timeouts"):
                backends[f"app-{number}"].pop(key, None)
            continue
        sites[f"site-{number}"] = {
            "hostnames": [name],
            "public_certificate": f"site-{number}",
            "backend": f"app-{number}",
            "inspect": [
                "hygiene",
                "admin",
                *(["uploads"] if number % 3 else []),
                *(["moved"] if number % 6 == 0 else []),
                *([f"own-{number}"] if number % 4 == 0 else []),
            ],
            **({"routes": [{"path": {"prefix": "/api"}, "backend": "api"}]} if number % 10 == 1 else {}),
            **({"client_auth": {"ca": "partners"}} if number % 20 == 2 else {}),
            **({"methods": ["PROPFIND"]} if number % 30 == 3 else {}),
        }  # fmt: skip
    return {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443", "[::]:443"], "redirect_http": ["0.0.0.0:80"]}},
        "public_certificates": {
            name: {"cert": f"certs/{name}.pem", "key": f"certs/{name}.key"}
            for name, site in sites.items()
            if "public_certificate" in site
        },
        "backend_cas": {"internal": {"ca": "certs/internal-ca.pem"}, "partners": {"ca": "certs/partner-ca.pem"}},
        "backends": backends,
        "inspection_rules": lists,
        "sites": sites,
        "targets": {"haproxy": {"version": "2.6"}},
    }


def _rule(policy: dict[str, Any], number: int, rule: dict[str, Any], at: int = 0) -> None:
    policy["inspection_rules"][f"own-{number}"].insert(at, rule)


MISTAKES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("certificate-does-not-cover-hostname", lambda p: p["sites"]["site-7"]["hostnames"].append("site-7.example.org")),
    ("certificate-expires-soon", lambda p: p["public_certificates"].update(
        {"site-11": {"cert": "certs/site-11-soon.pem", "key": "certs/site-11-soon.key"}})),
    ("backend-name-not-verified", lambda p: p["backends"].update(
        {"app-21": {"servers": ["10.0.21.1:8443"], "tls": {"ca": "internal", "verify": "chain"}}})),
    ("duplicate-server", lambda p: p["backends"]["app-32"]["servers"].append("10.0.32.1:8443")),
    ("unreachable-rule", lambda p: _rule(p, 40, {"when": {"path": {"prefix": "/admin"}, "source": ["192.0.2.0/24"]},
                                               "deny": 404}, 2)),
    ("contradictory-rule", lambda p: _rule(p, 52, {"when": {"path": {"exact": "/team-52/x"}},
                                                 "unless": {"path": {"prefix": "/team-52"}}, "deny": 403})),
    ("redirect-loop", lambda p: _rule(p, 60, {"when": {"path": {"prefix": "/shop"}}, "redirect": {"to": "/shop/en"}})),
    ("host-of-no-site", lambda p: _rule(p, 72, {"when": {"host": ["site-73.example.com"]}, "deny": 403})),
    ("glob-in-literal", lambda p: _rule(p, 80, {"when": {"path": {"prefix": "/internal/*"}}, "deny": 403})),
    ("unused-definition", lambda p: p["backends"].update({"left-over": {"servers": ["10.9.9.8:80"], "tls": False}})),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates of all sites."""
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        for number in range(SITES):
            name = f"site-{number}"
            issued = certificates.Certificate(f"{name}.example.com", (f"{name}.example.com",), "public-ca")
            patch.setitem(certificates.CERTIFICATES, name, issued)
            certificates.write(folder, f"certs/{name}.pem")
            certificates.write(folder, f"certs/{name}.key")
        soon = certificates.Certificate("soon", ("site-11.example.com",), "public-ca", ends=12)
        patch.setitem(certificates.CERTIFICATES, "site-11-soon", soon)
        certificates.write(folder, "certs/site-11-soon.pem")
        certificates.write(folder, "certs/site-11-soon.key")
    return folder


def found_in(folder: Path, policy: dict[str, Any]) -> list[str]:
    """The rules of all findings, as often as they are found."""
    seen = scene.look(folder, yaml.safe_dump(policy, sort_keys=False), complete=True)
    return sorted(finding.rule for finding in seen.findings)


def test_nothing_is_found_in_a_large_policy(folder: Path) -> None:
    assert found_in(folder, large()) == []


def test_ten_mistakes_are_ten_findings(folder: Path) -> None:
    policy = large()
    for _, plant in MISTAKES:
        plant(policy)
    assert Counter(found_in(folder, policy)) == Counter(rule for rule, _ in MISTAKES)


def test_lint_of_a_long_list_does_not_grow_beyond_reason(tmp_path: Path) -> None:
    """A thousand rules that all differ, and one that is out of reach: comparing them must not take their square."""
    rules = [
        f"    - {{when: {{path: {{prefix: /p{number}}}, method: [POST]}}, "
        f"unless: {{source: [10.{number % 256}.0.0/16]}}, deny: 403}}\n"
        for number in range(1000)
    ]
    rules.insert(600, "    - {when: {path: {exact: /p599/x}, method: [POST], source: [10.7.0.0/16]}, deny: 404}\n")
    start = time.process_time()
    seen = scene.look(tmp_path, "inspection_rules:\n  web:\n" + "".join(rules))
    assert seen.lines() == [(603, "unreachable-rule")]
    assert time.process_time() - start < 10
