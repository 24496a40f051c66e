"""Plug-ins of other distributions: loaded when asked for, and told by name when they cannot be used."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from importlib.metadata import EntryPoint, distributions
from pathlib import Path

import pytest
from policyc.compiler import target as target_module
from policyc.compiler.target import GROUP, UnusableTarget, installed_targets

from .conftest import GOOD, Ran

Install = Callable[..., None]

GOOD_MODULE = """
from tests.compiler.conftest import ExampleTarget

class Acme(ExampleTarget):
    name = "acme"

TARGET = Acme()
"""

BROKEN = {
    "no such module": ("acme_absent:TARGET", "", "ModuleNotFoundError: No module named 'acme_absent'"),
    "a missing library": ("acme:TARGET", "import acme_needs_this", "No module named 'acme_needs_this'"),
    "no such name": ("acme:TARGETS", GOOD_MODULE, "AttributeError: "),
    "not Python": ("acme:TARGET", "def", "SyntaxError: "),
    "not a target": ("acme:TARGET", "TARGET = 'acme'", "TypeError: it is 'acme' and not an instance of Target"),
    "the class": ("acme:Acme", GOOD_MODULE, "and not an instance of Target"),
    "an abstract method": (
        "acme:TARGET",
        "from policyc.compiler.target import Target\nclass Acme(Target): name = 'acme'\nTARGET = Acme()",
        "TypeError: Can't instantiate abstract class Acme",
    ),
    "another name": ("acme:TARGET", GOOD_MODULE.replace('"acme"', '"ajax"'), "ValueError: it calls itself `ajax`"),
    "a feature without an answer": (
        "acme:TARGET",
        GOOD_MODULE
        + textwrap.dedent("""
            def support(self, settings):
                table = dict(ExampleTarget.support(self, settings))
                return {feature: answer for feature, answer in table.items() if feature.id != "scan"}
            Acme.support = support
            """),
        "ValueError: no answer for: scan",
    ),
    "a setting without a default": (
        "acme:TARGET",
        GOOD_MODULE
        + "from policyc.schemas.target import TargetSettings\nAcme.settings_model = lambda self: TargetSettings\n",
        "ValidationError: 1 validation error for TargetSettings",
    ),
}
"""Entry point, the module ``acme``, and what the user is told."""

NAMED = GOOD.replace("  example: ", "  acme: ")


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution ``<name>-policyc`` with one plug-in, as pip would leave it."""
    site = tmp_path_factory.mktemp("site")
    example = target_module.entry_points(group=GROUP)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])

    def entries(group: str) -> list[EntryPoint]:
        found = [entry for one in distributions(path=[str(site)]) for entry in one.entry_points if entry.group == group]
        return [*example, *found]

    monkeypatch.setattr(target_module, "entry_points", entries)

    def put(name: str, value: str, module: str = "", target: str = "acme") -> None:
        info = site / f"{name}_policyc-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-policyc\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{target} = {value}\n")
        if module:
            (site / f"{name}.py").write_text(module)
        invalidate_caches()

    yield put
    for module in ("acme", "ajax"):
        sys.modules.pop(module, None)


def test_a_plug_in_is_loaded_when_asked_for(install: Install) -> None:
    install("acme", "acme:TARGET", GOOD_MODULE)
    targets = installed_targets()
    assert list(targets) == ["acme", "example"]
    assert "acme" in targets
    assert "ajax" not in targets
    assert len(targets) == 2
    assert "acme" not in sys.modules
    assert targets["acme"].name == "acme"
    assert targets["acme"] is targets["acme"]
    with pytest.raises(KeyError):
        targets["ajax"]


@pytest.mark.parametrize("command", ["lint", "build", "check"])
def test_a_policy_loads_the_targets_that_it_names(
    install: Install, write_policy: Callable[[str], Path], policyc: Callable[..., Ran], tmp_path: Path, command: str
) -> None:
    install("acme", "acme:TARGET", GOOD_MODULE)
    output = ["-o", str(tmp_path / "out")] if command == "build" else []
    # An accepted finding must be a known one: the common rules are looked at first.
    accepting = GOOD + 'accept: [{finding: certificate-expires-soon, reason: "tests"}]\n'
    assert policyc(command, write_policy(accepting), *output).status == 0
    assert "acme" not in sys.modules
    assert policyc(command, write_policy(NAMED), *output).status == 0
    assert "acme" in sys.modules


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plug_in_is_told_by_name(
    install: Install, write_policy: Callable[[str], Path], policyc: Callable[..., Ran], tmp_path: Path, case: str
) -> None:
    value, module, told = BROKEN[case]
    install("acme", value, module)
    for arguments in (
        ("lint", write_policy(NAMED)),
        ("build", write_policy(NAMED), "-o", tmp_path / "out"),
        ("check", write_policy(NAMED)),
        ("targets",),
        ("schema",),
        ("explain",),
    ):
        ran = policyc(*arguments)
        assert (ran.status, ran.out) == (3, ""), arguments
        first, whose, way_out = ran.err.splitlines()
        assert first.startswith("policyc: the target `acme` is installed and cannot be used: ")
        assert told in first
        assert whose == f"  {value}, from acme-policyc 1.5"
        assert way_out.startswith("  update or uninstall it")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plug_in_is_in_nobodys_way(
    install: Install, write_policy: Callable[[str], Path], policyc: Callable[..., Ran], tmp_path: Path, case: str
) -> None:
    value, module, _ = BROKEN[case]
    install("acme", value, module)
    policy = write_policy(GOOD)
    assert policyc("lint", policy).status == 0
    assert policyc("build", policy, "-o", tmp_path / "out").status == 0
    assert policyc("check", policy).status == 0
    assert policyc("explain", "backend-not-verified").status == 0
    assert policyc("build", policy, "--target", "example", "-o", tmp_path / "out").status == 0
    asked = policyc("build", policy, "--target", "acme", "-o", tmp_path / "out")
    assert asked.status == 3
    assert "cannot be used" in asked.err


def test_an_accepted_finding_may_be_of_a_target_that_is_not_built(
    install: Install, write_policy: Callable[[str], Path], policyc: Callable[..., Ran]
) -> None:
    """Whether the name is known cannot be said without that target's own rules."""
    accepting = write_policy(GOOD + 'accept: [{finding: acme-is-slow, target: acme, reason: "tests"}]\n')
    own = 'from policyc.compiler.diagnostics import Rule, Severity\nACME = Rule("acme-is-slow", Severity.WARNING, "")\n'
    install("acme", "acme:TARGET", own + GOOD_MODULE + "Acme.rules = lambda self: [ACME]\n")
    assert policyc("lint", accepting).status == 0
    del sys.modules["acme"]
    install("ajax", "ajax:TARGET", "import acme_needs_this", target="ajax")
    ran = policyc("lint", accepting)
    assert ran.status == 3
    assert "the target `ajax` is installed and cannot be used" in ran.err


def test_two_plug_ins_of_one_name(
    install: Install, write_policy: Callable[[str], Path], policyc: Callable[..., Ran]
) -> None:
    install("acme", "acme:TARGET", GOOD_MODULE)
    install("ajax", "ajax:TARGET", GOOD_MODULE)
    assert policyc("lint", write_policy(GOOD)).status == 0
    ran = policyc("lint", write_policy(NAMED))
    assert (ran.status, ran.out) == (3, "")
    first, *both, way_out = ran.err.splitlines()
    assert first == "policyc: 2 plug-ins bring a target `acme`, and only one can be meant"
    assert sorted(both) == ["  acme:TARGET, from acme-policyc 1.5", "  ajax:TARGET, from ajax-policyc 1.5"]
    assert way_out == "  uninstall all but one"
    assert not {"acme", "ajax"} & set(sys.modules)


def test_an_unknown_distribution() -> None:
    targets = target_module.InstalledTargets([EntryPoint("acme", "acme_absent:TARGET", GROUP)])
    with pytest.raises(UnusableTarget, match="acme_absent:TARGET, from an unknown distribution"):
        targets["acme"]


def test_the_cause_can_be_seen(install: Install, policyc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme", "acme:TARGET", "import acme_needs_this")
    monkeypatch.setenv("POLICYC_DEBUG", "1")
    assert 'acme.py", line 1' in policyc("targets").err
