"""`policyc lint --fix` and `--add-accept`: what they change, and that all the rest survives byte for byte."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policyc.compiler import fixes
from policyc.compiler.diagnostics import Edit, Fix, Location
from policyc.compiler.document import read
from policyc.compiler.loopback.pki import authority, leaf
from policyc.compiler.policy_edits import CannotEdit, applied, replacements
from policyc.compiler.spelling import slips, typing_error
from policyc.compiler.syntax_tree import entries, find, parse

from .conftest import GOOD, Ran

Printed = Callable[..., Ran]

# The good policy in a layout that no program would write: every odd thing must still be there after a fix.
ODD = """\
%YAML 1.2
---
# A policy   with an odd layout
version:   1            # the language's

public_certificates: {shop: {cert: "CERTS/public.pem",key: 'CERTS/public.key'}}
backend_cas:
    # whom we trust
    pki: {ca: CERTS/inner.pem}   # internal
backends:
  app:
    servers:
    - 192.0.2.10:443 # the only one

    tls: {ca: pki,   server_name: shop.internal,
          certificate: CERTS/inner.pem}
inspection_rules:
  web:
  -   when: {path: {prefix: /admin}}
      unless: {source: [10.0.0.0/8]}   # from inside
      deny: 403
sites:
  "shop":
    hostnames: [ shop.example.com ]
    public_certificate: shop
    backend: &anchor app
    inspect: [web]
targets:
  example: {version: "2.6"}
# the end"""


def test_the_odd_layout_is_fine(lint: Printed) -> None:
    assert lint(ODD).out == "nothing found\n"


@pytest.fixture
def lint(write_policy: Callable[[str], Path], policyc: Printed) -> Printed:
    """Lint a policy's text with the given options."""

    def run(text: str, *options: str) -> Ran:
        return policyc("lint", write_policy(text), *options)

    return run


@pytest.fixture
def after(lint: Printed, tmp_path: Path, certificates: Path) -> Callable[..., str]:
    """A policy's text as it is after a fix."""

    def run(text: str, *options: str) -> str:
        lint(text, *(options or ("--fix",)))
        return (tmp_path / "policy.yaml").read_bytes().decode().replace(str(certificates), "CERTS")

    return run


UNUSED = "  old:\n    servers: [192.0.2.9:443]\n    # why\n    tls: {ca: pki}  # x\n"

# name → (what to break: old, new), and what fixing must give: old, new, where that is not what was there before.
BROKEN: dict[str, tuple[tuple[str, str], tuple[str, str] | None]] = {
    "unknown key": (("    public_certificate:", "    public_certifcate:"), None),
    "unknown key at the top": (("backend_cas:", "backend_caz:"), None),
    "unknown key in braces": (("server_name:", "sever_name:"), None),
    "unknown name": (("inspect: [web]", "inspect: [wbe]"), None),
    "unknown CA": (("{ca: pki,", "{ca: pkii,"), None),
    "unknown target": (("  example:", "  exampel:"), None),
    "unquoted version": (('version: "2.6"', "version: 2.6"), None),
    "literal": (("version:   1 ", "listeners: {a: {tls: {profile: 'intermediat'}}}\nversion:   1 "), ("iat'", "iate'")),
    "same key twice": (
        ("    inspect: [web]\n", "    inspect: [web]\n    backend: app   # again\n"),
        ("    backend: app   # again\n", ""),
    ),
    "same key twice in braces": (("{ca: pki,   ", "{ca: pki, ca: pki,   "), (" ca: pki,   ", " ")),
    "same hostname twice": (("[ shop.example.com ]", "[ shop.example.com, SHOP.example.com ]"), None),
    "unused in block style": (
        (
            "  app:\n",
            "  # nobody's\n  old:\n    servers: [192.0.2.9:443]\n    # why\n    tls: {ca: pki}  # x\n\n  app:\n",
        ),
        ("  old:\n    servers: [192.0.2.9:443]\n    # why\n    tls: {ca: pki}  # x\n", ""),
    ),
    "unused in braces": (("{shop: {cert", "{old: {cert: CERTS/public.pem, key: CERTS/public.key}, shop: {cert"), None),
    "a section with nothing used": (
        ("    inspect: [web]\n", ""),
        (
            "inspection_rules:\n  web:\n  -   when: {path: {prefix: /admin}}\n"
            "      unless: {source: [10.0.0.0/8]}   # from inside\n      deny: 403\n",
            "",
        ),
    ),
    "unused acceptances": (
        ("# the end", "accept:\n- finding: unsupported-scan\n  reason: x\n- {finding: bad-, reason: y}\n# the end"),
        ("- finding: unsupported-scan\n  reason: x\n", ""),
    ),
    "all acceptances unused": (("# the end", "accept: [{finding: unsupported-scan, reason: x}]\n# the end"), None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_fix(after: Callable[..., str], name: str) -> None:
    (old, new), wanted = BROKEN[name]
    assert ODD.count(old) == 1
    broken = ODD.replace(old, new)
    expected = broken.replace(*wanted) if wanted else ODD
    assert expected != broken
    assert after(broken) == expected


APP1 = "  app1: {servers: ['192.0.2.1:1']}\n"
NOT_SAFE = {
    "two names are as near": ("inspect: [web]", "inspect: [wob]", "  web:\n", "  wab: []\n  web:\n"),
    "another number": (
        "backend: &anchor app",
        "backend: app2",
        "  app:\n",
        "  app1: {servers: ['192.0.2.1:1']}\n  app:\n",
    ),
    "nothing near": ("inspect: [web]", "inspect: [other]", "", ""),
    "same key, other value": ("    inspect: [web]\n", "    inspect: [web]\n    inspect: []\n", "", ""),
    "same key, true and 1": ("version:   1 ", "x: {a: 1, a: true}\nversion:   1 ", "", ""),
    "an anchor is used elsewhere": (
        "    inspect: [web]\n",
        "    inspect: &lists [web]\n  two: {hostnames: [x.example.com], public_certificate: shop, backend: *anchor}\n"
        "accept: [{finding: &f unsupported-scan, reason: *f}]\n",
        "",
        "",
    ),
}


@pytest.mark.parametrize("name", NOT_SAFE)
def test_what_is_not_safe_is_left_alone(after: Callable[..., str], name: str) -> None:
    old, new, more_old, more_new = NOT_SAFE[name]
    broken = ODD.replace(old, new)
    broken = broken.replace(more_old, more_new) if more_old else broken
    text = after(broken)
    if name == "an anchor is used elsewhere":  # the entry that holds anchor and alias may go, as nothing else needs it
        broken = broken.replace("accept: [{finding: &f unsupported-scan, reason: *f}]\n", "")
    assert text.replace(APP1, "") == broken.replace(APP1, "")


def test_an_entry_whose_anchor_is_needed_stays(after: Callable[..., str]) -> None:
    text = ODD.replace("  app:\n", "  old: {servers: [192.0.2.9:443], tls: &tls {ca: pki}}\n  app:\n").replace(
        "tls: {ca: pki,   server_name: shop.internal,\n          certificate: CERTS/inner.pem}", "tls: *tls"
    )
    assert after(text) == text


def test_one_mistake_behind_another(after: Callable[..., str]) -> None:
    broken = ODD.replace("backend_cas:", "backend_csa:").replace("{ca: pki,", "{ca: pik,").replace("[web]", "[wbe]")
    assert after(broken) == ODD


def test_entries_that_go_do_not_take_their_neighbours_along(after: Callable[..., str]) -> None:
    unused = (
        "- {finding: unsupported-rate-limit, reason: x}\n- {finding: unsupported-scan, target: example, reason: y}\n"
    )
    used = "accept:\n- {finding: unused-definition, reason: z}\n"
    text = GOOD.replace("    inspect: [web]\n", "")
    assert after(text + used.replace("\n-", f"\n{unused}-")) == text + used


def test_a_comment_in_a_list_keeps_its_entry(after: Callable[..., str]) -> None:
    text = GOOD.replace("[shop.example.com]", "[shop.example.com, # the shop\n      shop.example.com]")
    assert after(text) == text


def test_two_unused_that_empty_a_section(after: Callable[..., str]) -> None:
    text = GOOD.replace("    inspect: [web]\n", "").replace("  web:\n", "  one: []\n  web:\n")
    assert "inspection_rules" not in after(text)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_survive(
    policyc: Printed, tmp_path: Path, certificates: Path, end: str, mark: str
) -> None:
    text = ODD.replace("CERTS", str(certificates)).replace("\n", end)
    text = text if not mark else text.partition(f"---{end}")[2]
    path = tmp_path / "p.yaml"
    path.write_bytes((mark + text.replace("[web]", "[wbe]")).encode())
    assert policyc("lint", path, "--fix").status == 0
    assert path.read_bytes() == (mark + text).encode()


def test_json_stays_json(policyc: Printed, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text('{"version": 1, "backend_cas": {"a": {"ca": "x.pem"}}, "listners": {}}')
    policyc("lint", path, "--fix")
    assert path.read_text() == '{"version": 1, "listeners": {}}'


def test_a_folder_is_mended_file_by_file(policyc: Printed, tmp_path: Path, certificates: Path) -> None:
    sites = GOOD[GOOD.index("sites:") :].replace("[web]", "[wbe]")
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "a.yaml").write_text(GOOD[: GOOD.index("sites:")].replace("CERTS", str(certificates)))
    (folder / "b.yml").write_text(sites)
    before = (folder / "a.yaml").stat().st_ino
    assert policyc("lint", folder, "--fix").status == 0
    assert (folder / "b.yml").read_text() == sites.replace("[wbe]", "[web]")
    assert (folder / "a.yaml").stat().st_ino == before


def test_the_diff_comes_first_and_alone_with_diff(lint: Printed, tmp_path: Path) -> None:
    broken = GOOD.replace("[web]", "[wbe]")
    shown = lint(broken, "--fix", "--diff")
    text = (tmp_path / "policy.yaml").read_text()
    assert shown.status == 5
    assert "[wbe]" in text
    assert re.findall(r"^[-+] .*", shown.out, re.MULTILINE) == ["-    inspect: [wbe]", "+    inspect: [web]"]
    mended = lint(broken, "--fix")
    assert (mended.status, mended.out) == (0, shown.out + "nothing found\n")
    assert "policyc: wrote" in mended.err
    again = lint(GOOD, "--fix", "--diff")
    assert (again.status, again.out) == (0, "")
    programs = lint(broken, "--fix", "--format", "json")
    assert programs.out.startswith("{")
    assert "+    inspect: [web]" in programs.err


def test_diff_alone_is_wrong_usage(lint: Printed) -> None:
    assert lint(GOOD, "--diff").status == 2


def test_a_link_and_the_files_mode_survive(policyc: Printed, tmp_path: Path, certificates: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text(GOOD.replace("[web]", "[wbe]").replace("CERTS", str(certificates)))
    real.chmod(0o640)
    link = tmp_path / "policy.yaml"
    link.symlink_to(real)
    policyc("lint", link, "--fix")
    assert link.is_symlink()
    assert "[web]" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["policy.yaml", "real.yaml"]


def test_a_file_that_changed_meanwhile_is_left_alone(
    lint: Printed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = fixes.write

    def late(*arguments: object) -> None:
        (tmp_path / "policy.yaml").write_text("version: 1\n")
        real_write(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(fixes, "write", late)
    ran = lint(GOOD.replace("[web]", "[wbe]"), "--fix")
    assert ran.status == 3
    assert "was changed meanwhile" in ran.err
    assert (tmp_path / "policy.yaml").read_text() == "version: 1\n"


def test_a_change_that_would_mean_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a: &x one\nb: *x\nc: |\n  text\nd: {e: 1}\n")
    document = read(str(path))[0]
    for at in (("a",), ("b",), ("c",), ("d",)):
        with pytest.raises(CannotEdit):
            replacements(document, Fix("", (Edit(Location(at), "two"),)))
    with pytest.raises(CannotEdit):
        replacements(document, Fix("", (Edit(Location(("a",), of="key"), "b"),)))
    with pytest.raises(CannotEdit):
        replacements(document, Fix("", (Edit(Location(("a",)), None),)))
    done = replacements(document, Fix("", (Edit(Location(("d", "e")), None),)))
    assert applied(document.files[0].text, done) == "a: &x one\nb: *x\nc: |\n  text\n"


@settings(deadline=None)  # it writes files
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12))
def test_any_text_can_be_written(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    for before in ("one", "'one'", '"one"', "[{a: one}]"):
        path.write_text(f"k: {before}  # c\n")
        document = read(str(path))[0]
        at = ("k", 0, "a") if "{" in before else ("k",)
        try:
            done = replacements(document, Fix("", (Edit(Location(at), text),)))
        except CannotEdit:
            # Some characters no policy may hold. All others can be written.
            assert re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]", text)
            continue
        new = applied(document.files[0].text, done)
        path.write_text(new)
        assert read(str(path))[0].value(at) == text
        assert new.endswith("# c\n")


# --- the order of certificates ---------------------------------------------------------------------------------------


class Chain:
    """A policy in a folder with a chain of three certificates: leaf, intermediate, root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        root = authority("Root")
        above = authority("Intermediate", root)
        self.leaf = leaf(["shop.example.com"], above)
        pems = [self.leaf.pem.decode(), above.pem.decode(), root.pem.decode()]
        self.texts = [f"# {name}\n{pem}" for name, pem in zip("abc", pems, strict=True)]
        (folder / "public.key").write_bytes(self.leaf.key_pem)
        self.policy = folder / "policy.yaml"

    def write(self, order: str, certificates: Path, name: str = "public.pem") -> str:
        """The chain's file in an order of a, b and c; the text."""
        text = "".join(self.texts["abc".index(one)] for one in order)
        (self.folder / name).write_text(text)
        policy = GOOD.replace("CERTS/public.pem", name).replace("CERTS/public.key", "public.key")
        self.policy.write_text(policy.replace("CERTS", str(certificates)))
        return text

    def text(self) -> str:
        """What the chain's file holds now."""
        return (self.folder / "public.pem").read_text()


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """A chain of its own."""
    return Chain(tmp_path)


@pytest.mark.parametrize("order", ["acb", "bac", "cba", "cab", "bca"])
@pytest.mark.parametrize("with_key", [True, False])
def test_certificates_are_put_in_order(
    chain: Chain, policyc: Printed, certificates: Path, order: str, with_key: bool
) -> None:
    right = chain.write("abc", certificates)
    chain.write(order, certificates)
    if not with_key:
        (chain.folder / "public.key").unlink()
    shown = policyc("lint", chain.policy, "--fix", "--diff")
    assert shown.status == 5
    assert "+# " in shown.out
    assert chain.text() != right
    ran = policyc("lint", chain.policy, "--fix", "--add-accept")
    assert ran.status == 0, ran.out
    assert "chain-out-of-order" not in ran.out
    assert chain.text() == right
    assert "accept" not in chain.policy.read_text()


def test_a_chain_that_somebody_else_keeps_is_left_alone(chain: Chain, policyc: Printed, certificates: Path) -> None:
    outside = chain.folder / "live"
    outside.mkdir()
    wrong = chain.write("cba", certificates, "live/real.pem")
    (chain.folder / "public.pem").symlink_to(outside / "real.pem")
    chain.policy.write_text(chain.policy.read_text().replace("live/real.pem", "public.pem"))
    policyc("lint", chain.policy, "--fix")
    assert chain.text() == wrong
    elsewhere = chain.folder / "policy"
    elsewhere.mkdir()
    chain.policy.rename(elsewhere / "policy.yaml")
    text = (
        (elsewhere / "policy.yaml").read_text().replace("public.", "../live/real.").replace("real.key", "../public.key")
    )
    (elsewhere / "policy.yaml").write_text(text)
    policyc("lint", elsewhere / "policy.yaml", "--fix")
    assert (outside / "real.pem").read_text() == wrong


@pytest.mark.parametrize("order", ["a", "ab", "abb", "ac", "acbb", "aab"])
def test_a_chain_without_one_order_is_left_alone(
    chain: Chain, policyc: Printed, certificates: Path, order: str
) -> None:
    text = chain.write(order, certificates)
    policyc("lint", chain.policy, "--fix")
    assert chain.text() == text


def test_a_file_with_a_key_in_it_is_left_alone(chain: Chain, policyc: Printed, certificates: Path) -> None:
    text = chain.write("cba", certificates) + chain.leaf.key_pem.decode()
    (chain.folder / "public.pem").write_text(text)
    policyc("lint", chain.policy, "--fix")
    assert chain.text() == text


# --- spelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("wbe", ["web", "app"], "web"),
        ("WEB", ["web"], "web"),
        ("ap", ["app"], None),  # too short to be sure
        ("app2", ["app1"], None),
        ("app12", ["app21"], None),
        ("wob", ["web", "wab"], None),
        ("public_certifcate", ["public_certificate", "public_addresses"], "public_certificate"),
        ("public_crtifcate", ["public_certificate"], "public_certificate"),
        ("shop", ["chip"], None),
        ("", ["a"], None),
    ],
)
def test_typing_error(name: str, known: list[str], meant: str | None) -> None:
    assert typing_error(name, known) == meant


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_slips_is_a_distance(one: str, other: str) -> None:
    assert slips(one, other) == slips(other, one)
    assert (slips(one, other) == 0) == (one == other)
    assert abs(len(one) - len(other)) <= slips(one, other) <= max(len(one), len(other))
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    changed = sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")
    assert slips(one, other) <= changed


# --- the syntax tree -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [GOOD, ODD])
def test_the_tree_knows_every_place_that_the_reader_knows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    document = read(str(path))[0]
    root = parse(text)
    for entry in entries(root):
        same = find(root, entry.path)
        assert same is entry
        value = document.value(entry.path)
        if entry.value.kind == "scalar":
            assert str(value) == entry.value.value
            span = document.span(Location(entry.path))
            line = text[: entry.value.start].count("\n")
            assert (span.line, span.column) == (line + 1, entry.value.start - text.rfind("\n", 0, entry.value.start))
        elif entry.value.kind != "alias":
            assert len(value) == len(entry.value.entries)


# --- --add-accept ----------------------------------------------------------------------------------------------------

OLD = GOOD.replace("    inspect: [web]\n", "    inspect: [web]\n    scan: strict\n") + (
    "  # nothing else\n"  # below `targets`, as its comment
)
ENTRY = '{finding: unsupported-scan, target: example, sites: [shop], reason: "TODO: say why this can stay"}'


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("", f"\naccept:\n  - {ENTRY}\n"),
        ("# no end", f"# no end\n\naccept:\n  - {ENTRY}\n"),
        ("accept: []  # none\n", f"accept: [{ENTRY}]  # none\n"),
        (
            "accept: [{finding: unused-definition, reason: x}]\n",
            f"accept: [{{finding: unused-definition, reason: x}}, {ENTRY}]\n",
        ),
        (
            "accept:  # those\n- finding: unused-definition\n  # why\n  reason: x  # y\n\n# end\n",
            f"accept:  # those\n- finding: unused-definition\n  # why\n  reason: x  # y\n- {ENTRY}\n\n# end\n",
        ),
    ],
)
def test_add_accept(after: Callable[..., str], lint: Printed, before: str, wanted: str) -> None:
    text = OLD + before
    assert after(text, "--add-accept") == OLD + wanted
    assert "error[" not in lint(OLD + wanted).out


def test_a_list_in_an_odd_style_is_left_alone(after: Callable[..., str], lint: Printed) -> None:
    text = OLD + "accept: [  # none\n  ]\n"
    assert after(text, "--add-accept") == text
    ran = lint(text, "--add-accept")
    assert ran.status == 3
    assert "nothing was added to `accept`" in ran.err


def test_what_cannot_be_accepted_is_not(after: Callable[..., str], lint: Printed) -> None:
    text = GOOD.replace("      deny: 403", "      rate_limit: {rate: 5/s}")
    assert after(text, "--add-accept") == text
    assert lint(text, "--add-accept").err == ""
    broken = OLD.replace("backend: app", "backend: ap")
    assert after(broken, "--add-accept").startswith(broken)


def test_backends_are_named_one_by_one(after: Callable[..., str], lint: Printed) -> None:
    text = GOOD.replace("{ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}", "false").replace(
        "backend_cas:\n  pki: {ca: CERTS/inner.pem}\n", ""
    )
    accepted = after(text, "--add-accept")
    assert "finding: plaintext-backend, " in accepted
    assert "backends: [app]" in accepted
    ran = lint(accepted)
    assert ran.status == 0
    assert "info[undecided-acceptance]: nobody said yet why `plaintext-backend` can stay" in ran.out
    assert ran.out.endswith("\n1 info, 1 accepted\n")
    decided = lint(accepted.replace("TODO: say why this can stay", "one cable"))
    assert (decided.status, decided.out) == (0, "nothing found, 1 accepted\n")


def test_fix_and_accept_together_and_the_diff(lint: Printed, tmp_path: Path) -> None:
    text = OLD.replace("[web]", "[wbe]")
    shown = lint(text, "--fix", "--add-accept", "--diff")
    assert shown.status == 5
    assert re.findall(r"^[-+] .*|^[-+]a.*", shown.out, re.MULTILINE) == [
        "-    inspect: [wbe]",
        "+    inspect: [web]",
        "+accept:",
        f"+  - {ENTRY}",
    ]
    assert "accept" not in (tmp_path / "policy.yaml").read_text()
    done = lint(text, "--fix", "--add-accept")
    assert done.out.endswith("\n1 info, 1 accepted\n")
