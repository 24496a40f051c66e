"""Policies for the firewall alone, compiled in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policyc.backends.panos import TARGET
from policyc.backends.panos.support import Settings
from policyc.compiler.bundle import Bundle
from policyc.compiler.diagnostics import Diagnostic
from policyc.compiler.loopback.pki import Issued, authority, leaf, write
from policyc.compiler.pipeline import Loaded, compile_for, examine, load, settings_for
from policyc.compiler.plan import Plan

TARGETS: Any = {"panos": TARGET}


@dataclass(frozen=True)
class Compiled:
    """What came of a policy."""

    loaded: Loaded
    findings: list[Diagnostic]

    @property
    def plan(self) -> Plan:
        assert self.loaded.plan is not None, self.findings
        return self.loaded.plan

    @property
    def settings(self) -> Settings:
        settings = settings_for(self.loaded, TARGETS["panos"])
        assert isinstance(settings, Settings)
        return settings

    def of(self, rule: str) -> list[Diagnostic]:
        """The findings of one rule."""
        return [finding for finding in self.findings if finding.rule == rule]

    def errors(self) -> set[str]:
        """The rules of all errors."""
        return {finding.rule for finding in self.findings if finding.severity.value == "error"}

    def bundle(self) -> Bundle:
        """The files, built even if there are errors."""
        return compile_for(self.loaded, TARGETS["panos"])


def compiled(folder: Path, policy: dict[str, Any]) -> Compiled:
    """A policy given as values, read from a file in `folder`, where its certificates are."""
    path = folder / "policy.yaml"
    path.write_text(json.dumps(policy, indent=1))
    loaded = load(str(path), TARGETS)
    return Compiled(loaded, examine(loaded, TARGETS, ["panos"]).standing)


def certificates(files: Iterable[str]) -> list[str]:
    """The names of the certificates that a bundle imports."""
    return [Path(path).stem for path in files if path.startswith("certs/")]


class Lab:
    """A folder with a public and an internal CA, and a certificate for each name asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = authority("Public CA")
        self.internal = authority("Internal CA")
        (folder / "public-ca.pem").write_bytes(self.public.pem)
        (folder / "internal-ca.pem").write_bytes(self.internal.pem)

    def put(self, name: str, issued: Issued) -> None:
        """``NAME.pem`` and ``NAME.key``."""
        write(self.folder, name, issued)

    def seen(self, name: str, *hosts: str) -> None:
        """A certificate that visitors are shown."""
        self.put(name, leaf(hosts or (f"{name}.example.com",), self.public))

    def inner(self, name: str) -> None:
        """A server's own certificate."""
        self.put(name, leaf([f"{name}.internal"], self.internal, common_name=f"{name}.internal"))


def key_pair(name: str) -> dict[str, str]:
    """An entry of ``public_certificates``."""
    return {"cert": f"{name}.pem", "key": f"{name}.key"}


def backend(server: str | Sequence[str], certificate: str | None, ca: str = "public", **more: Any) -> dict[str, Any]:
    """A backend that presents `certificate`."""
    tls = {"ca": ca, "server_name": f"{certificate}.example.com", **more}
    if certificate is not None:
        tls["certificate"] = f"{certificate}.pem"
    return {"servers": [server] if isinstance(server, str) else list(server), "tls": tls}


def policy(**parts: Any) -> dict[str, Any]:
    """A policy with the laboratory's two CAs; `parts` are its other keys."""
    return {
        "version": 1,
        "name": "lab",
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "backend_cas": {"public": {"ca": "public-ca.pem"}, "internal": {"ca": "internal-ca.pem"}},
        **parts,
    }


def edge(**panos: Any) -> dict[str, Any]:
    """One site on a server that has the public certificate itself."""
    return policy(
        public_certificates={"shop": key_pair("shop")},
        backends={"shop": backend("192.0.2.10:443", "shop")},
        sites={"shop": {"hostnames": ["shop.example.com"], "public_certificate": "shop", "backend": "shop"}},
        targets={"panos": panos},
    )


def behind(**panos: Any) -> dict[str, Any]:
    """One site, the firewall between a proxy and the server, which has a certificate of its own."""
    return policy(
        public_certificates={"shop": key_pair("shop")},
        backends={"shop": backend("192.0.2.10:8443", "app", "internal", server_name="app.internal")},
        sites={"shop": {"hostnames": ["shop.example.com"], "public_certificate": "shop", "backend": "shop"}},
        targets={"panos": {"position": "behind_proxy", "proxies": ["192.0.2.5"], **panos}},
    )


def rich(position: str, version: str = "11.2", location: dict[str, str] | None = None) -> dict[str, Any]:
    """A policy with something of everything that is written for a position."""
    panos: dict[str, Any] = {
        "version": version,
        "position": position,
        "location": location or {"vsys": "vsys1"},
        "zones": {"from": ["untrust", "guest net"], "to": ["dmz"], "public": "untrust"},
        "profile_groups": {"strict": "Inbound Strict"},
        "log_setting": "forward all",
    }
    rules: list[dict[str, Any]] = [{"when": {"source": ["198.51.100.0/24"]}, "deny": 403}]
    if position == "edge":
        rules += [
            {
                "when": {"path": {"prefix": ["/admin", "/x.y/"]}},
                "unless": {"source": ["10.0.0.0/8", "2001:db8::/32"]},
                "deny": 403,
            },
            {"when": {"host": ["www.shop.example.com"]}, "deny": 404},
        ]
    else:
        panos["proxies"] = ["192.0.2.5", "10.1.0.0/24", "2001:db8::/64"]
        rules.append({"when": {"path": {"regex": "^/x"}, "method": ["POST"]}, "deny": 403})
    inner = position == "behind_proxy"
    # NAT chooses by address: what is reached at one address has the same servers.
    shared = ["192.0.2.10:8443", "192.0.2.11:8443", "[2001:db8:1::1]:443"]
    return policy(
        listeners={
            "public": {"bind": ["0.0.0.0:443", "[::]:443"]},
            "internal": {"bind": ["0.0.0.0:8443"], "tls": {"profile": "modern"}},
        },
        public_certificates={"shop": key_pair("shop"), "apps": key_pair("apps")},
        backends={
            "shop": backend("192.0.2.10:443", "app", "internal") if inner else backend(shared, "shop"),
            "apps": backend("192.0.2.11:443" if inner else shared, "apps"),
            "legacy": {"servers": ["192.0.2.30:443"] if inner else shared},
            **({"plain": {"servers": ["192.0.2.12:8080"], "tls": False}} if inner else {}),
        },
        inspection_rules={"web": rules},
        sites={
            "shop.one": {
                "hostnames": ["shop.example.com", "www.shop.example.com"],
                "public_certificate": "shop",
                "backend": "shop",
                "inspect": ["web"],
                "public_addresses": ["203.0.113.1", "2001:db8:1::1"],
                "scan": "strict",
            },
            "apps": {
                "hostnames": ["*.apps.example.com"],
                "public_certificate": "apps",
                "backend": "apps",
                "inspect": ["web"],
                "public_addresses": ["203.0.113.1"],
                "listeners": ["public"],
            },
            "legacy": {
                "hostnames": ["legacy.example.com"],
                "decrypt": False,
                "backend": "legacy",
                "public_addresses": ["203.0.113.1", "203.0.113.9"],
            },
            **(
                {"plain": {"hostnames": ["plain.example.com"], "public_certificate": "shop", "backend": "plain"}}
                if inner
                else {}
            ),
        },
        targets={"panos": panos},
    )


def rich_lab(folder: Path) -> Lab:
    """The certificates of `rich`, `edge` and `behind`."""
    lab = Lab(folder)
    lab.seen("shop", "shop.example.com", "www.shop.example.com", "plain.example.com")
    lab.seen("apps", "*.apps.example.com")
    lab.inner("app")
    return lab
