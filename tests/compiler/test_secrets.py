"""No byte of a private key is where it should not be: every output, message and temporary file is searched for it."""

from __future__ import annotations

import base64
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from policyc.compiler import passphrase

from .conftest import GOOD, Ran, self_signed

Run = Callable[..., Ran]
Write = Callable[[str], Path]

OLD = PrivateFormat.TraditionalOpenSSL


def spellings(key: ec.EllipticCurvePrivateKey) -> Iterator[bytes]:
    """The secret number in the forms in which it could come out, or enough of each to know it by."""
    number = key.private_numbers().private_value
    raw = number.to_bytes(32, "big")
    yield raw
    yield str(number).encode()
    yield from (raw.hex().encode(), raw.hex().upper().encode(), raw.hex(":").encode())
    # Base64 depends on where in a line the number begins.
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + raw)[4:-4]
    yield repr(raw)[2:30].encode()
    for form in (PrivateFormat.PKCS8, OLD):
        lines = key.private_bytes(Encoding.PEM, form, NoEncryption()).splitlines()[1:-1]
        # Of the first line only the end is secret: it begins with what all keys of its kind begin with.
        yield from (line[8:40] for line in lines[1:-1])
        yield lines[0][-16:]


class Search:
    """Looks for a key's bytes in whatever the commands leave."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.spellings = list(dict.fromkeys(spellings(key)))

    def found(self, data: bytes) -> list[bytes]:
        """The spellings of the key that are in some data."""
        return [one for one in self.spellings if one in data]

    def files(self, *folders: Path) -> list[str]:
        """The files that hold the key, or are named by it."""
        return [
            str(path)
            for folder in folders
            for path in folder.rglob("*")
            if self.found(os.fsencode(path))
            or (path.is_file() and not path.is_symlink() and self.found(path.read_bytes()))
        ]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder of certificates with keys, of which ``locked.key`` is encrypted."""
    folder = tmp_path / "keys"
    folder.mkdir()
    self_signed(folder, "public", "shop.example.com")
    self_signed(folder, "inner", "shop.internal")
    key = load_pem_private_key((folder / "public.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    (folder / "locked.key").write_bytes(locked)
    (folder / "old-locked.key").write_bytes(
        key.private_bytes(Encoding.PEM, OLD, BestAvailableEncryption(b"open sesame"))
    )
    return folder


@pytest.fixture
def search(keys: Path) -> Search:
    """For the key of the public certificate."""
    key = load_pem_private_key((keys / "public.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    found = Search(key)
    assert found.found((keys / "public.key").read_bytes()), "the search must know the key when it sees it"
    assert not found.found((keys / "inner.key").read_bytes())
    return found


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, of which none is removed."""
    folder = tmp_path / "temporary"
    folder.mkdir()

    def kept(*_: Any, **__: Any) -> None:
        pass

    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(tempfile.TemporaryDirectory, "_rmtree", kept)
    monkeypatch.setattr(shutil, "rmtree", kept)
    return folder


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """The passphrase is asked for once in a run."""
    passphrase.passphrase.cache_clear()
    yield
    passphrase.passphrase.cache_clear()


@pytest.fixture
def policy(keys: Path, write_policy: Write) -> Callable[[str], Path]:
    """The good policy with these keys."""

    def write(key: str = "public.key") -> Path:
        return write_policy(GOOD.replace("CERTS/public.key", f"{keys}/{key}").replace("CERTS", str(keys)))

    return write


def test_no_command_tells_the_key(
    policyc: Run, policy: Callable[..., Path], search: Search, temporary: Path, tmp_path: Path
) -> None:
    file, out = policy(), tmp_path / "out"
    tests = tmp_path / "tests.yaml"
    tests.write_text("version: 1\ntests: [{request: 'https://shop.example.com/', expect: app}]\n")
    commands: list[tuple[str | Path, ...]] = [
        ("lint", file, "--show-accepted"),
        ("lint", file, "--format", "json"),
        ("build", file, "-o", out),
        ("build", file, "-o", out, "--check"),
        ("check", file),
        ("test", file, tests),
        ("trace", file, "https://shop.example.com/admin"),
        ("diff", file, file, "--format", "json"),
        ("targets", file),
    ]
    for command in commands:
        ran = policyc(*command)
        assert ran.status in (0, 5), (command, ran.out + ran.err)
        assert search.found((ran.out + ran.err).encode()) == [], command
    assert any(temporary.rglob("*")), "the check must have made temporary files"
    assert search.files(out, temporary) == []


def test_copied_keys_are_at_one_place(
    policyc: Run, policy: Callable[..., Path], search: Search, temporary: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = policyc("build", policy(), "-o", out, "--keys", "copy")
    assert search.found((ran.out + ran.err).encode()) == []
    copied = out / "example" / "certs" / "shop.key"
    assert search.files(out, temporary) == [str(copied)]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (copied, copied.parent, out / "example")] == [
        0o600,
        0o700,
        0o700,
    ]


def _truncated(pem: str) -> str:
    return "\n".join(pem.splitlines()[:-2])


def _broken(pem: str) -> str:
    lines = pem.splitlines()
    return "\n".join([lines[0], *reversed(lines[1:-1]), lines[-1]])


def _called_a_certificate(pem: str) -> str:
    return pem.replace("PRIVATE KEY", "CERTIFICATE")


@pytest.mark.parametrize("damage", [_truncated, _broken, _called_a_certificate])
@pytest.mark.parametrize("place", ["cert: CERTS/public.pem", "key: CERTS/public.key", "ca: CERTS/inner.pem"])
def test_findings_about_files_do_not_quote_them(
    policyc: Run, write_policy: Write, keys: Path, search: Search, damage: Callable[[str], str], place: str
) -> None:
    (keys / "damaged").write_text(damage((keys / "public.key").read_text()))
    for file in ("damaged", "public.key"):
        text = GOOD.replace(place, f"{place.partition(':')[0]}: {keys}/{file}")
        ran = policyc("lint", write_policy(text.replace("CERTS", str(keys))))
        assert search.found((ran.out + ran.err).encode()) == []
    assert (
        "damaged"
        in policyc("lint", write_policy(text.replace("/public.key", "/damaged").replace("CERTS", str(keys)))).out
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_key_in_place_of_the_policy_is_not_quoted(policyc: Run, keys: Path, search: Search, form: str) -> None:
    key = (keys / "public.key").read_text()
    (keys / "two.yaml").write_text(key + GOOD)
    (keys / "cut.yaml").write_text(_truncated(key))
    for file in ("public.key", "two.yaml", "cut.yaml"):
        ran = policyc("lint", keys / file, "--format", form)
        assert ran.status in (1, 3)
        assert search.found((ran.out + ran.err).encode()) == [], ran.out


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "place",
    [
        "CERTS/public.key",
        "CERTS/public.pem",
        "CERTS/inner.pem",
        "192.0.2.10:443",
        "shop.internal",
        "/admin",
        "403",
        "10.0.0.0/8",
        '"2.6"',
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_a_key_that_was_pasted_into_the_policy_is_not_told(
    policyc: Run, write_policy: Write, keys: Path, search: Search, place: str, form: str, escaped: bool
) -> None:
    key = (keys / "public.key").read_text()
    text = '"' + key.replace("\n", "\\n") + '"' if escaped else "'" + key.replace("\n", "\n\n      ") + "'"
    ran = policyc("lint", write_policy(GOOD.replace(place, text).replace("CERTS", str(keys))), "--format", form)
    assert ran.status in (1, 3)
    assert search.found((ran.out + ran.err).encode()) == [], ran.out


def test_a_bug_tells_no_key(
    policyc: Run, policy: Callable[..., Path], search: Search, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from policyc.compiler import output_folder

    real = output_folder.read_clear_key

    def broken(path: str) -> bytes:
        raise RuntimeError(real(path))

    monkeypatch.setattr(output_folder, "read_clear_key", broken)
    ran = policyc("build", policy(), "-o", tmp_path / "out", "--keys", "copy")
    assert ran.status == 4
    assert search.found((ran.out + ran.err).encode()) == []


# --- encrypted keys -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["locked.key", "old-locked.key"])
def test_encrypted_keys(
    policyc: Run,
    policy: Callable[..., Path],
    keys: Path,
    search: Search,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    key: str,
) -> None:
    ran = policyc("lint", policy(key))
    assert ran.status == 1
    assert "give its passphrase in the environment, as POLICYC_KEY_PASSPHRASE" in ran.out
    monkeypatch.setenv("POLICYC_KEY_PASSPHRASE", "wrong")
    passphrase.passphrase.cache_clear()
    assert "is not opened by the passphrase given" in policyc("lint", policy(key)).out
    monkeypatch.setenv("POLICYC_KEY_PASSPHRASE", "open sesame")
    passphrase.passphrase.cache_clear()
    assert policyc("lint", policy(key)).status == 0
    assert "(with throwaway keys)" in policyc("check", policy(key)).out
    out = tmp_path / "out"
    assert policyc("build", policy(key), "-o", out).status == 0
    assert search.files(out, temporary) == []
    assert policyc("build", policy(key), "-o", out, "--keys", "copy").status == 0
    copied = out / "example" / "certs" / "shop.key"
    assert search.files(out, temporary) == [str(copied)]
    assert load_pem_private_key(copied.read_bytes(), None)
    for path in (*out.rglob("*"), *temporary.rglob("*")):
        assert path.is_dir() or b"open sesame" not in path.read_bytes()


def test_the_passphrase_is_asked_for_once_and_not_shown(
    policyc: Run, policy: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def ask(prompt: str, *_: object) -> str:
        asked.append(prompt)
        return "open sesame"

    monkeypatch.delenv("POLICYC_KEY_PASSPHRASE", raising=False)
    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.setattr(passphrase, "_somebody_is_there", lambda: True)
    # It is read twice: to compare it, and to copy it.
    ran = policyc("build", policy("locked.key"), "-o", tmp_path / "out", "--keys", "copy")
    assert ran.status == 0
    assert len(asked) == 1
    assert "open sesame" not in ran.out + ran.err


def test_a_key_of_another_certificate_is_found_when_it_is_encrypted(
    policyc: Run, write_policy: Write, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLICYC_KEY_PASSPHRASE", "open sesame")
    text = GOOD.replace("CERTS/public.pem", "CERTS/inner.pem").replace("CERTS/public.key", "CERTS/locked.key")
    assert "key-does-not-match" in policyc("lint", write_policy(text.replace("CERTS", str(keys)))).out


def test_there_is_no_option_for_the_passphrase() -> None:
    for command in ("build", "lint", "check"):
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.argv=['policyc','{command}','--help']; "
             "from policyc.compiler.cli import main; main()"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "passphrase" not in done.stdout.lower()
