"""What many sites share is written once, and a site that comes or changes leaves the lines of others as they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from policyc.backends.nginx.naming import MANY_UPSTREAMS, upstream_names
from policyc.compiler.diagnostics import Severity
from policyc.compiler.loopback import pki
from policyc.compiler.pipeline import compile_for, examine, load
from policyc.compiler.plan import Plan
from policyc.compiler.target import installed_targets

TARGET = installed_targets()["nginx"]
SIZES = re.compile(r" *(server_names|map|variables)_hash_(max|bucket)_size ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two public certificates, and a CA."""
    folder = tmp_path_factory.mktemp("sharing")
    ca = pki.authority("CA")
    for name in ("one", "two"):
        pki.write(folder, name, pki.leaf(["*.example.com"], ca))
    (folder / "ca.pem").write_bytes(ca.pem)
    return folder


def policy(names: list[str], rules: dict[str, Any] | None = None, **of: Any) -> dict[str, Any]:
    """A site and a backend for each name; `of`: what a site has besides."""
    return {
        "version": 1,
        "public_certificates": {name: {"cert": f"{name}.pem", "key": f"{name}.key"} for name in ("one", "two")},
        "backend_cas": {"internal": {"ca": "ca.pem"}},
        "backends": {
            name: {"servers": ["192.0.2.1:443"], "tls": {"ca": "internal", "server_name": f"{name}.internal"}}
            for name in names
        },
        "inspection_rules": rules or {"usual": [{"when": {"path": {"prefix": "/admin"}}, "deny": 403}]},
        "sites": {
            name: {
                "hostnames": [f"{name}.example.com"],
                "public_certificate": "one",
                "backend": name,
                "inspect": ["usual"],
                **of.get(name, {}),
            }
            for name in names
        },
    }


def plan_and_text(folder: Path, values: dict[str, Any]) -> tuple[Plan, str]:
    path = folder / "policy.yaml"
    path.write_text(json.dumps(values))
    loaded = load(str(path), {"nginx": TARGET})
    assert loaded.plan is not None, loaded.findings
    errors = [one for one in examine(loaded, {"nginx": TARGET}, ["nginx"]).standing if one.severity is Severity.ERROR]
    assert errors == []
    return loaded.plan, compile_for(loaded, TARGET).files["nginx.conf"].decode()


def lost(before: str, after: str) -> list[str]:
    """The lines that are not there any more, but for nginx's own sizes."""
    gone = Counter(before.splitlines()) - Counter(after.splitlines())
    return [line for line in gone if not SIZES.match(line)]


NAMES = [f"s{number}" for number in range(12)]


def test_sites_that_are_alike_share_a_server_and_a_location(folder: Path) -> None:
    _, text = plan_and_text(folder, policy(NAMES))
    assert text.count("ssl_certificate ") == text.count("location /") == 1
    assert text.count("\n    upstream ") == len(NAMES)


def test_what_is_unlike_has_another_server(folder: Path) -> None:
    other: dict[str, Any] = {
        "s1": {"public_certificate": "two"},
        "s2": {"methods": ["PROPFIND"]},
        "s3": {"inspect": []},
    }
    _, text = plan_and_text(folder, policy(NAMES, **other))
    assert text.count("ssl_certificate ") == 4
    assert text.count('ssl_certificate "certs/one.pem"') == 3


@pytest.mark.parametrize("place", [0, 6, 12])
def test_a_new_site_leaves_the_others_lines(folder: Path, place: int) -> None:
    _, before = plan_and_text(folder, policy(NAMES))
    _, after = plan_and_text(folder, policy([*NAMES[:place], "new", *NAMES[place:]]))
    assert lost(before, after) == []


def test_a_new_list_leaves_the_others_lines(folder: Path) -> None:
    usual: dict[str, Any] = {
        "usual": [
            {"when": {"path": {"prefix": "/admin"}}, "deny": 403},
            {"when": {"path": {"prefix": "/x"}}, "rate_limit": {"rate": "5/s"}},
        ]
    }
    new: dict[str, Any] = {"first": [{"when": {"path": {"prefix": "/a"}}, "deny": 404}], **usual}
    _, before = plan_and_text(folder, policy(NAMES, usual))
    _, after = plan_and_text(folder, policy(["new", *NAMES], new, new={"inspect": ["first", "usual"]}))
    assert lost(before, after) == []


def test_a_changed_site_changes_its_own_lines(folder: Path) -> None:
    _, before = plan_and_text(folder, policy(NAMES))
    changed = policy(NAMES)
    changed["backends"]["s5"]["tls"]["server_name"] = "else.internal"
    _, after = plan_and_text(folder, changed)
    assert lost(before, after) == ['        "backend_s5" "s5.internal";']


def test_names_of_many_upstreams_begin_unlike(folder: Path) -> None:
    """nginx compares them one by one, to the first letter that differs."""
    names = [f"tenant-{number:04}" for number in range(MANY_UPSTREAMS + 1)]
    plan, text = plan_and_text(folder, policy(names))
    many = upstream_names(plan.upstreams, "backend")
    assert len(set(many.values())) == len(names)
    assert len({name[:2] for name in many.values()}) > 100
    assert all(f"upstream {name} {{" in text for name in many.values())
    few = upstream_names(plan.upstreams[:MANY_UPSTREAMS], "backend")
    assert few["tenant-0000"] == "backend_tenant_0000"


def test_one_rule_may_have_very_many_paths(folder: Path) -> None:
    rules: dict[str, Any] = {
        "usual": [{"when": {"path": {"prefix": [f"/{'x' * 40}{n}" for n in range(5000)]}}, "deny": 403}]
    }
    _, text = plan_and_text(folder, policy(["s0"], rules))
    assert text.count("\n    map ") < 40
