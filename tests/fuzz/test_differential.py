"""Random policies and requests: what the real proxies do is what the reference says.

What passes must arrive byte for byte, with the headers that the reference says, and nothing else may arrive at all.
`make fuzz` runs many more of them: POLICYC_FUZZ_POLICIES and POLICYC_FUZZ_REQUESTS say how many.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from policyc.compiler.decide import Decision, Forwarded, HandshakeRefused, Redirected, Refused
from policyc.compiler.forwarding import answered, arriving
from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.plan import Plan

from ..live.asks import VERSIONS, Ask, Version
from ..live.conftest import Certificates, Scene, edge_of
from ..live.edges import MALFORMED, BuildFailed, Edge, Edges, Outcome, every_origin, start_everywhere
from ..live.supported import TARGETS
from ..live.test_reference import decided, plan_of, request_of
from . import policies, requests

T = TypeVar("T")

POLICIES = int(os.environ.get("POLICYC_FUZZ_POLICIES", "6"))
REQUESTS = int(os.environ.get("POLICYC_FUZZ_REQUESTS", "100"))
SEED = int(os.environ.get("POLICYC_FUZZ_SEED", "2026"))

_REQUEST_HEADERS = (
    *("x-edge", "x-more", "x-tag", "x-role", "x-real-ip", "x-forwarded-for", "x-forwarded-proto"),
    *("x-forwarded-host", "x-forwarded-port", "forwarded"),
)
_RESPONSE_HEADERS = ("x-tag", "x-edge", "x-more")
_RESPONSE = b"HTTP/1.1 200 OK\r\nX-Tag: origin\r\nX-Edge: origin\r\nContent-Length: 2\r\n\r\nok"
_FROM_ORIGIN = (("x-tag", "origin"), ("x-edge", "origin"))


def of(strategy: st.SearchStrategy[T], count: int, number: int) -> list[T]:
    """The first `count` values of a strategy for a seed."""
    values: list[T] = []

    @seed(number)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(strategy)
    def draw(value: T) -> None:
        values.append(value)

    draw()
    return values[:count]


def expected(plan: Plan, ask: Ask, version: Version, decision: Decision) -> set[int | None]:
    """The statuses that a visitor may get: the reference's, and for a malformed message the parser's own."""
    match decision:
        case HandshakeRefused():
            return {None}
        case Refused(400, rule=None):
            return {*MALFORMED}
        case Refused(421, rule=None):
            # Of two reasons to refuse a parser may find the other one first.
            also = decided(plan, replace(ask, host=ask.sni), version) if ask.sni else decision
            return {421, *(MALFORMED if isinstance(also, Refused) and also.status == 400 else ())}
        case Refused(status) | Redirected(status):
            return {status}
        case _:
            return {200}


def wrong(
    plan: Plan, ask: Ask, version: Version, decision: Decision, outcome: Outcome, backends: list[str]
) -> str | None:
    """What a target did otherwise than the reference; None where they agree. `backends`: where something arrived."""
    statuses = expected(plan, ask, version, decision)
    if outcome.status not in statuses:
        return f"the reference says {type(decision).__name__} {sorted(map(str, statuses))}"
    if isinstance(decision, Forwarded):
        difference = _arrived(ask, version, decision, outcome.arrived, backends)
        if difference:
            return difference
    elif outcome.arrived:
        return "something arrived behind the edge"
    location = outcome.answer.header("location") if outcome.answer else None
    if isinstance(decision, Redirected) and location != decision.to:
        return f"redirected to {location!r}, not to {decision.to!r}"
    if isinstance(decision, Forwarded | Redirected) or (isinstance(decision, Refused) and decision.rule):
        before = _FROM_ORIGIN if isinstance(decision, Forwarded) else ()
        wanted = _values(answered(decision, before), _RESPONSE_HEADERS)
        got = _values(outcome.answer.headers if outcome.answer else (), _RESPONSE_HEADERS)
        if wanted != got:
            return f"the answer has {got}, not {wanted}"
    return None


def _arrived(
    ask: Ask, version: Version, decision: Forwarded, seen: tuple[Seen, ...], backends: list[str]
) -> str | None:
    sent = (ask.method.encode("latin-1"), ask.target.encode("latin-1"))
    if [(one.method, one.target) for one in seen] != [sent]:
        return f"arrived as {[(one.method, one.target) for one in seen]}, not {sent}"
    (one,) = seen
    if one.values("host") != [decision.host.encode()]:
        return f"arrived with Host {one.values('host')}, not {decision.host}"
    if backends != [decision.upstream.backend.name]:
        return f"arrived at {backends}, not at {decision.upstream.backend.name}"
    wanted = _values(arriving(decision, request_of(ask, version)), _REQUEST_HEADERS)
    lines = [(name, value.decode("latin-1")) for name in _REQUEST_HEADERS for value in one.values(name)]
    got = _values(lines, _REQUEST_HEADERS)
    return None if wanted == got else f"arrived with {got}, not {wanted}"


def _values(headers: Iterable[tuple[str, str]], names: tuple[str, ...]) -> dict[str, list[str]]:
    """Values of these headers, split at commas: one line or several mean the same (RFC 9110, 5.3)."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name in names:
            found.setdefault(name, []).extend(part for one in value.split(",") if (part := one.strip()))
    return {name: parts for name, parts in found.items() if parts}


@pytest.fixture(scope="module")
def certificate(certificates: Certificates) -> Mapping[str, str]:
    """For every hostname of the policies."""
    return certificates.public_pair("fuzz", "*.example.com", "*.w.example.com")


@pytest.fixture(params=range(POLICIES))
def number(request: pytest.FixtureRequest) -> int:
    """Which policy of this run; every second one has rules on headers, which not every target sees whole."""
    return int(request.param)


@pytest.fixture
def scene(number: int, certificate: Mapping[str, str]) -> Scene:
    """A random policy with two origins."""
    (policy,) = of(policies.policies(certificate, headers=bool(number % 2)), 1, SEED + number)
    origins = {name: [Origin(name, respond=lambda _: _RESPONSE)] for name in ("main", "second")}
    return Scene(policy, origins)


@pytest.fixture
def edges(scene: Scene, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edges]:
    """The policy on every target that can do it."""
    with ExitStack() as stack:
        for origin in every_origin(scene.origins):
            stack.enter_context(origin)
        yield start_everywhere(
            stack,
            tmp_path_factory.mktemp("fuzz"),
            scene.policy,
            scene.base,
            scene.origins,
            certificates.public_root,
            scene.lacking,
        )


def test_targets_decide_as_the_reference(
    number: int, scene: Scene, edges: Edges, tmp_path: Path, proxy_program: Callable[[str], str]
) -> None:
    plan = plan_of(scene, tmp_path)
    running: list[Edge] = []
    for target in TARGETS:
        error = edges.failed.get(target)
        if isinstance(error, BuildFailed) and (told := _UNSUPPORTED.search(str(error))):
            print(f"policy {number} is not for {target}: {told[1]}")  # that is as good as doing it
            continue
        running.append(edge_of(edges, target, proxy_program))
    assert running or number % 2, "nothing was compared"
    differences: list[str] = []
    decisions: Counter[str] = Counter()
    for ask in of(requests.asks(headers=bool(number % 2)), REQUESTS, SEED + number):
        for version in VERSIONS:
            decision = decided(plan, ask, version)
            decisions[f"{type(decision).__name__} {getattr(decision, 'status', '')}"] += 1
            for edge in running:
                outcome = ask.of(edge, version)
                backends = [name for name, group in edge.origins.items() if any(one.requests for one in group)]
                difference = wrong(plan, ask, version, decision, outcome, backends)
                if difference:
                    differences.append(f"{edge.target} {version} {ask}: {outcome}: {difference}")
    print(f"policy {number} on {[edge.target for edge in running]}: {dict(decisions)}")
    told = "\n".join(differences)
    assert not differences, f"{len(differences)} differences:\n{told}\nunder {json.dumps(scene.policy)}"


_UNSUPPORTED = re.compile(r"^error\[((?:unsupported-|haproxy-|nginx-|envoy-)[a-z0-9-]+)\]", re.MULTILINE)
