"""What CI services run: the action, the hooks and GitLab's template are valid, and their scripts do what they shall."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from policyc.compiler.cli.lint import Form
from yamllint import linter
from yamllint.config import YamlLintConfig

from .conftest import GOOD
from .github_job import ACTION, Job

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
GITLAB = ROOT / "templates" / "policyc.gitlab-ci.yml"
# The programs that run in CI find the installed targets: any of them will do.
TARGET = "haproxy"

STYLE = YamlLintConfig(
    "{extends: default, rules: {line-length: {max: 120}, document-start: disable, comments: {level: error}}}"
)


def load(path: Path) -> Any:
    """A file's values."""
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", [ACTION, HOOKS, GITLAB], ids=lambda path: path.name)
def test_style(path: Path) -> None:
    assert list(map(str, cast("Any", linter).run(path.read_text(), STYLE))) == []


def check_schema(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    """What the service's own schema says, as SchemaStore has it."""
    transform = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *transform, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("path", "schema", "wrong"),
    [
        (ACTION, "vendor.github-actions", ("using: composite", "using: compost")),
        (GITLAB, "vendor.gitlab-ci", ("    when: always", "    when: sometimes")),
    ],
)
def test_schema(path: Path, schema: str, wrong: tuple[str, str], tmp_path: Path) -> None:
    done = check_schema(path, schema)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / path.name
    broken.write_text(path.read_text().replace(*wrong))
    assert check_schema(broken, schema).returncode == 1


def test_hooks_have_what_pre_commit_wants() -> None:
    hooks = load(HOOKS)
    for hook in hooks:
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    pattern = re.compile(hooks[0]["files"])
    assert all(pattern.search(name) for name in ("policy.yaml", "edge/a.yml", "certs/shop.pem", "x.crl"))
    assert not any(pattern.search(name) for name in ("README.md", "shop.key"))


def test_hooks_run(write_policy: Callable[[str], Path], tmp_path: Path) -> None:
    write_policy(GOOD.replace("example: {", f"{TARGET}: {{"))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    lint, check = load(HOOKS)
    statuses = [
        subprocess.run(
            [*hook["entry"].split(), *hook["args"]], cwd=tmp_path, env=environment, capture_output=True, check=False
        ).returncode
        for hook in (lint, check)
    ]
    assert statuses == [0, 5]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A runner with an empty checkout."""
    return Job(tmp_path)


def test_no_input_is_ever_a_part_of_a_script() -> None:
    for step in load(ACTION)["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_other_actions_are_pinned() -> None:
    used = [step["uses"] for step in load(ACTION)["runs"]["steps"] if "uses" in step]
    assert len(used) == 2
    assert all(re.fullmatch(r"[a-z/-]+@[0-9a-f]{40}", one) for one in used)


def test_action(job: Job, write_policy: Callable[[str], Path]) -> None:
    good = GOOD.replace("example: {", f"{TARGET}: {{")
    write_policy(good)
    assert job.run() == 0
    assert Path(job.outputs["steps.lint.outputs.sarif-file"]).read_text().startswith("{")
    write_policy(good.replace("    inspect: [web]\n", ""))
    assert job.run() == 0
    assert job.run(fail_on="warning") == 1
    assert "::warning file=" in job.log
    write_policy(good.replace("backend: app", "backend: ap"))
    assert job.run() == 1
    assert '"unknown-name"' in Path(job.outputs["steps.lint.outputs.sarif-file"]).read_text()
    write_policy("a: [")
    assert job.run() == 3
    # The scan gets the log, and the job fails only after that.
    assert '"invalid-syntax"' in Path(job.outputs["steps.lint.outputs.sarif-file"]).read_text()
    assert job.outputs["steps.lint.outputs.status"] == "3"
    assert job.run(policy="absent.yaml") == 3
    write_policy(good)
    assert job.run(at="2050-01-01", targets=TARGET) == 1
    assert job.run(targets="nonsense") != 0


def test_action_checks_the_build(job: Job, write_policy: Callable[[str], Path], tmp_path: Path) -> None:
    path = write_policy(GOOD.replace("example: {", f"{TARGET}: {{"))
    assert job.run(build="build") == 5
    assert "::error title=policyc build::" in job.log
    program = Path(sys.executable).parent / "policyc"
    subprocess.run([program, "build", path.name, "-o", "build"], cwd=tmp_path, check=True, capture_output=True)
    assert job.run(build="build") == 0


@pytest.mark.parametrize("name", ["policy", "targets", "fail_on", "at", "build"])
def test_an_input_is_no_command(job: Job, tmp_path: Path, name: str) -> None:
    job.run(**{name: "'\"; touch pwned; $(touch pwned) `touch pwned`"})
    assert not (tmp_path / "pwned").exists()


def test_gitlab_job(write_policy: Callable[[str], Path], tmp_path: Path) -> None:
    template = load(GITLAB)
    text = GOOD.replace("example: {", f"{TARGET}: {{")
    program = Path(sys.executable).parent / "policyc"
    for policy, status in ((text, 0), (text.replace("backend: app", "backend: ap"), 1), ("a: [", 3)):
        write_policy(policy)
        script = "\n".join(template["policyc-lint"]["script"]).replace("/tmp/policyc/bin/policyc", str(program))
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **template["variables"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert (tmp_path / "policyc.xml").read_text().startswith("<testsuites")
        assert ("nothing found" in done.stdout) == (status == 0)


def test_gitlab_diff(write_policy: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    template = load(GITLAB)
    job = template["policyc-diff"]
    text = GOOD.replace("example: {", f"{TARGET}: {{")
    program = Path(sys.executable).parent / "policyc"
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    write_policy(text)
    for command in (["init", "-q"], ["add", "policy.yaml"], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    for policy, base, status in (
        (text.replace("deny: 403", "deny: 404"), "HEAD", 0),
        (text.replace("backend: app", "backend: ap"), "HEAD", 3),
        (text, "nowhere", 3),
    ):
        write_policy(policy)
        done = subprocess.run(
            ["sh", "-ec", "\n".join(job["script"]).replace("/tmp/policyc/bin/policyc", str(program))],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **template["variables"], "CI_MERGE_REQUEST_DIFF_BASE_SHA": base},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert done.stdout == (tmp_path / job["artifacts"]["paths"][0]).read_text()
        assert ("are now answered 404" in done.stdout) is (status == 0)
    assert job["allow_failure"] == {"exit_codes": 3}


def test_every_form_is_documented() -> None:
    text = (ROOT / "docs" / "ci.md").read_text()
    assert [form for form in Form if form is not Form.TEXT and f"--format {form}" not in text] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_yaml_in_the_documents_is_yaml(path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    for block in blocks:
        yaml.safe_load(block)


def test_the_documented_workflow_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "ci.md").read_text()
    workflow, gitlab, _ = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "workflow.yml").write_text(workflow)
    (tmp_path / "gitlab.yml").write_text(gitlab)
    assert check_schema(tmp_path / "workflow.yml", "vendor.github-workflows").returncode == 0
    assert check_schema(tmp_path / "gitlab.yml", "vendor.gitlab-ci").returncode == 0
    used = yaml.safe_load(workflow)["jobs"]["policyc"]["steps"][1]["with"]
    assert used.keys() <= load(ACTION)["inputs"].keys()
    assert yaml.safe_load(gitlab)["variables"].keys() <= load(GITLAB)["variables"].keys()
