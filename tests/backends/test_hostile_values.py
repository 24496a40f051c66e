"""No text of a policy breaks out of its place: it is refused with its place, or the target's own parser takes it."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from loopback import pki
from policyc.compiler.bundle import Bundle
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.diagnostics import Path as Place
from policyc.compiler.native_check import native_check
from policyc.compiler.output_folder import assemble
from policyc.compiler.pipeline import Loaded, compile_for, examine, load, settings_for
from policyc.compiler.reports import text as report
from policyc.compiler.target import installed_targets

from tests.live.edges import STREAM_MODULE

from .hostile import PARTS, POLICY, TEXTS, WORDS, as_yaml, filled, joined, marked, places, structure

_PANOS = {"zones": {"from": ["@from zone@"], "to": ["@to zone@"]}, "log_setting": "@log setting@"}
_SCAN = {"sites": {"@site@": {"scan": "@scan@"}}}
_GROUPS = {"profile_groups": {"@scan@": "@profile group@"}}
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # nginx sees every header line since 1.23, and 1.22 reads all that is written for 1.24.
    "nginx": ("nginx", {"version": "1.24", "stream_module": STREAM_MODULE}, {}),
    "envoy": ("envoy", {}, {}),
    "haproxy": ("haproxy", {}, {}),
    "panos edge": ("panos", {**_PANOS, **_GROUPS}, _SCAN),
    "panos behind": (
        "panos",
        {
            **_PANOS,
            **_GROUPS,
            "position": "behind_proxy",
            "location": {"device_group": "@device group@", "template": "@template@"},
        },
        _SCAN,
    ),
}
INSTALLED = [variant for variant, (target, _, _) in VARIANTS.items() if target in installed_targets()]


@dataclass(frozen=True)
class Built:
    """What became of a policy for one target."""

    loaded: Loaded
    findings: tuple[Diagnostic, ...]
    bundle: Bundle | None

    @property
    def errors(self) -> list[Diagnostic]:
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates, under every name that a file can have."""
    folder = tmp_path_factory.mktemp("hostile")
    issued = pki.leaf(["*.example.com", "*.label.com", *WORDS, "single-label", *(f"*.{word}.com" for word in WORDS)])
    for text in (*TEXTS, *places(joined(POLICY, PARTS[0])), "cert-file", "key-file", "anchor-file", "leaf-file", "crl-file"):
        for kind, data in (
            ("pem", issued.pem),
            ("key", issued.key_pem),
            ("ca", issued.pem),
            ("leaf", issued.pem),
            ("crl", pki.revocation_list(issued) if text == "crl-file" else b""),
        ):
            if data and "\0" not in text and "/" not in text and len(text.encode()) < 200:
                (folder / f"{text}.{kind}").write_bytes(data)
    return folder


def built(folder: Path, target: str, policy: Any, name: str = "policy.yaml") -> Built:
    """A policy, as ``policyc build`` does it, but in this process and on no disk."""
    path = folder / name
    path.write_text(as_yaml(policy), encoding="utf-8")
    targets = installed_targets()
    loaded = load(str(path), targets)
    judged = examine(loaded, targets, [target])
    one = Built(loaded, tuple(judged.standing), None)
    for finding in one.errors:
        span = loaded.document.span(finding.primary)
        assert span.file == str(path)
        assert 1 <= span.line <= len(loaded.document.files[0].lines)
    if one.errors:
        shown = report.render(loaded.document, judged)
        assert all(character.isprintable() or character == "\n" for character in shown)
        return one
    bundle = compile_for(loaded, targets[target])
    output = assemble(bundle, target, settings_for(loaded, targets[target]).version, loaded.document.digest, False)
    written = {name: output.files[name][0] for name in ("README.txt", "manifest.json")}
    return replace(one, bundle=replace(bundle, files={**bundle.files, **written}))


@functools.cache
def template(folder: Path, variant: str) -> Any:
    """The policy with every part that the variant's target can do, places marked."""
    target, settings, more = VARIANTS[variant]
    policy = joined(joined(POLICY, {"targets": {target: settings}}), more)
    for part in PARTS:
        wider = joined(policy, part)
        if not built(folder, target, filled(wider, benign(wider))).errors:
            policy = wider
    return policy


def benign(policy: Any) -> dict[str, str]:
    """A harmless text for every place."""
    return {mark: mark.replace(" ", "-") for mark in places(policy)}


@functools.cache
def expected(folder: Path, variant: str) -> Mapping[str, Any]:
    """The structure with harmless texts."""
    policy = template(folder, variant)
    one = built(folder, VARIANTS[variant][0], filled(policy, benign(policy)))
    assert one.bundle, one.errors
    return structure(one.bundle)


def written(values: Any, path: Place) -> Place:
    """A finding's path without the indexes of lists that are written as their only element."""
    out: Place = ()
    for part in path:
        if isinstance(values, list if isinstance(part, int) else dict):
            values = values[part] if isinstance(part, int) or part in values else None
            out = (*out, part)
    return out


def blamed(policy: Any, texts: Mapping[str, str], one: Built) -> set[str]:
    """The places that errors are about: there, else below, else above."""
    at = list(marked(policy, texts))
    if not one.loaded.readable:  # YAML bounds the length of keys
        return {mark for place, mark in at if texts[mark] in str(place[-1])}
    values = filled(policy, texts)
    found: set[str] = set()
    for error in one.errors:
        path = written(values, error.primary.path)
        for near in (
            [mark for place, mark in at if place == path],
            [mark for place, mark in at if place[: len(path)] == path],
            [mark for place, mark in at if path[: len(place)] == place],
        ):
            if near:
                found.update(near)
                break
    return found


@functools.cache
def settled(folder: Path, variant: str, text: str) -> tuple[frozenset[str], Bundle]:
    """The text at every place that takes it: those places, and what is built."""
    target = VARIANTS[variant][0]
    policy = template(folder, variant)
    tried = places(policy)
    while True:
        texts = benign(policy) | dict.fromkeys(tried, text)
        one = built(folder, target, filled(policy, texts))
        if one.bundle:
            return tried, one.bundle
        refused = blamed(policy, texts, one) & tried
        assert refused, f"refused elsewhere: {one.errors}"
        tried -= refused


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
@pytest.mark.parametrize("variant", INSTALLED)
def test_structure(folder: Path, variant: str, text: str) -> None:
    tried, bundle = settled(folder, variant, text)
    found, wanted = structure(bundle), expected(folder, variant)
    for name in {*found, *wanted}:
        assert found.get(name) == wanted.get(name), f"{name}, with the text at {sorted(tried)}"
