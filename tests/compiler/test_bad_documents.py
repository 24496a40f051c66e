"""Documents that are wrong: each gives a clear error with its place, and nothing is written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import GOOD, Ran


def edit(old: str, new: str) -> str:
    """The good policy with one thing changed."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)

# name → (document, line, what the message must hold)
CASES: dict[str, tuple[str | bytes, int, str]] = {
    "empty": ("", 1, "holds no policy"),
    "only a comment": ("# nothing\n", 1, "holds no policy"),
    "binary": (b"\x7fELF\x02\x01\x01\0\0\xff\xfe" * 50, 1, "UTF-8"),
    "latin-1": ("version: 1\nname: caf\xe9\n".encode("latin-1"), 2, "UTF-8"),
    "control character": ("version: 1\nname: a\x07b\n", 2, "U+0007"),
    "tab": ("version: 1\nsites:\n\tshop: {}\n", 3, "tab"),
    "unclosed bracket": (edit("hostnames: [shop.example.com]", "hostnames: [shop.example.com"), 18, "expected here"),
    "unclosed quote": ('version: 1\nname: "abc\n', 2, "quoted text"),
    "duplicate key": (edit("    backend: app\n", "    backend: app\n    backend: app\n"), 20, "stands twice"),
    "unknown key": (
        edit("public_certificate: shop", "public_certifcate: shop"),
        18,
        "did you mean `public_certificate`?",
    ),
    "dangling backend": (edit("backend: app", "backend: ap"), 19, "did you mean `app`?"),
    "dangling rule list": (edit("inspect: [web]", "inspect: [wbe]"), 20, "did you mean `web`?"),
    "dangling CA": (edit("ca: pki,", "ca: pky,"), 9, "did you mean `pki`?"),
    "unknown target": (edit("  example: {version", "  exmaple: {version"), 22, "did you mean `example`?"),
    "alias bomb": (BOMB, 6, "aliases stand for more than"),
    "undefined alias": ("version: 1\nname: *nothing\n", 2, "alias"),
    "100,000 brackets": ("version: 1\nname: " + "[" * 100_000, 2, "nested more than"),
    "cycle": ("version: 1\nsites: &s {shop: *s}\n", 2, "inside of what it stands for"),
    "merge key": ("version: 1\nbase: &b {x: 1}\nsites: {<<: *b}\n", 3, "merge key"),
    "missing certificate": (edit("cert: CERTS/public.pem", "cert: CERTS/absent.pem"), 3, "no such file"),
    "key in place of certificate": (
        edit("cert: CERTS/public.pem", "cert: CERTS/public.key"),
        3,
        "private key and no cert",
    ),
    "certificate in place of key": (edit("key: CERTS/public.key", "key: CERTS/public.pem"), 3, "no private key"),
    "key of another certificate": (edit("key: CERTS/public.key", "key: CERTS/other.key"), 3, "does not belong"),
    "folder as certificate": (edit("cert: CERTS/public.pem", "cert: CERTS"), 3, "is a directory"),
    "device as CA": (edit("{ca: CERTS/inner.pem}", "{ca: /dev/zero}"), 5, "not an ordinary file"),
    "bad port": (edit("192.0.2.10:443", "192.0.2.10:70000"), 8, "not a port"),
    "no port": (edit("[192.0.2.10:443]", "[192.0.2.10]"), 8, "has no port"),
    "server by name": (edit("192.0.2.10:443", "app.internal:443"), 8, "not an IP address"),
    "bad host": (edit("[shop.example.com]", "[shop_.example..com]"), 17, "not a hostname"),
    "host with port": (edit("[shop.example.com]", '["shop.example.com:443"]'), 17, "no port"),
    "address as host": (edit("[shop.example.com]", "[192.0.2.1]"), 17, "IP address"),
    "wildcard inside": (edit("[shop.example.com]", '["a.*.example.com"]'), 17, "wildcard"),
    "bad CIDR": (edit("10.0.0.0/8", "10.0.0.0/33"), 13, "not a network"),
    "host bits": (edit("10.0.0.0/8", "10.0.0.5/8"), 13, "did you mean `10.0.0.0/8`?"),
    "path not in normal form": (edit("prefix: /admin", "prefix: /x/../admin"), 12, "gets 400"),
    "path with a query": (edit("prefix: /admin", '"prefix": "/admin?x"'), 12, "query"),
    "repeated group": (edit("prefix: /admin", "regex: '^/(a|b)*$'"), 12, "repeated group"),
    "look-ahead": (edit("prefix: /admin", "regex: '^/(?=a)'"), 12, "groups"),
    "bad version": (edit("version: 1", "version: 2"), 1, "this must be 1"),
    "unquoted version": (edit('version: "2.6"', "version: 2.60"), 22, 'quote it: "2.60"'),
    "second document": (GOOD + "---\nversion: 1\n", 23, "second document"),
    "YAML tag": (edit("deny: 403", "deny: !!int '403'"), 14, "tag"),
    "python tag": ("version: 1\nname: !!python/object/apply:os.system [id]\n", 2, "tag"),
    "same host twice": (edit("[shop.example.com]", "[shop.example.com, SHOP.example.com.]"), 17, "twice"),
    "deny: 200": (edit("deny: 403", "deny: 200"), 12, "not a refusal"),
    "no action": (edit("      deny: 403\n", ""), 12, "without an action"),
    "list as policy": ("- version: 1\n", 1, "mapping"),
    "number as key": (edit("  shop:\n    hostnames", "  404:\n    hostnames"), 16, 'quote it: "404"'),
    "list as key": ("version: 1\n? [a, b]\n: c\n", 2, "cannot be a key"),
    "bad name": (edit("  shop:\n    hostnames", '  "a;b {}":\n    hostnames'), 16, "not a name"),
    "CA missing": (edit("ca: pki, ", ""), 9, "`ca` is missing"),
    "nothing about TLS": (
        edit("    tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}\n", ""),
        18,
        "TLS",
    ),
    "wildcard without quotes": (edit("[shop.example.com]", "[*.example.com]"), 17, 'to it: "*.example.com"'),
    "key glued to its value": (edit("version: 1", "version:1"), 1, "without a space behind its `:`"),
    "key glued, in between": (
        edit("    backend: app\n", "    backend:app  # x\n\n"),
        19,
        "without a space behind its `:`",
    ),
    "key without colon": (edit("    backend: app\n", "    backend\n"), 19, "a key without its `:`"),
    "list indented too little": (
        edit("    - when: {path", "   - deny: 404\n    - when: {path"),
        13,
        "the list begins here",
    ),
    "number as duration": (
        edit("    servers: [192", "    timeouts: {connect: 5}\n    servers: [192"),
        8,
        "a duration such as `5s`",
    ),
    "text as number": (edit("deny: 403", "deny: forbidden"), 14, "400 to 499, or 503"),
    "text as mapping": (edit("path: {prefix: /admin}", "path: /admin"), 12, "for example `path: {prefix: /admin}`"),
    "text as list": (edit("inspect: [web]", "inspect: web"), 20, "write `inspect: [web]`"),
    "missing key": (edit("    backend: app\n", ""), 16, "A name of `backends`."),
    "section without anything": (GOOD + "accept:\n", 23, "nothing stands here"),
    "unknown accepted finding": (GOOD + "accept: [{finding: backend-mismatch, reason: x}]\n", 23, "no finding"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_document(
    name: str, write_policy: Callable[[str | bytes], Path], policyc: Callable[..., Ran], tmp_path: Path
) -> None:
    text, line, words = CASES[name]
    path = write_policy(text)
    before = time.process_time()
    ran = policyc("build", path, "--target", "example", "-o", tmp_path / "out")
    assert time.process_time() - before < 1
    shown = ran.out + ran.err
    assert ran.status in (1, 3), shown
    assert f"{path}:{line}:" in shown
    assert words in shown
    assert "Traceback" not in shown
    assert "PRIVATE" not in shown.replace("BEGIN PRIVATE KEY", "")
    assert not (tmp_path / "out").exists()
    assert re.search(r"^(error|warning|info)\[[a-z-]+\]: ", shown), shown


def test_missing_file(policyc: Callable[..., Ran], tmp_path: Path) -> None:
    ran = policyc("lint", tmp_path / "absent.yaml")
    assert ran.status == 3
    assert "no such file" in ran.out


def test_an_absent_file_is_told_with_the_path_that_was_tried(
    policyc: Callable[..., Ran], write_policy: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lint(policy: str | Path) -> str:
        return " ".join(policyc("lint", policy).out.split())  # long lines are wrapped

    monkeypatch.chdir(tmp_path)
    assert f"help: looked for as '{tmp_path}/absent.yaml'" in lint("absent.yaml")
    policy = write_policy(edit("cert: CERTS/public.pem", "cert: certs/../other/absent.pem"))
    monkeypatch.chdir("/")
    assert f"help: looked for as `{tmp_path}/other/absent.pem`: a path is relative" in lint(policy)
    # An absolute one stands in the message.
    assert "looked for as" not in lint(tmp_path / "absent.yaml")
    assert "looked for as" not in lint(write_policy(edit("CERTS/public.pem", "/absent.pem")))


def test_a_working_folder_that_is_gone(
    policyc: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = policyc("lint", "absent.yaml")
    assert ran.status == 3
    assert "error[unreadable-file]: cannot read 'absent.yaml': no such file or directory" in ran.out


def test_a_key_that_does_not_match(policyc: Callable[..., Ran], write_policy: Callable[[str], Path]) -> None:
    path = write_policy(edit("CERTS/public.key", "CERTS/inner.key"))
    out = policyc("lint", path).out
    assert "help: name the key that this certificate was made for: mostly it is another file" in out
    assert "help: see that not only one of the two was renewed" in out
    assert "must stand first" not in out
    text = path.read_text()
    chain = path.parent / "chain.pem"
    certificate = re.search(r"cert: (\S+public\.pem)", text)
    assert certificate
    chain.write_text(2 * Path(certificate[1]).read_text())
    path.write_text(text.replace(certificate[1], "chain.pem"))
    assert "help: the leaf must stand first in `chain.pem`, which holds 2 certificates" in policyc("lint", path).out


def test_several_errors_in_one_run(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> None:
    text = (
        edit("backend: app", "backend: ap")
        .replace("10.0.0.0/8", "10.0.0.0/8")
        .replace("inspect: [web]", "inspect: [w]")
    )
    ran = policyc("lint", write_policy(text))
    assert ran.status == 1
    assert ran.out.count("error[unknown-name]") == 2


def test_good_policy_lints_clean(write_policy: Callable[[str], Path], policyc: Callable[..., Ran]) -> None:
    ran = policyc("lint", write_policy(GOOD))
    assert (ran.status, ran.out) == (0, "nothing found\n")
