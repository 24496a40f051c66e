"""What the compiler's tests share: a policy that is right, with certificates made once."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jsonschema import Draft202012Validator
from policyc.compiler import stopping
from policyc.compiler import target as target_module
from policyc.compiler.bundle import Bundle, KeyFile
from policyc.compiler.cli import main
from policyc.compiler.diagnostics import Rule
from policyc.compiler.features import Feature, Support, complete, impossible, native
from policyc.compiler.plan import Plan
from policyc.compiler.target import Target
from policyc.schemas.target import TargetSettings


class ExampleSettings(TargetSettings):
    """Settings of a target that exists in the tests only."""

    version: str = "2.6"


class ExampleTarget(Target[ExampleSettings]):
    """A fifth target, as somebody else's distribution would bring it: writes what it is told, cannot scan."""

    name = "example"
    title = "Example"

    def settings_model(self) -> type[ExampleSettings]:
        return ExampleSettings

    def support(self, settings: ExampleSettings) -> Mapping[Feature, Support]:
        answers: dict[Feature, Support] = dict.fromkeys(Feature, native())
        answers[Feature.SCAN] = impossible("it has no threat engine")
        answers[Feature.MATCH_HEADER] = native(since="3.0", reason="it sees the first of repeated lines only")
        answers[Feature.RATE_LIMIT] = impossible("it does not count")
        return complete(answers)

    def rules(self) -> Sequence[Rule]:
        return ()

    def build(self, plan: Plan, settings: ExampleSettings, source: str) -> Bundle:
        lines = [f"# {source}", *(f"{site.name}: {', '.join(map(str, site.hostnames))}" for site in plan.sites)]
        files = {"example.conf": ("\n".join(lines) + "\n").encode()}
        files |= {f"certs/{one.name}.pem": "".join(c.pem for c in one.chain).encode() for one in plan.certificates}
        keys = [KeyFile(f"certs/{one.name}.key", one.key_file, one.key_as_written) for one in plan.certificates]
        return Bundle(files=files, keys=tuple(keys), check=("true",), run=("example", "{folder}/example.conf"))


@dataclass(frozen=True)
class ExampleEntryPoint:
    """What importlib.metadata would give for it."""

    name: str = "example"

    def load(self) -> ExampleTarget:
        """The target."""
        return ExampleTarget()


@pytest.fixture(autouse=True)
def only_the_example_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler knows no target by name: its tests run with one that it has never heard of."""

    def entries(group: str) -> list[ExampleEntryPoint]:
        assert group == "policyc.backends"
        return [ExampleEntryPoint()]

    monkeypatch.setattr(target_module, "entry_points", entries)


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


def schema_faults(text: str, schema: str) -> list[str]:
    """What a committed schema finds in JSON that policyc printed."""
    content = json.loads((Path(__file__).parents[2] / "schemas" / f"{schema}.schema.json").read_text())
    Draft202012Validator.check_schema(content)
    validator: Any = Draft202012Validator(content)
    return [error.message for error in validator.iter_errors(json.loads(text))]


@pytest.fixture
def policyc(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """The command line, in this process, through the same entry point as the installed program."""

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["policyc", *map(str, arguments)])
        monkeypatch.setattr(stopping, "install", lambda: None)  # signals are the tests' own
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


def self_signed(folder: Path, name: str, *hosts: str, days: int = 365, start: int = -1) -> None:
    """``name.pem`` and ``name.key``: a certificate that issued itself, with `hosts` in its SAN."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0] if hosts else name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=start))
        .not_valid_after(now + timedelta(days=days))
    )
    if hosts:
        names = [x509.DNSName(host) for host in hosts]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``public``, ``other`` and ``inner`` certificates and keys."""
    folder = tmp_path_factory.mktemp("certs")
    self_signed(folder, "public", "shop.example.com", "*.example.com")
    self_signed(folder, "other", "other.example.org")
    self_signed(folder, "inner", "shop.internal")
    return folder


GOOD = """\
version: 1
public_certificates:
  shop: {cert: CERTS/public.pem, key: CERTS/public.key}
backend_cas:
  pki: {ca: CERTS/inner.pem}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}
inspection_rules:
  web:
    - when: {path: {prefix: /admin}}
      unless: {source: [10.0.0.0/8]}
      deny: 403
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
targets:
  example: {version: "2.6"}
"""


@pytest.fixture
def write_policy(tmp_path: Path, certificates: Path) -> Callable[[str], Path]:
    """Writes a policy's text to a file, with CERTS in it replaced by the certificates' folder."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "policy.yaml"
        if isinstance(text, str):
            text = textwrap.dedent(text).replace("CERTS", str(certificates)).encode()
        path.write_bytes(text)
        return path

    return write
