"""Revocation lists as rules see them: which are there for a CA, from when to when, and what they revoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ..plan import Certificate

_END = b"-----END X509 CRL-----\n"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One list. `until` is None where it does not say when the next one comes."""

    issuer: str
    since: datetime
    until: datetime | None
    parsed: x509.CertificateRevocationList

    def signed_by(self, ca: Certificate) -> bool:
        """Whether it is the list of this CA."""
        if self.issuer != ca.subject:
            return False
        key = x509.load_pem_x509_certificate(ca.pem.encode()).public_key()
        try:
            return self.parsed.is_signature_valid(key)  # pyright: ignore[reportArgumentType]  # refused as TypeError
        except (TypeError, ValueError, InvalidSignature, UnsupportedAlgorithm):
            return False

    def revokes(self, certificate: Certificate) -> datetime | None:
        """Since when it revokes a certificate of its CA."""
        found = self.parsed.get_revoked_certificate_by_serial_number(certificate.serial)
        return found.revocation_date_utc if found else None


@lru_cache(256)
def revocation_lists(pem: str) -> Sequence[RevocationList]:
    """The lists in a canonical PEM text."""
    lists = [x509.load_pem_x509_crl(part + _END) for part in pem.encode().split(_END)[:-1]]
    return [RevocationList(one.issuer.rfc4514_string(), one.last_update_utc, one.next_update_utc, one) for one in lists]
