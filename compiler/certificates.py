"""Certificates and keys from PEM files: what they say, and whether a key belongs to a certificate."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtensionOID, NameOID

from .document import read_bytes, reason
from .passphrase import VARIABLE, passphrase
from .plan import Certificate

MAX_PEM_BYTES = 16 << 20

_BASELINE_REQUIREMENTS = "2.23.140.1."
"""The CA/Browser Forum's arc of certificate policies: domain, organization, individual and extended validation."""

_SHA256 = hashes.SHA256()

_BORDER = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]+)-----")


class BadCertificate(ValueError):
    """A file that is not what the policy needs. The message says why; it never holds the file's content."""


def read_certificates(path: str) -> tuple[Certificate, ...]:
    """All certificates of a PEM file, in its order, at least one. Raises BadCertificate."""
    data = _read(path)
    blocks = _blocks(data)
    certificates = [
        block for label, block in blocks if label in (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
    ]
    if any(label == b"TRUSTED CERTIFICATE" for label, _ in blocks):
        raise BadCertificate(
            "it holds an OpenSSL TRUSTED CERTIFICATE; write it as a plain one: openssl x509 -in FILE -out NEW"
        )
    if not certificates:
        if any(label.endswith(b"PRIVATE KEY") for label, _ in blocks):
            raise BadCertificate("it holds a private key and no certificate")
        if data[:1] == b"\x30":
            raise BadCertificate("it is DER, not PEM; convert it: openssl x509 -inform DER -in FILE -out FILE.pem")
        raise BadCertificate("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)")
    return tuple(_parse(block, number + 1) for number, block in enumerate(certificates))


def certificate_of(der: bytes) -> Certificate:
    """A certificate as a server sends it. Raises BadCertificate."""
    try:
        return _loaded(x509.load_der_x509_certificate, der)
    except _UNUSABLE as error:
        raise BadCertificate(f"its certificate cannot be read: {_first_line(error)}") from None


def read_crl(path: str) -> str:
    """All revocation lists of a PEM file, as canonical PEM. Raises BadCertificate."""
    blocks = [block for label, block in _blocks(_read(path)) if label == b"X509 CRL"]
    if not blocks:
        raise BadCertificate("it holds no PEM revocation list (-----BEGIN X509 CRL-----)")
    try:
        lists = [x509.load_pem_x509_crl(block) for block in blocks]
    except ValueError as error:
        raise BadCertificate(f"a revocation list in it cannot be read: {_first_line(error)}") from None
    return "".join(item.public_bytes(Encoding.PEM).decode() for item in lists)


def read_public_half(path: str) -> bytes:
    """DER of the public key that belongs to the private key in a PEM file. Raises BadCertificate.

    The private half is dropped at once. RSA keys are not validated: only their public numbers are compared.
    """
    return _private_key(path).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_clear_key(path: str) -> bytes:
    """A private key's file as a target needs it: the same bytes, or where it is encrypted the key in clear.

    Raises BadCertificate.
    """
    data = _read(path)
    if not any(_is_encrypted(block) for _, block in _blocks(data)):
        return data
    return _private_key(path).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def is_clear_key(path: str) -> bool:
    """Whether a file can be read, and holds no encrypted key."""
    try:
        return not any(_is_encrypted(block) for _, block in _blocks(_read(path)))
    except BadCertificate:
        return False


def _blocks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The blocks of a PEM file with their labels: each from its begin to the next end with the same label.

    In one pass: a megabyte of begins without an end is looked at once, and not from each of them.
    """
    borders = list(_BORDER.finditer(data))
    last = {border[2]: border.start() for border in borders if border[1] == b"END"}
    found: list[tuple[bytes, bytes]] = []
    begin: re.Match[bytes] | None = None
    for border in borders:
        if begin is None:
            begin = border if border[1] == b"BEGIN" and last.get(border[2], 0) > border.start() else None
        elif (border[1], border[2]) == (b"END", begin[2]):
            found.append((begin[2], data[begin.start() : border.end()]))
            begin = None
    return found


def _is_encrypted(block: bytes) -> bool:
    return b"ENCRYPTED" in block[:200]


def _private_key(path: str) -> PrivateKeyTypes:
    blocks = _blocks(_read(path))
    keys = [block for label, block in blocks if label.endswith(b"PRIVATE KEY")]
    if not keys:
        what = "a certificate and no private key" if b"CERTIFICATE" in dict(blocks) else "no PEM private key"
        raise BadCertificate(f"it holds {what} (-----BEGIN PRIVATE KEY-----)")
    block = keys[0]
    word = passphrase() if _is_encrypted(block) else None
    if _is_encrypted(block) and word is None:
        raise BadCertificate(f"the private key is encrypted: give its passphrase in the environment, as {VARIABLE}")
    try:
        return load_pem_private_key(block, word, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own message may quote what it read: it stays out.
        why = "is not opened by the passphrase given" if word is not None else "in it cannot be read"
        raise BadCertificate(f"the private key {why}") from None


def issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether `issuer`'s key signed `certificate` and the names fit.

    A signature of a kind that cannot be verified here, such as one with SHA-1, counts as good where the names fit.
    """
    if certificate.issuer != issuer.subject:
        return False
    pair = certificate.sha256, issuer.sha256
    if pair not in _issued:
        # Several lint rules ask the same of every certificate, and to verify a signature is most of their time.
        if len(_issued) >= _PAIRS:
            _issued.clear()
        _issued[pair] = _is_issued(certificate, issuer)
    return _issued[pair]


_PAIRS = 1 << 18
_issued: dict[tuple[str, str], bool] = {}
"""By fingerprints."""


def _is_issued(certificate: Certificate, issuer: Certificate) -> bool:
    child, (parent, key) = x509.load_pem_x509_certificate(certificate.pem.encode()), _issuer(issuer.pem)
    if child.issuer != parent.subject:
        return False
    try:
        algorithm = child.signature_algorithm_parameters
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(algorithm, ec.ECDSA):
            # As below, in two thirds of its time: OpenSSL prepares a key once, and keys of issuers come again.
            key.verify(child.signature, child.tbs_certificate_bytes, algorithm)
        else:
            child.verify_directly_issued_by(parent)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return True
    return True


@lru_cache(maxsize=64)
def _issuer(pem: str) -> tuple[x509.Certificate, object]:
    issuer = x509.load_pem_x509_certificate(pem.encode())
    try:
        return issuer, issuer.public_key()
    except _UNUSABLE:
        return issuer, None


def _read(path: str) -> bytes:
    try:
        return read_bytes(path, MAX_PEM_BYTES)
    except OSError as error:
        raise BadCertificate(reason(error)) from None
    except ValueError:
        raise BadCertificate("this is not a file's path") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


# Many sites share the same intermediates, and each has them in its own file.
@lru_cache(maxsize=256)
def _parse(block: bytes, number: int) -> Certificate:
    try:
        return _loaded(x509.load_pem_x509_certificate, block)
    except _UNUSABLE as error:
        raise BadCertificate(f"certificate {number} in it cannot be read: {_first_line(error)}") from None


_UNUSABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)


def _loaded(load: Callable[[bytes], x509.Certificate], data: bytes) -> Certificate:
    with warnings.catch_warnings():
        # Odd serials and the like: they load on the targets too, and warnings are not how findings are told.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return _summary(load(data))


def _summary(certificate: x509.Certificate) -> Certificate:
    # Each of these is parsed anew whenever it is asked for.
    subject, issuer, key = certificate.subject, certificate.issuer, certificate.public_key()
    subject_text, issuer_text = subject.rfc4514_string(), _once(issuer.rfc4514_string())
    self_issued = subject_text == issuer_text and subject == issuer
    extensions = {extension.oid: extension.value for extension in certificate.extensions}
    san = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    names = san.get_values_for_type(x509.DNSName) if isinstance(san, x509.SubjectAlternativeName) else ()
    constraints = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    usages = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    hash_algorithm = certificate.signature_hash_algorithm
    return Certificate(
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        sha256=certificate.fingerprint(_SHA256).hex(),
        subject=subject_text,
        issuer=issuer_text,
        common_name=_attribute(subject, NameOID.COMMON_NAME),
        issuer_name=_once(
            _attribute(issuer, NameOID.COMMON_NAME) or _attribute(issuer, NameOID.ORGANIZATION_NAME) or issuer_text
        ),
        dns_names=tuple(name.lower() for name in names),
        has_san=san is not None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        is_ca=constraints.ca
        if isinstance(constraints, x509.BasicConstraints)
        else certificate.version is x509.Version.v1 and self_issued,
        self_issued=self_issued,
        key_type=_key_type(key),
        key_bits=cast("int", getattr(key, "key_size", 256)),
        signature_hash=hash_algorithm.name if hash_algorithm else "",
        public_key=key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        serial=certificate.serial_number,
        usages=tuple(usage.dotted_string for usage in usages) if isinstance(usages, x509.ExtendedKeyUsage) else None,
        publicly_trusted=_publicly_trusted(extensions.get(ExtensionOID.CERTIFICATE_POLICIES)),
        must_staple=_must_staple(extensions.get(ExtensionOID.TLS_FEATURE)),
    )


@lru_cache(maxsize=256)
def _once(text: str) -> str:
    """The same text as one object: thousands of certificates name the same issuer."""
    return text


def _publicly_trusted(policies: x509.ExtensionType | None) -> bool:
    return isinstance(policies, x509.CertificatePolicies) and any(
        policy.policy_identifier.dotted_string.startswith(_BASELINE_REQUIREMENTS) for policy in policies
    )


def _must_staple(features: x509.ExtensionType | None) -> bool:
    return isinstance(features, x509.TLSFeature) and x509.TLSFeatureType.status_request in features


_KEY_TYPES = (
    (ec.EllipticCurvePublicKey, "EC"),
    (rsa.RSAPublicKey, "RSA"),
    (ed25519.Ed25519PublicKey, "Ed25519"),
    (ed448.Ed448PublicKey, "Ed448"),
    (dsa.DSAPublicKey, "DSA"),
)


def _key_type(key: object) -> str:
    return next((name for kind, name in _KEY_TYPES if isinstance(key, kind)), type(key).__name__)


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str | None:
    return next((str(one.value) for one in name if one.oid == oid), None)
