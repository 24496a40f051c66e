"""Every line that policyc writes leads back to the policy, or every policy gets it; also for the words of a parser."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
from policyc.compiler import pipeline
from policyc.compiler.blame import Output
from policyc.compiler.bundle import Bundle
from policyc.compiler.cli import main
from policyc.compiler.diagnostics import Path as Place
from policyc.compiler.names import section_of
from policyc.compiler.output_folder import MANIFEST, assemble
from policyc.compiler.pipeline import compile_for, load, settings_for

from .test_examples import TARGETS, cases, document

RENAMED = ("listeners", "public_certificates", "backend_cas", "backends", "inspection_rules", "sites")
BOILERPLATE = re.compile(
    r"""
    \s*"(?:policy_)?sha256":             # of files that come from the whole policy
    | \s*"policy":
    | Private[ ]keys[ ]to[ ]put[ ]here   # in README.txt
    """,
    re.VERBOSE,
)


def output(policy: Path, target: str) -> Output:
    """What is built of a policy, as `policyc blame` sees it."""
    loaded = load(str(policy), TARGETS)
    bundle = compile_for(loaded, TARGETS[target])
    files = assemble(bundle, loaded.document, target, settings_for(loaded, TARGETS[target]).version, False).files
    return Output(
        {path: data.decode() for path, (data, _) in files.items()},
        loaded.document,
        loaded.document.short_name,
        TARGETS[target].levels_above_a_place,
        loaded.plan,
        {key.path: key.as_written for key in bundle.keys},
    )


def without_place(made: Output) -> Iterator[tuple[str, int, str]]:
    """The lines that lead nowhere: file, number and text."""
    for file in made.files:
        for number, line in enumerate(made.lines(file), 1):
            if line.strip() and not made.blame(file, number).places:
                yield file, number, line


def renamed(part: Any, at: Place = ()) -> Any:
    """A policy whose own names are all others."""
    if isinstance(part, dict):
        return {
            f"other-{key}" if len(at) == 1 and at[0] in RENAMED else key: renamed(value, (*at, key))
            for key, value in cast("dict[str, Any]", part).items()
        }
    if isinstance(part, list):
        return [renamed(value, (*at, index)) for index, value in enumerate(cast("list[Any]", part))]
    return f"other-{part}" if section_of(at) in RENAMED and part != "system" else part


@pytest.mark.parametrize(("policy", "target"), cases(*TARGETS))
def test_a_line_without_a_place_is_in_the_output_of_other_policies(examples: Path, policy: str, target: str) -> None:
    here = examples / policy
    # Where the names of files lead to the same ones.
    other = (here if here.is_dir() else here.parent) / f"other-{here.name}"
    other.write_text(json.dumps(renamed(document(policy))))
    try:
        usual = {line for _, _, line in without_place(output(other, target))}
    finally:
        other.unlink()
    nowhere = list(without_place(output(examples / policy, target)))
    assert nowhere, "braces at least"
    assert [one for one in nowhere if one[2] not in usual and not BOILERPLATE.match(one[2])] == []


def owners(policy: str) -> Iterator[tuple[str, str, Place]]:
    """The hostnames and the addresses of an example's backends, with the part of the policy that each is of."""
    content = document(policy)
    for name, site in content["sites"].items():
        for host in site["hostnames"]:
            yield host.removeprefix("*."), "sites", ("sites", name)
    for name, backend in content["backends"].items():
        for server in backend["servers"]:
            written = server if isinstance(server, str) else server["address"]
            yield written.rpartition(":")[0], "backends", ("backends", name)


@pytest.mark.parametrize(("policy", "target"), cases(*TARGETS))
def test_a_line_with_a_name_of_the_policy_leads_to_its_owner(examples: Path, policy: str, target: str) -> None:
    made = output(examples / policy, target)
    seen = 0
    for word, section, _ in owners(policy):
        all_of_it = {path for other, of, path in owners(policy) if (other, of) == (word, section)}
        # As it is, and with the dots of an expression.
        whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
        for file in made.files:
            for number, line in enumerate(made.lines(file), 1):
                if "BEGIN" in line or not whole.search(re.sub(r"\[[.]\]|\\+[.]", ".", line).replace("+.", "+ ")):
                    continue
                seen += 1
                found = {path[:2] for path in made.blame(file, number).places}
                assert found & all_of_it, f"{file}:{number}: {line}"
    assert seen


@dataclass(frozen=True)
class Breakage:
    """A fault in what is built, as a bug would make it: `part` becomes `broken` where it first stands."""

    target: str
    part: str
    broken: str
    at: str
    """What stands at the policy's line that the finding must be at."""
    says: str
    """From the parser's own words."""
    line: str
    """From the note with the line of the output."""


BREAKAGES = [
    Breakage(
        *("haproxy", "acl read-mostly-1:method method", "acl read-mostly-1:method mothod"),
        *("    - name: status-for-everybody", "unknown fetch method 'mothod'", "mothod -m str -- 'GET' 'HEAD'"),
    ),
    Breakage(
        *("haproxy", "balance leastconn", "balance most"),
        *("  apps:", "only supports", "balance most"),
    ),
    Breakage(
        *("haproxy", "curves X25519:", "curves X2551:"),
        *("  internal:", "unable to set SSL curves list to 'X2551:", "curves X2551:"),
    ),
    Breakage(
        *("nginx", "proxy_pass https://backend_apps", "proxy_pass htps://backend_apps"),
        *("  apps:", "invalid URL prefix", "proxy_pass htps://backend_apps;"),
    ),
    Breakage(
        *("nginx", "server 192.0.2.22:8443", "server 192.0.2.22:84x"),
        *('    servers: ["192.0.2.21:8443", "192.0.2.22:8443"]', "invalid port in upstream", "server 192.0.2.22:84x"),
    ),
    # No line is named: the words lead to it.
    Breakage(
        *("nginx", "X25519:prime256v1", "X2551:prime256v1"),
        *("  internal:", "group 'X2551' cannot be set", 'ssl_ecdh_curve "X2551:'),
    ),
    Breakage(
        *("envoy", '"connect_timeout": "2s"', '"connect_timeot": "2s"'),
        *("  apps:", "no such field: 'connect_timeot'", '"connect_timeot": "2s"'),
    ),
    Breakage(
        *("envoy", '"address": "192.0.2.21"', '"address": "192.0.2.x"'),
        *("  apps:", "malformed IP address: 192.0.2.x", '"address": "192.0.2.x"'),
    ),
    Breakage(
        *("envoy", '"status": 403', '"status": 99'),
        *("    - name: admin-from-inside-only", "value must be inside range [200, 600)", '"status": 99'),
    ),
]


@cache
def broken(target: str, part: str, becomes: str) -> Callable[..., Bundle]:
    """In place of `compile_for`."""

    def compiled(*arguments: Any) -> Bundle:
        bundle = compile_for(*arguments)
        (file,) = (name for name in bundle.files if name in bundle.check or f"{{folder}}/{name}" in bundle.check)
        assert part.encode() in bundle.files[file]
        return replace(
            bundle, files={**bundle.files, file: bundle.files[file].replace(part.encode(), becomes.encode(), 1)}
        )

    return compiled


@pytest.fixture
def check(
    examples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Breakage, str], tuple[int, str]]:
    """`policyc check` on a policy whose output is broken: its status, and what it printed."""

    def run(breakage: Breakage, form: str) -> tuple[int, str]:
        monkeypatch.chdir(examples / "two-sites")
        content = (
            Path("policy.yaml").read_text().replace("    timeouts:", "    balance: least_connections\n    timeouts:")
        )
        Path("broken.yaml").write_text(content)
        monkeypatch.setattr(pipeline, "compile_for", broken(breakage.target, breakage.part, breakage.broken))
        asked = ("check", "broken.yaml", "--target", breakage.target, "--format", form)
        monkeypatch.setattr(sys, "argv", ["policyc", *asked])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().out

    return run


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: f"{one.target}-{one.broken}")
def test_what_a_parser_refuses_is_told_at_the_policys_line(
    proxy_program: Callable[[str], str], check: Callable[[Breakage, str], tuple[int, str]], breakage: Breakage
) -> None:
    proxy_program(breakage.target)
    status, printed = check(breakage, "json")
    assert status == 1
    found = [one for one in json.loads(printed)["findings"] if one["rule"] == "refused-by-parser"]
    told = next(one for one in found if breakage.says in one["message"])
    assert told["target"] == breakage.target
    at: int = told["primary"]["line"]
    assert Path("broken.yaml").read_text().splitlines()[at - 1] == breakage.at
    assert any(breakage.line in note for note in told["notes"])
    assert not any("in configuration" in one["message"] for one in found)  # a summary is no fault


@pytest.mark.parametrize("form", ["text", "sarif", "github", "junit"])
def test_it_is_told_in_every_form(
    proxy_program: Callable[[str], str], check: Callable[[Breakage, str], tuple[int, str]], form: str
) -> None:
    breakage = BREAKAGES[3]
    proxy_program(breakage.target)
    status, printed = check(breakage, form)
    assert status == 1
    assert "refused-by-parser" in printed
    assert "proxy_pass htps://backend_apps;" in printed
    line = 1 + Path("broken.yaml").read_text().split("\n").index(breakage.at, 31)
    assert {"text": f"broken.yaml:{line}:3", "sarif": f'"startLine": {line}', "junit": f'line="{line}"'}.get(
        form, f"line={line},"
    ) in printed
    assert ("nginx: refused by nginx" in printed) is (form == "text")


def test_sites_that_share_rules_are_named(examples: Path) -> None:
    content = document("two-sites/policy.yaml")
    shop = content["sites"]["shop"]
    for number in range(7):
        hosts = [f"shop{number}.apps.example.com"]
        content["sites"][f"shop{number}"] = {**shop, "hostnames": hosts, "public_certificate": "apps"}
    policy = examples / "two-sites" / "many.yaml"
    policy.write_text(json.dumps(content))
    made = output(policy, "haproxy")
    policy.unlink()
    sharing = ("shop", *(f"shop{number}" for number in range(7)))
    lines = made.lines("haproxy.cfg")
    rule = next(number for number, line in enumerate(lines, 1) if "acl read-mostly-1:method" in line)
    assert made.blame("haproxy.cfg", rule).sites == sharing
    shared = next(number for number, line in enumerate(lines, 1) if line.startswith("defaults inspect:no-leftovers:"))
    answer = made.blame("haproxy.cfg", shared)
    assert answer.sites == sharing
    assert answer.lists == (("inspection_rules", "no-leftovers"), ("inspection_rules", "read-mostly"))


def test_the_manifest_and_the_readme_lead_to_keys(examples: Path) -> None:
    made = output(examples / "two-sites/policy.yaml", "nginx")
    for file in (MANIFEST, "README.txt"):
        number = next(number for number, line in enumerate(made.lines(file), 1) if "certs/shop.key" in line)
        assert ("public_certificates", "shop", "key") in made.blame(file, number).places


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("panos.xml", "<action>decrypt</action>"),
        ("terraform/main.tf", 'action = "decrypt"'),
        (
            "panos.set",
            'set device-group "dmz-firewalls" pre-rulebase decryption rules "pair_10-20-0-20-8443" action decrypt',
        ),
    ],
)
def test_a_line_of_the_firewalls_rule_leads_to_what_the_rule_is_about(examples: Path, file: str, line: str) -> None:
    made = output(examples / "firewall/policy.yaml", "panos")
    numbers = [n for n, text in enumerate(made.lines(file), 1) if " ".join(text.split()) == line]
    assert made.blame(file, numbers[0]).places == (("backends", "api"), ("sites", "api"))
