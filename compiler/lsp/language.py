"""What the JSON Schema knows about a place in a policy: its keys, its values, and their descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ..diagnostics import Path

Schema = dict[str, Any]


class Language:
    """The policy language as its JSON Schema has it."""

    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._parts: Mapping[str, Schema] = schema.get("$defs", {})

    def at(self, path: Path) -> list[Schema]:
        """The schemas that a value at a path must meet one of. Empty where the language has nothing there."""
        here: list[Schema] = [self._root]
        for part in path:
            here = [below for schema in here for one in self._alternatives(schema) for below in self._below(one, part)]
        return here

    def keys(self, path: Path) -> dict[str, Schema]:
        """The keys that a mapping at a path may have, with what they say of themselves."""
        found: dict[str, Schema] = {}
        for schema in self.at(path):
            for one in self._alternatives(schema):
                for key, value in one.get("properties", {}).items():
                    found.setdefault(key, value)
        return found

    def values(self, path: Path) -> list[tuple[Any, str]]:
        """Values to offer at a path, each with why: `one of`, `default` or `example`."""
        found: dict[str, tuple[Any, str]] = {}

        def offer(value: Any, why: str) -> None:
            if not isinstance(value, dict | list):
                found.setdefault(json.dumps(value), (value, why))

        for schema in self.at(path):
            one_of: list[Any] = []
            for one in self._alternatives(schema):
                one_of += one.get("enum", ())
                one_of += [one["const"]] if "const" in one else ()
                one_of += [True, False] if one.get("type") == "boolean" and "const" not in one else ()
            for value in one_of:
                offer(value, "one of")
            for one in (schema, *self._alternatives(schema)):
                if "default" in one:
                    offer(one["default"], "default")
                for value in one.get("examples", ()):
                    offer(value, "example")
        return list(found.values())

    def holds_mapping(self, path: Path) -> bool:
        """Whether a mapping with keys of its own stands at a path."""
        return bool(self.keys(path))

    def describe(self, path: Path) -> str:
        """What the language says about a place, as Markdown. Empty where it says nothing."""
        schemas = self.at(path)
        texts = list(dict.fromkeys(filter(None, (self._description(schema) for schema in schemas))))
        if not texts:
            return ""
        lines = ["\n\n".join(texts)]
        values = self.values(path)
        for why, title in (("one of", "One of"), ("default", "Default"), ("example", "Example")):
            shown = [f"`{_written(value)}`" for value, reason in values if reason == why and value is not None]
            if shown:
                lines.append(f"{title}: {', '.join(shown)}")
        return "\n\n".join(lines)

    def _description(self, schema: Schema) -> str:
        own = schema.get("description", "")
        return own or next((one["description"] for one in self._alternatives(schema) if "description" in one), "")

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        """A schema with references and choices opened. `null` is how a key that is absent is said in Python."""
        if "$ref" in schema:
            yield from self._alternatives(self._parts[schema["$ref"].rpartition("/")[2]])
            return
        choices = cast("Iterable[Schema]", [*schema.get("anyOf", ()), *schema.get("oneOf", ())])
        opened = False
        for choice in choices:
            opened = True
            if choice.get("type") != "null":
                yield from self._alternatives(choice)
        if not opened:
            yield schema

    @staticmethod
    def _below(schema: Schema, part: str | int) -> Iterator[Schema]:
        if isinstance(part, int):
            if "items" in schema:
                yield schema["items"]
        elif part in schema.get("properties", {}):
            yield schema["properties"][part]
        elif isinstance(schema.get("additionalProperties"), dict):
            yield schema["additionalProperties"]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
