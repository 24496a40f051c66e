"""``policyc trace``: the walk of one request, with the policy's lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import GOOD, Ran

Policyc = Callable[..., Ran]
Write = Callable[[str], Path]
SHOP = "https://shop.example.com"


def test_a_denied_request(policyc: Policyc, write_policy: Write) -> None:
    ran = policyc("trace", write_policy(GOOD), f"{SHOP}/admin/x")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[0] == "GET /admin/x for shop.example.com from 203.0.113.1"
    text = GOOD.splitlines()
    for step, written in (("site shop  (", "  shop:"), ("is shown shop: CN=shop.example.com", "  shop: {cert")):
        (told,) = (line for line in lines if line.startswith(f"  {step}"))
        number = int(told.rstrip(")").rpartition(":")[2])
        assert text[number - 1].startswith(written)
    (rule,) = (line for line in lines if line.startswith("  rule web-1 applies"))
    assert "/admin" in text[int(rule.rstrip(")").rpartition(":")[2]) - 1]
    assert lines[-1] == "403: a rule denies it"


def test_a_forwarded_request(policyc: Policyc, write_policy: Write) -> None:
    ran = policyc("trace", write_policy(GOOD), f"{SHOP}/admin/x", "--source", "10.0.0.7")
    assert "  rule web-1 does not apply" in ran.out
    assert "  TLS, SNI shop.internal; its certificate must be from pki and carry shop.internal" in ran.out
    assert "  X-Forwarded-For: 10.0.0.7" in ran.out
    assert ran.out.splitlines()[-1] == "forwarded to app"


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        ((f"{SHOP}/x/../admin",), "400: a `.` or `..` segment"),
        ((f"{SHOP}//",), "400: an empty segment"),
        ((f"{SHOP}/", "--method", "PURGE"), "400: a method that the site does not take"),
        ((f"{SHOP}/", "--header", "Upgrade: websocket"), "400: an Upgrade that the site does not ask for"),
        (("https://other.example.org/",), "the handshake is refused: no site claims this SNI"),
        ((f"{SHOP}/", "--sni", ""), "the handshake is refused: no SNI"),
        (("https://x.example.com/", "--sni", "shop.example.com"), "421: "),
        (("https://Shop.Example.com:443?a=b",), "forwarded to app"),
        ((f"{SHOP}/\x1b[2J\udcff",), "400: the path holds the byte 0x1B"),
    ],
)
def test_the_end_of_a_walk(policyc: Policyc, write_policy: Write, arguments: tuple[str, ...], last: str) -> None:
    ran = policyc("trace", write_policy(GOOD), *arguments)
    assert ran.status == 0
    assert ran.out.splitlines()[-1].startswith(last)
    assert ran.out.splitlines()[0].isascii()
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("http://shop.example.com/",), "is not a URL: write https://"),
        ((f"{SHOP}:8443/",), "no listener is on port 8443"),
        ((f"{SHOP}/", "--listener", "x"), "there is no listener 'x'"),
        ((f"{SHOP}/", "--source", "x"), "is not an IP address"),
        ((f"{SHOP}/", "--header", "x"), "is not a header"),
    ],
)
def test_wrong_usage(policyc: Policyc, write_policy: Write, arguments: tuple[str, ...], message: str) -> None:
    ran = policyc("trace", write_policy(GOOD), *arguments)
    assert ran.status == 2
    assert message in ran.err


def test_a_policy_with_errors_is_not_traced(policyc: Policyc, write_policy: Write) -> None:
    ran = policyc("trace", write_policy(GOOD.replace("inspect: [web]", "inspect: [wbe]")), f"{SHOP}/")
    assert ran.status == 3
    assert "did you mean `web`?" in ran.out


def test_what_a_target_makes_of_it(policyc: Policyc, write_policy: Write) -> None:
    """By default: the parts of the policy that it does not honour for this site."""
    text = GOOD.replace("    inspect: [web]", "    inspect: [web]\n    scan: strict")
    ran = policyc("trace", write_policy(text), f"{SHOP}/", "--target", "example")
    assert ran.status == 0
    lines = ran.out.splitlines()
    at = lines.index("on example 2.6:")
    assert lines[at - 2] == "forwarded to app"
    (told,) = lines[at + 1 :]
    assert told.startswith("  not done here: `scan`: content scanning by the target's threat engine (it has no threat")
    number = int(told.rstrip(")").rpartition(":")[2])
    assert "scan: strict" in text.splitlines()[number - 1]
    ran = policyc("trace", write_policy(GOOD), f"{SHOP}/", "--target", "example")
    assert ran.out.endswith("\non example 2.6:\n  as above\n")


def test_another_sites_parts_are_not_told(policyc: Policyc, write_policy: Write) -> None:
    other = """\
  other:
    hostnames: [other.example.com]
    public_certificate: shop
    backend: app
    scan: strict
targets:
"""
    ran = policyc("trace", write_policy(GOOD.replace("targets:\n", other)), f"{SHOP}/", "--target", "example")
    assert ran.out.endswith("\non example 2.6:\n  as above\n")


def test_a_target_that_is_not_there(policyc: Policyc, write_policy: Write) -> None:
    ran = policyc("trace", write_policy(GOOD), f"{SHOP}/", "--target", "exmaple")
    assert ran.status == 2
    assert "there is no target 'exmaple'" in ran.err


def test_errors_of_a_targets_settings_matter_where_it_is_asked(policyc: Policyc, write_policy: Write) -> None:
    policy = write_policy(GOOD.replace('example: {version: "2.6"}', "example: {nonsense: 1}"))
    assert policyc("trace", policy, f"{SHOP}/").status == 0
    ran = policyc("trace", policy, f"{SHOP}/", "--target", "example")
    assert ran.status == 3
    assert "nonsense" in ran.out


def test_what_is_accepted_for_another_target_does_not_matter(policyc: Policyc, write_policy: Write) -> None:
    accepted = "accept:\n  - {finding: unsupported-scan, target: example, sites: [shop], reason: known}\n"
    for more in ((), ("--target", "example")):
        ran = policyc("trace", write_policy(GOOD + accepted), f"{SHOP}/", *more)
        assert ran.status == 0
        assert "\nforwarded to app\n" in ran.out
