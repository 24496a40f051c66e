"""`policyc check` where private keys are absent or encrypted: stand-ins of the same kind and size, for real parsers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from policyc.compiler import throwaway
from policyc.compiler.native_check import native_check
from policyc.compiler.passphrase import VARIABLE, passphrase
from policyc.compiler.pipeline import compile_for, examine, has_errors, load
from policyc.compiler.throwaway import stand_in

from .conftest import TODAY
from .test_examples import TARGETS

Key = CertificateIssuerPrivateKeyTypes
KINDS: dict[str, Callable[[], Key]] = {
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-3072": lambda: rsa.generate_private_key(65537, 3072),
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
OTHERS: dict[str, Callable[[], Key]] = {
    "ec-p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed448": ed448.Ed448PrivateKey.generate,
}


def certificate(key: Key, host: str) -> x509.Certificate:
    """One that issued itself, for a host."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(TODAY - timedelta(days=1))
        .not_valid_after(TODAY + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"www.{host}")]), False)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256())
    )


def size(public: object) -> tuple[type, object]:
    """A public key's kind and size."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        return ec.EllipticCurvePublicKey, public.curve.name
    return type(public), public.key_size if isinstance(public, rsa.RSAPublicKey) else None


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_a_stand_in_has_the_kind_the_size_and_the_names(kind: str) -> None:
    real = certificate((KINDS | OTHERS)[kind](), "shop.example.com")
    made, key = stand_in(real.public_bytes(Encoding.PEM))
    shown = x509.load_pem_x509_certificate(made)
    assert size(shown.public_key()) == size(real.public_key())
    assert shown.public_key() != real.public_key()
    assert load_pem_private_key(key, None).public_key() == shown.public_key()
    assert shown.subject == real.subject
    names = [one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for one in (shown, real)]
    assert names[0] == names[1]


def test_a_huge_key_has_a_smaller_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    small = rsa.generate_private_key(65537, 2048)
    real = certificate(small, "shop.example.com").public_bytes(Encoding.PEM)

    def made(bits: int) -> rsa.RSAPrivateKey:
        asked.append(bits)
        return small

    monkeypatch.setattr(throwaway, "_rsa", made)
    monkeypatch.setattr(throwaway, "_LARGEST_RSA", 1536)
    stand_in(real)
    assert asked == [1536]


def policy(folder: Path, state: str, kinds: list[str]) -> Path:
    """A site for each kind of key; the keys are there, encrypted, or absent."""
    sites: list[str] = []
    pairs: list[str] = []
    for kind in kinds:
        key, host = KINDS[kind](), f"{kind}.example.com"
        (folder / f"{kind}.pem").write_bytes(certificate(key, host).public_bytes(Encoding.PEM))
        if state != "absent":
            secret: KeySerializationEncryption = NoEncryption()
            if state == "encrypted":
                secret = BestAvailableEncryption(b"secret")
            (folder / f"{kind}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
        pairs.append(f"  {kind}: {{cert: {kind}.pem, key: {kind}.key}}\n")
        sites.append(f"  {kind}: {{hostnames: [{host}, www.{host}], public_certificate: {kind}, backend: app}}\n")
    path = folder / "policy.yaml"
    path.write_text(
        "version: 1\n"
        f"public_certificates:\n{''.join(pairs)}"
        "backends:\n  app: {servers: ['127.0.0.1:8080'], tls: false}\n"
        f"sites:\n{''.join(sites)}"
    )
    return path


@pytest.mark.parametrize("state", ["there", "encrypted", "absent"])
@pytest.mark.parametrize("target", ["haproxy", "nginx", "envoy"])
def test_real_parsers_take_every_kind(
    tmp_path: Path,
    proxy_program: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    state: str,
) -> None:
    proxy_program(target)
    if state == "encrypted":
        passphrase.cache_clear()
        monkeypatch.setenv(VARIABLE, "secret")  # lint compares the key with its certificate
    # Envoy's library has no Ed25519 for servers, and lint says so.
    kinds = [kind for kind in KINDS if (target, kind) != ("envoy", "ed25519")]
    loaded = load(str(policy(tmp_path, state, kinds)), TARGETS)
    judged = examine(loaded, TARGETS, [target], TODAY)
    assert not has_errors(judged.standing), [finding.message for finding in judged.standing]
    result = native_check(compile_for(loaded, TARGETS[target]))
    assert result.accepted, result.said
    assert result.throwaway_keys is (state != "there")
    passphrase.cache_clear()
