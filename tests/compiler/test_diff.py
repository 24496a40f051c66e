"""``policyc diff``: what changes between two policies, found by their meaning and shown by requests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import fields, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.changes import Change, Comparison, Kind, Witness, markdown, settings, text
from policyc.compiler.changes.effects import told
from policyc.compiler.changes.examples import examples
from policyc.compiler.decide import Connection, Request, VisitorCertificate, decide
from policyc.compiler.pipeline import load
from policyc.compiler.plan import Balance, Health, Plan, Socket, Timeouts, Verify

from .conftest import GOOD, Ran, self_signed

Write = Callable[[str], Path]
Diff = Callable[..., Ran]


@pytest.fixture
def plan_of(write_policy: Write) -> Callable[[str], Plan]:
    """The Plan of a policy's text."""

    def plan(text: str) -> Plan:
        found = load(str(write_policy(text)), {}).plan
        assert found is not None
        return found

    return plan


@pytest.fixture
def diff(write_policy: Write, policyc: Callable[..., Ran], tmp_path: Path) -> Diff:
    """Compare the good policy with one in which texts are replaced."""

    def run(*replaced: tuple[str, str], options: tuple[str, ...] = (), old: str = GOOD) -> Ran:
        before = write_policy(old).rename(tmp_path / "old.yaml")
        text = old
        for one, other in replaced:
            assert one in text, one
            text = text.replace(one, other)
        return policyc("diff", before, write_policy(text), *options)

    return run


def ask_again(comparison: Comparison, old: Plan, new: Plan) -> int:
    """Decides every witness once more under both plans. How many there were."""
    anchors = frozenset(one.name for plan in (old, new) for one in plan.anchors)
    witnesses = [change.witness for change in comparison.changes if change.witness]
    for witness in witnesses:
        target = "/" + witness.url.removeprefix("https://").partition("/")[2]
        peer, visitor = ip_address(witness.source), VisitorCertificate("CN=visitor", anchors)
        headers = tuple((name.encode(), value.encode("latin-1")) for name, value in witness.headers)
        request = Request(witness.method.encode(), target.encode(), (witness.sni.encode(),), headers)
        connection = Connection(witness.listener, witness.sni, peer, visitor)
        decisions = decide(old, connection, request), decide(new, connection, request)
        assert [told(one) for one in decisions] == [witness.before, witness.after]
        assert decisions[0] != decisions[1]
    return len(witnesses)


TLS = "tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}"

RULE = "    - when: {path: {prefix: /admin}}\n"
PNG = "    - {when: {path: {suffix: .png}}, allow: true}\n"
SITE = "    public_certificate: shop\n    backend: app\n    inspect: [web]\n"


def test_the_sentence_that_a_reviewer_needs(diff: Diff) -> None:
    old = GOOD.replace(
        "      unless: {source: [10.0.0.0/8]}\n", "      unless: {source: [10.0.0.0/8, 192.168.0.0/16]}\n"
    )
    ran = diff((", 192.168.0.0/16", ""), old=old)
    assert ran.out == (
        "Newly denied\n"
        "  shop.example.com: requests on /admin and below, from 192.168.0.0/16 are now refused: 403 by rule web-1\n"
        "    = for example: GET https://shop.example.com/admin from 192.168.0.1\n"
        "      before: forwarded to app\n"
        "      after:  403 by rule web-1\n"
        "\n"
        "1 change; something changes for 1 of 1 hostname (100%)\n"
    )


@pytest.mark.parametrize(
    ("replaced", "kind", "says"),
    [
        (("ca: pki, server_name", "verify: none, server_name"), "unverified", "backend app: now reached without verif"),
        (("ca: pki, server_name", "ca: pki, verify: chain, server_name"), "unverified", "by CA, but not by name"),
        ((TLS, "tls: false"), "unverified", "backend app: now reached in clear (was verified by CA and name)"),
        (("pki: {ca: CERTS/inner.pem}", "pki: {ca: CERTS/other.pem}"), "trust", "now trusts CN=other.example.org"),
        (("server_name: shop.internal", "server_name: b.internal"), "trust", "is now b.internal (was shop.internal)"),
        (("ca: pki, server_name", "ca: pki, min_version: '1.0', server_name"), "weaker-tls", "now 1.0 (was 1.2)"),
        (("public.pem, key: CERTS/public.key", "other.pem, key: CERTS/other.key"), "certificate", "CN=other."),
        (("      deny: 403", "      log: seen"), "allowed", "on /admin and below, from outside 10.0.0.0/8 are"),
        (("prefix: /admin", "exact: /admin"), "allowed", "on /admin and below but for /admin, from outside"),
        (("      unless: {source: [10.0.0.0/8]}\n", ""), "denied", "on /admin and below, from 10.0.0.0/8 are now ref"),
        (("[shop.example.com]", "[x.example.com]"), "denied", "shop.example.com: no longer served"),
        (("[shop.example.com]", "[shop.example.com, x.example.com]"), "hostname", "x.example.com: served now"),
        (("deny: 403", "deny: 404"), "answer", "are now answered 404 by rule web-1 (was 403 by rule web-1)"),
        (("deny: 403", "redirect: {to: /x}"), "answer", "are now answered 308 to /x by rule web-1"),
        (("      deny: 403", "      deny: 403\n    - limit_body: 1MiB"), "limit", "now to bodies of 1048576 bytes"),
        (
            ("      deny: 403", "      deny: 403\n    - {when: {method: POST}, rate_limit: {rate: 5/s, burst: 2}}"),
            "limit",
            "with POST are limited now to 5 in 1 s and 2 more at once",
        ),
        (("      deny: 403", "      deny: 403\n    - {request_headers: {set: {A: b}}}"), "headers", "now set A: b"),
        (("      deny: 403", "      deny: 403\n    - {response_headers: {remove: [A]}}"), "headers", "now remove a"),
        (("      deny: 403", "      deny: 403\n    - {log: all}"), "log", "are logged as all (was nothing)"),
        (("192.0.2.10:443", "192.0.2.11:443"), "address", "backend app: now at 192.0.2.11:443 (was 192.0.2.10:443)"),
        (("    tls: {ca", "    timeouts: {connect: 1s}\n    tls: {ca"), "setting", "timeouts is now connect 1000"),
        (("    inspect: [web]", "    inspect: [web]\n    methods: [PROPFIND]"), "allowed", "with PROPFIND"),
        (("    inspect: [web]", "    inspect: [web]\n    websocket: true"), "allowed", "as WebSocket"),
        (("    inspect: [web]", "    inspect: [web]\n    paths: {encoded_slash: true}"), "allowed", "%2F"),
        (("    inspect: [web]", "    inspect: [web]\n    client_auth: {ca: pki}"), "denied", "must be shown"),
        (("    inspect: [web]", "    inspect: [web]\n    scan: strict"), "setting", "scanned by strict"),
        ((RULE, PNG + RULE), "allowed", "….png within /admin and below"),
        ((SITE, "    decrypt: false\n    backend: app\n"), "allowed", "TLS is now passed through: no rule is applied"),
        (('"2.6"', '"2.7"'), "setting", "Example: version is now 2.7 (was 2.6)"),
    ],
)  # fmt: skip
def test_each_kind_of_change(diff: Diff, replaced: tuple[str, str], kind: str, says: str) -> None:
    ran = diff(replaced, options=("--format", "json", "--exit-code"))
    assert ran.status == 5, ran.out + ran.err
    changes = json.loads(ran.out)["changes"]
    assert [change for change in changes if change["kind"] == kind and says in change["message"]], ran.out


def test_the_other_way_is_better_and_not_worse(diff: Diff) -> None:
    old = GOOD.replace("ca: pki, server_name", "verify: none, server_name")
    ran = diff(("verify: none, server_name", "ca: pki, server_name"), old=old)
    assert ran.out.startswith("Better verified\n  backend app: now reached verified by CA and name")


@pytest.mark.parametrize(
    "replaced",
    [
        [("  web:", "  rules:"), ("[web]", "[rules]")],
        [("    - when: {path: {prefix: /admin}}", "    - name: inside\n      when: {path: {prefix: /admin}}")],
        [("  app:", "  application:"), ("backend: app", "backend: application")],
        [("  shop: {cert", "  store: {cert"), ("public_certificate: shop", "public_certificate: store")],
        [("version: 1\n", "version: 1\nlisteners: {door: {}}\n")],
    ],
)
def test_names_are_no_change(diff: Diff, replaced: list[tuple[str, str]]) -> None:
    ran = diff(*replaced, options=("--exit-code",))
    assert (ran.status, ran.out) == (0, "nothing changes\n")


def test_rules_that_are_written_otherwise_to_the_same_effect_are_told_as_that(diff: Diff) -> None:
    ran = diff(("prefix: /admin", "prefix: [/admin, /admin/x]"), options=("--format", "json"))
    report = json.loads(ran.out)
    assert [change["kind"] for change in report["changes"]] == ["rewritten"], ran.out
    assert report["affected"] == []


def test_worst_comes_first_and_a_change_of_many_is_told_once(diff: Diff) -> None:
    old = GOOD.replace("[shop.example.com]", "[a.example.com, b.example.com, c.example.com, d.example.com]")
    ran = diff(
        ("192.0.2.10", "192.0.2.11"), ("ca: pki, server", "verify: none, server"), ("deny: 403", "deny: 404"), old=old
    )
    headings = [line for line in ran.out.splitlines() if line and not line.startswith(" ")]
    assert headings[:3] == ["Verification is lost", "Answered otherwise", "Other addresses"]
    assert "a.example.com, b.example.com, c.example.com and 1 more: requests on /admin" in ran.out


def test_a_backend_that_is_less_verified_than_the_one_before(diff: Diff) -> None:
    more = "  spare: {servers: [192.0.2.99:80], tls: false}\ninspection_rules:"
    old = GOOD.replace("inspection_rules:", more)
    ran = diff(("    backend: app", "    backend: spare"), old=old)
    assert ran.out.startswith("Verification is lost\n")
    assert "paths other than /admin and below now go to spare (was app), which is reached in clear" in ran.out
    routed = "    inspect: [web]\n    routes: [{path: {prefix: /old}, backend: spare}]"
    ran = diff(("    inspect: [web]", routed), old=old)
    assert "requests on /old and below now go to spare" in ran.out


def test_a_renewed_certificate_is_no_other_certificate(diff: Diff, tmp_path: Path) -> None:
    for name, days in (("before", 20), ("after", 200)):
        self_signed(tmp_path, name, "shop.example.com", days=days)
    old = GOOD.replace("CERTS/public", f"{tmp_path}/before")
    ran = diff(("/before", "/after"), old=old, options=("--format", "json"))
    report = json.loads(ran.out)
    assert [change["kind"] for change in report["changes"]] == ["renewed"]
    assert report["affected"] == []


def test_targets(diff: Diff) -> None:
    header = "when: {header: {name: X-Role, exact: admin}}"
    ran = diff(("when: {path: {prefix: /admin}}", header), options=("--format", "json"))
    (lost,) = [one for one in json.loads(ran.out)["changes"] if one["target"]]
    assert lost["kind"] == "unsupported"
    assert lost["message"].startswith("Example: shop would now be refused: not possible before 3.0")
    assert lost["hostnames"] == ["shop.example.com"]
    old = GOOD.replace("when: {path: {prefix: /admin}}", header)
    ran = diff(('"2.6"', '"3.1"'), old=old)
    assert "Newly built\n  Example: shop is no longer refused: not possible before 3.0" in ran.out
    optional = "    inspect: [web]\n    scan: strict"
    accept = "accept: [{finding: unsupported-scan, reason: elsewhere}]\ntargets:"
    ran = diff(("    inspect: [web]", optional), ("targets:", accept))
    assert "Example: shop would now be left out, as accepted: not possible: `scan`" in ran.out
    ran = diff(('targets:\n  example: {version: "2.6"}\n', ""))
    assert "Example: no longer named in `targets`" in ran.out


# --- no field is passed over --------------------------------------------------------------------------------------


def _otherwise(value: Any) -> Any:
    """Another value of the same type, for any field of a Plan that is compared as a setting."""
    known: dict[type, Any] = {
        Balance: Balance.SOURCE_HASH,
        Verify: Verify.CHAIN,
        Timeouts: Timeouts(1, 2, 3),
        bool: not value,
        int: 77,
        str: "1.0" if value in ("1.2", "1.3") else "otherwise",
    }
    if type(value) in known:
        return known[type(value)]
    if isinstance(value, tuple):
        return () if value else (Socket(ip_address("192.0.2.77"), 1),)
    return "otherwise" if value is None else None


BY_REQUESTS = {"sites", "hostnames", "groups", "rule_lists", "methods", "websocket", "path_options"}
NAMES = {"name", "path", "profile", "guideline"}
BY_A_TEST_OF_ITS_OWN = {"certificate", "decrypt", "anchors"}


@pytest.mark.parametrize("part", ["backend", "backend_tls", "listener", "visitor_tls", "site"])
def test_every_field_is_compared(plan_of: Callable[[str], Plan], part: str) -> None:
    plan = plan_of(
        GOOD.replace("    inspect: [web]", "    inspect: [web]\n    scan: strict\n    client_auth: {ca: pki}")
    )
    backend, listener, site = plan.backends[0], plan.listeners[0], plan.sites[0]
    assert backend.tls is not None
    tls = replace(backend.tls, pins=("00",))
    backend = replace(backend, tls=tls, host_header="x", health=Health((), "/", 1, 1, 1, 1, (200,)))

    def phrases(old: Any, new: Any) -> list[settings.Phrase]:
        match part:
            case "backend":
                return list(settings.backend(old, new))
            case "backend_tls":
                return list(settings.backend(replace(backend, tls=old), replace(backend, tls=new)))
            case "listener":
                return list(settings.listener(old, new))
            case "visitor_tls":
                return list(settings.listener(replace(listener, tls=old), replace(listener, tls=new)))
            case _:
                return list(settings.site(old, new))

    old: Any = {"backend": backend, "backend_tls": tls, "listener": listener, "visitor_tls": listener.tls}.get(
        part, site
    )
    own = {one.name for one in fields(old)} - NAMES - BY_REQUESTS - BY_A_TEST_OF_ITS_OWN
    own -= {"tls"} if part == "listener" else set()
    found = {name: phrases(old, replace(old, **{name: _otherwise(getattr(old, name))})) for name in sorted(own)}
    assert [name for name, said in found.items() if not said] == []
    assert phrases(old, old) == []


# --- git ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the good policy and its certificates, keys among them, in its one commit."""
    folder = tmp_path / "repository"
    (folder / "edge" / "certs").mkdir(parents=True)
    for name, host in (("public", "shop.example.com"), ("inner", "shop.internal")):
        self_signed(folder / "edge" / "certs", name, host)
    (folder / "edge" / "policy.yaml").write_text(GOOD.replace("CERTS", "certs"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    _git(folder, "init", "-q")
    _git(folder, "add", ".")
    _git(folder, "commit", "-q", "-m", "first")
    return folder


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_git_revisions(repository: Path, policyc: Callable[..., Ran]) -> None:
    policy = repository / "edge" / "policy.yaml"
    assert policyc("diff", "HEAD:edge/policy.yaml", policy).out == "nothing changes\n"
    self_signed(repository / "edge" / "certs", "inner", "other.internal")
    policy.write_text(policy.read_text().replace("/admin", "/manage"))
    ran = policyc("diff", "HEAD:edge/policy.yaml", policy)
    assert ran.status == 0
    assert "requests on /admin and below, from outside 10.0.0.0/8 are now forwarded" in ran.out
    assert "backend app: now trusts CN=other.internal" in ran.out, "the old certificate must be the revision's"
    assert policyc("diff", "HEAD:edge", "edge").out == ran.out
    os.chdir(repository / "edge")
    assert policyc("diff", "HEAD:./policy.yaml", "policy.yaml").out == ran.out


def test_git_certificates_that_are_not_committed_are_read_as_they_are(
    repository: Path, policyc: Callable[..., Ran]
) -> None:
    _git(repository, "rm", "-q", "--cached", "-r", "edge/certs")
    _git(repository, "commit", "-q", "-m", "second")
    ran = policyc("diff", "HEAD:edge/policy.yaml", "edge/policy.yaml")
    assert ran.out.splitlines()[-1] == "nothing changes"
    assert "note: certs/public.pem is not in HEAD: it was read as it is now" in ran.out


def test_git_takes_no_private_key_out_of_a_revision(
    repository: Path, policyc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    from policyc.compiler.changes import revision

    put: list[str] = []

    def noted(path: str, data: bytes) -> None:
        put.append(os.path.basename(path))
        assert b"PRIVATE KEY" not in data
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(data)

    monkeypatch.setattr(revision, "_put", noted)
    assert policyc("diff", "HEAD:edge/policy.yaml", "edge/policy.yaml").status == 0
    assert sorted(put) == ["inner.pem", "inner.pem", "policy.yaml", "public.pem"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("HEAD:nothing.yaml", "there is no policy 'nothing.yaml' in the revision 'HEAD'"),
        ("nobody:edge/policy.yaml", "there is no such revision"),
        ("--output=x:edge/policy.yaml", "there is no such revision"),
        ("HEAD:../../etc/passwd", "outside repository"),
    ],
)
def test_git_without_such_a_thing(repository: Path, policyc: Callable[..., Ran], name: str, says: str) -> None:
    ran = policyc("diff", "--", name, "edge/policy.yaml")
    assert ran.status == 3
    assert says in ran.err
    assert sorted(os.listdir(repository)) == [".git", "edge"]


def test_findings_of_a_revision_are_at_its_lines(repository: Path, policyc: Callable[..., Ran]) -> None:
    policy = repository / "edge" / "policy.yaml"
    policy.write_text(policy.read_text().replace("backend: app", "backend: ap"))
    _git(repository, "commit", "-q", "-a", "-m", "second")
    ran = policyc("diff", "HEAD:edge/policy.yaml", policy)
    assert ran.status == 3
    assert "--> HEAD:edge/policy.yaml:" in ran.out
    assert "policyc-diff" not in ran.out
    policy.write_text(policy.read_text().replace("certs/public.pem", "certs/absent.pem"))
    _git(repository, "commit", "-q", "-a", "-m", "third")
    ran = policyc("diff", "HEAD:edge/policy.yaml", policy)
    assert f"looked for as `{repository}/edge/certs/absent.pem`" in " ".join(ran.out.split())
    assert "policyc-diff" not in ran.out


# --- the forms, the status, the brake ----------------------------------------------------------------------------


def test_status(diff: Diff, policyc: Callable[..., Ran], tmp_path: Path) -> None:
    assert diff(("deny: 403", "deny: 404")).status == 0
    assert diff(("deny: 403", "deny: 404"), options=("--exit-code",)).status == 5
    assert diff(options=("--exit-code",)).status == 0
    assert diff(("backend: app", "backend: ap")).status == 3
    assert policyc("diff", tmp_path / "nothing.yaml", tmp_path / "old.yaml").status == 3
    assert diff(options=("--target", "exampel")).status == 2


def test_markdown_holds_no_markup_of_the_policy() -> None:
    witness = Witness("l", "h", "192.0.2.1", "GET", "https://h/", (("X", "a`b``c"),), "200", "403 by rule <b>")
    change = Change(Kind.DENIED, "h: by rule @all <img src=x> [x](y) *b* `c`", ("h",), witness=witness)
    shown = markdown.render("a:b`c", "new", Comparison((change,), ("h",)))
    assert "``` GET https://h/ from 192.0.2.1, X: a`b``c ```" in shown
    assert r"`@`all \<img src=x\> \[x\](y) \*b\* \`c\`" in shown
    assert shown.startswith("### policyc: `` a:b`c `` → `new`")


def test_text_holds_no_terminal_sequences() -> None:
    printed = text.render(Comparison((Change(Kind.DENIED, "h: a\x1b[31mb", ("h",)),), ("h",)), ["\u202e"])
    assert "  h: a\\u001b[31mb\n" in printed
    assert "note: \\u202e\n" in printed


@pytest.mark.parametrize(
    "expression",
    [
        "/(?:a|b)c",
        "[^?]*/admin[^?]*",
        "/x[.][a-z]{2,3}",
        r"(?:^|,)[ \t]*(?:a\x2Bb)[ \t]*(?:,|\z)",
        "/+",
        "[0-9A-F]+?x*+",
    ],
)
def test_examples_match(expression: str) -> None:
    assert examples(expression)


def test_brake(write_policy: Write, policyc: Callable[..., Ran], tmp_path: Path) -> None:
    four = GOOD.replace("[shop.example.com]", "[a.example.com, b.example.com, c.example.com]").replace(
        "sites:", "sites:\n  alone: {hostnames: [d.example.com], public_certificate: shop, backend: app}"
    )
    old = write_policy(four).rename(tmp_path / "old.yaml")
    policy = write_policy(four.replace("deny: 403", "deny: 404"))

    def build(*options: str) -> Ran:
        return policyc("build", policy, "-o", tmp_path / "out", "--against", old, *options)

    ran = build()
    assert ran.status == 5
    assert "something changes for 3 of 4 hostnames (75%), more than the 30% of --max-change" in ran.err
    assert not (tmp_path / "out").exists()
    assert build("--max-change", "75%").status == 0
    assert build("--max-change", "74.9%").status == 5
    assert build("--force").status == 0
    assert build("--max-change", "many").status == 2
    assert policyc("build", policy, "-o", tmp_path / "out", "--max-change", "10%").status == 2
