"""The model → all files: the configuration in four forms, the certificates, and the script that imports them."""

from __future__ import annotations

from ...compiler.bundle import Bundle, KeyFile
from . import import_script, terraform
from .model import Configuration
from .naming import TAG
from .set_commands import to_set
from .tree import tree
from .xml_forms import REQUEST_LIMIT, load_commands, xml_forms


def render(configuration: Configuration, source: str) -> Bundle:
    """All files. Private keys are named and never read."""
    settings = configuration.settings
    content = tree(configuration, source)
    pairs = configuration.key_pairs
    document, request = xml_forms(content, settings)
    files = {
        "panos.xml": document,
        "panos.load": load_commands(content).encode(),
        "panos.set": to_set(content),
    }
    if 0 < len(request) <= REQUEST_LIMIT:
        files["panos.multi-config.xml"] = request
    if settings.certificate_list:
        files["terraform/main.tf"] = terraform.to_terraform(content, source)
    if pairs:
        files[import_script.FILE] = import_script.to_script(configuration, source)
    for pair in pairs:
        files[f"certs/{pair.name}.pem"] = "".join(certificate.pem for certificate in pair.chain).encode()
    return Bundle(
        files=files,
        keys=tuple(
            KeyFile(f"certs/{pair.name}.key", pair.key.key_file, pair.key.key_as_written) for pair in pairs if pair.key
        ),
        executable=frozenset({import_script.FILE} & set(files)),
        install=_install(configuration, len(request)),
    )


def _install(configuration: Configuration, request: int) -> str:
    lines = [
        "Install: ./import-certificates.sh --help first. Then one of: paste panos.set in configuration mode; import "
        "panos.xml and follow panos.load;",
        f"         {_others(request)}",
        "         Then commit. New rules come last: move them above your own that match more.",
        "         In rules, what the policy no longer has stays with panos.set and panos.load, and goes with the API's "
        f"form; only Terraform deletes whole rules and objects. All have the tag {TAG}.",
    ]
    without_key = [pair.name for pair in configuration.key_pairs if not pair.key]
    if without_key:
        lines.append(f"         The policy does not name the keys of: {', '.join(without_key)}.")
    return "\n".join(lines)


def _others(request: int) -> str:
    """The forms that need 10.2."""
    if not request:
        return "multi-config requests and the Terraform provider need PAN-OS 10.2, and are not written."
    terraform = "terraform -chdir=terraform plan."
    if request > REQUEST_LIMIT:
        return (
            f"{terraform} A multi-config request would have {request >> 20} MiB, the API takes 5, and none is written."
        )
    return (
        "send panos.multi-config.xml to the API (type=config, action=multi-config, strict-transactional=yes); "
        f"{terraform}"
    )
