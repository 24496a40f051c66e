"""The JSON Schema of the policy language, made from the models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from .policy import Policy
from .target import TargetSettings

_REFERENCE = "#/$defs/{model}"


def policy_schema(targets: Mapping[str, type[TargetSettings]]) -> dict[str, Any]:
    """The schema (draft 2020-12) of a policy whose ``targets`` may be the given ones, by name."""
    models = [(Policy, "validation"), *((model, "validation") for _, model in sorted(targets.items()))]
    references, definitions = models_json_schema(models, ref_template=_REFERENCE)  # pyright: ignore[reportArgumentType]
    schema = definitions["$defs"]
    policy = schema.pop("Policy")
    policy["properties"]["targets"] = {
        "title": "Targets",
        "description": policy["properties"]["targets"]["description"],
        "type": "object",
        "additionalProperties": False,
        "properties": {name: references[(model, "validation")] for name, model in sorted(targets.items())},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "policyc policy, version 1",
        **{key: value for key, value in policy.items() if key != "title"},
        "$defs": schema,
    }


def schema_text(schema: Mapping[str, Any]) -> str:
    """The schema as it stands in a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
