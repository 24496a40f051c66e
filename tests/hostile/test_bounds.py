"""Files that are large, odd or not files at all: 5 s of CPU time and 1 GiB are enough for each, and there is an answer.

Each runs in a process of its own, whose limits are the system's: 1 GiB of address space, and 5 s of CPU time.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from policyc.compiler.loopback import pki
from policyc.compiler.pipeline import compile_for, examine, has_errors, load
from policyc.compiler.reports import text as report
from policyc.compiler.target import installed_targets

from .running import MEMORY, SECONDS, OutOfBounds, bounded

TARGETS = installed_targets()

POLICY: dict[str, Any] = {
    "version": 1,
    "public_certificates": {"c": {"cert": "shown.pem", "key": "shown.key"}},
    "backend_cas": {"pki": {"ca": "root.pem", "crl": "root.crl"}},
    "backends": {
        "b": {
            "servers": ["192.0.2.1:443"],
            "tls": {"ca": "pki", "server_name": "b.internal", "certificate": "inner.pem"},
        }
    },
    "inspection_rules": {"l": [{"when": {"path": {"prefix": "/a"}}, "deny": 403}]},
    "sites": {"s": {"hostnames": ["a.example.com"], "public_certificate": "c", "backend": "b", "inspect": ["l"]}},
    "targets": {"haproxy": {}},
}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    said: str


def limited(*arguments: str | Path) -> Ended:
    """`policyc` within the limits."""

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    done = subprocess.run(
        [str(Path(sys.executable).with_name("policyc")), *map(str, arguments)],
        preexec_fn=limits,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,  # waiting for the processor counts here
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)


def told(ended: Ended, status: int, words: str) -> None:
    """It ended well, and said this."""
    shown = ended.said[:2000]
    assert "Traceback" not in ended.said, ended.said[-2000:]
    assert "bug of policyc" not in ended.said, ended.said[-2000:]
    assert ended.status == status, shown
    assert words in " ".join(ended.said.split()), shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A policy that is good, with its files."""
    root = pki.authority("root")
    pki.write(tmp_path, "root", root)
    pki.write(tmp_path, "shown", pki.leaf(["*.example.com"], root))
    pki.write(tmp_path, "inner", pki.leaf(["b.internal"], root))
    (tmp_path / "root.crl").write_bytes(pki.revocation_list(root))
    (tmp_path / "policy.yaml").write_text(json.dumps(POLICY))
    return tmp_path


def test_the_good_one(folder: Path) -> None:
    told(limited("build", folder / "policy.yaml", "--target", "haproxy", "-o", folder / "out"), 0, "wrote")


# --- documents --------------------------------------------------------------------------------------------------

_SITE = "version: 1\nbackends: {b: {servers: ['192.0.2.1:443']}}\nsites:\n s: {decrypt: false, backend: b, hostnames: ["


def _regex(text: str, kind: str = "path") -> Callable[[], str]:
    match = {"path": {"regex": text}} if kind == "path" else {kind: {"name": "x", "regex": text}}
    return lambda: json.dumps({**POLICY, "inspection_rules": {"l": [{"when": match, "deny": 403}]}})


def _bomb() -> str:
    return "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))


DOCUMENTS: dict[str, tuple[Callable[[], str], str]] = {
    "alias bomb": (_bomb, "aliases stand for more than"),
    "100,000 brackets": (lambda: "[" * 100_000, "nest"),
    "a million dashes": (lambda: "- " * 1_000_000, "nested more than"),
    "a scalar of 10 MB": (lambda: "version: 1\nname: " + "x" * 10_000_000, "is not a name"),
    "a path of 3 MB": (
        lambda: json.dumps(
            {**POLICY, "inspection_rules": {"l": [{"when": {"path": {"prefix": "/" + "a" * 3_000_000}}, "deny": 403}]}}
        ),
        "no target takes more",
    ),
    "100,000 unknown keys": (lambda: "version: 1\n" + "".join(f"a{n}: x\n" for n in range(100_000)), "more errors"),
    "100,000 wrong backends": (
        lambda: "version: 1\nbackends:\n" + "".join(f" a{n}: x\n" for n in range(100_000)),
        "more errors",
    ),
    "100,000 equal keys": (lambda: "version: 1\n" + "a: x\n" * 100_000, "stands twice"),
    "50,000 keys twice": (lambda: "version: 1\n" + "".join(f"a{n}: x\n" for n in range(50_000)) * 2, "stands twice"),
    "missing files": (
        lambda: json.dumps({**POLICY, "backend_cas": {f"a{n}": {"ca": f"no{n}"} for n in range(5_000)}}),
        "no such file",
    ),
    "a hostname of a million labels": (lambda: _SITE + "a." * 1_000_000 + "com]}\n", "over 253 characters"),
    "an international name of a megabyte": (lambda: _SITE + "ä" * 1_000_000 + ".com]}\n", "is not a hostname"),
    "a number of 5 MB": (lambda: "version: " + "9" * 5_000_000, "this must be 1"),
    "a comment of 10 MB": (lambda: "#" * 10_000_000, "holds no policy"),
    "10 million lines": (lambda: "\n" * 10_000_000, "holds no policy"),
    "begins of keys": (lambda: "version: 1\nname: " + "-----BEGIN " * 900_000, "is not a name"),
    "a regex of a megabyte": (_regex("a" * 1_000_000, "header"), "no target takes more"),
    "a megabyte of backslashes": (_regex("\\" * 1_000_000, "header"), "no target takes more"),
    "nested groups": (_regex("(" * 4_900 + "a" + ")" * 4_900), "error"),
    "repetitions of repetitions": (_regex("(((((a{100}){100}){100}){100}){100})"), "error"),
    "many loops": (_regex("a*" * 4_900 + "b", "header"), "error"),
    "many optional ones": (_regex("a?" * 4_900, "query"), ""),
    "many classes": (_regex("[^a]" * 2_400, "header"), ""),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document(name: str, folder: Path) -> None:
    text, words = DOCUMENTS[name]
    path = folder / "large.yaml"
    path.write_text(text())
    ended = limited("lint", path, "--target", "haproxy")
    assert len(ended.said) < 5_000_000
    assert ended.status in ((1, 3) if words else (0, 1)), ended
    told(ended, ended.status, words)


# --- what is no file --------------------------------------------------------------------------------------------


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


NO_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a FIFO": (_fifo, "not an ordinary file"),
    "a loop of links": (_loop, "too many levels of symbolic links"),
    "/dev/zero": (lambda path: path.symlink_to("/dev/zero"), "not an ordinary file"),
    "/dev/tty": (lambda path: path.symlink_to("/dev/tty"), ""),
    "a socket": (lambda path: os.mknod(path, 0o140644), ""),
    "a folder": (lambda path: path.mkdir(), "is a directory"),
    "a file of 2 GiB": (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2 << 30), "more than the"),
    "/proc/self/mem": (lambda path: path.symlink_to("/proc/self/mem"), ""),
    "a file behind a file": (lambda path: path.symlink_to("policy.yaml/x"), ""),
    "a name of 5,000 bytes": (lambda path: path.symlink_to("x" * 4_000), "file name too long"),
}
ROLES = ("shown.pem", "shown.key", "root.pem", "root.crl", "inner.pem")


def answered(folder: Path, name: str = "policy.yaml") -> tuple[bool, str]:
    """Whether there is an error, and all that is said, in this process: hundreds of these would take minutes else."""

    def stop(_signal: int, _frame: object) -> None:
        raise OutOfBounds("it waits for something")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        with bounded():
            loaded = load(str(folder / name), TARGETS)
            judged = examine(loaded, TARGETS, ["haproxy"])
            if not has_errors(judged.standing):
                compile_for(loaded, TARGETS["haproxy"])
            return has_errors(judged.standing), " ".join(report.render(loaded.document, judged).split())
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("what", NO_FILES)
@pytest.mark.parametrize("role", [*ROLES, "policy.yaml"])
def test_no_file(what: str, role: str, folder: Path) -> None:
    make, words = NO_FILES[what]
    (folder / role).unlink()
    make(folder / role)
    if role == "policy.yaml" and what == "a folder":
        words = "there is no *.yaml"
    refused, said = answered(folder)
    assert refused
    assert words in said
    assert f"{folder}/policy.yaml" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
@pytest.mark.parametrize("role", [*ROLES, "policy.yaml"])
def test_an_unreadable_file(role: str, folder: Path) -> None:
    (folder / role).chmod(0)
    refused, said = answered(folder)
    assert refused
    assert "permission denied" in said


# --- certificates -----------------------------------------------------------------------------------------------


def _with_names(many: int) -> bytes:
    """A certificate with so many names; what signs it is of no matter here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "many")])
    issued = pki.leaf(["a.example.com"]).certificate
    return (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, issued.not_valid_before_utc, issued.not_valid_after_utc
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"a{n}.example.com") for n in range(many)]), False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def _serial(pem: bytes, serial: bytes) -> bytes:
    """A certificate whose serial is another; its signature is no longer good, which nobody asks when reading it."""
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    number = x509.load_pem_x509_certificate(pem).serial_number
    old = number.to_bytes(number.bit_length() // 8 + 1, "big")
    assert len(old) == len(serial)
    assert der.count(old) == 1
    return _pem(der.replace(old, serial))


def _pem(der: bytes, label: str = "CERTIFICATE") -> bytes:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


def _changed(change: Callable[[bytes], bytes]) -> Callable[[Path], bytes]:
    return lambda path: change(path.read_bytes())


CONTENTS: dict[str, Callable[[Path], bytes]] = {
    "nothing": lambda _: b"",
    "half": _changed(lambda data: data[: len(data) // 2]),
    "no end": _changed(lambda data: data[: data.rindex(b"-----END")]),
    "half of the inside": _changed(lambda data: data[:200] + data[data.rindex(b"-----END") - 1 :]),
    "a bit flipped": _changed(lambda data: data[:150] + bytes([data[150] ^ 1]) + data[151:]),
    "a megabyte of zeros": lambda _: b"\0" * 1_000_000,
    "a megabyte of noise": lambda _: bytes(n * n % 251 for n in range(1_000_000)),
    "a megabyte of base64 inside": lambda _: _pem(b"x" * 750_000),
    "a megabyte of begins": lambda _: b"-----BEGIN CERTIFICATE-----\n" * 37_000,
    "a megabyte of begins of keys": lambda _: b"-----BEGIN PRIVATE KEY-----\n" * 37_000,
    "begins of many kinds": lambda _: b"".join(b"-----BEGIN %d-----\n" % n for n in range(50_000)),
    "an open label": lambda _: b"-----BEGIN " + b"A" * 1_000_000,
    "UTF-16": _changed(lambda data: data.decode().encode("utf-16")),
    "a byte order mark": _changed(lambda data: b"\xef\xbb\xbf" + data),
    "CRLF": _changed(lambda data: data.replace(b"\n", b"\r\n")),
    "CR": _changed(lambda data: data.replace(b"\n", b"\r")),
    "one line": _changed(lambda data: data.replace(b"\n", b"")),
    "spaces at the ends": _changed(lambda data: data.replace(b"\n", b"  \n")),
    "DER": _changed(lambda data: base64.b64decode(b"".join(data.split(b"\n")[1:-2]))),
    "an endless length": lambda _: _pem(b"\x30\x84\xff\xff\xff\xff" + b"x" * 100),
    "nested a thousand times": lambda _: _pem(b"\x30\x80" * 1_000),
    "another kind": lambda _: _pem(b"x" * 100, "PKCS7"),
    "a key and nothing": lambda _: _pem(b"x" * 100, "PRIVATE KEY"),
    "an encrypted key": lambda _: _pem(b"x" * 100, "ENCRYPTED PRIVATE KEY"),
    "the same 3,000 times": _changed(lambda data: data * 3_000),
}
FINE = {"a byte order mark", "CRLF", "spaces at the ends", "the same 3,000 times", "one line", "CR", "a bit flipped"}
"""What may be taken; all else must be refused."""


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("role", ROLES)
def test_content(content: str, role: str, folder: Path) -> None:
    path = folder / role
    path.write_bytes(CONTENTS[content](path))
    refused, said = answered(folder)
    assert refused or content in FINE
    # What is not noticed at once may be found in another file, which does not fit then.
    assert not refused or role in said or content == "a bit flipped"
    assert "xxxx" not in said
    assert "eHh4" not in said


@pytest.mark.parametrize("serial", [b"\x80", b"\x00", b"\xff", b"\x7f"])
def test_odd_serials(serial: bytes, folder: Path) -> None:
    """Negative ones and zero are read as others are: targets take them, too."""
    path = folder / "inner.pem"
    while True:
        issued = pki.leaf(["b.internal"], None).pem
        number = x509.load_pem_x509_certificate(issued).serial_number
        size = number.bit_length() // 8 + 1
        if size == 20:
            break
    path.write_bytes(_serial(issued, serial * size))
    refused, said = answered(folder)
    assert refused
    assert "inner.pem" in said


@pytest.mark.parametrize("many", [50_000, 600_000])
@pytest.mark.parametrize("role", ["shown.pem", "inner.pem", "root.pem"])
def test_many_names(many: int, role: str, folder: Path) -> None:
    (folder / role).write_bytes(_with_names(many))
    ended = limited("lint", folder / "policy.yaml", "--target", "haproxy")
    assert len(ended.said) < 100_000
    # A certificate of somebody else is taken for an anchor: what it has issued may be above the leaf.
    told(ended, ended.status if role == "root.pem" and ended.status == 0 else 1, role if ended.status else "nothing")
