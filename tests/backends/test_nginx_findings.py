"""What only nginx gets wrong is told, where it is, and only then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from policyc.backends.nginx.rates import said
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.loopback import pki
from policyc.compiler.pipeline import compile_for, examine, load
from policyc.compiler.plan import RateLimit
from policyc.compiler.target import installed_targets

TARGET = installed_targets()["nginx"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A public certificate, and a CA with its revocation list."""
    folder = tmp_path_factory.mktemp("findings")
    ca = pki.authority("CA")
    pki.write(folder, "www", pki.leaf(["www.example.com"], ca))
    (folder / "ca.pem").write_bytes(ca.pem)
    (folder / "ca.crl").write_bytes(pki.revocation_list(ca))
    return folder


def policy(*rules: dict[str, Any], version: str = "1.22", **site: Any) -> dict[str, Any]:
    shown = {"hostnames": ["www.example.com"], "public_certificate": "www", "backend": "main", "inspect": ["rules"]}
    return {
        "version": 1,
        "public_certificates": {"www": {"cert": "www.pem", "key": "www.key"}},
        "backends": {"main": {"servers": ["192.0.2.1:80"], "tls": False}},
        "inspection_rules": {"rules": list(rules)},
        "sites": {"main": {**shown, **site}},
        "targets": {"nginx": {"version": version}},
    }


def findings(folder: Path, values: dict[str, Any]) -> list[Diagnostic]:
    """The findings that are nginx's own."""
    path = folder / "policy.yaml"
    path.write_text(json.dumps(values))
    loaded = load(str(path), {"nginx": TARGET})
    assert loaded.plan is not None, loaded.findings
    found = examine(loaded, {"nginx": TARGET}, ["nginx"]).standing
    if not any(one.severity is Severity.ERROR for one in found):
        compile_for(loaded, TARGET)
    return [one for one in found if one.rule.startswith("nginx-")]


def edits(which: str, **of: Any) -> dict[str, Any]:
    return {"when": {"path": {"prefix": "/x"}}, f"{which}_headers": of}


def rate(text: str) -> dict[str, Any]:
    return {"rate_limit": {"rate": text}}


LONG = "/" + "a" * 4000
AT = ("inspection_rules", "rules", 0)
TOLD = {
    "server removed": (policy(edits("response", remove=["Server"])), "nginx-server-header", "error"),
    "server set": (policy(edits("response", set={"server": "x"})), "nginx-server-header", "error"),
    "etag added": (policy(edits("response", add={"ETag": '"x"'})), "nginx-single-header-added", "error"),
    "line added": (policy(edits("request", add={"X-A": "1"})), "nginx-line-added-to-several", "error"),
    "rate an hour": (policy(rate("100/h")), "nginx-rate-rounded", "error"),
    "rate of one a minute": (policy(rate("1/min")), "nginx-rate-rounded", "warning"),
    "rate of 100 a minute": (policy(rate("100/min")), "nginx-rate-rounded", "info"),
    "rate below one a minute": (policy(rate("10/h")), "nginx-rate-too-low", "error"),
    "no body": (policy({"limit_body": 0}), "nginx-no-body-at-all", "error"),
    "long path": (policy({"when": {"path": {"exact": LONG}}, "deny": 403}), "nginx-expression-too-long", "error"),
    "long query": (
        policy({"when": {"query": {"name": "q", "exact": "a" * 1500}}, "deny": 403}),
        "nginx-expression-too-long",
        "error",
    ),
    "long redirect": (policy({"redirect": {"to": LONG}}), "nginx-text-too-long", "error"),
    "long value": (policy(edits("response", set={"X-A": "$" * 300})), "nginx-text-too-long", "error"),
    "long label": (policy({"log": LONG}), "nginx-text-too-long", "error"),
    "many steps": (
        policy(
            {
                "when": {"header": [{"name": f"X-{number}", "present": True} for number in range(70)]},
                "deny": 403,
            },
            version="1.24",
        ),
        "nginx-rule-too-long",
        "error",
    ),
    "trace": (policy(methods=["TRACE"]), "nginx-method", "error"),
    "lower case": (policy(methods=["propfind"]), "nginx-method", "error"),
    "digit": (policy(methods=["X2"]), "nginx-method", "error"),
    "websocket": (policy(websocket=True), "nginx-first-upgrade-line", "info"),
    "many ways": (
        policy(
            *(
                {"when": {"path": {"prefix": f"/{number}"}}, "response_headers": {"remove": [f"X-{number}"]}}
                for number in range(10)
            )
        ),
        "nginx-too-many-locations",
        "error",
    ),
}


@pytest.mark.parametrize("name", TOLD)
def test_told(folder: Path, name: str) -> None:
    values, rule, severity = TOLD[name]
    (found,) = findings(folder, values)
    assert (found.rule, found.severity.value, found.target) == (rule, severity, "nginx")
    assert found.help
    assert found.primary.path[:2] in (("inspection_rules", "rules"), ("sites", "main"))


NOT_TOLD = {
    "server added": policy(edits("response", add={"Server": "x"})),
    "etag set": policy(edits("response", set={"ETag": '"x"'})),
    "line added, the visitor's removed": policy(edits("request", add={"X-A": "1"}, remove=["x-a"])),
    "line added to what 1.23 sees whole": policy(edits("request", add={"X-A": "1"}), version="1.23"),
    "exact rates": policy(rate("1/s"), rate("5/s"), rate("60/min"), rate("6/min"), rate("90/min"), rate("3600/h")),
    "websocket on 1.23": policy(websocket=True, version="1.23.0"),
    "dashes": policy(methods=["VERSION-CONTROL", "M-SEARCH"]),
    "nine switches": policy(
        *(
            {"when": {"path": {"prefix": f"/{number}"}}, "response_headers": {"remove": [f"X-{number}"]}}
            for number in range(9)
        )
    ),
    "the same headers under many conditions": policy(
        *(
            {"when": {"path": {"prefix": f"/{number}"}}, "response_headers": {"set": {"X-A": str(number)}}}
            for number in range(40)
        )
    ),
    "edits of what is refused": policy(
        *(
            {"when": {"path": {"prefix": f"/{number}"}}, "deny": 403, "response_headers": {"set": {f"X-{number}": "1"}}}
            for number in range(40)
        )
    ),
}


@pytest.mark.parametrize("name", NOT_TOLD)
def test_not_told(folder: Path, name: str) -> None:
    assert findings(folder, NOT_TOLD[name]) == []


def test_a_chain_with_revocation_lists(folder: Path) -> None:
    values = policy()
    values["backend_cas"] = {"ca": {"ca": "ca.pem", "crl": "ca.crl"}}
    tls = {"ca": "ca", "verify": "chain", "server_name": "www.example.com"}
    values["backends"]["main"] = {"servers": ["192.0.2.1:443"], "tls": tls}
    assert [one.rule for one in findings(folder, values)] == ["nginx-chain-with-crl"]
    values["backends"]["main"]["tls"]["verify"] = "full"
    assert findings(folder, values) == []


@pytest.mark.parametrize("count", [1, 2, 5, 7, 59, 60, 61, 100, 999, 100_000])
@pytest.mark.parametrize("period", [1_000, 60_000, 3_600_000])
def test_a_rate_is_never_higher_than_meant(count: int, period: int) -> None:
    written = said(RateLimit(count, period, 0))
    assert written.share <= 1
    if written.text:
        number, unit = written.text.split("r/")
        # As nginx counts: thousandths of a request a second, cut off.
        counted = int(number) * 1000 // {"s": 1, "m": 60}[unit]
        assert counted * period <= count * 1_000_000
        assert counted > 0
