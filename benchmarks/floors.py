"""The least that any program with these libraries must do for the same policy: no names are joined, nothing is judged.

    python -m benchmarks.floors POLICY JSON [OUTPUT COPY]

Reads the policy's YAML as events, validates its values (from JSON, the quickest way to have them), reads every
certificate and key that it names, and writes the bytes of the folder OUTPUT into the folder COPY. Prints the seconds of
CPU that each step took, as JSON. With no arguments it only imports.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    policy: Annotated[str, typer.Argument()] = "",
    values: Annotated[str, typer.Argument()] = "",
    output: Annotated[str, typer.Argument()] = "",
    copy: Annotated[str, typer.Argument()] = "",
) -> None:
    """One floor, step by step."""
    import gc

    import cryptography.x509  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import yaml  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from policyc.schemas.policy import Policy

    gc.disable()
    Policy.model_rebuild()
    steps = {"start": time.process_time()}

    def done(step: str) -> None:
        steps[step] = time.process_time() - sum(steps.values())

    if policy:
        _events(Path(policy).read_bytes().decode())
        done("events")
        read: dict[str, Any] = json.loads(Path(values).read_bytes())
        Policy.model_validate(read)
        done("validate")
        _certificates(Path(policy).parent, read)
        done("certificates")
    if output:
        _copy(output, copy)
        done("write")
    print(json.dumps(steps))


def _copy(output: str, copy: str) -> None:
    """Read, to know what to write, and written: a file at a time, as no writer must hold them all."""
    for folder, _, names in os.walk(output):
        here = os.path.join(copy, os.path.relpath(folder, output))
        os.makedirs(here, exist_ok=True)
        for name in names:
            with open(os.path.join(folder, name), "rb") as source, open(os.path.join(here, name), "wb") as target:
                target.write(source.read())


def _events(text: str) -> None:
    import yaml

    for _ in yaml.parse(text, Loader=yaml.CLoader):  # pyright: ignore[reportUnknownMemberType]
        pass


def _certificates(folder: Path, values: dict[str, Any]) -> None:
    """Each file once: fingerprint, dates, names, and that the key fits."""
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.x509 import SubjectAlternativeName, load_pem_x509_certificates

    pairs: dict[str, str | None] = {one["cert"]: one["key"] for one in values["public_certificates"].values()}
    pairs |= {one["tls"]["certificate"]: None for one in values["backends"].values()}
    pairs |= {one["ca"]: None for one in values["backend_cas"].values()}
    for cert, key in pairs.items():
        for number, one in enumerate(load_pem_x509_certificates((folder / cert).read_bytes())):
            hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()
            _ = one.not_valid_before_utc, one.not_valid_after_utc
            if key and number == 0:
                one.extensions.get_extension_for_class(SubjectAlternativeName)
                private = load_pem_private_key((folder / key).read_bytes(), None, unsafe_skip_rsa_key_validation=True)
                if private.public_key() != one.public_key():
                    sys.exit(f"{key} does not fit")


if __name__ == "__main__":
    typer.run(command)
