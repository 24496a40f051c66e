"""The JSON Schema of the policy language, made from the models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from .descriptions import descriptions
from .policy import Policy
from .policy_tests import PolicyTests
from .target import TargetSettings
from .values import DURATION_PATTERN, duration_text

_REFERENCE = "#/$defs/{model}"


class _AsWritten(GenerateJsonSchema):
    """What an editor offers must be what a document may hold: its keys, and defaults as they would stand there."""

    def get_title_from_name(self, name: str) -> str:
        return name

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        fields = schema["cls"].model_fields
        for name, text in descriptions(schema["cls"]).items():
            # What a part says of itself need not be said again where it is used.
            if fields[name].annotation.__doc__ != text:
                made["properties"][fields[name].alias or name]["description"] = text
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        default = made.get("default")
        if default is None or default == [] or isinstance(default, dict):  # a part's own keys have their defaults
            made.pop("default", None)
        elif made.get("pattern") == DURATION_PATTERN:
            made["default"] = duration_text(default)
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        for pattern, value in made.pop("patternProperties", {}).items():
            # With `patternProperties` alone, a name that does not match could hold anything.
            made |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
        return made


def policy_schema(targets: Mapping[str, type[TargetSettings]]) -> dict[str, Any]:
    """The schema (draft 2020-12) of a policy whose ``targets`` may be the given ones, by name."""
    models = [(Policy, "validation"), *((model, "validation") for _, model in sorted(targets.items()))]
    references, definitions = models_json_schema(
        models,  # pyright: ignore[reportArgumentType]
        ref_template=_REFERENCE,
        schema_generator=_AsWritten,
    )
    parts = definitions["$defs"]

    def part(model: type[Any]) -> dict[str, Any]:
        return parts[references[(model, "validation")]["$ref"].removeprefix(_REFERENCE.format(model=""))]

    policy = part(Policy)
    policy["properties"]["targets"] = {
        "title": "targets",
        "description": policy["properties"]["targets"]["description"],
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {**part(model), "title": name} for name, model in sorted(targets.items())},
    }
    for choice in parts["Acceptance"]["properties"]["target"]["anyOf"]:
        if choice["type"] == "string":
            choice |= {"enum": sorted(targets)}
    for name in parts:
        _complete(parts[name])
    _complete(policy)
    for target in policy["properties"]["targets"]["properties"].values():
        _complete(target)
    used = json.dumps(parts)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "policyc policy, version 1",
        # Of a policy in a folder, one file says the `version`: an editor sees each by itself.
        **{key: value for key, value in policy.items() if key not in ("title", "required")},
        # Not those that stand above, and not those that pydantic leaves there of types whose schema we give ourselves.
        "$defs": {name: one for name, one in parts.items() if f'"{_REFERENCE.format(model=name)}"' in used},
    }


def tests_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a file of tests for a policy."""
    made = PolicyTests.model_json_schema(ref_template=_REFERENCE, schema_generator=_AsWritten)
    for part in (made, *made["$defs"].values()):
        _complete(part)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **made,
        "title": "Tests of a policyc policy, version 1",
    }


def _complete(part: dict[str, Any]) -> None:
    """Give every key of a part a title: pydantic gives none to those that hold another part."""
    for key, value in part.get("properties", {}).items():
        value.setdefault("title", key)


def schema_text(schema: Mapping[str, Any]) -> str:
    """The schema as it stands in a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
