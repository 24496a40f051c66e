"""``policyc schema``."""

from __future__ import annotations

from typing import Annotated

import typer

HELP = "Print the JSON Schema of the policy language, with the settings of the installed targets."


def command(tests: Annotated[bool, typer.Option("--tests", help="Of a policy's own tests instead.")] = False) -> None:
    """The schema on stdout, for editors and other programs."""
    from ...schemas.json_schema import policy_schema, schema_text, tests_schema
    from ..target import installed_targets

    if tests:
        print(schema_text(tests_schema()), end="")
        return
    print(
        schema_text(policy_schema({name: target.settings_model() for name, target in installed_targets().items()})),
        end="",
    )
