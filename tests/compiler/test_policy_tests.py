"""``policyc test``: users' own tests of a policy, against the reference semantics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import make_certificates
import pytest

from .conftest import GOOD, Ran

EXAMPLES = Path(make_certificates.__file__).parent

Write = Callable[[str], Path]
Run = Callable[[str], Ran]

RULES = """\
inspection_rules:
  web:
    - name: inside-only
      when: {path: {prefix: /admin}}
      unless: {source: 10.0.0.0/8}
      deny: 403
    - {name: moved, when: {path: {exact: /old}}, redirect: {to: /new, status: 301}}
    - name: uploads
      when: {method: POST}
      limit_body: 1MiB
      rate_limit: {rate: 5/s}
      request_headers: {remove: [X-Debug], set: {X-Edge: main}, add: {X-Tag: b}}
      response_headers: {remove: [Server], set: {X-Frame-Options: DENY}}
      log: upload
    - {name: health, when: {path: {exact: /up}}, allow: true}
    - {when: {path: {exact: /gone}}, deny: 410}
sites:"""


@pytest.fixture
def run(write_policy: Write, policyc: Callable[..., Ran], tmp_path: Path) -> Run:
    """Run tests, written as the entries of the list, against the shop."""
    before, _, rest = GOOD.partition("inspection_rules:")
    policy = write_policy(before + RULES + rest.partition("sites:")[2])

    def tests(text: str) -> Ran:
        file = tmp_path / "checks.yaml"
        file.write_text(f"version: 1\ntests:\n{text}\n")
        return policyc("test", policy, file)

    return tests


PASS = [
    "{request: 'https://shop.example.com/', expect: app}",
    "{request: 'https://shop.example.com/admin', expect: {status: 403, rule: inside-only}}",
    "{request: {url: 'https://shop.example.com/admin', source: 10.0.0.7}, expect: {backend: app}}",
    "{request: 'https://shop.example.com/old', expect: {status: 301, rule: moved, location: /new}}",
    "{request: 'https://shop.example.com/gone', expect: {status: 410, rule: web-5}}",
    "{request: 'https://shop.example.com/up', expect: {backend: app, rule: health}}",
    "{request: 'https://shop.example.com/%2e', expect: 400}",
    "{request: {url: 'https://other.example.com/', sni: shop.example.com}, expect: 421}",
    "{request: {url: 'https://shop.example.com/', sni: false}, expect: handshake refused}",
    "{request: 'https://shop.example.com/', expect: {labels: [], limited_by: []}}",
    "{request: 'POST https://shop.example.com/', expect: {labels: [upload], limited_by: [uploads, uploads]}}",
    "{request: {url: 'https://shop.example.com/', method: POST, headers: {X-Debug: '1', X-Tag: [a, c]}},"
    " expect: {request_headers: {X-Debug: null, X-Edge: main, X-Tag: 'a, c, b', X-Forwarded-Proto: https}}}",
    "{request: 'POST https://shop.example.com/', expect: {response_headers: {Server: null, X-Frame-Options: DENY}}}",
]


@pytest.mark.parametrize("test", PASS)
def test_what_holds_passes(run: Run, test: str) -> None:
    ran = run(f"  - {test}")
    assert (ran.status, ran.out) == (0, "1 passed, 0 failed\n"), ran.out + ran.err


FAIL = [
    ("{request: 'https://shop.example.com/', expect: 403}", "expected status 403", "forwarded to app"),
    ("{request: 'https://shop.example.com/admin', expect: app}", "forwarded to app", "status 403"),
    ("{request: 'https://shop.example.com/admin', expect: {rule: moved}}", "expected moved", "inside-only"),
    ("{request: 'https://shop.example.com/old', expect: {location: /x}}", "expected /x", "/new"),
    ("{request: 'https://shop.example.com/', expect: handshake refused}", "handshake", "forwarded to app"),
    ("{request: 'https://shop.example.com/', expect: {passed_through: app}}", "passed through", "forwarded to app"),
    ("{request: 'https://shop.example.com/', expect: {host: x}}", "expected x", "shop.example.com"),
    ("{request: 'https://shop.example.com/', expect: {labels: [upload]}}", "expected upload", "none"),
    ("{request: 'https://shop.example.com/', expect: {limited_by: [uploads]}}", "expected uploads", "none"),
    ("{request: 'https://shop.example.com/', expect: {request_headers: {X-Edge: main}}}", "expected main", "none"),
    ("{request: 'POST https://shop.example.com/', expect: {request_headers: {X-Edge: null}}}", "none", "main"),
    ("{request: 'https://shop.example.com/', expect: {response_headers: {Server: null}}}", "none", "from the backend"),
]


@pytest.mark.parametrize(("test", "expected", "got"), FAIL)
def test_what_does_not_hold_is_shown(run: Run, test: str, expected: str, got: str) -> None:
    ran = run(f"  - {test}")
    assert ran.status == 1
    assert ran.out.endswith("0 passed, 1 failed\n")
    assert "checks.yaml:3" in ran.out
    assert "policyc trace" in ran.out
    wanted, _, found = ran.out.partition("got")
    assert expected in wanted
    assert got in found


BAD = [
    ("{request: 'https://shop.example.com/', expect: ap}", "there is no `ap` in `backends`", "did you mean `app`?"),
    ("{request: 'http://shop.example.com/', expect: app}", "is not a URL", ""),
    ("{request: 'https://shop.example.com:99/', expect: app}", "no listener is on port 99", "https"),
    ("{request: {url: 'https://a.b/', listener: x}, expect: app}", "there is no `x` in `listeners`", ""),
    (
        "{request: {url: 'https://a.b/', certificate: {subject: CN=x, ca: y}}, expect: app}",
        "no `y` in `backend_cas`",
        "",
    ),
    ("{request: 'https://shop.example.com/', expect: {}}", "nothing is expected", ""),
    ("{request: 'https://shop.example.com/', expect: {status: 403, backend: app}}", "cannot both be", ""),
    ("{request: 'https://shop.example.com/', expect: {stats: 403}}", "unknown key `stats`", "did you mean `status`?"),
]


@pytest.mark.parametrize(("test", "message", "help"), BAD)
def test_a_wrong_test_is_an_error_with_its_place(run: Run, test: str, message: str, help: str) -> None:
    ran = run(f"  - {test}")
    assert ran.status == 3
    assert message in ran.out
    assert help in ran.out
    assert "checks.yaml:3:" in ran.out


def test_a_policy_that_cannot_be_read(write_policy: Write, policyc: Callable[..., Ran], tmp_path: Path) -> None:
    assert policyc("test", write_policy("version: 2"), tmp_path / "none.yaml").status == 3
    assert policyc("test", write_policy(GOOD), tmp_path / "none.yaml").status == 3


@pytest.mark.parametrize("tests", sorted(EXAMPLES.glob("*/tests")), ids=lambda folder: folder.parent.name)
def test_the_examples_pass_their_own_tests(policyc: Callable[..., Ran], tests: Path) -> None:
    make_certificates.make(tests.parent.name)
    file = tests.parent / "policy.yaml"
    ran = policyc("test", file if file.exists() else tests.parent / "policies", tests)
    assert ran.status == 0, ran.out + ran.err
    assert ran.out.endswith(" passed, 0 failed\n")
