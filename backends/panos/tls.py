"""TLS settings of the policy as the switches of a decryption profile, and what these cannot say.

Names of switches and versions: [SPEC objects/profiles/decryption-profile.yaml].
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...compiler.plan import BackendTls, Certificate, TlsSettings
from .model import DecryptionProfile
from .naming import PROFILE_NAME, object_name, spelled

_AEAD_OF_TLS13 = ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305-SHA256")

_HIGHEST = "1.3"
"""Of the versions that the policy knows. Where it is the highest one wanted, the profile says ``max``: a profile that
says nothing stops at TLS 1.2, the default, and so does one from before an upgrade to 10.0 [SPEC, D10.0]."""


def decryptable(leaf: Certificate) -> bool:
    """Whether the key is of a kind that the manual has: RSA up to 8192 bits, ECDSA with 256 or 384 [HELP; 8.0]."""
    return (leaf.key_type == "RSA" and leaf.key_bits <= 8192) or (leaf.key_type == "EC" and leaf.key_bits in (256, 384))


def listener_profile(name: str, tls: TlsSettings) -> DecryptionProfile:
    """The switches that let all of the listener's suites through, and as few others as they can."""
    return DecryptionProfile(name, tls.min_version, _highest(tls.max_version), _switches(_suites(tls)))


def backend_profile(policy: str, tls: BackendTls) -> DecryptionProfile:
    """The policy names no suites on the inner leg: what proxy and server agree on passes, but for the broken ones."""
    name = object_name(PROFILE_NAME, policy, f"backend-tls-{spelled(tls.min_version)}")
    return DecryptionProfile(name, tls.min_version, "max", _ALL_BUT_BROKEN)


def _highest(version: str) -> str:
    return "max" if version == _HIGHEST else version


def _suites(tls: TlsSettings) -> list[str]:
    # The switches hold for TLS 1.3's suites as well (tlsv13-ssl-decryption-support), which are not in the policy.
    return [*(f"ECDHE-{suite}" for suite in _AEAD_OF_TLS13 if tls.max_version >= "1.3"), *tls.ciphers]


def _switches(suites: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """By OpenSSL's names, in which what is not said is RSA key exchange, and CBC. Names of switches: [SPEC]."""

    def some(pattern: str) -> bool:
        return any(re.search(pattern, suite) for suite in suites)

    return (
        ("keyxchg-algo-rsa", some(r"^(?!ECDHE-|DHE-)")),
        ("keyxchg-algo-dhe", some(r"^DHE-")),
        ("keyxchg-algo-ecdhe", some(r"^ECDHE-")),
        ("enc-algo-3des", some(r"DES-CBC3")),
        ("enc-algo-rc4", some(r"RC4")),
        ("enc-algo-aes-128-cbc", some(r"AES128-SHA")),
        ("enc-algo-aes-256-cbc", some(r"AES256-SHA")),
        ("enc-algo-aes-128-gcm", some(r"AES128-GCM")),
        ("enc-algo-aes-256-gcm", some(r"AES256-GCM")),
        ("enc-algo-chacha20-poly1305", some(r"CHACHA20-POLY1305")),
        ("auth-algo-md5", some(r"-MD5$")),
        ("auth-algo-sha1", some(r"-SHA$")),
        ("auth-algo-sha256", some(r"-SHA256$|CHACHA20-POLY1305$")),
        ("auth-algo-sha384", some(r"-SHA384$")),
    )


_BROKEN = {"enc-algo-3des", "enc-algo-rc4", "auth-algo-md5"}
_ALL_BUT_BROKEN = tuple((switch, switch not in _BROKEN) for switch, _ in _switches(()))
_BY_KEY_EXCHANGE = {
    "": ("RC4-MD5", "RC4-SHA", "DES-CBC3-SHA", "AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256"),
    "ECDHE-": ("RC4-SHA", "DES-CBC3-SHA", "AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA384"),
}
_KNOWN = (
    *(suite for suite in _BY_KEY_EXCHANGE[""]),
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    *(
        f"ECDHE-{signature}-{suite}"
        for signature in ("ECDSA", "RSA")
        for suite in (
            *_BY_KEY_EXCHANGE["ECDHE-"],
            "AES128-GCM-SHA256",
            "AES256-GCM-SHA384",
            "CHACHA20-POLY1305",
        )
    ),
)
"""The suites of TLS 1.2 and before that the switches are made of (RFC 5246, 4492, 5288, 5289, 7905), without DHE."""


def suites_let_through(tls: TlsSettings) -> list[str]:
    """Suites that the policy does not have and the switches let through, because they go by parts."""
    if not tls.ciphers:
        return []
    on = {switch for switch, is_on in _switches(_suites(tls)) if is_on}
    return [
        suite
        for suite in _KNOWN
        if suite not in tls.ciphers and {switch for switch, is_on in _switches([suite]) if is_on} <= on
    ]
