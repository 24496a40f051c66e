"""Certificate authorities and certificates for examples and tests: the good ones, and every kind of bad one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_START_OF_TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, and what leads from it towards its root.

    `chain` begins with the certificate itself and ends below the root; a root's holds the root alone.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        """The certificate, then its intermediates: what a server sends."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)

    @property
    def key_pem(self) -> bytes:
        """The key in clear, PKCS #8."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority(name: str, issuer: Issued | None = None) -> Issued:
    """A CA: a root, or an intermediate of `issuer`. Valid from 30 days ago for ten years."""
    return _issue(_name(name), issuer, (), True, (), timedelta(days=-30), timedelta(days=3650))


def leaf(
    hosts: Sequence[str],
    issuer: Issued | None = None,
    *,
    common_name: str | None = None,
    san: bool = True,
    usages: Sequence[str] = ("server",),
    start: int = -1,
    days: int = 365,
    subject: x509.Name | None = None,
) -> Issued:
    """A server's (or client's) certificate; self-signed without an issuer.

    `hosts`: the names of its SAN; with ``san=False`` it has only the common name. That is `common_name` or else the
    first host, unless a whole `subject` is given. `usages`: any of ``server`` and ``client``. It is valid from `start`
    days from today, `days` long: ``start=-30, days=10`` has expired, ``start=10`` is not yet valid. A self-signed one
    says CA:TRUE, as ``openssl req -x509`` does.
    """
    begin = timedelta(days=start)
    subject = subject or _name(common_name or hosts[0])
    return _issue(subject, issuer, hosts if san else (), issuer is None, usages, begin, begin + timedelta(days=days))


def _issue(
    subject: x509.Name,
    issuer: Issued | None,
    hosts: Sequence[str],
    is_ca: bool,
    usages: Sequence[str],
    begin: timedelta,
    end: timedelta,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_START_OF_TODAY + begin)
        .not_valid_after(_START_OF_TODAY + end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage([_USAGES[usage] for usage in usages]), False)
    if is_ca and not usages:
        builder = builder.add_extension(_SIGNS, critical=True)
    certificate = builder.sign(signer, hashes.SHA256())
    above = issuer.chain if issuer and issuer.certificate.issuer != issuer.certificate.subject else ()
    return Issued(certificate, key, (certificate, *above))


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def revocation_list(issuer: Issued, revoked: Sequence[Issued] = (), *, days: int = 30) -> bytes:
    """A CRL in PEM, from yesterday on for `days` days; negative `days` make it stale."""
    start = _START_OF_TODAY - timedelta(days=1 if days > 0 else 1 - days)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(start)
        .next_update(_START_OF_TODAY + timedelta(days=days))
    )
    for one in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(start).build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def write(folder: Path, name: str, issued: Issued, *, chain: bool = True) -> tuple[Path, Path]:
    """``name.pem`` (with the intermediates, or the certificate alone) and ``name.key`` (mode 0600) in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(issued.chain_pem if chain else issued.pem)
    key.unlink(missing_ok=True)
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(issued.key_pem)
    return certificate, key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
