"""``examples/two-sites`` as it stands, on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from make_certificates import make
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.visitor import ask, request

from .asks import VERSIONS, Ask, Version, assert_decided, assert_refused
from .conftest import Certificates, Scene
from .edges import Edge

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two-sites" / "policy.yaml"


def scene(certificates: Certificates) -> Scene:
    """The example with an origin for every server."""
    del certificates
    made = make("two-sites")
    apps, legacy = ((made / f"{name}.pem", made / f"{name}.key") for name in ("apps-internal", "legacy"))
    origins = {
        "shop": [Origin("shop")],
        "apps": [Origin("apps-1", apps), Origin("apps-2", apps)],
        "legacy": [Origin("legacy", legacy)],
    }
    policy: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return Scene(policy, origins, base=EXAMPLE.parent, trusts=made / "public-root.pem")


SHOP, APP = "shop.example.com", "one.apps.example.com"
CASES = [
    (Ask("/", host=SHOP), 200),
    (Ask("/cart?x=1", host="www.shop.example.com"), 200),
    (Ask("/admin", host=SHOP), 403),
    (Ask("/manage/users", host=SHOP), 403),
    (Ask("/admin/status", host=SHOP), 200),
    (Ask("/admin/status", "POST", host=SHOP), 403),
    (Ask("/cart", "DELETE", host=SHOP), 403),
    (Ask("/dump.SQL", host=SHOP), 404),
    (Ask("/x%7e", host=SHOP), 404),
    (Ask("/.git/config", host=SHOP), 404),
    (Ask("/.well-known/acme", host=SHOP), 200),
    (Ask("/", host=APP), 200),
    (Ask("/admin", host=APP), 200),
    (Ask("/x.bak", host=APP), 404),
    (Ask("/", host=APP, sni=SHOP), 421),
    (Ask("//", host=APP), 400),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("one", "expected"), CASES, ids=lambda value: str(getattr(value, "target", value)))
def test_requests(edge: Edge, one: Ask, expected: int, version: Version) -> None:
    assert_decided(one, one.of(edge, version), expected)


def test_passed_through(edge: Edge) -> None:
    outcome = edge.try_(lambda: ask(edge.door("legacy.example.com"), request("//x", "legacy.example.com")))
    assert [seen.target for seen in outcome.arrived] == [b"//x"]


def test_internal_listener(edge: Edge) -> None:
    assert_decided(one := Ask("/", host=APP, listener="internal"), one.of(edge, "h1"), 200)
    for host in (SHOP, "legacy.example.com"):
        assert_refused(Ask("/", host=host, listener="internal").of(edge, "h1"), frozenset({None}))


def test_redirect(edge: Edge) -> None:
    outcome = edge.try_(lambda: ask(edge.plain_door(), request("/a?b", SHOP)))
    assert outcome.status == 308
    assert outcome.answer is not None
    port = edge.relocated.ports["public"][0][1]
    assert outcome.answer.header("location") == f"https://{SHOP}:{port}/a?b"
