"""``policyc rotate``: in which order a backend gets a new certificate, on a target that verifies by CA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from policyc.compiler.loopback.pki import authority, leaf, write

from .conftest import GOOD, Ran

Policyc = Callable[..., Ran]
Write = Callable[[str], Path]
BEFORE, READY, AFTER = "Before any server", "When all targets are ready", "When every server"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A new certificate for the backend, self-signed as the old one."""
    return write(tmp_path, "new", leaf(["shop.internal"]))[0]


def parts(out: str) -> dict[str, list[str]]:
    """The lines below each heading."""
    found: dict[str, list[str]] = {"": []}
    at = ""
    for line in out.splitlines():
        heading = next((one for one in (BEFORE, READY, AFTER) if line.startswith(one)), None)
        if heading:
            at = heading
            found[at] = []
        elif line:
            found[at].append(line.strip())
    return found


def rotate(policyc: Policyc, policy: Path, new: Path, *more: str) -> Ran:
    return policyc("rotate", policy, "--backend", "app", "--certificate", new, *more)


def test_a_new_anchor_comes_first_and_the_old_one_goes_last(policyc: Policyc, write_policy: Write, new: Path) -> None:
    ran = rotate(policyc, write_policy(GOOD), new)
    assert ran.status == 0
    told = parts(ran.out)
    (head,) = told[""]
    assert head.startswith("backend app: CN=shop.internal, self-signed (SHA-256 ")
    assert told[BEFORE] == [
        "example",
        "1. add the new certificate itself to the file of backend_cas.pki.ca, behind what is there; build and load",
    ]
    assert told[READY][0] == "2. install it with its key and chain on 192.0.2.10:443, one server after the other"
    assert "openssl s_client -connect 192.0.2.10:443 -servername shop.internal" in told[READY][2]
    assert told[AFTER] == [
        "example",
        "4. take the old one's anchor out of backend_cas.pki.ca, unless another backend needs it; build and load",
    ]


def test_nothing_to_do_where_the_ca_issued_the_new_one(policyc: Policyc, write_policy: Write, tmp_path: Path) -> None:
    root = authority("Root")
    below = authority("Below", root)
    (tmp_path / "root.pem").write_bytes(root.pem)
    write(tmp_path, "old", leaf(["shop.internal"], root))
    new = write(tmp_path, "new", leaf(["shop.internal"], below))[0]
    text = GOOD.replace("{ca: CERTS/inner.pem}", f"{{ca: {tmp_path}/root.pem}}")
    policy = write_policy(text.replace("certificate: CERTS/inner.pem", f"certificate: {tmp_path}/old.pem"))
    told = parts(rotate(policyc, policy, new).out)
    assert told[BEFORE] == ["example: nothing. `pki`, which it trusts, issued the new one too."]
    assert told[AFTER] == ["example: nothing."]
    # Below another intermediate of the same name that the root did not sign:
    other = write(tmp_path, "other", leaf(["shop.internal"], authority("Below", authority("Root"))))[0]
    assert "add the CA of the new one (Below)" in parts(rotate(policyc, policy, other).out)[BEFORE][1]


def test_pins_hold_both_in_between(policyc: Policyc, write_policy: Write, new: Path) -> None:
    text = GOOD.replace("ca: pki,", f'ca: pki, pins: ["sha256:{"a" * 64}"],')
    told = parts(rotate(policyc, write_policy(text), new).out)
    assert told[BEFORE][2] == "2. add the new one to backends.app.tls.pins; build and load"
    assert told[BEFORE][3].startswith("sha256:")
    assert any(line.endswith("take the old ones out of backends.app.tls.pins; build and load") for line in told[AFTER])


@pytest.mark.parametrize(
    ("change", "because"),
    [
        (("ca: pki,", "verify: none,"), "The policy has it verify nothing"),
        (("ca: pki,", "ca: system,"), "Its machine's own trust store decides"),
        (
            (
                "    public_certificate: shop\n    backend: app\n    inspect: [web]",
                "    decrypt: false\n    backend: app",
            ),
            "Connections pass through it",
        ),
    ],
)
def test_where_it_verifies_nothing_of_its_own(
    policyc: Policyc, write_policy: Write, new: Path, change: tuple[str, str], because: str
) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    (line,) = parts(rotate(policyc, write_policy(text), new).out)[BEFORE]
    assert line.startswith(f"example: nothing. {because}")


def test_one_that_would_be_refused(policyc: Policyc, write_policy: Write, tmp_path: Path, new: Path) -> None:
    wrong = write(tmp_path, "wrong", leaf(["other.internal"]))[0]
    ran = rotate(policyc, write_policy(GOOD), wrong)
    assert ran.status == 1
    assert "it does not carry `shop.internal`, which is verified; it carries other.internal" in ran.out
    assert BEFORE not in ran.out
    # Who looks at no name takes it.
    chain = GOOD.replace("server_name: shop.internal", "server_name: shop.internal, verify: chain")
    assert rotate(policyc, write_policy(chain), wrong).status == 0
    for day in ("2001-01-01", "2099-01-01"):
        ran = rotate(policyc, write_policy(GOOD), new, "--at", day)
        assert ran.status == 1
        assert "it is valid from" in ran.out


@pytest.mark.parametrize(
    ("backend", "certificate", "status", "message"),
    [
        ("apq", "new.pem", 2, "there is no backend 'apq'"),
        ("app", "nowhere.pem", 3, "nowhere.pem: no such file"),
        ("app", "new.key", 3, "new.key: it holds a private key and no certificate"),
    ],
)
def test_wrong_usage(
    policyc: Policyc, write_policy: Write, new: Path, backend: str, certificate: str, status: int, message: str
) -> None:
    ran = policyc("rotate", write_policy(GOOD), "--backend", backend, "--certificate", new.parent / certificate)
    assert ran.status == status
    assert message in ran.err
    assert ran.out == ""


def test_a_backend_in_clear(policyc: Policyc, write_policy: Write, new: Path) -> None:
    start = GOOD.index("    tls: {ca")
    text = GOOD[:start] + "    tls: false\n" + GOOD[GOOD.index("inspection_rules") :]
    ran = rotate(policyc, write_policy(text), new)
    assert ran.status == 2
    assert "has no TLS" in ran.err


def test_a_policy_with_errors(policyc: Policyc, write_policy: Write, new: Path) -> None:
    assert rotate(policyc, write_policy(GOOD.replace("inspect: [web]", "inspect: [wbe]")), new).status == 3
