"""The configurations by hand that `make load` compares with do the whole job, and one that does less is found out."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from policyc.compiler.loopback.ports import free_port

from benchmarks.load import agreement
from benchmarks.load.edge import Edge
from benchmarks.load.job import Ground, Job, origin_certificates
from benchmarks.load.origin import origin

from .supported import TARGETS

_FILES = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf", "envoy": "envoy.json"}
# What is left out, and how: a text of the configuration and what stands for it.
_LESS = {
    "haproxy": {
        "any certificate of a backend": ("verify required", "verify none"),
        "any SNI": (" strict-sni", ""),
        "any host": ("deny status 421 unless", "deny status 421 if FALSE !"),
        "any form": ("deny status 400 unless { pathq", "deny status 400 if FALSE !{ pathq"),
        "no rules": ("deny status 403 if", "deny status 403 if FALSE"),
        "hearsay of the visitor": ("http-request set-header X-Forwarded-For %[src]", ""),
        "odd header names": ("option http-restrict-req-hdr-names delete", ""),
    },
    "nginx": {
        "any certificate of a backend": ("proxy_ssl_verify on;", "proxy_ssl_verify off;"),
        "any host": ("if ($misdirected) { return 421; }", ""),
        "any form": ("if ($bad_form) { return 400; }", ""),
        "no rules": ("if ($rule) { return 403; }", ""),
        "hearsay of the visitor": ("proxy_set_header X-Forwarded-For $remote_addr;", ""),
    },
    "envoy": {
        "any certificate of a backend": (
            '"validation_context": {',
            '"validation_context": {"trust_chain_verification": "ACCEPT_UNTRUSTED", ',
        ),
        "any host": ('\\"421\\"', '\\"400\\"'),
        "no rules": ('"status": 403', '"status": 400'),
        "hearsay of the visitor": ("X-Forwarded-For", "X-Else"),
    },
}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Certificates, and a port for the origin."""
    ca, _, _ = origin_certificates(tmp_path / "origin")
    return Ground(tmp_path, f"127.0.0.1:{free_port()}", ca)


def _held(ground: Ground, target: str, job: Job, less: tuple[str, str] = ("", "")) -> None:
    """Hold the expert's configuration to the job, with one text of it replaced."""
    folder, port = ground.folder / "expert" / target, free_port()
    folder.mkdir(parents=True)
    import_module(f"benchmarks.expert.{target}").write(job, folder, port)
    file = folder / _FILES[target]
    text = file.read_text()
    assert less[0] in text
    if less[0]:
        file.write_text(text.replace(*less))
    origins, at = ground.ca.parent, int(ground.origin.partition(":")[2])
    with Edge(target, folder, port, job) as edge:
        with origin(at, (origins / "untrusted.pem", origins / "untrusted.key")):
            agreement.check_untrusted(edge)
        with origin(at, (origins / "origin.pem", origins / "origin.key")):
            agreement.check(edge)


@pytest.mark.parametrize("target", TARGETS)
def test_the_expert_does_the_whole_job(ground: Ground, target: str) -> None:
    _held(ground, target, ground.sites(2))


@pytest.mark.parametrize("target", TARGETS)
def test_the_expert_refuses_long_lists(ground: Ground, target: str) -> None:
    _held(ground, target, ground.rules(700, together=False))


@pytest.mark.parametrize(("target", "what"), [(target, what) for target in TARGETS for what in _LESS[target]])
def test_who_does_less_is_found_out(ground: Ground, target: str, what: str) -> None:
    with pytest.raises(agreement.Disagrees):
        _held(ground, target, ground.sites(2), _LESS[target][what])
