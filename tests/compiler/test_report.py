"""``policyc report``: what the page says, and how it is put on disk. ``tests/browser`` has it in a browser."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from policyc.compiler import plan
from policyc.compiler.diagnostics import Path as Place
from policyc.compiler.pipeline import examine, load
from policyc.compiler.reports import html
from policyc.compiler.reports.html import file
from policyc.compiler.reports.html.concern import Sites, Stage, stage
from policyc.compiler.reports.html.page import Page, named_targets, page
from policyc.compiler.reports.html.path import picture
from policyc.compiler.reports.html.verdicts import State
from policyc.compiler.reports.html.words import Alternative, rule_words
from policyc.compiler.target import installed_targets

from .conftest import GOOD, Ran, self_signed

Write = Callable[[str], Path]
Run = Callable[..., Ran]

SECOND = """\
  second:
    hostnames: [second.example.com]
    public_certificate: shop
    backend: app
targets:
"""
THROUGH = """\
  second:
    hostnames: [second.example.com]
    decrypt: false
    backend: app
targets:
"""


@pytest.fixture
def page_of(write_policy: Write) -> Callable[..., Page]:
    """The page of the good policy in which texts are replaced."""

    def make(*replaced: tuple[str, str]) -> Page:
        text = GOOD
        for one, other in replaced:
            assert one in text, one
            text = text.replace(one, other)
        targets = installed_targets()
        loaded = load(str(write_policy(text)), targets)
        chosen = named_targets(loaded, targets)
        return page(loaded, examine(loaded, targets, chosen), targets, chosen, "")

    return make


def states(made: Page) -> dict[str, State]:
    """The example target's verdict on each site."""
    return {site.name: site.verdicts["example"].state for site in made.sites}


# --- verdicts -------------------------------------------------------------------------------------------------


def test_a_site_that_a_target_cannot_do(page_of: Callable[..., Page]) -> None:
    """Its errors are its own: the other site works, though nothing is written."""
    made = page_of(("deny: 403", "rate_limit: {rate: 5/s}"), ("targets:\n", SECOND))
    assert states(made) == {"shop": State.CANNOT, "second": State.WORKS}
    verdict = made.sites[0].verdicts["example"]
    assert verdict.stages == [State.WORKS, State.WORKS, State.CANNOT, State.WORKS, State.WORKS]
    assert [one.finding.rule for one in verdict.of(State.CANNOT)] == ["unsupported-rate-limit"]
    (target,) = made.targets
    assert (target.errors, dict(target.counts)) == (1, {State.WORKS: 1, State.CANNOT: 1})
    assert [one.rule for one in made.sites[0].own] == ["unsupported-rate-limit"]
    assert made.findings == []
    (row,) = [row for row in made.support if row.feature.id == "rate-limit"]
    assert row.answers == [("no", "no: it does not count")]


def test_an_accepted_difference(page_of: Callable[..., Page], write_policy: Write, policyc: Run) -> None:
    """With its reason and its end; the other site has none."""
    entry = 'accept:\n  - {finding: unsupported-scan, reason: "scanned <elsewhere>", until: 2999-12-31}\n'
    changes = (
        ("inspect: [web]", "inspect: [web]\n    scan: strict"),
        ("targets:\n", SECOND),
        ("version: 1\n", "version: 1\n" + entry),
    )
    made = page_of(*changes)
    assert states(made) == {"shop": State.ACCEPTED, "second": State.WORKS}
    (told,) = made.sites[0].own
    assert (told.kind, told.reason, told.until) == ("accepted", "scanned <elsewhere>", "2999-12-31")
    text = policyc("report", write_policy("").parent / "policy.yaml", "-o", "-")
    assert text.status == 3, "an empty policy is none"


def test_error_of_the_whole_policy_lets_no_site_be_built(page_of: Callable[..., Page]) -> None:
    made = page_of(('example: {version: "2.6"}', "example: {colour: red}"))
    assert states(made) == {"shop": State.CANNOT}
    assert made.sites[0].own == []
    assert [one.rule for one in made.findings] == ["unknown-key"]


def test_finding_of_the_policy_alone_changes_no_verdict(page_of: Callable[..., Page]) -> None:
    """A rule that is there twice is so on every target."""
    rule = GOOD[GOOD.index("    - when:") : GOOD.index("sites:\n")]
    made = page_of((rule, rule + rule))
    assert [(one.kind, one.target, one.rule) for one in made.sites[0].own] == [("warning", "", "unreachable-rule")]
    assert states(made) == {"shop": State.WORKS}


def test_finding_of_several_sites_is_told_once(page_of: Callable[..., Page]) -> None:
    made = page_of(
        ("deny: 403", "rate_limit: {rate: 5/s}"),
        ("targets:\n", SECOND + ""),
        ("backend: app\ntargets", "backend: app\n    inspect: [web]\ntargets"),
    )
    assert states(made) == {"shop": State.CANNOT, "second": State.CANNOT}
    (told,) = made.findings
    assert told.sites == [("s1", "shop"), ("s2", "second")]
    assert [site.own for site in made.sites] == [[], []]


def test_site_that_is_not_understood_is_shown(page_of: Callable[..., Page]) -> None:
    made = page_of(("backend: app", "backend: ap"), ("targets:\n", SECOND))
    shop, second = made.sites
    assert shop.picture is None
    assert shop.hostnames == ["shop.example.com"]
    assert second.picture is not None
    assert html.render(made).count("<span class=marks") == 1, "nothing is drawn of what is not known"
    assert states(made) == {"shop": State.CANNOT, "second": State.WORKS}


def test_tls_of_a_listener_is_not_of_sites_that_are_passed_through(write_policy: Write) -> None:
    policy = load(str(write_policy(GOOD.replace("targets:\n", THROUGH))), installed_targets()).policy
    assert policy is not None
    sites = Sites(policy)
    assert sites.of(("listeners", "https")) == ["shop", "second"]
    assert sites.of(("listeners", "https", "tls", "profile")) == ["shop"]


PLACES: dict[Place, Stage] = {
    ("listeners", "public"): Stage.VISITORS,
    ("listeners", "public", "tls", "profile"): Stage.SHOWN,
    ("sites", "shop", "public_certificate"): Stage.SHOWN,
    ("public_certificates", "shop", "cert"): Stage.SHOWN,
    ("sites", "shop", "hostnames", 0): Stage.EDGE,
    ("inspection_rules", "web", 0): Stage.EDGE,
    ("backends", "app", "tls", "ca"): Stage.CHECKED,
    ("backend_cas", "pki"): Stage.CHECKED,
    ("backends", "app", "tls", "certificate", 0): Stage.SERVERS,
    ("backends", "app", "health"): Stage.SERVERS,
    ("sites", "shop", "routes", 0): Stage.SERVERS,
    ("accept", 0): Stage.EDGE,
}


def test_places_on_the_path() -> None:
    assert {place: stage(place) for place in PLACES} == PLACES


# --- the path and the rules in words --------------------------------------------------------------------------


def test_whether_the_two_certificates_are_one(page_of: Callable[..., Page]) -> None:
    def alike(*replaced: tuple[str, str]) -> str | None:
        drawn = page_of(*replaced).sites[0].picture
        assert drawn is not None
        return drawn.alike

    assert alike() == "different"
    assert alike((", certificate: CERTS/inner.pem", "")) == "unknown"
    assert alike(("certificate: CERTS/inner.pem", "certificate: CERTS/public.pem")) == "same"
    tls = "    tls: {ca: pki, server_name: shop.internal, certificate: CERTS/inner.pem}"
    assert alike((tls, "    tls: false")) is None
    through = ("public_certificate: shop\n    backend: app\n    inspect: [web]", "decrypt: false\n    backend: app")
    assert alike(through, (tls + "\n", "")) is None


EVERYTHING = """\
    - name: all of it
      when:
        path: [{prefix: [/a, /b], ignore_case: true}, {exact: /c}]
        method: [GET, PUT]
        header: [{name: X-A, present: true}, {name: X-A, prefix: [v, w]}]
        query: {name: q, exact: "1"}
        source: [192.0.2.0/24]
        host: "*.example.com"
      unless: {method: HEAD}
      rate_limit: {rate: 5/s, burst: 2}
      limit_body: 10
      request_headers: {set: {X-B: v}, remove: [X-C]}
      response_headers: {add: {Vary: Accept}}
      log: label
      redirect: {to: /there, status: 307}
"""


def test_rule_in_the_words_of_the_policy(write_policy: Write) -> None:
    at, end = GOOD.index("    - when:"), GOOD.index("sites:\n")
    made = load(str(write_policy(GOOD[:at] + EVERYTHING + GOOD[end:])), installed_targets()).plan
    assert made is not None
    words = rule_words(made.rule_lists[0].rules[0])
    assert words.title == "all of it"
    assert words.when == [
        [Alternative("path prefix", ("/a", "/b"), "in any case"), Alternative("path exact", ("/c",))],
        [Alternative("header x-a present", ()), Alternative("header x-a prefix", ("v", "w"))],
        [Alternative("query q exact", ("1",))],
        [Alternative("method", ("GET", "PUT"))],
        [Alternative("source", ("192.0.2.0/24",))],
        [Alternative("host", ("*.example.com",))],
    ]
    assert words.unless == [[Alternative("method", ("HEAD",))]]
    assert words.actions == [
        ("log", "label"),
        ("rate_limit", "5 in 1 s of one source, 2 more at once"),
        ("limit_body", "10 bytes"),
        ("request_headers", "remove x-c; set X-B: v"),
        ("response_headers", "add Vary: Accept"),
        ("redirect", "307 to /there"),
    ]


SITE = """\
    websocket: true
    scan: strict
    methods: [PROPFIND]
    paths: {encoded_slash: true}
    public_addresses: [198.51.100.7]
    client_auth: {ca: pki, mode: optional}
"""
LISTENER = """\
listeners:
  public:
    bind: ["192.0.2.1:8443"]
    redirect_http: ["192.0.2.1:80"]
    trusted_proxies: [10.1.0.0/16]
    proxy_protocol: true
"""


def test_every_part_of_a_path_is_told(write_policy: Write) -> None:
    """What the policy says of a path stands in its picture."""
    text = GOOD.replace(
        "servers: [192.0.2.10:443]", "servers: [192.0.2.10:443, {address: '192.0.2.11:443', backup: true}]"
    )
    text = text.replace("inspect: [web]\n", "inspect: [web]\n" + SITE).replace(
        "version: 1\n", "version: 1\n" + LISTENER
    )
    text = text.replace(
        "certificate: CERTS/inner.pem}",
        "certificate: CERTS/inner.pem, min_version: '1.3', pins: ['sha256:"
        + "ab" * 32
        + "'], client_certificate: {cert: CERTS/other.pem, key: CERTS/other.key}}",
    )
    made = load(str(write_policy(text)), installed_targets()).plan
    assert made is not None
    (site,) = made.sites
    told = " | ".join(f"{fact.label} {fact.text}" for facts in picture(site, made.listeners).stages for fact in facts)
    for part in (
        "shop.example.com", "198.51.100.7", "192.0.2.1:8443", "192.0.2.1:80, redirected", "10.1.0.0/16", "PROXY header",
        "1.2 to 1.3, intermediate; h2, http/1.1", "CN=shop.example.com", "issued by itself", "optional, from pki",
        "1 rule", "inspects with web", "scans with strict", "encoded_slash", "PROPFIND", "WebSocket",
        "verified by CA and name", "pki (shop.internal)", "name shop.internal", "abababab…", "other.example.org",
        "1.3 and up", "192.0.2.10:443", "192.0.2.11:443 (backup)", "presents CN=shop.internal",
    ):  # fmt: skip
        assert part in told, part
    assert isinstance(site, plan.Site)


# --- the command ----------------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """All elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_page_is_whole_in_itself(write_policy: Write, policyc: Run) -> None:
    """It names nothing that a browser would load, and its policy allows the two texts in it alone."""
    ran = policyc("report", write_policy(GOOD), "-o", "-")
    assert (ran.status, ran.err) == (0, "")
    elements = Elements(ran.out).found
    assert not [
        one
        for one in elements
        if {"src", "srcset", "style", "background"} & one[1].keys() or one[0] in ("link", "base", "form")
    ]
    assert all((given["href"] or "").startswith("#") for _, given in elements if "href" in given)
    assert not [name for _, given in elements for name in given if name.startswith("on")]
    (allowed,) = [given["content"] for _, given in elements if given.get("http-equiv") == "Content-Security-Policy"]
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind in ("style", "script")
        for text in re.findall(f"<{kind}>(.*?)</{kind}>", ran.out, re.DOTALL)
    ]
    assert allowed == (
        f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; base-uri 'none'; form-action 'none'"
    )


def test_same_in_same_out(write_policy: Write, policyc: Run) -> None:
    """Without a clock: nothing of it says when it was written."""
    path = write_policy(GOOD)
    first = policyc("report", path, "-o", "-")
    assert policyc("report", path, "-o", "-").out == first.out
    dated = policyc("report", path, "-o", "-", "--at", "2027-01-02")
    assert "certificates judged as of 2027-01-02" in dated.out
    assert "judged as of" not in first.out


def test_certificates_are_judged_by_the_day(write_policy: Write, policyc: Run, certificates: Path) -> None:
    """What a finding says of the moment is the same all day."""
    self_signed(certificates, "short", "shop.example.com", days=10)
    text = GOOD.replace("CERTS/public", "CERTS/short")
    assert re.search(r"as of \d{4}-\d\d-\d\d 23:59 UTC", policyc("report", write_policy(text), "-o", "-").out)


def test_policy_with_errors_still_gives_a_page(write_policy: Write, policyc: Run, tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    ran = policyc("report", write_policy(GOOD.replace("deny: 403", "deny: 200")), "-o", page_file)
    assert ran.status == 1
    assert ran.err == f"policyc: wrote {page_file}: 1 error\n"
    assert "is not a refusal" in page_file.read_text()
    assert "No site was understood" in page_file.read_text()


@pytest.mark.parametrize("text", ["a: [", "", "\x00"])
def test_policy_that_cannot_be_read_gives_none(write_policy: Write, policyc: Run, tmp_path: Path, text: str) -> None:
    ran = policyc("report", write_policy(text), "-o", tmp_path / "page.html")
    assert ran.status == 3
    assert "error" in ran.out
    assert not (tmp_path / "page.html").exists()


def test_policy_without_targets_says_what_to_do(write_policy: Write, policyc: Run) -> None:
    ran = policyc("report", write_policy(GOOD[: GOOD.index("targets:")]), "-o", "-")
    assert ran.status == 0
    assert "names no target" in ran.out
    assert "<b>Example</b>" in policyc("report", write_policy(GOOD), "-o", "-", "--target", "example").out


def test_mode_follows_the_umask_and_then_stays(write_policy: Write, policyc: Run, tmp_path: Path) -> None:
    path, page_file = write_policy(GOOD), tmp_path / "page.html"
    before = os.umask(0o027)
    try:
        assert policyc("report", path, "-o", page_file).status == 0
        assert stat.S_IMODE(page_file.stat().st_mode) == 0o640
        page_file.chmod(0o604)
        assert policyc("report", path, "-o", page_file).status == 0
        assert stat.S_IMODE(page_file.stat().st_mode) == 0o604
    finally:
        os.umask(before)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["page.html", "policy.yaml"]


def test_somebody_elses_file_stays(write_policy: Write, policyc: Run, tmp_path: Path) -> None:
    path = write_policy(GOOD)
    other = tmp_path / "index.html"
    other.write_text("<!doctype html>mine")
    for place in (other, path, tmp_path, "/dev/null"):
        ran = policyc("report", path, "-o", place)
        assert ran.status == 2, place
        assert "is no report of policyc" in ran.err
    assert other.read_text() == "<!doctype html>mine"
    assert path.read_text().startswith("version: 1")


def test_page_behind_a_link_is_written_in_its_place(write_policy: Write, policyc: Run, tmp_path: Path) -> None:
    path, real = write_policy(GOOD), tmp_path / "real.html"
    (tmp_path / "link.html").symlink_to(real)
    assert policyc("report", path, "-o", tmp_path / "link.html").status == 0
    assert (tmp_path / "link.html").is_symlink()
    assert real.read_text().startswith("<!doctype html>")


def test_page_that_cannot_be_written_leaves_the_old_one(
    write_policy: Write, policyc: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, page_file = write_policy(GOOD), tmp_path / "page.html"
    assert policyc("report", path, "-o", tmp_path / "no" / "page.html").status == 3
    assert policyc("report", path, "-o", page_file).status == 0
    old = page_file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file.os, "fsync", full)
    ran = policyc("report", path, "-o", page_file, "--at", "2027-01-02")
    assert ran.status == 3
    assert ran.err == f"policyc: cannot write {page_file}: no space left on device\n"
    assert page_file.read_bytes() == old
    assert sorted(one.name for one in tmp_path.iterdir()) == ["page.html", "policy.yaml"]
