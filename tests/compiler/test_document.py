"""Reading YAML: values, positions, and the same answers with and without libyaml."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from policyc.compiler.diagnostics import Location
from policyc.compiler.document import plain_value, read

from .conftest import GOOD

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x7f\ufeff", exclude_categories=["Cc", "Cs", "Cn"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.sampled_from("abcß0-_"), min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("22:22", "22:22"),
        ("10:11:22:33", "10:11:22:33"),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("12e5", 1200000.0),
        ("1_000", "1_000"),
        ("~", None),
        ("True", True),
        ("2027-03-31", "2027-03-31"),
        (".5", 0.5),
        ("+12", 12),
        ("1.2.3", "1.2.3"),
        ("9" * 30, float("9" * 30)),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


@given(st.dictionaries(st.text(st.sampled_from("abc"), min_size=1), VALUES, min_size=1, max_size=5))
def test_json_reads_as_json_does(tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]) -> None:
    path = tmp_path_factory.mktemp("json") / "policy.json.yaml"
    # Escaped surrogate pairs are the one thing of JSON that libyaml does not take.
    path.write_text(json.dumps(value, ensure_ascii=False))
    document, findings, readable = read(str(path))
    assert readable, findings
    assert document.values == value


def test_both_readers_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(GOOD + "accept: &x [{finding: a, reason: 'it''s', until: \"2027-01-01\"}]\nmore: *x\n")
    fast = read(str(path))
    monkeypatch.delattr(yaml, "CLoader")
    slow = read(str(path))
    assert fast[0].values == slow[0].values
    for place in (
        ("sites", "shop", "hostnames", 0),
        ("targets", "example", "version"),
        ("more",),
        ("accept", 0, "until"),
    ):
        assert fast[0].span(Location(place)) == slow[0].span(Location(place))


@pytest.mark.parametrize(
    ("path", "of_key", "line", "column", "end"),
    [
        (("sites", "shop", "hostnames", 0), False, 17, 17, 33),
        (("sites", "shop", "backend"), False, 19, 14, 17),
        (("sites", "shop", "backend"), True, 19, 5, 12),
        (("backends", "app", "tls", "server_name"), False, 9, 33, 46),
        (("backends", "app", "tls", "absent"), False, 9, 5, 8),
        (("inspection_rules", "web", 0, "deny"), False, 14, 13, 16),
    ],
)
def test_positions(tmp_path: Path, path: tuple[str | int, ...], of_key: bool, line: int, column: int, end: int) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    document, _, _ = read(str(file))
    span = document.span(Location(path, of="key" if of_key else "value"))
    assert (span.line, span.column, span.end_column) == (line, column, end)


def test_folder_joins_collections_and_shows_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\nsites:\n  one: {backend: x}\naccept: [{finding: a}]\n")
    (tmp_path / "b.yml").write_text(
        "version: 1\nsites:\n  two: {backend: y}\n  one: {backend: z}\naccept: [{finding: b}]\n"
    )
    (tmp_path / "notes.txt").write_text("not YAML: [")
    document, findings, readable = read(str(tmp_path))
    assert readable
    assert list(document.values["sites"]) == ["one", "two"]
    assert [entry["finding"] for entry in document.values["accept"]] == ["a", "b"]
    assert [finding.rule for finding in findings] == ["duplicate-key"]
    assert findings[0].primary.span is not None
    assert findings[0].primary.span.file.endswith("b.yml")
    assert findings[0].primary.span.line == 4
    assert findings[0].related[0].span is not None
    assert findings[0].related[0].span.file.endswith("a.yaml")
    assert document.span(Location(("accept", 1, "finding"))).file.endswith("b.yml")
    assert document.span(Location(("sites", "two", "backend"))).line == 3
