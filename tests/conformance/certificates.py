"""The certificates that cases name, made from ``pki.yaml``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.hashes import SHA256
from policyc.compiler.loopback import pki

_RECIPES = Path(__file__).with_name("pki.yaml")


@dataclass(frozen=True)
class Certificates:
    """A folder with every certificate, key and list of ``pki.yaml``."""

    folder: Path
    issued: Mapping[str, pki.Issued]
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    """Host → the certificate of its site's own, where sites have such beside what a topic says."""

    @property
    def public_root(self) -> Path:
        """What visitors trust."""
        return self.folder / "public-root.pem"

    def pair(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate and its key."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def with_own(self, prefix: str, sites: Mapping[str, Sequence[str]]) -> Certificates:
        """These, and a certificate for each of some sites with their hostnames, called `prefix` and the site."""
        issued = {f"{prefix}{site}": pki.leaf(hosts, self.issued["public"]) for site, hosts in sites.items()}
        for name, one in issued.items():
            pki.write(self.folder, name, one)
        own = {host: f"{prefix}{site}" for site, hosts in sites.items() for host in hosts}
        return replace(self, issued={**self.issued, **issued}, own=own)

    def pin(self, name: str) -> str:
        """The hex SHA-256 of a certificate."""
        return self.issued[name].certificate.fingerprint(SHA256()).hex()

    def filled(self, value: Any) -> Any:
        """A part of a policy in which every ``sha256:@NAME`` is that certificate's."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, str) and value.startswith("sha256:@"):
            return f"sha256:{self.pin(value.partition('@')[2])}"
        return value


def make(folder: Path) -> Certificates:
    """Everything anew, into a folder."""
    recipes: dict[str, dict[str, Any]] = yaml.safe_load(_RECIPES.read_text())
    issued: dict[str, pki.Issued] = {}
    for name, recipe in recipes["authorities"].items():
        issuer = recipe.get("issuer")
        issued[name] = pki.authority(recipe.get("common_name", name), issued[issuer] if issuer else None)
        (folder / f"{name}.pem").write_bytes(issued[name].pem)
    for name, recipe in recipes["certificates"].items():
        options = {key: value for key, value in recipe.items() if key not in ("names", "issuer", "chain")}
        issuer = recipe.get("issuer", "internal")
        issued[name] = pki.leaf(recipe["names"], issued[issuer] if issuer else None, **options)
        pki.write(folder, name, issued[name], chain=recipe.get("chain", True))
    for name, lists in recipes["lists"].items():
        texts = [
            pki.revocation_list(
                issued[one["issuer"]], [issued[revoked] for revoked in one.get("revoked", ())], days=one.get("days", 30)
            )
            for one in lists
        ]
        (folder / f"{name}.crl").write_bytes(b"".join(texts))
    return Certificates(folder, issued)
