"""``policyc init``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

HELP = "Write a commented starter policy, and its JSON Schema for editors."

SCHEMA_FILE = "policy.schema.json"


def command(
    policy: Annotated[str, typer.Argument(help="The file to write. It must not exist.")] = "policy.yaml",
    target: Annotated[
        list[str] | None, typer.Option(help="For this target; may be given again. Default: all that fit.")
    ] = None,
) -> None:
    """Exit status: 0 written, 2 the file exists, 3 it cannot be written."""
    from ...schemas.json_schema import policy_schema, schema_text
    from ...schemas.target import TargetSettings
    from ..document import reason
    from ..starter import starter
    from ..target import UnusableTarget
    from . import session

    targets, chosen = session.chosen_targets(target or [])
    name = os.path.basename(policy)
    if not name.endswith((".yaml", ".yml")) or not name.isprintable():
        session.usage(f"{policy!r} is not the name of a policy: end it in .yaml")
    text = starter(targets, chosen, SCHEMA_FILE, name)
    models: dict[str, type[TargetSettings]] = {}
    for known in targets:
        try:
            models[known] = targets[known].settings_model()
        except UnusableTarget:
            continue  # a broken plug-in is in nobody's way who does not use it
    schema = os.path.join(os.path.dirname(policy), SCHEMA_FILE)
    made = schema_text(policy_schema(models))
    if not _ours(schema, made):
        session.usage(f"{schema} exists already, and is not policyc's", ["choose another folder"])
    try:
        # "x": whoever has a policy keeps it.
        with open(policy, "x", encoding="utf-8") as stream:
            stream.write(text)
        with open(schema, "w", encoding="utf-8") as stream:
            stream.write(made)
    except FileExistsError:
        session.usage(f"{policy} exists already", ["name another file: policyc init NAME.yaml"])
    except OSError as error:
        print(f"policyc: cannot write {error.filename or policy}: {reason(error)}", file=sys.stderr)
        raise typer.Exit(3) from None
    print(f"policyc: wrote {policy}, and {schema} for editors", file=sys.stderr)
    print(f"policyc: next: put your names and certificates in, and ask `policyc lint {policy}`", file=sys.stderr)


def _ours(schema: str, made: str) -> bool:
    """Whether a file may be written anew: it is not there, or it is a JSON Schema of the language."""
    try:
        with open(schema, encoding="utf-8", errors="replace") as stream:
            start = stream.read(200)
    except OSError:
        return True  # to write it will say why not
    return start[:100] == made[:100]
