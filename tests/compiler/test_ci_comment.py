"""The comment that the action writes on a pull request: one for each policy, true as of the last push."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from .conftest import GOOD
from .github_job import ACTION, Job

POLICY = GOOD.replace("example: {", "haproxy: {")
MARKER = "<!-- policyc diff policyc -->"


def git(folder: Path, *arguments: str) -> str:
    """What git prints, for somebody with a name."""
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class PullRequest:
    """A repository with a pull request, and the job that runs on its merge."""

    def __init__(self, job: Job, write_policy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            monkeypatch.delenv(name, raising=False)
        self.job = job
        self.write = write_policy
        self.folder = job.folder
        git(self.folder, "init", "-q", "-b", "main")
        (self.folder / ".gitignore").write_text("/runner\n")
        self.commit(POLICY)
        git(self.folder, "checkout", "-q", "-b", "topic")
        (self.folder / "README.md").write_text("a change that is none of the policy\n")
        self.commit(POLICY)
        job.github |= {"github.event_name": "pull_request", "github.event.pull_request.number": "7"}

    def commit(self, policy: str) -> None:
        """On the branch that is checked out."""
        self.write(policy)
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", "a change")

    def run(self, *, checkout: str = "merge", **inputs: str) -> int:
        """As after a push: GitHub merges, and the job has the merge, or as some want it the branch's own end."""
        # What GitHub tells of the merge may be older than the merge itself.
        first = git(self.folder, "rev-list", "--max-parents=0", "main")
        tip = git(self.folder, "rev-parse", "main") if checkout == "topic" else first
        git(self.folder, "checkout", "-q", "--detach", "main")
        git(self.folder, "merge", "-q", "--no-ff", "-m", "merge", "topic")
        self.job.github |= {
            "github.sha": git(self.folder, "rev-parse", "HEAD"),
            "github.event.pull_request.base.sha": tip,
        }
        if checkout == "topic":
            git(self.folder, "checkout", "-q", "topic")
        status = self.job.run(**inputs)
        git(self.folder, "checkout", "-q", "topic")
        return status

    def comments(self) -> list[str]:
        """On the pull request."""
        return self.job.comments()


@pytest.fixture
def pull(tmp_path: Path, write_policy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> PullRequest:
    """A pull request that does not touch the policy."""
    return PullRequest(Job(tmp_path), write_policy, monkeypatch)


def test_one_comment_is_kept_true(pull: PullRequest) -> None:
    assert pull.run() == 0
    assert pull.comments() == []  # it is none of the policy's
    assert "**nothing changes**" in pull.job.summary
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    assert pull.run() == 0
    [comment] = pull.comments()
    assert comment.startswith(f"{MARKER}\n### policyc: ")
    assert "are now answered 404" in comment
    assert comment.removeprefix(MARKER + "\n") == pull.job.summary
    pull.commit(POLICY.replace("deny: 403", "deny: 410"))
    assert pull.run() == 0
    [comment] = pull.comments()
    assert "are now answered 410" in comment
    assert "404" not in comment
    pull.commit(POLICY)
    assert pull.run() == 0
    [comment] = pull.comments()
    assert "**nothing changes**" in comment


def test_each_policy_has_its_own(pull: PullRequest) -> None:
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    pull.run()
    pull.run(category="another")
    assert [one.partition("\n")[0] for one in pull.comments()] == [MARKER, "<!-- policyc diff another -->"]


@pytest.mark.parametrize("checkout", ["merge", "topic"])
def test_what_others_changed_is_no_part_of_it(pull: PullRequest, checkout: str) -> None:
    git(pull.folder, "checkout", "-q", "main")
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    git(pull.folder, "checkout", "-q", "topic")
    assert pull.run(checkout=checkout) == 0
    assert pull.comments() == []
    assert "**nothing changes**" in pull.job.summary


def test_it_can_be_switched_off_and_is_for_pull_requests(pull: PullRequest) -> None:
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    assert pull.run(diff="false") == 0
    # There the job would run for a fork's change with all rights, on the code of the branch that it goes to.
    for event in ("push", "pull_request_target"):
        pull.job.github["github.event_name"] = event
        assert pull.run() == 0
    assert pull.comments() == []
    assert pull.job.summary == ""


def test_a_token_that_may_not_write_is_no_failure(pull: PullRequest) -> None:
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    assert pull.run(token="read-only") == 0
    assert pull.run(token="") == 0
    assert pull.comments() == []
    assert "::warning title=policyc diff::no comment: the token must be allowed to write" in pull.job.log
    assert "are now answered 404" in pull.job.summary


def test_a_version_that_cannot_be_compared(pull: PullRequest) -> None:
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    assert pull.run() == 0
    pull.commit(POLICY.replace("backend: app", "backend: ap"))
    assert pull.run() == 1  # as lint says
    [comment] = pull.comments()  # what stood there is true no more
    assert "Not compared" in comment
    assert "404" not in comment
    assert "::warning title=policyc diff::the two versions of the policy were not compared" in pull.job.log


def test_a_first_version_is_no_failure(pull: PullRequest) -> None:
    git(pull.folder, "checkout", "-q", "main")
    git(pull.folder, "rm", "-q", "policy.yaml")
    git(pull.folder, "commit", "-q", "-m", "without")
    git(pull.folder, "checkout", "-q", "topic")
    git(pull.folder, "merge", "-q", "-m", "merge", "main")
    pull.commit(POLICY)
    assert pull.run() == 0
    assert "there is no policy 'policy.yaml'" in pull.job.log
    assert "Not compared" in pull.job.summary


def test_a_checkout_without_the_commit_to_compare_with(pull: PullRequest) -> None:
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    whole = pull.folder / ".git"
    git(pull.folder, "checkout", "-q", "--detach", "topic")
    shutil.move(whole, pull.folder.parent / "whole")
    git(pull.folder, "clone", "-q", "--bare", "--depth", "1", (pull.folder.parent / "whole").as_uri(), str(whole))
    git(pull.folder, "config", "core.bare", "false")
    pull.job.github["github.sha"] = git(pull.folder, "rev-parse", "HEAD")
    assert pull.job.run() == 0
    assert "the commit to compare with is absent; give actions/checkout fetch-depth 0" in pull.job.log
    assert "Not compared" in pull.job.summary


def test_nobody_else_s_comment_is_written_over(pull: PullRequest) -> None:
    def by(kind: str, association: str, body: str, number: int) -> dict[str, object]:
        return {"id": number, "user": {"type": kind}, "author_association": association, "body": body}

    strangers = [by("User", "NONE", f"{MARKER}\nhello", number) for number in range(120)]
    quoting = by("User", "OWNER", f"> {MARKER}\nwhat is this", 500)
    pull.job.put_comments([*strangers, quoting])
    pull.commit(POLICY.replace("deny: 403", "deny: 404"))
    assert pull.run() == 0
    assert [one for one in pull.comments() if "404" in one] == pull.comments()[121:]
    assert len(pull.comments()) == 122
    # Of somebody whose own token writes it, on the second page, as a browser would have saved it.
    pull.job.put_comments([*strangers, by("User", "MEMBER", f"{MARKER}\r\nhello", 600)])
    assert pull.run() == 0
    assert len(pull.comments()) == 121
    assert "404" in pull.comments()[-1]


def test_a_long_comment_ends_at_a_line(pull: PullRequest) -> None:
    # So many changes would take long to find: a program in its place prints them.
    program = pull.job.temp / "policyc" / "bin" / "policyc"
    program.unlink()
    program.write_text("#!/bin/sh\n[ $1 = diff ] || exit 0\nyes -- '- a change' | head -n 9000\nexit 5\n")
    program.chmod(0o755)
    assert pull.run() == 0
    [comment] = pull.comments()
    assert comment.endswith("- a change\n\n> There is more: see the summary of the job.\n")
    assert 59_000 < len(comment) < 61_000
    assert pull.job.summary.count("- a change\n") == 9000


@pytest.mark.parametrize(("status", "ends"), [(0, 0), (2, 2), (3, 0), (4, 4), (5, 0)])
def test_only_failures_fail_the_job(pull: PullRequest, status: int, ends: int) -> None:
    program = pull.job.temp / "policyc" / "bin" / "policyc"
    program.unlink()
    program.write_text(f"#!/bin/sh\n[ $1 = diff ] || exit 0\nexit {status}\n")
    program.chmod(0o755)
    assert pull.run() == ends


@pytest.mark.parametrize("name", ["policy", "targets", "at", "category", "token", "diff"])
def test_an_input_is_no_command(pull: PullRequest, name: str) -> None:
    pull.run(**{name: "'\"; touch pwned; $(touch pwned) `touch pwned`"})
    assert not (pull.folder / "pwned").exists()


def test_the_token_is_nowhere_but_with_the_comment() -> None:
    steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    assert [step["name"] for step in steps if "token" in str(step.get("env"))] == ["Tell what changes"]
