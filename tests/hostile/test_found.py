"""What generated policies have found, as small policies."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from policyc.compiler.native_check import native_check
from policyc.compiler.target import installed_targets

from ..live.edges import STREAM_MODULE
from .files import Files
from .running import Examined, examined

TARGETS = installed_targets()
_SETTINGS: dict[str, Any] = {"nginx": {"stream_module": STREAM_MODULE}}


def tried(files: Files, target: str, **parts: Any) -> Examined:
    """A policy with these parts, for a target."""
    policy = {
        "version": 1,
        "public_certificates": {"c": dict(files.pairs[0])},
        "backends": {"b": {"servers": ["192.0.2.1:443"], "tls": False}},
        "sites": {"s": {"hostnames": ["a.example.com"], "public_certificate": "c", "backend": "b", "inspect": ["l"]}},
        "inspection_rules": {"l": [{"when": {"path": {"prefix": "/a"}}, "deny": 403}]},
        "targets": {target: _SETTINGS.get(target, {})},
        **parts,
    }
    return examined(files.folder / "policy.yaml", json.dumps(policy).encode(), target, TARGETS)


def taken(one: Examined, proxy_program: Callable[[str], str], target: str) -> None:
    """It is built, and the target's own parser takes it."""
    proxy_program(target)
    assert one.bundle, one.errors
    result = native_check(one.bundle)
    assert result.accepted, result.said


def refused(one: Examined, rule: str, words: str) -> None:
    """It is not built, and this is why."""
    assert any(error.rule == rule and words in error.message for error in one.errors), one.errors


PROXIES = [target for target in TARGETS if target != "panos"]


@pytest.mark.parametrize("target", PROXIES)
def test_no_site(target: str, files: Files, proxy_program: Callable[[str], str]) -> None:
    """nginx did not know a variable that only sites set."""
    taken(tried(files, target, sites={}), proxy_program, target)


@pytest.mark.parametrize("target", PROXIES)
def test_a_listener_without_a_site(target: str, files: Files, proxy_program: Callable[[str], str]) -> None:
    """Envoy takes no listener without a chain."""
    listeners = {"used": {"bind": ["127.0.0.1:58443"]}, "unused": {"bind": ["127.0.0.1:58444"]}}
    site = {"hostnames": ["a.example.com"], "public_certificate": "c", "backend": "b", "listeners": ["used"]}
    taken(tried(files, target, listeners=listeners, sites={"s": site}), proxy_program, target)


@pytest.mark.parametrize("target", TARGETS)
def test_host_of_an_answer(target: str, files: Files) -> None:
    """Envoy refuses to start with it."""
    for edits in ({"set": {"Host": "x"}}, {"add": {"host": "x"}}, {"remove": ["HOST"]}):
        rules = {"l": [{"response_headers": edits}]}
        refused(tried(files, target, inspection_rules=rules), "header-not-editable", "of requests, not of answers")


@pytest.mark.parametrize("target", PROXIES)
def test_the_longest_duration(target: str, files: Files, proxy_program: Callable[[str], str]) -> None:
    """HAProxy counts milliseconds in 31 bits, and Envoy's durations end, too."""
    for key in ("connect", "response", "idle"):
        backend = {"servers": ["192.0.2.1:443"], "tls": False, "timeouts": {key: "577h"}}
        refused(tried(files, target, backends={"b": backend}), "invalid-value", "576h is the most")
    longest = dict.fromkeys(("connect", "response", "idle"), "576h")
    backend = {"servers": ["192.0.2.1:443"], "tls": False, "timeouts": longest}
    taken(tried(files, target, backends={"b": backend}), proxy_program, target)


@pytest.mark.parametrize("target", PROXIES)
def test_the_largest_size(target: str, files: Files, proxy_program: Callable[[str], str]) -> None:
    """nginx counts in 63 bits."""
    for size in ("999999999999GB", (1 << 40) + 1):
        rules = {"l": [{"limit_body": size}]}
        refused(tried(files, target, inspection_rules=rules), "invalid-value", "1024GiB` is the most")
    if target == "nginx":  # the others hold a body in memory, and have findings of their own
        taken(tried(files, target, inspection_rules={"l": [{"limit_body": "1024GiB"}]}), proxy_program, target)


def test_trusted_proxies_of_a_listener_without_a_site(files: Files, proxy_program: Callable[[str], str]) -> None:
    """nginx did not know a variable that only sites set."""
    unused = {"bind": ["127.0.0.1:58444"], "trusted_proxies": ["10.0.0.0/8"]}
    listeners = {"used": {"bind": ["127.0.0.1:58443"]}, "unused": unused}
    site = {"hostnames": ["a.example.com"], "public_certificate": "c", "backend": "b", "listeners": ["used"]}
    taken(tried(files, "nginx", listeners=listeners, sites={"s": site}), proxy_program, "nginx")


def test_backup_servers_with_a_hash_of_the_source(files: Files) -> None:
    """nginx refuses to start."""
    servers = ["192.0.2.1:443", {"address": "192.0.2.2:443", "backup": True}]
    backend = {"servers": servers, "tls": False, "balance": "source_hash"}
    refused(tried(files, "nginx", backends={"b": backend}), "nginx-backup-with-source-hash", "no backup servers")


def test_a_site_that_is_reached_nowhere(files: Files) -> None:
    """PAN-OS's lint looked for its address."""
    site = {"hostnames": ["a.example.com"], "public_certificate": "c", "backend": "b", "inspect": ["l"]}
    one = tried(files, "panos", sites={"s": {**site, "listeners": ["absent"]}})
    refused(one, "unknown-name", "absent")
