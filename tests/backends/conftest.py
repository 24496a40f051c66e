"""The example policies, with certificates that are the same in every run."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import make_certificates
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import CertificateBuilder
from policyc.compiler.loopback import pki

EXAMPLES = Path(make_certificates.__file__).parent
POLICIES = sorted(
    str(path.relative_to(EXAMPLES)) for glob in ("*/*.yaml", "*/policies") for path in EXAMPLES.glob(glob)
)
"""The policies among the examples: files, and folders of files."""
TODAY = datetime(2026, 7, 1, tzinfo=UTC)
"""The day on which the examples' certificates are made and judged."""


@pytest.fixture(scope="session")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example policies and their certificates."""
    folder = tmp_path_factory.mktemp("examples")
    for policy in EXAMPLES.glob("*/*.yaml"):
        (folder / policy.parent.name).mkdir(exist_ok=True)
        shutil.copy(policy, folder / policy.parent.name)
    for policies in EXAMPLES.glob("*/policies"):
        shutil.copytree(policies, folder / policies.relative_to(EXAMPLES))
    for name, make in make_certificates.EXAMPLES.items():
        with pytest.MonkeyPatch.context() as patch:
            _no_chance(patch, name)
            (folder / name / "certs").mkdir()
            make(folder / name / "certs")
    return folder


def _no_chance(patch: pytest.MonkeyPatch, seed: str) -> None:
    """Keys, serial numbers, dates and signatures of the laboratory's PKI follow from `seed` and their order alone.

    Fingerprints stand in findings, in names for the firewall and in manifests; none of them is worth a snapshot that
    changes with every run, and all of them are worth one that does not.
    """
    sign = CertificateBuilder.sign
    numbers = _numbers(seed)

    def key(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(next(numbers), curve)

    def signed(self: CertificateBuilder, private_key: Any, algorithm: Any) -> Any:
        return sign(self, private_key, algorithm, ecdsa_deterministic=True)

    patch.setattr(pki.ec, "generate_private_key", key)
    patch.setattr(pki.x509, "random_serial_number", lambda: next(numbers) >> 128)
    patch.setattr(pki.x509.CertificateBuilder, "sign", signed)
    patch.setattr(pki, "_START_OF_TODAY", TODAY)


def _numbers(seed: str) -> Iterator[int]:
    for index in count():
        # 31 bytes: below the order of every curve in use.
        yield int.from_bytes(hashlib.sha256(f"policyc test {seed} {index}".encode()).digest()[:31])
