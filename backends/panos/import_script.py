"""The script that imports certificates with their private keys, which are read when it runs and stand nowhere else."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from ...compiler.plan import Certificate
from .model import Configuration

FILE = "import-certificates.sh"


@dataclass(frozen=True, slots=True)
class Comment:
    """One line of text for a comment; everything else in the template is a quoted word."""

    text: str


def to_script(configuration: Configuration, source: str) -> bytes:
    """A script for all certificates of the configuration. Certificates lie beside it, as ``certs/NAME.pem``."""
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        undefined=StrictUndefined,
        finalize=_shell,
        autoescape=False,  # noqa: S701  # `finalize` quotes for the shell; HTML is not what this is
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template(FILE).render(
        source=Comment(source),
        certificates=[
            (pair.name, Comment(_summary(pair.leaf)), Comment(pair.key.key_as_written) if pair.key else None)
            for pair in configuration.key_pairs
        ],
        template=configuration.settings.location.template or "",
    )
    return text.encode()


def _shell(value: object) -> str:
    match value:
        case Comment(text):
            return re.sub(r"[^ -~]", "_", text)
        case str():
            return shlex.quote(value)
        case _:
            raise TypeError(f"not for a shell script: {value!r}")


def _summary(leaf: Certificate) -> str:
    return f"{leaf.common_name or leaf.subject}, from {leaf.issuer_name}, SHA-256 {leaf.sha256}"
