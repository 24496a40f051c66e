"""What the language server knows about a place in a text, right or half typed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from policyc.compiler.diagnostics import Rule
from policyc.compiler.lint import every_rule
from policyc.compiler.lsp.answers import complete, hover
from policyc.compiler.lsp.cursor import gap_at, place_at
from policyc.compiler.lsp.language import Language
from policyc.compiler.lsp.workspace import policy_of
from policyc.compiler.target import installed_targets
from policyc.schemas.json_schema import policy_schema

from ..conftest import GOOD, Ran

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def language() -> Language:
    """The language without targets: its own keys are what is asked for."""
    return Language(policy_schema({}))


@pytest.fixture
def rules() -> Mapping[str, Rule]:
    """All rules."""
    return every_rule(installed_targets())


SITE = "version: 1\nbackends: {app: {servers: []}, api: {}}\nsites:\n  shop:\n    backend: app\n"

# A text with the cursor at ¦ → what is offered (with …: among other things), and what is not.
OFFERED: dict[str, tuple[str, list[str], list[str]]] = {
    "an empty file": ("¦", ["version", "sites", "…"], []),
    "a key at the top": ("version: 1\nsi¦", ["sites", "…"], ["version"]),
    "a key between others": ("version: 1\n¦\nsites: {}\n", ["backends", "…"], ["version", "sites"]),
    "a key of a site": (f"{SITE}    ¦", ["hostnames", "…"], ["backend", "version"]),
    "a key that is there": ("version: 1\nsi¦tes: {}\n", ["sites", "…"], ["version"]),
    "a name": (f"{SITE}    routes: [{{backend: ¦}}]", ["app", "api"], []),
    "a name after a bracket": (f"{SITE}    routes: [{{backend: ¦", ["app", "api"], []),
    "a name in a list": ("inspection_rules: {a: [], b: []}\nsites: {s: {inspect: [a, ¦]}}", ["a", "b"], []),
    "a name in a block list": (
        "inspection_rules: {a: [], b: []}\nsites:\n  s:\n    inspect:\n      - ¦\n",
        ["a", "b"],
        [],
    ),
    "a name in quotes": ('backend_cas: {pki: {}}\nbackends: {b: {tls: {ca: "p¦"}}}', ["pki", "system"], []),
    "the system's store is no one's who connects": (
        "backend_cas: {pki: {}}\nsites: {s: {client_auth: {ca: ¦}}}",
        ["pki"],
        [],
    ),
    "a choice": ("backends: {b: {balance: ¦}}", ["round_robin", "least_connections", "source_hash"], []),
    "a choice of texts that look like numbers": (
        "listeners: {a: {tls: {min_version: ¦}}}",
        ['"1.0"', '"1.1"', '"1.2"', '"1.3"'],
        [],
    ),
    "yes or no": ("sites: {s: {websocket: ¦}}", ["true", "false"], []),
    "an example": ("backends: {b: {health: {interval: ¦}}}", ["5s", "500ms"], []),
    "a key in braces": ("inspection_rules: {a: [{when: {path: {¦}}}]}", ["exact", "prefix", "…"], []),
    "a key in braces after another": ("backends: {b: {tls: {ca: pki, ¦", ["server_name", "…"], ["ca"]),
    "a key of a list's item": ("inspection_rules:\n  a:\n    - ¦\n", ["name", "when", "…"], []),
    "a key below its list's item": ("inspection_rules:\n  a:\n    - name: x\n      ¦\n", ["when", "…"], ["name"]),
    "a mapping's first key": ("backends:\n  b:\n    tls:\n      ¦\n", ["ca", "verify", "…"], ["servers"]),
    "broken below": (f"{SITE}    ¦\n  : : [\n", ["hostnames", "…"], ["backend"]),
    "broken beside": ("version: 1\nbackends: {b: {tls: {¦\nsites:\n  - {", ["ca", "…"], []),
    "a rule's name": ("accept: [{finding: unused-¦}]", ["unused-definition", "…"], ["unknown-name"]),
    "a key of an entry": ("accept:\n  - finding: x\n    ¦", ["reason", "until", "…"], ["finding"]),
    "a name of one's own": ("backends:\n  ¦", [], ["servers"]),
    "a comment": ("version: 1 # ¦", [], ["sites"]),
    "a comment after a quoted sign": ("name: 'a # b' # ¦", [], ["sites"]),
    "a socket": ("listeners: {a: {bind: [¦]}}", ['"0.0.0.0:443"', '"[::]:443"'], []),
}


@pytest.mark.parametrize("name", OFFERED)
def test_completion(language: Language, rules: Mapping[str, Rule], name: str) -> None:
    marked, wanted, unwanted = OFFERED[name]
    offers = complete(marked.replace("¦", ""), marked.index("¦"), language, rules)
    labels = [offer.insert if offer.kind == "value" else offer.label for offer in offers]
    if "…" in wanted:
        assert set(wanted) - {"…"} <= set(labels)
    else:
        assert sorted(labels) == sorted(wanted)
    assert not set(unwanted) & set(labels)
    assert len(labels) == len(set(labels))


def test_no_text_and_no_place_is_too_much(language: Language, rules: Mapping[str, Rule]) -> None:
    """Whoever types leaves any beginning of a policy there for a moment."""
    for end in range(0, len(GOOD), 3):
        complete(GOOD[:end], end, language, rules)
        hover(GOOD[:end], end // 2, language, rules)
    for place in range(0, len(GOOD), 3):
        complete(GOOD, place, language, rules)
        found = place_at(GOOD, place)
        if found:
            assert found.start <= place <= found.end
    for text in ("[" * 200, "{" * 200, "a: &a [*a]", "\t", "- - - -", '"', "'", "? ", "%", "a: |\n  ", "\0"):
        complete(text, len(text), language, rules)
        gap_at(text, 0)


@pytest.mark.parametrize(
    ("marked", "shown"),
    [
        ("backends: {b: {bal¦ance: source_hash}}", "Which server gets the next request."),
        ("backends: {b: {balance: source¦_hash}}", "One of: `round_robin`, `least_connections`, `source_hash`"),
        ("backends: {b: {health: {interval: 1¦s}}}", "Default: `5s`"),
        ("accept: [{finding: unused-def¦inition}]", "# unused-definition"),
        ("inspection_rules: {a: [{when: {path: {pre¦fix: /}}}]}", "segment borders"),
        ("inspection_rules: {a: [{when: {path: [{pre¦fix: /}]}}]}", "segment borders"),
        ("list¦eners: {}", "Where visitors connect."),
    ],
)
def test_hover(language: Language, rules: Mapping[str, Rule], marked: str, shown: str) -> None:
    found = hover(marked.replace("¦", ""), marked.index("¦"), language, rules)
    assert found
    assert shown in found.text


@pytest.mark.parametrize(
    ("files", "belongs_to"),
    [
        ({"policy.yaml": ""}, "policy.yaml"),
        ({"x.yaml": ""}, None),
        ({"x.yaml": "version: 1\nsites: {}\n"}, "x.yaml"),
        ({"x.yaml": '{"version": 1, "sites": {}}'}, "x.yaml"),
        ({"x.yaml": "# yaml-language-server: $schema=../policy.schema.json\n"}, "x.yaml"),
        ({"x.yaml": "services: {}\nversion: 3\n"}, None),
        ({"x.yaml": "sites: {}\n"}, "x.yaml"),
        ({"x.yaml": "sites: {}\n", "y.yml": "version: 1\nbackends: {}\n"}, ""),
        ({"x.yaml": "version: 1\nbackends: {}\n", "y.yml": "sites: {}\n"}, ""),
        ({"x.yaml": "version: 1\nbackends: {}\n", "y.yml": "version: 1\nsites: {}\n"}, "x.yaml"),
        ({"x.yaml": "version: 1\nbackends: {}\n", "y.yml": "services: {}\n"}, "x.yaml"),
        ({"x.yaml": "sites: {}\n", "y.yml": "version: 1\nsites: {}\n", "z.yml": "version: 1\nsites: {}\n"}, "x.yaml"),
    ],
)
def test_which_policy_a_file_belongs_to(tmp_path: Path, files: dict[str, str], belongs_to: str | None) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    found = policy_of(str(tmp_path / next(iter(files))), {})
    assert found == (None if belongs_to is None else str(tmp_path / belongs_to) if belongs_to else str(tmp_path))


@pytest.mark.parametrize("example", sorted(path for path in ROOT.glob("examples/*/*.yaml")))
def test_examples_are_policies_of_their_own(example: Path) -> None:
    assert policy_of(str(example), {}) == str(example)


def test_the_files_of_an_examples_folder_are_one_policy() -> None:
    folder = ROOT / "examples" / "teams" / "policies"
    assert {policy_of(str(file), {}) for file in folder.iterdir()} == {str(folder)}


def test_without_pygls_it_says_what_to_install(policyc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygls", None)
    ran = policyc("lsp")
    assert (ran.status, ran.out) == (2, "")
    assert "pip install 'policyc[lsp]'" in ran.err
