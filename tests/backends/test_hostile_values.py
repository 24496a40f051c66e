"""No text of a policy breaks out of its place: it is refused with its place, or the target's own parser takes it."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from policyc.backends.haproxy import render as haproxy
from policyc.backends.nginx import render as nginx
from policyc.compiler.bundle import Bundle
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.diagnostics import Path as Place
from policyc.compiler.loopback import pki
from policyc.compiler.native_check import native_check
from policyc.compiler.output_folder import assemble
from policyc.compiler.pipeline import Loaded, compile_for, examine, load, settings_for
from policyc.compiler.reports import text as report
from policyc.compiler.target import installed_targets
from pydantic import ValidationError

from tests.live.edges import STREAM_MODULE, run_policyc

from .hostile import PARTS, POLICY, TEXTS, WORDS, as_yaml, filled, joined, marked, nginx_directives, places, structure

_PANOS: dict[str, Any] = {
    "zones": {"from": ["@from zone@"], "to": ["@to zone@"]},
    "log_setting": "@log setting@",
    "profile_groups": {"@scan@": "@profile group@"},
    "applications": ["@application@"],
}
_PANORAMA = {"device_group": "@device group@", "template": "@template@"}
VARIANTS: dict[str, dict[str, Any]] = {
    # nginx sees every header line since 1.23, and 1.22 reads all that is written for 1.24.
    "nginx": {"version": "1.24", "stream_module": STREAM_MODULE},
    "envoy": {},
    "haproxy": {},
    "panos edge": _PANOS,
    "panos behind_proxy": {**_PANOS, "position": "behind_proxy", "location": _PANORAMA},
}
TARGETS = installed_targets()


def target_of(variant: str) -> str:
    """Variants are named after their target."""
    return variant.partition(" ")[0]


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
    for text in (*TEXTS, "cert-file", "key-file", "anchor-file", "leaf-file", "crl-file"):
        if not {"\0", "/"} & set(text) and len(text) < 200:
            put(folder, text, issued)
    return folder


def put(folder: Path, name: str, issued: pki.Issued) -> None:
    """A certificate in every file that the policy names."""
    for kind in ("pem", "ca", "leaf"):
        (folder / f"{name}.{kind}").write_bytes(issued.pem)
    (folder / f"{name}.key").write_bytes(issued.key_pem)
    (folder / f"{name}.crl").write_bytes(pki.revocation_list(issued))


def built(folder: Path, target: str, policy: Any, name: str = "policy.yaml") -> Built:
    """A policy, as ``policyc build`` does it, but in this process and on no disk."""
    path = folder / name
    path.write_text(as_yaml(policy), encoding="utf-8")
    loaded = load(str(path), TARGETS)
    judged = examine(loaded, TARGETS, [target])
    one = Built(loaded, tuple(judged.standing), None)
    for finding in one.errors:
        span = loaded.document.span(finding.primary)
        assert span.file == str(path)
        assert 1 <= span.line <= len(loaded.document.files[0].lines)
    if one.errors:
        shown = report.render(loaded.document, judged)
        assert all(character.isprintable() or character == "\n" for character in shown)
        return one
    bundle = compile_for(loaded, TARGETS[target])
    output = assemble(bundle, loaded.document, target, settings_for(loaded, TARGETS[target]).version, False)
    written = {name: output.files[name][0] for name in ("README.txt", "manifest.json")}
    return replace(one, bundle=replace(bundle, files={**bundle.files, **written}))


@functools.cache
def template(folder: Path, variant: str) -> Any:
    """The policy with every part that the variant's target can do, places marked."""
    target = target_of(variant)
    policy = joined(POLICY, {"targets": {target: VARIANTS[variant]}})
    for part in PARTS:
        wider = joined(policy, part)
        if not built(folder, target, filled(wider, benign(wider))).errors:
            policy = wider
    return policy


def benign(policy: Any) -> dict[str, str]:
    """A harmless text for every place."""
    return {mark: mark.replace(" ", "-") for mark in places(policy)}


@functools.cache
def harmless(folder: Path, variant: str) -> Bundle:
    """What is built with harmless texts."""
    policy = template(folder, variant)
    one = built(folder, target_of(variant), filled(policy, benign(policy)))
    assert one.bundle, one.errors
    return one.bundle


def usage(folder: Path, bundle: Bundle) -> list[str]:
    """What the import script prints of itself, and so of what it was given."""
    script = folder / "import-certificates.sh"
    script.write_bytes(bundle.files[script.name])
    done = subprocess.run(["bash", str(script), "--help"], capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def written(values: Any, path: Place) -> Place:
    """A finding's path without the indexes of lists that are written as their only element."""
    out: Place = ()
    node = values
    for part in path:
        if isinstance(node, list if isinstance(part, int) else dict):
            inside: Any = cast("Any", node)
            node = inside[part] if isinstance(part, int) or part in inside else None
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


def settled(folder: Path, variant: str, text: str) -> tuple[frozenset[str], Bundle]:
    """The text at every place that takes it: those places, and what is built."""
    target = target_of(variant)
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


def assert_like_harmless(folder: Path, variant: str, bundle: Bundle, where: str) -> None:
    """The same structure as with harmless texts, and the target's own parser takes it."""
    usual = harmless(folder, variant)
    found, wanted = structure(bundle), structure(usual)
    for kind in {*found, *wanted}:
        assert found.get(kind) == wanted.get(kind), f"{kind}, {where}"
    if bundle.check:
        result = native_check(bundle)
        assert result.accepted, f"{where}: {result.said}"
    else:
        assert len(usage(folder, bundle)) == len(usage(folder, usual))


@pytest.fixture(params=[variant for variant in VARIANTS if target_of(variant) in TARGETS])
def variant(request: pytest.FixtureRequest, proxy_program: Callable[[str], str]) -> str:
    """One of the variants whose parser is here."""
    target = target_of(request.param)
    if target != "panos":
        proxy_program(target)
    return request.param


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
def test_text_at_every_place(folder: Path, variant: str, text: str) -> None:
    tried, bundle = settled(folder, variant, text)
    assert_like_harmless(folder, variant, bundle, f"with the text at {sorted(tried)}")
    if text in WORDS:
        assert tried == places(template(folder, variant))


FILES = (
    "\"'`;{}#$%\\\n\r\t$(id)${x}%[src]ä\u2028\u202e]]><a>&--.yaml",
    "{{ x }} {% raw %}\nset x;.yaml",
    "\udcff\x01.yaml",
    "-.yaml",
)


@pytest.mark.parametrize("name", FILES, ids=ascii)
def test_name_of_the_policy(folder: Path, variant: str, name: str) -> None:
    """It stands in comments and descriptions."""
    policy = template(folder, variant)
    one = built(folder, target_of(variant), filled(policy, benign(policy)), name)
    assert one.bundle
    assert_like_harmless(folder, variant, one.bundle, "with this name")


SUBJECTS = ("\"'`;{}#$%\\\n\r\t$(id)${x}%[src]", "ä\u2028\u202e]]><a>&--{{ x }}", "\nid\n", "/", "*", " ")


@pytest.mark.parametrize("subject", SUBJECTS, ids=ascii)
def test_name_in_a_certificate(folder: Path, variant: str, subject: str) -> None:
    """It comes from elsewhere, and PAN-OS names certificates by it."""
    issued = pki.leaf(["*.example.com", "single-label"], common_name=subject)
    put(folder, "subject", issued)
    policy = template(folder, variant)
    names = dict.fromkeys(("cert file", "key file", "leaf file", "anchor file"), "subject")
    one = built(folder, target_of(variant), filled(policy, benign(policy) | names))
    assert one.bundle, one.errors
    assert_like_harmless(folder, variant, one.bundle, "with this subject")


def test_settings(folder: Path, variant: str) -> None:
    """A target's own settings. Most are paths of what is not there, so that no parser is asked."""
    target = target_of(variant)
    policy = template(folder, variant)
    policy = filled(policy, benign(policy))
    usual = policy["targets"][target]
    model = TARGETS[target].settings_model()
    for key in model.model_fields:
        for value in [
            wrapped for text in TEXTS for wrapped in (text, f"/x{text}", [text], {"vsys": text}, {"from": [text]})
        ]:
            settings = {**usual, key: value}
            try:
                model.model_validate(settings)
            except ValidationError:
                continue
            one = built(folder, target, {**policy, "targets": {target: settings}})
            # These two say what there is, and not only what it is called.
            if one.bundle and (target, key) not in (("panos", "position"), ("envoy", "access_log")):
                assert structure(one.bundle) == structure(harmless(folder, variant)), (key, value)


_NGINX_ESCAPES = {"t": "\t", "r": "\r", "n": "\n"}


@pytest.mark.parametrize("text", [text for text in TEXTS if text.isprintable()], ids=lambda text: ascii(text)[:30])
def test_quoting(text: str) -> None:
    """What the language lets through is escaped before; the last line of defence is tried by itself."""
    for value in (text, nginx.Text(text), nginx.Key(text), nginx.Expression(text)):
        if len(text) < 1000 and not (value == text and "$" in text):
            word = nginx.quote(value)
            ((_, words, variables, _),) = nginx_directives(f"x {word};")
            read = re.sub(r"""\\(["'\\trn])""", lambda found: _NGINX_ESCAPES.get(found[1], found[1]), word[1:-1])
            assert (words, read.replace("${policyc_dollar}", "$").lstrip("~\\")) == (2, text.lstrip("~\\"))
            assert variables == 0 or isinstance(value, nginx.Key)
    assert shlex.split(haproxy.quote(text)) == [text]
    assert shlex.split(haproxy.quote(haproxy.Format(text))) == [text.replace("%", "%%")]


def test_a_line_that_only_some_readers_end(folder: Path) -> None:
    """libyaml ends a comment there, an editor does not show it."""
    for end in "\x85\u2028\u2029":
        path = folder / "lines.yaml"
        path.write_text(f"version: 1 # comment{end}name: other\n", encoding="utf-8")
        loaded = load(str(path), TARGETS)
        assert not loaded.readable
        assert [(one.rule, loaded.document.span(one.primary).line) for one in loaded.findings] == [
            ("unsupported-yaml", 1)
        ]


@pytest.mark.parametrize(("host", "status"), [("x;.example.com", 1), ("x\0", 3)])
def test_nothing_is_written(folder: Path, tmp_path: Path, host: str, status: int) -> None:
    policy = template(folder, "nginx")
    path = folder / "refused.yaml"
    text = as_yaml(filled(policy, benign(policy) | {"host": "HOST"}))
    path.write_text(text.replace("HOST.example.com", host), encoding="utf-8")
    done = run_policyc("build", str(path), "-o", str(tmp_path / "out"))
    assert done.returncode == status
    assert f"{path}:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
