"""A certificate and key of no worth, where the real key is absent or encrypted: for parsers that compare the two."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_LARGEST_RSA = 4096
"""A larger key takes up to minutes to make, and no parser refuses one for being smaller than the real one."""
_SMALLEST_RSA = 1024
"""The library makes none below."""


def stand_in(pem: bytes) -> tuple[bytes, bytes]:
    """For the first certificate in a PEM text: a self-signed one with its names and kind of key, and that key, as PEM.

    The key is of the same size, or on the same curve. All that are of a kind share one: making them takes time.
    """
    real = x509.load_pem_x509_certificates(pem)[0]
    private = _like(real.public_key())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(real.subject)
        .issuer_name(real.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    for extension in real.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, extension.critical)
    # Edwards curves have their hash in them.
    hashed = None if isinstance(private, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    certificate = builder.sign(private, hashed)
    return (
        certificate.public_bytes(Encoding.PEM),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _like(public: PublicKeyTypes) -> CertificateIssuerPrivateKeyTypes:
    match public:
        case rsa.RSAPublicKey():
            return _rsa(min(max(public.key_size, _SMALLEST_RSA), _LARGEST_RSA))
        case ec.EllipticCurvePublicKey():
            return _on_curve(type(public.curve))
        case ed25519.Ed25519PublicKey():
            return ed25519.Ed25519PrivateKey.generate()
        case ed448.Ed448PublicKey():
            return ed448.Ed448PrivateKey.generate()
        case dsa.DSAPublicKey():
            return _dsa(public.key_size)
        case _:
            # A key that cannot sign, such as X25519: no parser takes a certificate with one.
            return _on_curve(ec.SECP256R1)


@cache
def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def _dsa(bits: int) -> dsa.DSAPrivateKey:
    return dsa.generate_private_key(bits)


@cache
def _on_curve(curve: type[ec.EllipticCurve]) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())
