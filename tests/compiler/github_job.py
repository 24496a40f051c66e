"""The composite action on a runner: its scripts, run as GitHub runs them, with everything around made here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ACTION = Path(__file__).parents[2] / "action.yml"

# `gh api` as far as the action uses it: comments in a file, fields, pages, and jq on each page as gh does it.
_GH = """\
#!{python}
import argparse, json, os, re, sys
import jq
parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["api"])
parser.add_argument("path")
parser.add_argument("--method", default="GET")
parser.add_argument("--field", action="append", default=[])
parser.add_argument("--jq", default=".")
parser.add_argument("--paginate", action="store_true")
parser.add_argument("--silent", action="store_true")
given = parser.parse_args()
token = os.environ.get("GH_TOKEN", "")
if not token or (token == "read-only" and given.method != "GET"):
    sys.exit("gh: Resource not accessible by integration (HTTP 403)")
comments = json.load(open({store!r}))
fields = dict(one.split("=", 1) for one in given.field)
body = open(fields["body"][1:]).read() if "body" in fields else ""
assert len(body) <= 65536
path, _, query = given.path.partition("?")
if given.method == "GET":
    assert path == "repos/acme/edge/issues/7/comments", path
    size = int(dict(one.split("=") for one in query.split("&"))["per_page"])
    pages = [comments[start : start + size] for start in range(0, max(len(comments), 1), size)]
    for page in pages if given.paginate else pages[:1]:
        for line in jq.compile(given.jq).input_value(page).all():
            print(line)
    sys.exit()
if given.method == "POST":
    assert path == "repos/acme/edge/issues/7/comments", path
    user = {{"login": "github-actions[bot]", "type": "Bot"}}
    comments.append({{"id": 1000 + len(comments), "user": user, "author_association": "NONE", "body": body}})
else:
    assert given.method == "PATCH"
    found = re.fullmatch(r"repos/acme/edge/issues/comments/(\\d+)", path)
    next(one for one in comments if one["id"] == int(found[1]))["body"] = body
json.dump(comments, open({store!r}, "w"))
"""


class Job:
    """A runner with a checkout in `folder`. `github` is what GitHub tells of the event."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temp = folder / "runner"
        (self.temp / "policyc" / "bin").mkdir(parents=True)
        (self.temp / "policyc" / "bin" / "policyc").symlink_to(Path(sys.executable).parent / "policyc")
        self.outputs: dict[str, str] = {}
        self.log = ""
        self.summary = ""
        self.github = {"github.event_name": "push", "github.token": "the job's own", "github.repository": "acme/edge"}
        self.action = yaml.safe_load(ACTION.read_text())
        self._store = self.temp / "comments.json"
        self.put_comments([])
        program = self.temp / "bin" / "gh"
        program.parent.mkdir()
        program.write_text(_GH.format(python=sys.executable, store=str(self._store)))
        program.chmod(0o755)

    def put_comments(self, comments: list[dict[str, Any]]) -> None:
        """Comments on the pull request."""
        self._store.write_text(json.dumps(comments))

    def comments(self) -> list[str]:
        """The texts of all comments on the pull request."""
        return [one["body"] for one in json.loads(self._store.read_text())]

    def run(self, **inputs: str) -> int:
        """The job's exit status. Steps that install or upload are left out."""
        self.outputs, self.log, self.summary = {}, "", ""
        given = {f"inputs.{name}": self._value(one["default"]) for name, one in self.action["inputs"].items()}
        given |= {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
        for step in self.action["runs"]["steps"]:
            if "run" not in step or step["name"] == "Install policyc":
                continue
            if "if" in step and not self._holds(step["if"], given):
                continue
            status = self._script(step, given)
            if status:
                return status
        return 0

    def _holds(self, condition: str, given: Mapping[str, str]) -> bool:
        for part in condition.split(" && "):
            compared = re.fullmatch(r"([a-z._-]+) (==|!=) '([^']*)'", part)
            assert compared, part
            if (self._lookup(compared[1], given) == compared[3]) is not (compared[2] == "=="):
                return False
        return True

    def _script(self, step: dict[str, Any], given: Mapping[str, str]) -> int:
        output, summary = self.temp / "output", self.temp / "summary"
        output.write_text("")
        summary.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={
                "PATH": f"{self.temp / 'bin'}:{os.environ['PATH']}",
                "RUNNER_TEMP": str(self.temp),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                **{name: self._value(text, given) for name, text in step.get("env", {}).items()},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.log += done.stdout + done.stderr
        self.summary += summary.read_text()
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            self.outputs[f"steps.{step['id']}.outputs.{key}"] = value
        return done.returncode

    def _lookup(self, name: str, given: Mapping[str, str]) -> str:
        if name == "runner.temp":
            return str(self.temp)
        known = {**given, **self.github}
        assert name in known or name.startswith(("steps.", "github.event.", "github.sha")), name
        return known.get(name, self.outputs.get(name, ""))

    def _value(self, text: str, given: Mapping[str, str] | None = None) -> str:
        return re.sub(r"\$\{\{ ([a-z._-]+) \}\}", lambda match: self._lookup(match[1], given or {}), text)
