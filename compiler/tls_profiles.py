"""TLS towards visitors, by guideline.

Values: Mozilla "Server Side TLS" 5.7 (2023), without its finite-field DHE suites, which guideline 6.0 (2026) removed
and BoringSSL never had. 6.0's hybrid group X25519MLKEM768 is left out: OpenSSL before 3.5 refuses to start with a
group that it does not know.
"""

from __future__ import annotations

from .plan import TlsSettings

_GUIDELINE = "Mozilla Server Side TLS 5.7, without DHE as in 6.0"
_CURVES = ("X25519", "prime256v1", "secp384r1")
_INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_OLD = (
    *_INTERMEDIATE,
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
)
_PROFILES = {
    "modern": TlsSettings("modern", _GUIDELINE, "1.3", "1.3", (), _CURVES),
    "intermediate": TlsSettings("intermediate", _GUIDELINE, "1.2", "1.3", _INTERMEDIATE, _CURVES),
    "old": TlsSettings("old", _GUIDELINE, "1.0", "1.3", _OLD, _CURVES),
}


def profile(name: str) -> TlsSettings:
    """The settings of ``modern``, ``intermediate`` or ``old``."""
    return _PROFILES[name]


def ciphers_for(settings: TlsSettings, min_version: str) -> tuple[str, ...]:
    """The TLS 1.2 suites that are needed when the lowest version is another than the profile's."""
    if min_version == "1.3":
        return ()
    return settings.ciphers or _INTERMEDIATE
