"""nginx has a location for each way in which requests differ behind the rules: each combination is the right one.

On the version that is installed, and without rules on headers, which that one does not see whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import pytest
from policyc.compiler.decide import Decision, Forwarded, Refused
from policyc.compiler.forwarding import answered, arriving
from policyc.compiler.loopback.origin import Origin, Seen
from policyc.compiler.plan import LimitBody, Plan

from .asks import VERSIONS, Ask, Version
from .conftest import Certificates, Scene, edge_of
from .edges import Edge, Edges, Outcome
from .test_reference import decided, plan_of, request_of

HOST = "www.example.com"
BACK = (
    ("x-powered-by", "a"),
    ("x-powered-by", "b"),
    ("x-kept", "1"),
    ("cache-control", "public"),
    ("etag", '"origin"'),
    ("last-modified", "Tue, 24 Nov 2026 00:00:00 GMT"),
    ("set-cookie", "a=1, b"),
    ("set-cookie", "c=2"),
)
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    + b"".join(f"{name}: {value}\r\n".encode() for name, value in BACK)
    + b"Content-Length: 2\r\n\r\nok"
)
THERE = (
    *(("X-Secret", "s1"), ("X-Secret", "s2"), ("X-Up", "u1"), ("x-up", "u2"), ("X-Api", "visitor"), ("X-Other", "o")),
    *(("X-Other", "p"), ("X-Empty", ""), ("Accept-Language", "de"), ("Accept-Language", "en")),
)
REQUEST_NAMES = ("x-secret", "x-up", "x-api", "x-other", "x-empty", "x-post", "accept-language")
RESPONSE_NAMES = (*dict.fromkeys(name for name, _ in BACK), "x-late", "x-own")


def scene(certificates: Certificates) -> Scene:
    """Everything that makes locations differ, on one site."""
    rules = [
        {"request_headers": {"remove": ["X-Secret"]}, "response_headers": {"remove": ["X-Powered-By"]}},
        {"when": {"path": {"prefix": "/api"}}, "request_headers": {"set": {"X-Api": "1"}, "remove": ["X-Up"]}},
        {"when": {"path": {"prefix": "/api"}}, "limit_body": 1000},
        {"when": {"path": {"prefix": "/api/small"}}, "limit_body": 100},
        {"when": {"method": "POST"}, "response_headers": {"set": {"Cache-Control": "no-store"}}},
        {"when": {"method": "POST"}, "request_headers": {"set": {"X-Post": "$host ${x}"}, "remove": ["X-Other"]}},
        {"when": {"path": {"prefix": "/deny"}}, "deny": 403, "response_headers": {"set": {"X-Own": "denied"}}},
        {"when": {"path": {"suffix": "/end"}}, "allow": True, "response_headers": {"add": {"X-Own": "ended"}}},
        {
            "when": {"source": "127.0.0.2"},
            "response_headers": {
                "set": {"ETag": '"rule"', "Set-Cookie": "only=1"},
                "remove": ["X-Kept", "Last-Modified"],
                "add": {"X-Powered-By": "policyc", "Cache-Control": "private"},
            },
        },
        {"when": {"path": {"prefix": "/api/small"}}, "response_headers": {"set": {"Cache-Control": "max-age=1"}}},
        {"response_headers": {"set": {"X-Late": "1"}}},
    ]
    policy = {
        "version": 1,
        "listeners": {"public": {"bind": ["0.0.0.0:443"]}},
        "public_certificates": {"all": certificates.public_pair("ways-all", HOST)},
        "backend_cas": {"internal": {"ca": str(certificates.folder / "internal-ca.pem")}},
        "backends": {
            name: {"servers": [f"192.0.2.{number}:443"], "tls": {"ca": "internal", "server_name": f"{name}.internal"}}
            for number, name in enumerate(("main", "api", "images"), 1)
        },
        "inspection_rules": {"rules": rules},
        "sites": {
            "main": {
                "hostnames": [HOST],
                "public_certificate": "all",
                "backend": "main",
                "inspect": ["rules"],
                "routes": [
                    {"path": {"prefix": "/api"}, "backend": "api"},
                    {"path": {"prefix": "/images"}, "backend": "images"},
                    {"path": {"prefix": "/api/home"}, "backend": "main"},
                ],
            }
        },
    }

    def origin(name: str) -> Origin:
        pair = certificates.inside(f"ways-{name}", f"{name}.internal")
        return Origin(name, pair, respond=lambda _: _RESPONSE)

    return Scene(policy, {name: [origin(name)] for name in ("main", "api", "images")})


@pytest.fixture(scope="module")
def edge(edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """nginx alone."""
    return edge_of(edges, "nginx", proxy_program)


@pytest.fixture(scope="module")
def plan(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the policy means."""
    return plan_of(scene(certificates), tmp_path_factory.mktemp("ways"))


PATHS = [
    *("/", "/api", "/api/small/x", "/api/home", "/api/home/end", "/api/end", "/images/a%20b?x=/api", "/images/end"),
    *("/deny", "/deny/end", "/apis", "/api/small/end", "//api", "/x/../api"),
]
LENGTHS = [0, 100, 101, 1000, 1001, 20_000]


def lines(headers: Iterable[tuple[str, str]], names: tuple[str, ...]) -> dict[str, list[str]]:
    """The values of each of these names, in order; those with commas once more apart."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() in names:
            found.setdefault(name.lower(), []).extend(part.strip() for part in value.split(","))
    return found


def limit(decision: Forwarded) -> int | None:
    return min((action.size for _, action in decision.working if isinstance(action, LimitBody)), default=None)


def wrong(ask: Ask, version: Version, decision: Decision, outcome: Outcome, edge: Edge) -> str | None:
    """What is otherwise than the reference says; None where nothing is."""
    status, before = 400, ()
    if isinstance(decision, Refused):
        status = decision.status
    elif isinstance(decision, Forwarded):
        most = limit(decision)
        status = 200 if most is None or len(ask.body) <= most else 413
        before = BACK if status == 200 else ()
    if outcome.status != status:
        return f"not {status}"
    if status != 200 and outcome.arrived:
        return "something arrived"
    if outcome.answer and isinstance(decision, Forwarded | Refused) and status != 400:
        wanted = lines(answered(decision, before), RESPONSE_NAMES)
        got = lines(outcome.answer.headers, RESPONSE_NAMES)
        if wanted != got:
            return f"answered with {got}, not {wanted}"
    if not isinstance(decision, Forwarded) or status != 200:
        return None
    (seen,) = outcome.arrived
    there = [name for name, group in edge.origins.items() if any(origin.requests for origin in group)]
    if there != [decision.upstream.backend.name] or (seen.target, seen.body) != (ask.target.encode(), ask.body):
        return f"arrived at {there} as {seen.target!r} with {len(seen.body)} bytes"
    wanted = lines(arriving(decision, request_of(ask, version)), REQUEST_NAMES)
    got = lines(_sent(seen), REQUEST_NAMES)
    return None if wanted == got else f"arrived with {got}, not {wanted}"


def _sent(seen: Seen) -> list[tuple[str, str]]:
    fields = (line.partition(":") for line in seen.head.decode("latin-1").split("\r\n")[1:] if line)
    return [(name, value.strip()) for name, _, value in fields]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", PATHS)
def test_every_way(edge: Edge, plan: Plan, path: str, version: Version) -> None:
    different: list[str] = []
    for method, source, length in product(("GET", "POST"), ("127.0.0.1", "127.0.0.2"), LENGTHS):
        if method == "GET" and length:
            continue
        ask = Ask(path, method, HOST, headers=THERE, source=source, body=b"x" * length)
        outcome = ask.of(edge, version)
        told = wrong(ask, version, decided(plan, ask, version), outcome, edge)
        if told:
            different.append(f"{method} {length} from {source}: {outcome}: {told}")
    assert different == []


def test_they_are_as_many_as_it_takes(edge: Edge) -> None:
    """Three backends, two switches for the visitor's headers, three for the backend's, and three limits."""
    text = (edge.folder / "nginx.conf").read_text()
    assert text.count("location @backend_") == 3 * 2**2 * 2**3 * 3


def test_the_file_that_stands_for_a_large_body_is_none(edge: Edge) -> None:
    """`try_files` looks for a file that cannot be there."""
    text = (edge.folder / "nginx.conf").read_text()
    assert "root /dev/null;" in text
    assert not Path("/dev/null/nothing").exists()
