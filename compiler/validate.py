"""Document → Policy: pydantic's errors in the user's words, each with its place and a way out."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..schemas.descriptions import descriptions
from ..schemas.policy import Policy
from ..schemas.target import TargetSettings
from .diagnostics import Diagnostic, Edit, Fix, Location, Path, declare, format_path, renaming
from .document import MAX_FINDINGS, Document
from .spelling import nearest, typing_error

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from .target import Target

UNKNOWN_KEY = declare(
    "unknown-key",
    """
    ## What it does
    A key that the language does not have at this place.

    ## Why it is bad
    A key with a typing error would otherwise be ignored, and with it what it was meant to protect.

    ## Example
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspekt: [web]}
    ```

    ## Use instead
    The nearest known key is named in the finding; `policyc schema` has them all.
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://json-schema.org/draft/2020-12/json-schema-validation
    """,
)
MISSING_KEY = declare(
    "missing-key",
    """
    ## What it does
    A key that must be there is not.

    ## Why it is bad
    policyc does not guess: a part that is half written is not compiled at all.

    ## Example
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, inspect: [web]}
    ```

    ## Use instead
    Add it; `policyc schema` says what it holds.
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://json-schema.org/draft/2020-12/json-schema-validation
    """,
)
INVALID_VALUE = declare(
    "invalid-value",
    """
    ## What it does
    A value is not what the language has at this place.

    ## Why it is bad
    policyc does not convert: under YAML's rules `2.60` is the number 2.6 and `12e5` is 1200000.0, which is not what
    was written.

    ## Example
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal, min_version: 1.2}
    ```

    ## Use instead
    The finding says what is right. Quote texts that look like numbers.
    ```yaml
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, server_name: app.example.internal, min_version: "1.2"}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://yaml.org/spec/1.2.2/#10214-floating-point
    """,
)
UNKNOWN_NAME = declare(
    "unknown-name",
    """
    ## What it does
    A name is used that nothing in the policy defines.

    ## Why it is bad
    What it should have named would be missing from the output.

    ## Example
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: apps, inspect: [web]}
    ```

    ## Use instead
    The nearest defined name is named in the finding.
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://json-schema.org/draft/2020-12/json-schema-validation
    """,
)

M = TypeVar("M", bound=BaseModel)

_WORDS = {
    "int_type": "this must be a whole number",
    "bool_type": "this must be `true` or `false`",
    "list_type": "this must be a list",
    "dict_type": "this must be a mapping of keys to values",
    "model_type": "this must be a mapping of keys to values",
    "model_attributes_type": "this must be a mapping of keys to values",
    "string_too_short": "this must not be empty",
}


def validate(document: Document) -> tuple[Policy | None, list[Diagnostic]]:
    """The policy, or None with what is wrong."""
    return validated(document, Policy)


def validated(document: Document, model: type[M]) -> tuple[M | None, list[Diagnostic]]:
    """A document as what a model describes, or None with what is wrong."""
    try:
        return model.model_validate(document.values), []
    except ValidationError as error:
        return None, _findings(error, document, (), model)


def validate_settings(
    document: Document, policy: Policy, targets: Mapping[str, Target[TargetSettings]]
) -> tuple[dict[str, TargetSettings], list[Diagnostic]]:
    """Each target's settings by its own model; defaults for the targets that the policy does not name."""
    findings: list[Diagnostic] = []
    settings: dict[str, TargetSettings] = {}
    for name in policy.targets:
        if name not in targets:
            findings.append(
                UNKNOWN_NAME.found(
                    f"`{name}` is no target",
                    Location(("targets", name), of="key"),
                    help=nearest(name, targets),
                    fixes=_corrections(Location(("targets", name), of="key"), name, set(targets) - set(policy.targets)),
                )
            )
    findings += _accepted_names(policy, targets)
    for name in targets:
        if name not in policy.targets:
            continue
        model = targets[name].settings_model()
        try:
            settings[name] = model.model_validate(policy.targets[name])
        except ValidationError as error:
            findings += _findings(error, document, ("targets", name), model)
    return settings, findings


def _accepted_names(policy: Policy, targets: Iterable[str]) -> Iterable[Diagnostic]:
    """An entry of `accept` for something that does not exist would never be called unused, and accept nothing."""
    for index, entry in enumerate(policy.accept):
        named = [(("target",), entry.target, targets)] if entry.target else []
        named += [(("sites", place), name, policy.sites) for place, name in enumerate(entry.sites or ())]
        named += [(("backends", place), name, policy.backends) for place, name in enumerate(entry.backends or ())]
        for place, name, known in named:
            if name not in known:
                at = Location(("accept", index, *place))
                what = "is no target" if place == ("target",) else f"is not in `{place[0]}`"
                yield UNKNOWN_NAME.found(
                    f"`{name}` {what}", at, help=nearest(name, known), fixes=_corrections(at, name, known)
                )


def default_settings(target: Target[TargetSettings]) -> TargetSettings:
    """A target's settings where a policy has none."""
    return target.settings_model().model_validate({})


def _findings(error: ValidationError, document: Document, base: Path, model: type[BaseModel]) -> list[Diagnostic]:
    errors = error.errors(include_url=False)
    findings = [_finding(details, document, base, model) for details in errors[:MAX_FINDINGS]]
    if len(errors) > MAX_FINDINGS:
        more = f"{len(errors) - MAX_FINDINGS:,} more errors of this kind are not shown: mend these first"
        findings[-1] = replace(findings[-1], notes=(*findings[-1].notes, more))
    return findings


def _finding(details: ErrorDetails, document: Document, base: Path, model: type[BaseModel]) -> Diagnostic:
    kind = details["type"]
    loc = details["loc"]
    path = base + _real_path(document.values, base, loc)
    value = details["input"]
    if kind == "extra_forbidden":
        name, at = str(loc[-1]), Location(path, of="key")
        known = _known_keys(model, loc[:-1])
        siblings = _siblings(document.values, path)
        absent = [one for one in known if one not in siblings]
        return UNKNOWN_KEY.found(
            f"unknown key `{name}`", at, help=nearest(name, known), fixes=_corrections(at, name, absent)
        )
    _, key, field, described = _walk(model, loc)
    notes = [f"`{key}`: {' '.join(described.split())}"] if described else []
    if kind == "missing":
        return MISSING_KEY.found(
            f"`{loc[-1]}` is missing{_in(path)}", Location(path, of="key"), notes=notes, help=_example(key, field)
        )
    if loc and loc[-1] == "[key]":
        return INVALID_VALUE.found(_message(details), Location(path, of="key"))
    if kind == "string_type" and isinstance(value, bool | int | float):
        return INVALID_VALUE.found("this must be a text", path, **_quote_it(document, path))
    if kind == "literal_error":
        expected = str(details.get("ctx", {}).get("expected", "")).replace("'", "`")
        if isinstance(value, str):
            known = _quoted(expected)
            fixes = _corrections(Location(path), value, known)
            return INVALID_VALUE.found(f"this must be {expected}", path, help=nearest(value, known), fixes=fixes)
        if document.scalar_text(path) in _quoted(expected):
            return INVALID_VALUE.found(f"this must be {expected}", path, **_quote_it(document, path))
        return INVALID_VALUE.found(f"this must be {expected}", path)
    if kind not in _WORDS and not kind.endswith("_type"):
        return INVALID_VALUE.found(_message(details), path)
    if kind == "list_type" and isinstance(value, str | int | float):
        helps = [f"write `{key}: [{document.scalar_text(path)}]`"]
    elif value is None and field is not None and not field.is_required():
        helps = ["nothing stands here: remove the key, or say something", *_example(key, field)]
    else:
        helps = _example(key, field)
    return INVALID_VALUE.found(_message(details), path, notes=notes, help=helps)


def _example(key: str, field: FieldInfo | None) -> list[str]:
    from .policy_edits import flow

    return [f"for example `{key}: {flow(field.examples[0])}`"] if field and field.examples else []


class _Advice(TypedDict):
    help: list[str]
    fixes: list[Fix]


def _quote_it(document: Document, path: Path) -> _Advice:
    """Help and fix for a text that YAML takes for something else."""
    raw = document.scalar_text(path)
    return {"help": [f'quote it: "{raw}"'], "fixes": [Fix(f'quote it: "{raw}"', (Edit(Location(path), raw),))]}


def _corrections(at: Location, name: str, known: Iterable[str]) -> list[Fix]:
    meant = typing_error(name, known)
    return [renaming(at, name, meant)] if meant else []


def _siblings(values: Any, path: Path) -> Mapping[str, Any]:
    """The mapping that a path's last key is in."""
    node = values
    for part in path[:-1]:
        node = node[part]
    return cast("dict[str, Any]", node) if isinstance(node, dict) else {}


def _message(details: ErrorDetails) -> str:
    if details["type"] in _WORDS:
        return _WORDS[details["type"]]
    message = details["msg"]
    return message.replace("Input should be", "this must be") if message.startswith("Input should be") else message


def _in(path: Path) -> str:
    return f" in `{format_path(path[:-1])}`" if path[:-1] else ""


def _quoted(expected: str) -> list[str]:
    return expected.split("`")[1::2]


def _real_path(values: Any, base: Path, loc: tuple[int | str, ...]) -> Path:
    """pydantic's `loc` without union tags and marks: only what is a key or an index of the document.

    The last part stays, for a key that is missing.
    """
    node = values
    for part in base:
        node = node[part]
    real: list[str | int] = []
    for position, part in enumerate(loc):
        if isinstance(node, dict) and isinstance(part, str) and part in node:
            node = cast("dict[str, Any]", node)[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(cast("list[Any]", node)):
            node = cast("list[Any]", node)[part]
        elif not (position == len(loc) - 1 and isinstance(node, dict) and part != "[key]"):
            continue
        real.append(part)
    return tuple(real)


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The fields of the models that stand at `loc` below `model`."""
    models = [kind for kind in _walk(model, loc)[0] if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [field.alias or name for kind in models for name, field in kind.model_fields.items()]


def _walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[list[Any], str, FieldInfo | None, str]:
    """The types that stand at `loc` below `model`; the last key on the way, and its field with its description.

    No field is there where the key is a name of the user's.
    """
    here: list[Any] = [model]
    key, last, described = "", None, ""
    for part in loc:
        below: list[Any] = []
        for kind in here:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                name = str(part) if part in kind.model_fields else _by_alias(kind, part)
                if name is not None:
                    field = kind.model_fields[name]
                    key, last, described = str(part), field, descriptions(kind).get(name, "")
                    below += _unwrap(field.annotation)
            elif get_origin(kind) in (list, tuple) and isinstance(part, int):
                below += _unwrap(get_args(kind)[0])
            elif get_origin(kind) is dict:
                key, last, described = str(part), None, ""
                below += _unwrap(get_args(kind)[1])
        here = below or here
    return here, key, last, described


def _by_alias(model: type[BaseModel], alias: int | str) -> str | None:
    return next((name for name, field in model.model_fields.items() if field.alias == alias), None)


def _unwrap(annotation: Any) -> list[Any]:
    """The plain types in an annotation: `Annotated` and unions opened."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _unwrap(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [kind for argument in get_args(annotation) for kind in _unwrap(argument)]
    # `OneOrMany[T]` and `Some[T]` are generic aliases of an Annotated list.
    value = getattr(origin, "__value__", None)
    return _unwrap(value) if value is not None else [annotation]
