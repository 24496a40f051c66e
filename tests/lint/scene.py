"""A part of a policy → a whole one, with its certificates, and what is found in it.

Fixtures and the Examples of pages say only what they are about. The sections that they leave out come from `BASE`, in
which nothing is found, and stand behind them: so line numbers are those of the part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from policyc.compiler.diagnostics import Diagnostic
from policyc.compiler.document import Document
from policyc.compiler.pipeline import examine, load
from policyc.compiler.target import Target, installed_targets
from policyc.schemas.target import TargetSettings

from . import certificates

BASE = """\
version: 1
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
backend_cas:
  internal: {ca: certs/internal-ca.pem}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
inspection_rules:
  web:
    - {when: {path: {prefix: /admin}}, unless: {source: [10.0.0.0/8]}, deny: 403}
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
targets:
  haproxy: {version: "2.6"}
  nginx: {version: "1.22"}
  envoy: {version: "1.40"}
  panos: {version: "11.2"}
"""

_SECTION = re.compile(r"^(\w+):", re.MULTILINE)
_FILE = re.compile(r"certs/[a-z0-9-]+\.(?:pem|key|crl)")


@dataclass(frozen=True)
class Seen:
    """A policy, and what is found in it."""

    document: Document
    findings: Sequence[Diagnostic]

    def lines(self) -> list[tuple[int, str]]:
        """Line and rule of each finding, in order."""
        return sorted((self.document.span(finding.primary).line, finding.rule) for finding in self.findings)


def whole(part: str) -> str:
    """A part of a policy, and behind it the sections of `BASE` that it leaves out."""
    given = set(_SECTION.findall(part))
    starts = [*(match.start() for match in _SECTION.finditer(BASE)), len(BASE)]
    sections = [BASE[start:end] for start, end in pairwise(starts)]
    left = "".join(section for section in sections if section.partition(":")[0] not in given)
    return part.rstrip("\n") + "\n" + left


@cache
def targets_installed() -> Mapping[str, Target[TargetSettings]]:
    """Every installed target, looked up once."""
    return installed_targets()


def look(folder: Path, part: str, targets: Sequence[str] = (), *, complete: bool = False) -> Seen:
    """Lint a part of a policy (or with `complete` a whole one) in a folder, for `targets` or for none."""
    text = part if complete else whole(part)
    (folder / "policy.yaml").write_text(text)
    for name in dict.fromkeys(_FILE.findall(text)):
        if not (folder / name).exists() and "absent" not in name:
            certificates.write(folder, name)
    installed = targets_installed()
    loaded = load(str(folder / "policy.yaml"), installed)
    judged = examine(loaded, installed, list(targets), certificates.TODAY)
    return Seen(loaded.document, judged.standing)
