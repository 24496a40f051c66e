"""The JSON Schema: what editors and other programs know of the language."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from policyc.compiler.document import read
from policyc.compiler.target import GROUP
from policyc.schemas import policy as policy_module
from policyc.schemas.json_schema import policy_schema, schema_text
from policyc.schemas.json_schema import tests_schema as schema_of_tests
from pydantic import BaseModel, create_model

from .conftest import GOOD, Ran
from .test_bad_documents import CASES

ROOT = Path(__file__).parents[2]
POLICIES = sorted(
    str(path.relative_to(ROOT))
    for glob in ("examples/*/*.yaml", "examples/*/policies/*.yaml")
    for path in ROOT.glob(glob)
)
COMMITTED = ROOT / "schemas" / "policy.schema.json"
INSTALLED = {entry.name: entry.load().settings_model() for entry in entry_points(group=GROUP)}


@pytest.fixture
def schema(policyc: Callable[..., Ran]) -> dict[str, Any]:
    """Of the language with the tests' own target."""
    return json.loads(policyc("schema").out)


def test_committed_schema_is_the_one_of_the_models() -> None:
    assert COMMITTED.read_text() == schema_text(policy_schema(INSTALLED)), (
        "the language changed; if that is meant: policyc schema > schemas/policy.schema.json"
    )


def test_it_is_a_schema_and_each_target_has_its_part() -> None:
    committed = json.loads(COMMITTED.read_text())
    Draft202012Validator.check_schema(committed)
    assert set(committed["properties"]["targets"]["properties"]) == set(INSTALLED)


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What a validator that knows nothing of policyc finds."""
    validator: Any = Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(value)]


def _parts(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, cast("dict[str, Any]", node)
        for key, value in cast("dict[str, Any]", node).items():
            yield from _parts(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(cast("list[Any]", node)):
            yield from _parts(value, f"{path}/{index}")


def test_every_key_is_described_and_no_other_is_let_in() -> None:
    committed = json.loads(COMMITTED.read_text())
    wanting: list[str] = []
    for path, part in _parts(committed):
        if "properties" in part and "type" in part and part.get("additionalProperties") is not False:
            wanting.append(f"{path}: lets other keys in")
        for key, value in part.get("properties", {}).items() if "type" in part else ():
            target = committed["$defs"].get(value.get("$ref", "").rpartition("/")[2], {})
            if not (value.get("description") or target.get("description")):
                wanting.append(f"{path}/{key}: has no description")
            if value.get("title") != key:
                wanting.append(f"{path}/{key}: has no title")
            if not _shows_a_value(value):
                wanting.append(f"{path}/{key}: offers no value: give it an example")
            if {} in value.get("anyOf", []):
                wanting.append(f"{path}/{key}: takes anything")
    assert wanting == []


def _shows_a_value(schema: dict[str, Any]) -> bool:
    """Whether an editor can offer something to write: an example, a default, one of a few values, or keys."""
    if {"examples", "default", "enum", "const", "$ref"} & schema.keys() or schema.get("type") == "boolean":
        return True
    below = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
    dicts = [cast("dict[str, Any]", one) for one in below if isinstance(one, dict) and one]
    return any(map(_shows_a_value, dicts)) or "properties" in schema


def test_examples_are_what_the_models_take() -> None:
    """The JSON Schema knows shapes only; the models know what the texts mean."""
    holders = [vars(policy_module), *(vars(sys.modules[model.__module__]) for model in INSTALLED.values())]
    named = [one for holder in holders for one in holder.values()]
    models = {one for one in named if isinstance(one, type) and issubclass(one, BaseModel)}
    tried = 0
    for model in models:
        for field in model.model_fields.values():
            for example in field.examples or ():
                parts: Any = {"one": (field.annotation, field)}
                alone: type[BaseModel] = create_model("Alone", __config__=model.model_config, **parts)
                alone.model_validate({"one": example})
                tried += 1
    assert tried > 50


def test_what_it_offers_is_what_it_takes() -> None:
    """Defaults and examples go from an editor into a document."""
    committed = json.loads(COMMITTED.read_text())
    wrong = [
        f"{path}: {offered!r}"
        for path, part in _parts(committed)
        for offered in (part.get("default", ...), *(part.get("examples") or ()))
        if offered is not ... and faults({**part, "$defs": committed["$defs"]}, offered)
    ]
    assert wrong == []


@pytest.mark.parametrize("policy", POLICIES)
def test_examples_are_valid(policy: str) -> None:
    values = read(str(ROOT / policy))[0].values
    committed = json.loads(COMMITTED.read_text())
    assert faults(committed, values) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_examples_tell_an_editor_their_schema(policy: str) -> None:
    found = re.findall(r"^# yaml-language-server: \$schema=(\S+)$", (ROOT / policy).read_text(), re.MULTILINE)
    assert [((ROOT / policy).parent / path).resolve() for path in found] == [COMMITTED]


def test_a_list_may_be_one_value(schema: dict[str, Any], write_policy: Callable[[str], Path]) -> None:
    for when in ("{path: {prefix: [/admin]}}", "{path: [{exact: /a}, {regex: b}], method: GET, host: a.example.com}"):
        text = GOOD.replace("{path: {prefix: /admin}}", when)
        assert faults(schema, read(str(write_policy(text)))[0].values) == []


# Wrong for anybody who knows only the shape. Of the other documents, some are no YAML, and the rest are wrong in what
# their texts mean or name.
WRONG_IN_SHAPE = {
    "bad name",
    "bad version",
    "missing key",
    "no port",
    "number as duration",
    "section without anything",
    "server by name",
    "text as list",
    "text as mapping",
    "text as number",
    "unknown key",
    "unknown target",
    "unquoted version",
}


def test_what_is_wrong_in_shape_is_refused(schema: dict[str, Any], write_policy: Callable[[str | bytes], Path]) -> None:
    refused: set[str] = set()
    for name, (text, _, _) in CASES.items():
        document, _, readable = read(str(write_policy(text)))
        if readable and faults(schema, document.values):
            refused.add(name)
    assert faults(schema, read(str(write_policy(GOOD)))[0].values) == []
    assert refused == WRONG_IN_SHAPE


def test_committed_schema_of_tests_is_the_one_of_the_models() -> None:
    committed = ROOT / "schemas" / "policy-tests.schema.json"
    assert committed.read_text() == schema_text(schema_of_tests()), (
        "if the change is meant: policyc schema --tests > schemas/policy-tests.schema.json"
    )


@pytest.mark.parametrize("tests", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("examples/*/tests/*.yaml")))
def test_tests_of_the_examples_are_valid(tests: str) -> None:
    schema = json.loads((ROOT / "schemas" / "policy-tests.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    values = read(str(ROOT / tests))[0].values
    assert faults(schema, values) == []
    assert faults(schema, {**values, "tests": [{"request": {"url": "https://a.example.com/"}}]}) != []
    assert "$schema=../../../schemas/policy-tests.schema.json" in (ROOT / tests).read_text()
