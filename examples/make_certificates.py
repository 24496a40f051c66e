"""Makes the certificates that the examples name, into ``examples/*/certs/`` (which git ignores).

    python examples/make_certificates.py [--force] [EXAMPLE ...]

What is there and valid for another week stays; ``--force`` makes everything anew.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from policyc.compiler.loopback.pki import Issued, authority, leaf, write

_HERE = Path(__file__).resolve().parent
_SPARE = timedelta(days=7)


def weberlab(folder: Path) -> None:
    """The seed case: a public certificate for the site, and another, self-signed one on the server behind."""
    visible = _public(folder)
    write(folder, "pi10-fullchain", leaf(["pi10-test5.weberlab.de"], visible))
    write(folder, "pi10-internal", leaf(["pi10-test5.weberlab.de", "foobar.internal"], common_name="foobar.internal"))


def two_sites(folder: Path) -> None:
    """Two public certificates, and an internal CA with the certificates of two servers behind."""
    visible = _public(folder)
    write(folder, "shop-fullchain", leaf(["shop.example.com", "www.shop.example.com"], visible))
    write(folder, "apps-fullchain", leaf(["*.apps.example.com"], visible))
    internal = authority("Example Internal CA")
    (folder / "internal-ca.pem").write_bytes(internal.pem)
    write(folder, "apps-internal", leaf(["apps.example.internal"], internal))
    # Passed through: visitors see it, so the public CA signed it, and the edge never has it.
    write(folder, "legacy", leaf(["legacy.example.com"], visible))


def firewall(folder: Path) -> None:
    """Public certificates; and an internal CA below a root, with the certificates of the servers behind."""
    visible = _public(folder)
    write(folder, "shop-fullchain", leaf(["shop.example.com", "www.shop.example.com"], visible))
    write(folder, "apps-fullchain", leaf(["*.apps.example.com"], visible))
    write(folder, "legacy", leaf(["legacy.example.com"], visible))
    root = authority("Example Internal Root")
    (folder / "internal-root.pem").write_bytes(root.pem)
    internal = authority("Example Internal CA 2", root)
    write(folder, "shop-internal", leaf(["shop.example.internal"], internal))
    write(folder, "api-internal", leaf(["api.example.internal"], internal))


def teams(folder: Path) -> None:
    """A public certificate for each team's site, and the CA of the servers behind."""
    visible = _public(folder)
    write(folder, "shop-fullchain", leaf(["shop.example.com", "www.shop.example.com"], visible))
    write(folder, "wiki-fullchain", leaf(["wiki.example.com"], visible))
    (folder / "internal-ca.pem").write_bytes(authority("Example Internal CA").pem)


EXAMPLES: dict[str, Callable[[Path], None]] = {
    "weberlab": weberlab,
    "two-sites": two_sites,
    "firewall": firewall,
    "teams": teams,
}


def make(example: str, *, force: bool = False) -> Path:
    """The folder of an example's certificates, made where they are not there, incomplete, or about to expire."""
    folder = _HERE / example / "certs"
    with _alone(folder.parent):
        if force or not _fresh(folder):
            folder.mkdir(exist_ok=True)
            for old in folder.iterdir():
                old.unlink()
            EXAMPLES[example](folder)
            (folder / _COMPLETE).touch()
    return folder


_COMPLETE = ".complete"


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Tests in several processes make the same certificates: one makes them, the others wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _public(folder: Path) -> Issued:
    """A CA as on the internet: a root that visitors trust, which signs nothing but an intermediate."""
    root = authority("Example Public Root X1")
    (folder / "public-root.pem").write_bytes(root.pem)
    return authority("Example Public CA R11", root)


def _fresh(folder: Path) -> bool:
    if not (folder / _COMPLETE).exists():
        return False
    end = datetime.now(UTC) + _SPARE
    certificates = [x509.load_pem_x509_certificate(file.read_bytes()) for file in folder.glob("*.pem")]
    return all(certificate.not_valid_after_utc > end for certificate in certificates)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the certificates that the examples name.")
    parser.add_argument("--force", action="store_true", help="make everything anew")
    parser.add_argument("examples", nargs="*", metavar="EXAMPLE", help=f"of {', '.join(EXAMPLES)}; default: all")
    chosen = parser.parse_args()
    for name in chosen.examples or EXAMPLES:
        if name not in EXAMPLES:
            parser.error(f"there is no example {name}")
        print(make(name, force=chosen.force))
    return 0


if __name__ == "__main__":
    sys.exit(main())
