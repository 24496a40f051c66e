"""Policies of many sites to measure with, each site with a certificate, a key and a backend of its own.

    python -m benchmarks.policies FOLDER SITES ...

Certificates are made once and shared by all sizes: site 7 of a hundred has the same one as site 7 of a thousand. There
are 10,000 of them: in a larger policy, sites 7, 10,007, 20,007, … share what site 7 has, and the certificate names them
by a wildcard.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from policyc.compiler.loopback.pki import authority, leaf, write

OWN = 10_000
"""So many sites have a certificate of their own."""
_SPARE = timedelta(days=60)
"""Certificates with less than this left would be found to expire soon, which is other work than usual."""

_HEAD = """\
version: 1
name: benchmark

listeners:
  public:
    bind: ["0.0.0.0:8443"]

backend_cas:
  internal: {ca: certs/internal.pem}

inspection_rules:
  usual:
    - name: admin-from-inside-only
      when: {path: {prefix: [/admin, /manage]}}
      unless: {source: [10.0.0.0/8]}
      deny: 403
    - name: no-backups-and-dumps
      when: {path: {suffix: [.bak, .sql, "~"], ignore_case: true}}
      deny: 404

targets:
  haproxy: {version: "2.6"}
  nginx: {version: "1.22"}
  envoy: {version: "1.40", shared_chains: true}  # as policyc advises for so many certificates
  panos:
    version: "11.2"
    location: {device_group: edge, template: edge}
    zones: {from: [proxies], to: [servers]}
    position: behind_proxy
    proxies: [198.51.100.5]

accept:
  - {finding: not-scanned, target: panos, reason: "measured without threat engines"}
"""

_MANY = """\
  - {finding: platform-capacity, target: panos, reason: "no platform is meant"}
"""
"""Only found above 1,000 sites; below it would be an acceptance of nothing."""


def site(number: int) -> str:
    """A site's name."""
    return f"site-{number:05}"


def policy(folder: Path, sites: int) -> Path:
    """A policy of so many sites, whose certificates are in `folder`."""
    names = [site(number) for number in range(sites)]
    owners = [names[number % OWN] for number in range(sites)]
    parts = [
        _HEAD,
        _MANY if sites > 1000 else "",
        "\npublic_certificates:\n",
        *(f"  {name}: {{cert: certs/{name}.pem, key: certs/{name}.key}}\n" for name in names[:OWN]),
        "\nbackends:\n",
        *(
            f"  {name}:\n"
            f'    servers: ["10.{number >> 14}.{number >> 7 & 127}.{number % 128 + 1}:443"]\n'
            f"    tls: {{ca: internal, server_name: {owner}.example.internal, "
            f"certificate: certs/{owner}-internal.pem}}\n"
            for number, (name, owner) in enumerate(zip(names, owners, strict=True))
        ),
        "\nsites:\n",
        *(
            f"  {name}:\n    hostnames: [{name if name == owner else f'{name}.{owner}'}.example.com]\n"
            f"    public_certificate: {owner}\n    backend: {name}\n    inspect: [usual]\n"
            for name, owner in zip(names, owners, strict=True)
        ),
    ]
    path = folder / f"policy-{sites}.yaml"
    path.write_text("".join(parts))
    return path


def certificates(folder: Path, sites: int) -> None:
    """The certificates of the first so many sites, where they are not there or not for long."""
    here = folder / "certs"
    last = here / f"{site(sites - 1)}.pem"
    if (here / "public.pem").exists() and last.exists() and _fits(last):
        return
    root = authority("Benchmark Public Root")
    visible = authority("Benchmark Public CA", root)
    internal = authority("Benchmark Internal CA")
    # The CAs' keys are not kept: all certificates come from one run, or the chains would not fit.
    here.mkdir(parents=True, exist_ok=True)
    (here / "internal.pem").write_bytes(internal.pem)
    (here / "public.pem").write_bytes(root.pem)
    for number in range(sites):
        name = site(number)
        write(here, name, leaf([f"{name}.example.com", f"*.{name}.example.com"], visible, days=180))
        write(here, f"{name}-internal", leaf([f"{name}.example.internal"], internal, days=180), chain=False)


def _fits(path: Path) -> bool:
    found = x509.load_pem_x509_certificate(path.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return len(names) > 1 and found.not_valid_after_utc > datetime.now(UTC) + _SPARE


if __name__ == "__main__":
    _folder, _sizes = Path(sys.argv[1]), [int(_text) for _text in sys.argv[2:]]
    certificates(_folder, min(OWN, max(_sizes)))
    for _size in _sizes:
        policy(_folder, _size)
