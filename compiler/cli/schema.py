"""``policyc schema``."""

from __future__ import annotations

HELP = "Print the JSON Schema of the policy language, with the settings of the installed targets."


def command() -> None:
    """The schema on stdout, for editors and other programs."""
    from ...schemas.json_schema import policy_schema, schema_text
    from ..target import installed_targets

    print(
        schema_text(policy_schema({name: target.settings_model() for name, target in installed_targets().items()})),
        end="",
    )
