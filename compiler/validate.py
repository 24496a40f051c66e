"""Document → Policy: pydantic's errors in the user's words, each with its place and a way out."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..schemas.policy import Policy
from ..schemas.target import TargetSettings
from .diagnostics import Diagnostic, Location, Path, declare, format_path
from .document import Document

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from .target import Target

UNKNOWN_KEY = declare(
    "unknown-key",
    """
    ## What it does
    A key that the language does not have at this place.

    ## Why it is bad
    A key with a typing error would otherwise be ignored, and with it what it was meant to protect.

    ## Use instead
    The nearest known key is named in the finding; `policyc schema` has them all.
    """,
)
MISSING_KEY = declare(
    "missing-key",
    """
    ## What it does
    A key that must be there is not.

    ## Use instead
    Add it; `policyc schema` says what it holds.
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

    ## Use instead
    The finding says what is right. Quote texts that look like numbers.
    """,
)
UNKNOWN_NAME = declare(
    "unknown-name",
    """
    ## What it does
    A name is used that nothing in the policy defines.

    ## Why it is bad
    What it should have named would be missing from the output.

    ## Use instead
    The nearest defined name is named in the finding.
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


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Help for a name that is not known: the nearest one, or all of them where they are few."""
    candidates = sorted(known)
    close = get_close_matches(name, candidates, 1, 0.6)
    if close:
        return [f"did you mean `{close[0]}`?"]
    if 0 < len(candidates) <= 12:
        return ["known here: " + ", ".join(f"`{candidate}`" for candidate in candidates)]
    return []


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
                )
            )
    for name in targets:
        if name not in policy.targets:
            continue
        model = targets[name].settings_model()
        try:
            settings[name] = model.model_validate(policy.targets[name])
        except ValidationError as error:
            findings += _findings(error, document, ("targets", name), model)
    return settings, findings


def default_settings(target: Target[TargetSettings]) -> TargetSettings:
    """A target's settings where a policy has none."""
    return target.settings_model().model_validate({})


def _findings(error: ValidationError, document: Document, base: Path, model: type[BaseModel]) -> list[Diagnostic]:
    return [_finding(details, document, base, model) for details in error.errors(include_url=False)]


def _finding(details: ErrorDetails, document: Document, base: Path, model: type[BaseModel]) -> Diagnostic:
    kind = details["type"]
    loc = details["loc"]
    path = base + _real_path(document.values, base, loc)
    value = details["input"]
    if kind == "extra_forbidden":
        name = str(loc[-1])
        return UNKNOWN_KEY.found(
            f"unknown key `{name}`",
            Location(path, of="key"),
            help=nearest(name, _known_keys(model, loc[:-1])),
        )
    if kind == "missing":
        return MISSING_KEY.found(f"`{loc[-1]}` is missing{_in(path)}", Location(path, of="key"))
    if kind == "string_type":
        if isinstance(value, bool | int | float):
            raw = document.scalar_text(path)
            return INVALID_VALUE.found("this must be a text", path, help=[f'quote it: "{raw}"'])
        return INVALID_VALUE.found("this must be a text", path)
    if loc and loc[-1] == "[key]":
        return INVALID_VALUE.found(_message(details), Location(path, of="key"))
    if kind == "literal_error":
        expected = str(details.get("ctx", {}).get("expected", "")).replace("'", "`")
        helps = nearest(str(value), _quoted(expected)) if isinstance(value, str) else []
        if not isinstance(value, str) and "`" in expected and isinstance(value, bool | int | float):
            helps = [f'quote it: "{document.scalar_text(path)}"']
        return INVALID_VALUE.found(f"this must be {expected}", path, help=helps)
    return INVALID_VALUE.found(_message(details), path)


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
    here: list[Any] = [model]
    for part in loc:
        below: list[Any] = []
        for kind in here:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                field = kind.model_fields.get(str(part)) or next(
                    (field for field in kind.model_fields.values() if field.alias == part), None
                )
                if field:
                    below += _unwrap(field.annotation)
            elif get_origin(kind) in (list, tuple) and isinstance(part, int):
                below += _unwrap(get_args(kind)[0])
            elif get_origin(kind) is dict:
                below += _unwrap(get_args(kind)[1])
        here = below or here
    models = [kind for kind in here if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return [field.alias or name for kind in models for name, field in kind.model_fields.items()]


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
