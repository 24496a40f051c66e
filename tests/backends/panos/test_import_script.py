"""The script that imports certificates: run against a `curl` that only writes down what it is given."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from .lab import Lab, behind, certificates, compiled, edge

CURL = """\
#!/bin/bash
printf '%s\n' "$@" > "$LOG/arguments"
while (($#)); do
  [[ $1 == --config ]] && cat "$2" > "$LOG/config"
  shift
done
cat > "$LOG/file"
printf '%s' "$ANSWER"
"""


@dataclass(frozen=True)
class Script:
    """A bundle on disk, and the names of its certificates."""

    folder: Path
    names: list[str]
    log: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {
            "PATH": f"{self.log}:{os.environ['PATH']}",
            "LOG": str(self.log),
            "ANSWER": '<response status="success"/>',
        }
        return subprocess.run(
            [str(self.folder / "import-certificates.sh"), *arguments],
            env=clean | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def sent(self) -> Mapping[str, str]:
        """The fields of the request."""
        fields: dict[str, str] = {}
        for line in (self.log / "config").read_text().splitlines():
            kind, _, value = line.partition(" = ")
            value = value.strip('"').replace('\\"', '"').replace("\\\\", "\\")
            name, _, text = value.partition("=") if kind == "form-string" else (kind, "", value)
            fields[name] = text
        return fields


def placed(lab: Lab, tmp_path: Path, document: dict[str, object]) -> Script:
    bundle = compiled(lab.folder, document).bundle()
    folder = tmp_path / "out put"
    for path, data in bundle.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "import-certificates.sh").chmod(0o755)
    log = tmp_path / "log"
    log.mkdir()
    (log / "curl").write_text(CURL)
    (log / "curl").chmod(0o755)
    return Script(folder, certificates(bundle.files), log)


ACCESS = {"PANOS_HOST": "fw.example.com", "PANOS_API_KEY": "secret-key"}


def test_certificate_and_key_go_up_together(lab: Lab, tmp_path: Path) -> None:
    script = placed(lab, tmp_path, edge())
    (name,) = script.names
    key = (lab.folder / "shop.key").read_text()
    (script.folder / "certs" / f"{name}.key").write_text(key)
    ran = script.run(**ACCESS, PANOS_KEY_PASSPHRASE='pass"word\\')
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"imported {name}\n"
    sent = script.sent()
    assert sent["url"] == "https://fw.example.com/api/"
    assert (sent["type"], sent["category"], sent["format"]) == ("import", "keypair", "pem")
    assert sent["certificate-name"] == name
    assert sent["passphrase"] == 'pass"word\\'
    assert "target-tpl" not in sent
    assert (script.log / "file").read_text() == (script.folder / "certs" / f"{name}.pem").read_text() + key
    arguments = (script.log / "arguments").read_text()
    assert not any(secret in arguments for secret in ("secret-key", "pass", "PRIVATE"))


def test_into_the_template_of_panorama(lab: Lab, tmp_path: Path) -> None:
    script = placed(lab, tmp_path, behind(location={"device_group": "DG", "template": "T one"}))
    (name,) = script.names
    ran = script.run("--key", f"{name}={lab.folder / 'app.key'}", **ACCESS)
    assert ran.returncode == 0, ran.stderr
    assert script.sent()["target-tpl"] == "T one"
    assert script.sent()["passphrase"] == "unused"  # one must be there


def test_nothing_is_imported_without_all_keys(lab: Lab, tmp_path: Path) -> None:
    script = placed(lab, tmp_path, behind())
    (name,) = script.names
    ran = script.run(**ACCESS)
    assert ran.returncode == 1
    assert f"no private key for {name}" in ran.stderr
    assert not (script.log / "config").exists()
    assert script.run("--key", "nobody=x", **ACCESS).returncode == 2


def test_a_dry_run_sends_nothing_and_asks_for_no_access(lab: Lab, tmp_path: Path) -> None:
    script = placed(lab, tmp_path, behind())
    (name,) = script.names
    ran = script.run("--dry-run", "--key", f"{name}={lab.folder / 'app.key'}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"would import {name} from ")
    assert not (script.log / "config").exists()


@pytest.mark.parametrize("answer", ['<response status="error"><msg>no</msg></response>', "", "<html>"])
def test_what_the_firewall_refuses_is_told(lab: Lab, tmp_path: Path, answer: str) -> None:
    script = placed(lab, tmp_path, behind())
    (name,) = script.names
    ran = script.run("--key", f"{name}={lab.folder / 'app.key'}", **ACCESS, ANSWER=answer)
    assert ran.returncode == 1
    assert f"{name} was not imported" in ran.stderr
