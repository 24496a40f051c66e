"""The files that generated policies name: certificates for their hostnames, keys, trust anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from policyc.compiler.loopback import pki

LABELS = (
    *("a", "b", "default", "include", "hostnames", "volatile", "any", "none", "server", "end", "map", "geo", "if"),
    *("0", "400", "_x", "x_y", "x--y", "xn--nxasmq6b", "ä", "ß", "é" * 10, "x" * 63, "A", "b-c", "bc", "b_c"),
)
"""First labels of hostnames: each means something to somebody, or is nearly another."""

PLACES = ("{}.example.com", "{}.w.example.com", "{}.example.org")
WILDCARDS = ("*.example.com", "*.w.example.com", "*.example.org")
ALONE = ("default", "include", "hostnames", "localhost", "xn--nxasmq6b")
"""Hostnames of one label."""
INNER = ("inner.internal", "default.internal", "x_y.inner.internal", "xn--nxasmq6b.internal")
"""Names of backends."""


@dataclass(frozen=True)
class Files:
    """Names of files in a folder, by what they are good for."""

    folder: Path
    pairs: tuple[Mapping[str, str], ...]
    client: Mapping[str, str]
    anchors: tuple[Mapping[str, str], ...]
    leaves: tuple[str, ...]
    pins: tuple[str, ...]


def make(folder: Path) -> Files:
    """The files, below a folder. The odd names are of good files."""
    names = [*WILDCARDS, *ALONE]
    root, public = pki.authority("inner root"), pki.authority("public root")
    above = pki.authority("public intermediate", public)
    shown = {
        "shown": pki.leaf(names, above),
        "x';{}$#%\"\\ ä": pki.leaf(names, above, common_name="\"'`;{}#$%\\\n$(id)${x}%[src]"),
    }
    inner = pki.leaf(["*.internal", "*.inner.internal", *WILDCARDS, *ALONE], root)
    client = pki.leaf(["client"], root, usages=("client",))
    for name, issued in {**shown, "inner": inner, "client": client, "root": root}.items():
        pki.write(folder, name, issued)
    (folder / "root.crl").write_bytes(pki.revocation_list(root))
    return Files(
        folder,
        tuple({"cert": f"{name}.pem", "key": f"{name}.key"} for name in shown),
        {"cert": "client.pem", "key": "client.key"},
        ({"ca": "root.pem"}, {"ca": "root.pem", "crl": "root.crl"}),
        ("inner.pem", "./inner.pem"),
        (f"sha256:{inner.certificate.fingerprint(hashes.SHA256()).hex()}",),
    )
