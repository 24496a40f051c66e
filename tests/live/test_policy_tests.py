"""``policyc test --live``: users' own tests of a policy, on each target's real program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import make_certificates
import pytest
from policyc.compiler.document import read
from policyc.compiler.loopback import pki

from .conftest import Certificates
from .edges import run_policyc
from .supported import TARGETS

EXAMPLES = Path(make_certificates.__file__).parent

POLICY = """\
version: 1
listeners:
  public: {bind: ["0.0.0.0:443"], trusted_proxies: [10.0.0.0/8]}
public_certificates:
  all: {cert: all.pem, key: all.key}
backend_cas:
  inner: {ca: internal-ca.pem}
  partners: {ca: internal-ca.pem}
backends:
  app:
    servers: ["192.0.2.1:443", "192.0.2.2:443"]
    tls: {ca: inner, server_name: app.internal}
  api: {servers: ["192.0.2.3:443"], tls: {ca: inner}}
  plain: {servers: ["192.0.2.4:80"], tls: false}
  raw: {servers: ["192.0.2.5:443"]}
inspection_rules:
  web:
    - name: inside-only
      when: {path: {prefix: /admin}}
      unless: {source: 198.51.100.0/24}
      deny: 403
    - {name: moved, when: {path: {exact: /old}}, redirect: {to: /new, status: 301}}
    - name: edits
      when: {path: {prefix: /edit}}
      request_headers: {remove: [X-Debug], set: {X-Edge: main}}
      response_headers: {remove: [X-Powered-By], set: {X-Frame-Options: DENY}}
sites:
  app:
    hostnames: [app.example.com]
    public_certificate: all
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: api}]
  partners:
    hostnames: [partners.example.com]
    public_certificate: all
    backend: plain
    client_auth: {ca: partners, forward_subject: X-Subject}
  raw: {hostnames: [raw.example.com], decrypt: false, backend: raw}
accept:
  - {finding: plaintext-backend, backends: [plain], reason: tried here}
targets:
  haproxy: {version: "2.6"}
  nginx: {version: "1.22", stream_module: /usr/lib/nginx/modules/ngx_stream_module.so}
  envoy: {version: "1.40"}
"""

GOOD = [
    "{request: 'https://app.example.com/', expect: app}",
    "{request: 'https://app.example.com/api/x', expect: api}",
    "{request: 'https://app.example.com/admin', expect: {status: 403, rule: inside-only}}",
    "{request: {url: 'https://app.example.com/admin', source: 198.51.100.7}, expect: app}",
    "{request: {url: 'https://app.example.com/admin', source: 10.1.1.1, headers: {X-Forwarded-For: 198.51.100.7}},"
    " expect: {backend: app, request_headers: {X-Forwarded-For: '198.51.100.7, 10.1.1.1'}}}",
    "{request: 'https://app.example.com/old', expect: {status: 301, location: /new}}",
    "{request: {url: 'https://app.example.com/edit', headers: {X-Debug: '1', X-Edge: forged}},"
    " expect: {request_headers: {X-Debug: null, X-Edge: main},"
    " response_headers: {X-Powered-By: null, X-Frame-Options: DENY}}}",
    "{request: 'https://partners.example.com/', expect: handshake refused}",
    "{request: {url: 'https://partners.example.com/', certificate: {subject: CN=alice, ca: partners}},"
    " expect: {backend: plain, request_headers: {X-Subject: CN=alice}}}",
    "{request: {url: 'https://partners.example.com/', certificate: {subject: CN=mallory}}, expect: handshake refused}",
    "{request: 'https://raw.example.com/', expect: {passed_through: raw}}",
    "{request: 'https://nobody.example.com/', expect: handshake refused}",
    "{request: {url: 'https://app.example.com/', source: '2001:db8::7'},"
    " expect: {host: app.example.com, request_headers: {X-Forwarded-For: '2001:db8::7'}}}",
]

BAD = [
    ("{request: 'https://app.example.com/', expect: api}", "forwarded to api", "arrived at app"),
    ("{request: 'https://app.example.com/', expect: 403}", "status 403", "status 200"),
    ("{request: 'https://app.example.com/admin', expect: app}", "forwarded to app", "status 403"),
    ("{request: 'https://app.example.com/', expect: handshake refused}", "handshake is refused", "status 200"),
    ("{request: 'https://app.example.com/', expect: {passed_through: app}}", "passed through to app", "status 200"),
    ("{request: 'https://raw.example.com/', expect: raw}", "forwarded to raw", "passed through to raw"),
    ("{request: 'https://app.example.com/', expect: {host: x.example.com}}", "x.example.com", "app.example.com"),
    ("{request: 'https://app.example.com/old', expect: {location: /x}}", "expected /x", "/new"),
    ("{request: 'https://app.example.com/', expect: {request_headers: {X-Forwarded-Proto: http}}}", "http", "https"),
    ("{request: 'https://app.example.com/', expect: {response_headers: {X-Powered-By: null}}}", "none", "the backend"),
]


@pytest.fixture(scope="module")
def folder(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the policy, the files that it names, and tests that hold and that do not."""
    made = tmp_path_factory.mktemp("policy-tests")
    names = ("app.example.com", "partners.example.com", "raw.example.com")
    pki.write(made, "all", pki.leaf(names, certificates.public))
    (made / "internal-ca.pem").write_bytes(certificates.internal.pem)
    (made / "policy.yaml").write_text(POLICY)
    (made / "good.yaml").write_text("version: 1\ntests:\n" + "".join(f"  - {one}\n" for one in GOOD))
    (made / "bad.yaml").write_text("version: 1\ntests:\n" + "".join(f"  - {one[0]}\n" for one in BAD))
    return made


@pytest.mark.parametrize("target", TARGETS)
def test_what_holds_passes(folder: Path, target: str, proxy_program: Callable[[str], str]) -> None:
    proxy_program(target)
    ran = run_policyc("test", str(folder / "policy.yaml"), str(folder / "good.yaml"), "--live", target)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"\n{len(GOOD)} passed, 0 failed, on " in ran.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_what_does_not_hold_is_shown(folder: Path, target: str, proxy_program: Callable[[str], str]) -> None:
    proxy_program(target)
    ran = run_policyc("test", str(folder / "policy.yaml"), str(folder / "bad.yaml"), "--live", target)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    told = ran.stdout.split("failed: ")[1:]
    assert len(told) == len(BAD)
    for (_, expected, got), text in zip(BAD, told, strict=True):
        assert expected in text.partition("got ")[0]
        assert got in text.partition("got ")[2]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("tests", sorted(EXAMPLES.glob("*/tests")), ids=lambda folder: folder.parent.name)
def test_the_examples_pass_their_own_tests(tests: Path, target: str, proxy_program: Callable[[str], str]) -> None:
    file = tests.parent / "policy.yaml"
    policy = file if file.exists() else tests.parent / "policies"
    if target not in read(str(policy))[0].values["targets"]:
        pytest.skip(f"{tests.parent.name} is not for {target}")
    proxy_program(target)
    make_certificates.make(tests.parent.name)
    ran = run_policyc("test", str(policy), str(tests), "--live", target)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_firewall_does_not_run_here(folder: Path) -> None:
    ran = run_policyc("test", str(folder / "policy.yaml"), str(folder / "good.yaml"), "--live", "panos")
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stdout + ran.stderr
    assert "does not run on this machine" in ran.stderr
