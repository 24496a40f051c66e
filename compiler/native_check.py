"""A target's own parser on a bundle, in a temporary folder, with throwaway keys where the real ones are absent."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass

from . import stopping
from .bundle import Bundle, KeyFile
from .certificates import is_clear_key

_TIMEOUT = 120
_PLACE = re.compile(r"(?:\[|in |\b)([\w./-]+\.(?:cfg|conf|json|list|map)):(\d+)")
_SOURCE = re.compile(r"#\s+(\S+: \S.*)")


class ProgramMissing(Exception):
    """The target's program is not on this machine."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the parser printed, and the policy's part that it is about, where that is known."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the parser said."""

    accepted: bool
    throwaway_keys: bool
    lines: tuple[Line, ...]


def find_program(name: str) -> str:
    """A program's path: from PATH, beside this Python (wheels put it there), or from the system's own folders.

    Raises ProgramMissing.
    """
    folders = [
        os.environ.get("PATH", os.defpath),
        os.path.dirname(sys.executable),
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
    ]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if not found:
        raise ProgramMissing(f"the program {name!r} is not installed here")
    return found


def native_check(bundle: Bundle) -> Result:
    """Run the bundle's check command. Raises ProgramMissing where the program is not installed."""
    program = find_program(bundle.check[0])
    with stopping.temporary_folder("policyc-check-") as folder:
        for path, data in bundle.files.items():
            _put(folder, path, data)
        throwaway = False
        for key in bundle.keys:
            if is_clear_key(key.source):
                # Named and not copied: a private key is in no temporary file.
                os.makedirs(os.path.dirname(os.path.join(folder, key.path)), exist_ok=True)
                os.symlink(os.path.abspath(key.source), os.path.join(folder, key.path))
            else:
                throwaway = True
                _put_throwaway(folder, key, bundle)
        command = [program, *(argument.replace("{folder}", folder) for argument in bundle.check[1:])]
        done = stopping.run(command, _TIMEOUT, cwd=folder)
        text = (done.stdout + done.stderr).decode(errors="replace").replace(folder + "/", "")
        lines = tuple(Line(line, _source(bundle, line)) for line in text.splitlines() if line.strip())
    accepted = done.returncode == 0 or (bundle.check_says != "" and bundle.check_says in text)
    return Result(accepted, throwaway, lines)


def _put(folder: str, path: str, data: bytes) -> None:
    full = os.path.join(folder, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(data)


def _put_throwaway(folder: str, key: KeyFile, bundle: Bundle) -> None:
    """A fresh key, and in place of its certificate a self-signed one with the same names and kind of key.

    Parsers compare the two, so the real certificate cannot stay.
    """
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    stem = key.path.removesuffix(".key")
    chain_path = next(path for path in (f"{stem}.pem", f"{stem}.crt") if path in bundle.files)
    real = x509.load_pem_x509_certificates(bundle.files[chain_path])[0]
    public = real.public_key()
    private = (
        rsa.generate_private_key(65537, 2048)
        if isinstance(public, rsa.RSAPublicKey)
        else ec.generate_private_key(ec.SECP256R1())
    )
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
    certificate = builder.sign(private, hashes.SHA256())
    _put(folder, chain_path, certificate.public_bytes(Encoding.PEM))
    _put(folder, key.path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _source(bundle: Bundle, line: str) -> str:
    """The nearest comment above the place that a message names: the policy's part that wrote it."""
    match = _PLACE.search(line)
    if not match or match[1] not in bundle.files:
        return ""
    above = bundle.files[match[1]].decode(errors="replace").splitlines()[: int(match[2])]
    for text in reversed(above):
        source = _SOURCE.search(text)
        if source:
            return source[1]
    return ""
