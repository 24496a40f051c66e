"""`policyc blame`: how a line's places are read, which policy is asked, and what is said where something is amiss."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from policyc.compiler.blame import read_path
from policyc.compiler.document import Document
from policyc.compiler.plan_names import words
from policyc.compiler.written_places import by_blocks, by_comments, written_at

from .conftest import GOOD, Ran, schema_faults

Policyc = Callable[..., Ran]

COMMENTS: Sequence[str] = """\
# policy.yaml: written by policyc for a test
global

# policy.yaml: sites.shop
section shop
    before
    # policy.yaml: inspection_rules.web[0]
    # and why it is so
    the rule
        deeper
    # something else
    behind
after

beside
# policy.yaml: backends.app, sites.shop and 3 more
server {
    inner
}
# plain
plain
""".splitlines()


def said(lines: Sequence[str], index: int) -> list[tuple[str, ...]]:
    """What the comments are that a line is about, the nearest first."""
    return [written.paths for written in by_comments(lines, "policy.yaml")[index]]


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ("global", [("",)]),
        ("section shop", [("sites.shop",)]),
        ("    before", [("sites.shop",)]),
        ("    the rule", [("inspection_rules.web[0]",), ("sites.shop",)]),
        ("        deeper", [("inspection_rules.web[0]",), ("sites.shop",)]),
        ("    behind", [("sites.shop",)]),
        ("after", [("sites.shop",)]),
        ("beside", []),
        ("server {", [("backends.app", "sites.shop")]),
        ("    inner", [("backends.app", "sites.shop")]),
        ("}", [("backends.app", "sites.shop")]),
        ("plain", []),
    ],
)
def test_a_comment_is_about_what_follows_it(line: str, paths: list[tuple[str, ...]]) -> None:
    assert said(COMMENTS, COMMENTS.index(line)) == paths


def test_places_that_are_left_out_are_counted() -> None:
    (written,) = written_at(
        COMMENTS, COMMENTS.index("# policy.yaml: backends.app, sites.shop and 3 more"), "policy.yaml"
    )
    assert written.more == 3


@pytest.mark.parametrize(
    "line",
    [
        "set-header X-Note 'see: sites.shop'",
        "log 'policy.yaml: sites.shop'",
        '"key": "a place: sites.shop"',
        '"key": "policy.yaml: nowhere.shop"',
        "value  # policy.yaml",
    ],
)
def test_what_a_policy_says_itself_is_no_place(line: str) -> None:
    assert written_at([line], 0, "policy.yaml") == []


BLOCKS: Sequence[str] = """\
{
 "listeners": [
  {
   "name": "public",
   "metadata": {
    "source": "policy.yaml: listeners.public"
   },
   "chains": [
    {
     "metadata": {
      "source": "policy.yaml: sites.shop"
     },
     "deep": 1
    },
    {
     "unsaid": 1
    }
   ]
  }
 ],
 "other": 1
}
""".splitlines()


@pytest.mark.parametrize(
    ("line", "paths"),
    [
        ('   "name": "public",', [("listeners.public",)]),
        ('     "deep": 1', [("sites.shop",), ("listeners.public",)]),
        ('     "unsaid": 1', [("listeners.public",)]),
        ("  }", [("listeners.public",)]),
        (' "listeners": [', []),
        (' "other": 1', []),
    ],
)
def test_a_value_is_about_the_block_around_it(line: str, paths: list[tuple[str, ...]]) -> None:
    block = by_blocks(BLOCKS, 2, "policy.yaml")[BLOCKS.index(line)]
    assert [one.written.paths for one in (block.outwards() if block else ()) if one.written] == paths


def test_names_are_found_within_what_a_map_holds() -> None:
    assert "no-leftovers-49" in words("/x48 no-leftovers-49/403")
    assert "apps.example.com" in words(r'"~^[^.]+[.]apps[.]example[.]com\\z" "apps";')


def test_a_written_path_is_read_back_with_dots_in_its_names() -> None:
    document = Document("policy.yaml", {"sites": {"shop": {"inspect": 1}, "shop.v2": {"inspect": ["a", "b"]}}}, [])
    assert read_path("sites.shop.v2.inspect[1]", document) == ("sites", "shop.v2", "inspect", 1)
    assert read_path("sites.shop.inspect", document) == ("sites", "shop", "inspect")
    assert read_path("sites.gone.inspect", document) == ("sites", "gone", "inspect")
    assert read_path("", document) == ()


@pytest.fixture
def built(policyc: Policyc, write_policy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output of the good policy, in ``out`` beside it, from that folder."""
    policy = write_policy(GOOD)
    monkeypatch.chdir(policy.parent)
    assert policyc("build", "policy.yaml", "-o", "out").status == 0
    return policy.parent / "out" / "example"


def test_a_line_is_shown_with_the_policys_line(policyc: Policyc, built: Path) -> None:
    ran = policyc("blame", "out/example/example.conf:2")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "out/example/example.conf:2:\n"
        "    shop: shop.example.com\n"
        "   --> policy.yaml:17:17\n"
        "    |\n"
        "17  |     hostnames: [shop.example.com]\n"
        "    |                 ^^^^^^^^^^^^^^^^ site shop, hostnames\n"
    )


def test_lines_in_a_row_from_one_place_are_told_of_once(policyc: Policyc, built: Path) -> None:
    last = len((built / "certs/shop.pem").read_text().splitlines())
    ran = policyc("blame", f"out/example/certs/shop.pem:1-{last}")
    assert ran.status == 0
    assert ran.out.startswith(f"out/example/certs/shop.pem:1-{last}:\n    -----BEGIN CERTIFICATE-----\n")
    assert ran.out.count("^^^^ certificate shop") == 1


def test_json_is_as_its_schema_says(policyc: Policyc, built: Path) -> None:
    ran = policyc("blame", "out/example/example.conf:1-2", "--format", "json")
    assert schema_faults(ran.out, "blame") == []
    answer = json.loads(ran.out)
    whole, site = (line["places"] for line in answer["lines"])
    assert [place["part"] for place in whole] == ["policy"]
    assert (site[0]["part"], site[0]["name"], site[0]["line"]) == ("site", "shop", 17)
    assert site[0]["text"] == "    hostnames: [shop.example.com]"
    del answer["lines"][0]["places"][0]["exists"]
    assert schema_faults(json.dumps(answer), "blame") == ["'exists' is a required property"]
    nowhere = policyc("blame", "out/example/README.txt:1", "--format", "json")
    assert (nowhere.status, schema_faults(nowhere.out, "blame")) == (1, [])


def test_a_line_of_every_policy(policyc: Policyc, built: Path) -> None:
    ran = policyc("blame", "out/example/README.txt:1")
    assert ran.status == 1
    assert "  no part of the policy: example gets this line, or one like it, from every policy\n" in ran.out
    assert "  the settings of example are at policy.yaml:22\n" in ran.out


def test_lines_that_moved_are_found(policyc: Policyc, built: Path) -> None:
    Path("policy.yaml").write_text("# moved\n" + Path("policy.yaml").read_text())
    ran = policyc("blame", "out/example/example.conf:2")
    assert (ran.status, ran.err) == (0, "")
    assert "policy.yaml:18:17" in ran.out


def test_a_policy_that_changed_is_told(policyc: Policyc, built: Path) -> None:
    Path("policy.yaml").write_text("# moved\n" + Path("policy.yaml").read_text().replace("deny: 403", "deny: 404"))
    ran = policyc("blame", "out/example/example.conf:2")
    assert ran.status == 0
    assert "policyc: warning: policy.yaml is not as it was when this was built: build again to be sure\n" in ran.err
    assert "policy.yaml:18:17" in ran.out


def test_what_is_in_the_policy_no_more(policyc: Policyc, built: Path) -> None:
    (built / "example.conf").write_text("# policy.yaml: sites.old\nline\n")
    ran = policyc("blame", "out/example/example.conf:2")
    assert ran.status == 0
    assert "= site old (sites.old) is in the policy no more\n" in ran.out
    assert "example.conf is not as it was written: lines that were added come from nowhere in the policy\n" in ran.err


def test_a_policy_with_errors_still_answers_for_what_is_written(policyc: Policyc, built: Path) -> None:
    Path("policy.yaml").write_text(Path("policy.yaml").read_text().replace("backend: app", "backend: ap"))
    ran = policyc("blame", "out/example/example.conf:1")
    assert ran.status == 0
    assert "policy.yaml has errors: names in the line were not looked up (policyc lint)\n" in ran.err


def test_the_policy_is_found_above_the_output(
    policyc: Policyc, built: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "policy.yaml").write_text("version: 1\n")
    monkeypatch.chdir(elsewhere)
    ran = policyc("blame", f"{built}/example.conf:2")
    assert (ran.status, ran.err) == (0, "")  # not the one of that name that is nearer, and another
    assert f"--> {built.parent.parent}/policy.yaml:17:17" in ran.out


def test_no_policy_is_found(policyc: Policyc, built: Path) -> None:
    Path("policy.yaml").rename("renamed.yaml")
    ran = policyc("blame", "out/example/example.conf:2")
    assert ran.status == 3
    assert "'policy.yaml', which this was built from, is not here and not in a folder above the file" in ran.err
    given = policyc("blame", "out/example/example.conf:2", "--policy", "renamed.yaml")
    assert (given.status, given.err) == (0, "")
    assert "renamed.yaml:17:17" in given.out


@pytest.mark.parametrize(
    ("place", "status", "says"),
    [
        ("out/example/example.conf", 2, "'out/example/example.conf' names no line\n  write FILE:LINE"),
        ("out/example/example.conf:9", 2, "out/example/example.conf has 2 lines: there is no line 9"),
        ("out/example/example.conf:0", 2, "lines count from 1"),
        ("out/example/example.conf:2-1", 2, "the first one comes first"),
        ("policy.yaml:1", 3, "policy.yaml is in no folder that policyc wrote: there is no manifest.json above it"),
        ("out/example/mine:1", 3, "out/example/mine is not one of the files that policyc wrote"),
        ("out/example/certs/shop.key:1", 3, "out/example/certs/shop.key is a private key"),
    ],
)
def test_what_cannot_be_asked(policyc: Policyc, built: Path, place: str, status: int, says: str) -> None:
    ran = policyc("blame", place)
    assert ran.status == status
    assert ran.out == ""
    assert says in ran.err


def test_a_manifest_of_somebody_else(policyc: Policyc, built: Path) -> None:
    (built / "manifest.json").write_text("[]")
    ran = policyc("blame", "out/example/example.conf:2")
    assert ran.status == 3
    assert "manifest.json is not one that policyc wrote" in ran.err
