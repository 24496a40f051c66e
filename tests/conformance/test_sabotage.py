"""Whether the suite would notice: one guard of a generated configuration is broken, and a case must go red.

Not a part of the usual run: ``make sabotage``.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from . import running
from .laboratory import Laboratory
from .suite import certificates_of, chosen_of
from .topics import FOLDER, read

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Sabotage:
    """One guard, how to break it, and the topic whose cases must notice; `cases`: words of their names."""

    target: str
    guard: str
    change: Change
    topic: str
    cases: tuple[str, ...] = ()


def text(file: str, pattern: str, replacement: str) -> Change:
    """Replace an expression in a file of what was built. Raises AssertionError where it is not there."""

    def change(folder: Path) -> None:
        path = folder / file
        changed, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
        assert count, f"{file} has no {pattern!r}"
        path.write_text(changed)

    return change


def json_keys(key: str, edit: Callable[[dict[str, Any]], None]) -> Change:
    """Edit every object of ``envoy.json`` that has a key. Raises AssertionError where none has."""

    def change(folder: Path) -> None:
        path = folder / "envoy.json"
        value = json.loads(path.read_text())
        found = [part for part in _objects(value) if key in part]
        assert found, f"no object with {key!r}"
        for part in found:
            edit(part)
        path.write_text(json.dumps(value))

    return change


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        part = cast("dict[str, Any]", value)
        return [part, *(found for inner in part.values() for found in _objects(inner))]
    if isinstance(value, list):
        return [found for inner in cast("list[Any]", value) for found in _objects(inner)]
    return []


def without(key: str) -> Change:
    """Take a key out of ``envoy.json``."""

    def edit(part: dict[str, Any]) -> None:
        del part[key]

    return json_keys(key, edit)


def setting(key: str, value: Any) -> Change:
    """Set a key of ``envoy.json`` wherever it is."""

    def edit(part: dict[str, Any]) -> None:
        part[key] = value

    return json_keys(key, edit)


HAPROXY, NGINX, ENVOY = "haproxy.cfg", "nginx.conf", "envoy.json"

# Tried, and rightly not noticed, since another guard does the same: `merge_slashes off` (nginx's rules and proxy_pass
# look at the raw target alone), `headers_with_underscores_action` (Envoy's filters take such names away as well).
SABOTAGES = [
    Sabotage("nginx", "proxy_ssl_verify on", text(NGINX, "proxy_ssl_verify on;", "proxy_ssl_verify off;"), "backends"),
    Sabotage(
        "nginx",
        "X-Forwarded-For written anew",
        text(NGINX, r"proxy_set_header X-Forwarded-For .*;", "proxy_set_header X-Forwarded-For $http_x_forwarded_for;"),
        "visitors",
        ("forged", "anew"),
    ),
    Sabotage(
        "nginx",
        "underscores_in_headers off",
        text(NGINX, "underscores_in_headers off;", "underscores_in_headers on;"),
        "visitors",
        ("forged",),
    ),
    Sabotage(
        "nginx",
        "ssl_reject_handshake on",
        text(NGINX, "ssl_reject_handshake on;", "ssl_certificate certs/all.pem; ssl_certificate_key certs/all.key;"),
        "hosts",
    ),
    Sabotage(
        "nginx",
        "one upstream for each name",
        text(NGINX, r'"else[.]internal";', '"server.internal";'),
        "backends",
        ("wrong-name", "never used"),
    ),
    Sabotage(
        "nginx",
        "one upstream for each name, by the host",
        text(NGINX, r'("shared-wrong-name[.]example[.]com") "[^"]*";', r'\1 "backend_shared";'),
        "backends",
        ("wrong-name", "never used"),
    ),
    Sabotage(
        "nginx",
        "the host is one of the certificate's site",
        text(NGINX, r'(\$policyc_elsewhere_public \{\n *default) "1";', r'\1 "";'),
        "hosts",
        ("another site", "exact names come first"),
    ),
    Sabotage("nginx", "the Host that is sent", text(NGINX, r"proxy_set_header Host .*;\n", ""), "hosts"),
    Sabotage(
        "nginx",
        "client_max_body_size",
        text(NGINX, r"client_max_body_size [1-9].*;", "client_max_body_size 0;"),
        "limits",
        ("body", "Length"),
    ),
    Sabotage("haproxy", "verify required", text(HAPROXY, r"verify required", "verify none"), "backends"),
    Sabotage(
        "haproxy",
        "the name that is verified",
        text(HAPROXY, r" sni str\([^)]*\)| verifyhost \S+| check-sni \S+", ""),
        "backends",
    ),
    Sabotage(
        "haproxy",
        "the subject is the certificate's alone",
        text(HAPROXY, r"^.*del-header X-Client-DN.*\n", ""),
        "visitors",
        ("subject",),
    ),
    Sabotage("haproxy", "strict-sni", text(HAPROXY, " strict-sni", ""), "hosts"),
    Sabotage(
        "haproxy",
        "X-Forwarded-For written anew",
        text(HAPROXY, r"^.*set-header X-Forwarded-For.*\n", ""),
        "visitors",
        ("forged", "anew"),
    ),
    Sabotage("haproxy", "well-formed UTF-8", text(HAPROXY, r"^.*%\(\?:c2.*\n", ""), "normal_form", ("UTF-8",)),
    Sabotage(
        "haproxy",
        "names of other characters",
        text(HAPROXY, r"^.*del-header .*A-Za-z0-9-.*\n", ""),
        "visitors",
        ("forged",),
    ),
    Sabotage("haproxy", "possessive loops", text(HAPROXY, r"\)\*\+", ")*"), "normal_form", ("long",)),
    Sabotage("envoy", "paths are not normalised", setting("normalize_path", True), "normal_form", ("slashes and dot",)),
    Sabotage("envoy", "slashes are not merged", setting("merge_slashes", True), "path_options", ("empty",)),
    Sabotage(
        "envoy", "the name that is verified", without("match_typed_subject_alt_names"), "backends", ("refused", "never")
    ),
    Sabotage(
        "envoy",
        "the CA that is trusted",
        json_keys("trusted_ca", lambda part: part.clear()),
        "backends",
        ("refused", "never", "nothing"),
    ),
    Sabotage(
        "envoy",
        "SNI and host of one site, where sites share a chain",
        text(ENVOY, r"%REQUESTED_SERVER_NAME%\|", "%REQ(:AUTHORITY)%|"),
        "hosts",
        ("another site",),
    ),
    Sabotage("envoy", "pins", without("verify_certificate_hash"), "backends", ("pins",)),
    Sabotage("envoy", "revocation lists", without("crl"), "backends", ("revocation",)),
    Sabotage(
        "envoy",
        "X-Forwarded-For written anew",
        setting("use_remote_address", False),
        "visitors",
        ("forged", "anew"),
    ),
]


@pytest.mark.sabotage
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda one: f"{one.target}: {one.guard}")
def test_a_broken_guard_is_noticed(
    sabotage: Sabotage, pytestconfig: pytest.Config, record_property: Callable[[str, object], None]
) -> None:
    """At least one case goes red."""
    topic, cases = read(FOLDER / f"{sabotage.topic}.yaml")
    chosen, target = chosen_of(pytestconfig), sabotage.target
    if chosen[target].program is None:
        pytest.skip(f"NOT TESTED: {target} is not installed on this machine")
    # The path of a socket has some hundred bytes: pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="policyc-", ignore_cleanup_errors=True) as folder:
        laboratory = Laboratory(sabotage.topic, topic, cases, Path(folder), certificates_of(pytestconfig))
        laboratory.reduce(chosen, [target])
        try:
            laboratory.start(chosen, [target], lambda _target, built: sabotage.change(built))
            if target in laboratory.edges.failed:
                pytest.fail(f"{target} does not start: nothing is shown by that\n{laboratory.edges.failed[target]}")
            wrong = [
                f"{version} {case.name}"
                for case in cases
                if case.steps and not laboratory.lacks(case, target) and target not in case.differs
                if not sabotage.cases or any(word in case.name for word in sabotage.cases)
                for version in case.over
                if running.run_case(laboratory, target, case, version)
            ]
        finally:
            laboratory.stop()
    record_property("noticed", len(wrong))
    print(f"{target}: {sabotage.guard}: noticed by {len(wrong)} runs, such as: {wrong[:2]}")
    assert wrong, "no case notices"
