"""The certificates that fixtures and pages name, made on demand, and the same in every run.

A name such as ``certs/shop-expired.pem`` is looked up here. Keys, serial numbers and dates follow from the name.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

TODAY = datetime(2026, 7, 1, tzinfo=UTC)
"""The day for which fixtures and pages are judged."""

_DAY = timedelta(days=1)
_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_DOMAIN_VALIDATED = ObjectIdentifier("2.23.140.1.2.1")

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class Certificate:
    """What a certificate is to be. Days count from `TODAY`."""

    common_name: str
    names: tuple[str, ...] = ()
    issuer: str | None = None
    """A name of `CERTIFICATES`; None: self-signed."""
    ca: bool = False
    begins: int = -30
    ends: int = 335
    usages: tuple[ObjectIdentifier, ...] = (_SERVER,)
    key: str = "p256"
    """``p256``, ``p384``, ``ed25519``, or ``rsa`` with its bits."""
    sha1: bool = False
    must_staple: bool = False
    public: bool = False
    """It names a policy of the CA/Browser Forum."""


def _shop(**changes: Any) -> Certificate:
    names = changes.pop("names", ("shop.example.com", "www.example.com"))
    return Certificate(names[0], names, changes.pop("issuer", "public-ca"), **changes)


def _app(**changes: Any) -> Certificate:
    name = changes.pop("common_name", "app.example.internal")
    return Certificate(name, changes.pop("names", (name,)), changes.pop("issuer", "internal-ca"), **changes)


def _ca(name: str, issuer: str | None = None, **changes: Any) -> Certificate:
    return Certificate(name, issuer=issuer, ca=True, ends=changes.pop("ends", 3650), usages=(), **changes)


CERTIFICATES: dict[str, Certificate] = {
    "public-root": _ca("Example Public Root X1"),
    "public-ca": _ca("Example Public CA R11", "public-root"),
    "public-ca-2": _ca("Example Public CA R12", "public-ca"),
    "internal-ca": _ca("Example Internal CA"),
    "internal-issuing-ca": _ca("Example Internal Issuing CA", "internal-ca"),
    "internal-expired-ca": _ca("Example Internal Expired CA", "internal-ca", begins=-900, ends=-10),
    "partner-ca": _ca("Example Partner CA"),
    "old-ca": _ca("Example Old CA", key="rsa2048", sha1=True),
    # what visitors are shown
    "shop": _shop(),
    "shop-expired": _shop(begins=-400, ends=-10),
    "shop-from-tomorrow": _shop(begins=1),
    "shop-20-days-left": _shop(begins=-70, ends=20),
    "shop-31-days-left": _shop(begins=-59, ends=31),
    "shop-leaf-alone": _shop(public=True),
    "shop-leaf-of-internal-ca": _shop(issuer="internal-ca"),
    "shop-without-its-chain": _shop(),
    "shop-self-signed": _shop(issuer=None),
    "shop-long-chain": _shop(issuer="public-ca-2"),
    "shop-swapped-chain": _shop(issuer="public-ca-2"),
    "shop-with-root": _shop(),
    "shop-rsa-1024": _shop(key="rsa1024"),
    "shop-rsa-2048": _shop(key="rsa2048"),
    "shop-p384": _shop(key="p384"),
    "shop-ed25519": _shop(key="ed25519"),
    "shop-sha1": _shop(issuer="old-ca", sha1=True),
    "shop-for-clients": _shop(usages=(_CLIENT,)),
    "shop-for-both": _shop(usages=(_SERVER, _CLIENT)),
    "shop-three-years": _shop(begins=-1, ends=1094),
    "shop-two-years": _shop(begins=-1, ends=729),
    "shop-public-two-years": _shop(begins=-1, ends=729, public=True),
    "shop-must-staple": _shop(must_staple=True),
    "shop-partial-wildcard": _shop(names=("sh*.example.com",)),
    "shop-in-common-name": Certificate("shop.example.com", ("www.example.com",), "public-ca"),
    "star-example-com": _shop(names=("*.example.com", "example.com")),
    "www-without-usages": _shop(names=("www.example.com",), usages=()),
    "www": _shop(names=("www.example.com",)),
    **{f"of-s{number}": _shop(names=(f"s{number}.example.com",)) for number in range(202)},
    # what backends present
    "app": _app(),
    "app-expired": _app(begins=-400, ends=-10),
    "app-renewed": _app(),
    "app-issuing-alone": _app(issuer="internal-issuing-ca"),
    "app-below-expired": _app(issuer="internal-expired-ca"),
    "app-issuing": _app(issuer="internal-issuing-ca"),
    "app-partner": _app(issuer="partner-ca"),
    "app-without-san": _app(names=()),
    "app-in-common-name": _app(names=("other.example.internal",)),
    "app-for-clients": _app(usages=(_CLIENT,)),
    "app-sha1": _app(issuer="old-ca", sha1=True),
    "app-old-root": _app(issuer="old-ca"),
    "app-partial-wildcard": _app(common_name="Apps", names=("app*.example.internal",)),
    "app-wildcard": _app(common_name="Apps", names=("*.example.internal",)),
    "star-internal": _app(common_name="Apps", names=("*.internal",)),
    "app-internal": _app(common_name="app.internal"),
    "self-signed": _app(issuer=None, ca=True),
    "self-signed-leaf": _app(issuer=None),
    # what backends are shown
    "proxy": _app(common_name="proxy.example.internal", usages=(_CLIENT,)),
    "proxy-for-servers": _app(common_name="proxy.example.internal", usages=(_SERVER,)),
    "proxy-without-usages": _app(common_name="proxy.example.internal", usages=()),
    "proxy-expired": _app(common_name="proxy.example.internal", usages=(_CLIENT,), begins=-400, ends=-10),
}


@dataclass(frozen=True)
class Revocations:
    """What a revocation list is to be."""

    issuer: str
    revoked: tuple[str, ...] = ()
    begins: int = -1
    ends: int = 6
    signer: str | None = None
    """Who signs it in the issuer's name."""


LISTS: dict[str, tuple[Revocations, ...]] = {
    "internal-ca": (Revocations("internal-ca"),),
    "internal-both-cas": (Revocations("internal-ca"), Revocations("internal-issuing-ca")),
    "app-revoked": (Revocations("internal-ca", ("app",)),),
    "issuing-revoked": (Revocations("internal-ca", ("internal-issuing-ca",)), Revocations("internal-issuing-ca")),
    "stale": (Revocations("internal-ca", begins=-40, ends=-10),),
    "from-tomorrow": (Revocations("internal-ca", begins=1, ends=8),),
    "forged": (Revocations("internal-ca", signer="partner-ca"),),
}

FILES: dict[str, tuple[str, ...]] = {
    "internal-both-cas": ("internal-ca", "internal-issuing-ca"),
    "shop-leaf-alone": ("shop-leaf-alone",),
    "app-issuing-alone": ("app-issuing-alone",),
    "shop-without-its-chain": ("shop-without-its-chain",),
    "shop-swapped-chain": ("shop-swapped-chain", "public-ca", "public-ca-2"),
    "shop-with-root": ("shop-with-root", "public-ca", "public-root"),
    "shop-and-its-chain": ("shop-leaf-alone", "public-ca"),
}
"""PEM files that hold something else than a certificate with the intermediates above it (and CAs: alone)."""


def write(folder: Path, name: str) -> None:
    """Make ``folder/name``, where `name` is as a policy has it: ``certs/shop.pem``, ``.key`` or ``.crl``.

    Raises KeyError for a name that is not known here.
    """
    stem, suffix = os.path.splitext(os.path.basename(name))
    made: dict[str, Callable[[str], bytes]] = {".pem": _pem, ".key": _key_pem, ".crl": _crl}
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(made[suffix](stem))


def _pem(stem: str) -> bytes:
    return b"".join(certificate(one).public_bytes(Encoding.PEM) for one in FILES.get(stem) or _chain(stem))


def _chain(name: str) -> Sequence[str]:
    chain = [name]
    while not CERTIFICATES[name].ca:
        above = CERTIFICATES[chain[-1]].issuer
        if above is None or CERTIFICATES[above].issuer is None:
            break
        chain.append(above)
    return chain


def _key_pem(stem: str) -> bytes:
    key = _key(FILES[stem][0] if stem in FILES else stem)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def certificate(name: str) -> x509.Certificate:
    """A certificate of `CERTIFICATES`."""
    wanted = CERTIFICATES[name]
    key = _key(name)
    issuer = wanted.issuer or name
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(wanted.common_name))
        .issuer_name(_name(CERTIFICATES[issuer].common_name))
        .public_key(key.public_key())
        .serial_number(_number(f"serial of {name}") >> 128)
        .not_valid_before(TODAY + wanted.begins * _DAY)
        .not_valid_after(TODAY + wanted.ends * _DAY)
        .add_extension(x509.BasicConstraints(ca=wanted.ca, path_length=None), critical=True)
    )
    extensions: list[x509.ExtensionType] = []
    if wanted.names:
        extensions.append(x509.SubjectAlternativeName([x509.DNSName(one) for one in wanted.names]))
    if wanted.usages:
        extensions.append(x509.ExtendedKeyUsage(wanted.usages))
    if wanted.public:
        extensions.append(x509.CertificatePolicies([x509.PolicyInformation(_DOMAIN_VALIDATED, None)]))
    if wanted.must_staple:
        extensions.append(x509.TLSFeature([x509.TLSFeatureType.status_request]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    made = _sign(builder, _key(issuer))
    return _with_sha1(made, _key(issuer)) if wanted.sha1 else made


def _crl(stem: str) -> bytes:
    return b"".join(_revocation_list(one).public_bytes(Encoding.PEM) for one in LISTS[stem])


def _revocation_list(wanted: Revocations) -> x509.CertificateRevocationList:
    since = TODAY + wanted.begins * _DAY
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_name(CERTIFICATES[wanted.issuer].common_name))
        .last_update(since)
        .next_update(TODAY + wanted.ends * _DAY)
    )
    for name in wanted.revoked:
        serial = certificate(name).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(TODAY - 5 * _DAY).build()
        builder = builder.add_revoked_certificate(entry)
    return _sign(builder, _key(wanted.signer or wanted.issuer))


def _sign(builder: Any, key: Key) -> Any:
    more = {"ecdsa_deterministic": True} if isinstance(key, ec.EllipticCurvePrivateKey) else {}
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256(), **more)


_SHA256_WITH_RSA, _SHA1_WITH_RSA = (bytes.fromhex(f"06092a864886f70d0101{last}") for last in ("0b", "05"))


def _with_sha1(made: x509.Certificate, key: Key) -> x509.Certificate:
    """Signed anew: the library reads such certificates, and makes none."""
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = made.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    rest = made.public_bytes(Encoding.DER).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    return x509.load_der_x509_certificate(
        rest[: -len(made.signature)] + key.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _number(seed: str) -> int:
    # 31 bytes: below the order of every curve in use.
    return int.from_bytes(hashlib.sha256(f"policyc lint {seed}".encode()).digest()[:31])


@cache
def _key(name: str) -> Key:
    kind = CERTIFICATES[name].key
    number = _number(f"key of {name}")
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))
    if kind.startswith("rsa"):
        return _rsa(name, int(kind[3:]))
    return ec.derive_private_key(number, ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


def _rsa(seed: str, bits: int) -> rsa.RSAPrivateKey:
    p, q = (_prime(f"{letter} of {seed}", bits // 2) for letter in "pq")
    d = pow(65537, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak key is what is asked for
        return numbers.private_key()


def _prime(seed: str, bits: int) -> int:
    found = int.from_bytes(
        b"".join(hashlib.sha256(f"{seed} {index}".encode()).digest() for index in range(bits // 256))
    )
    found |= (3 << bits - 2) | 1
    while any(found % small == 0 for small in _SMALL_PRIMES) or pow(2, found - 1, found) != 1:
        found += 2
    return found


_SMALL_PRIMES = [one for one in range(3, 4000, 2) if all(one % other for other in range(3, int(one**0.5) + 1, 2))]
