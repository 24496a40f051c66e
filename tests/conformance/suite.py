"""The files of ``cases/`` as tests: each case is one for each proxy, each version of HTTP, and the reference."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from policyc.compiler.features import version_key

from ..live.edges import run_policyc
from ..live.supported import TARGETS
from . import running
from .certificates import Certificates, make
from .laboratory import Laboratory
from .proxies import Chosen, choose
from .topics import EVERY, BadTopic, Case, Version, read

REFERENCE = "reference"
RESULT = "conformance"
"""The user property that a report is made of."""

CHOSEN = pytest.StashKey[dict[str, Chosen]]()
CERTIFICATES = pytest.StashKey[Certificates]()


class Wrong(Exception):
    """A case that did not come out as it says."""


def certificates_of(config: pytest.Config) -> Certificates:
    """The certificates of this process, made when they are first needed."""
    if CERTIFICATES not in config.stash:
        folder = tempfile.TemporaryDirectory(prefix="policyc-conformance-")
        config.add_cleanup(folder.cleanup)
        config.stash[CERTIFICATES] = make(Path(folder.name))
    return config.stash[CERTIFICATES]


def chosen_of(config: pytest.Config) -> dict[str, Chosen]:
    """The proxies of this run."""
    if CHOSEN not in config.stash:
        config.stash[CHOSEN] = choose(config.getoption("--proxy", default=None) or ())
    return config.stash[CHOSEN]


class TopicFile(pytest.File):
    """One file of ``cases/``."""

    _laboratory: Laboratory | Exception | None = None
    _reports: dict[str, dict[str, Any]]

    def collect(self) -> Iterator[pytest.Item]:
        """One test for each case, version of HTTP, and judge."""
        self._reports = {}
        try:
            _, cases = read(self.path)
        except BadTopic as bad:
            raise self.CollectError(str(bad)) from bad
        for judge in (REFERENCE, *TARGETS):
            for case in cases:
                if judge == REFERENCE and not case.has_reading:
                    continue
                if case.finding and not self._tells(case, judge):
                    continue
                for version in case.over if case.steps else case.over[:1]:
                    name = f"{judge} {version} {case.name}"
                    options = {"name": name, "case": case, "judge": judge, "version": version}
                    yield CaseItem.from_parent(self, **options)  # pyright: ignore[reportUnknownMemberType]

    def _tells(self, case: Case, target: str) -> bool:
        """Whether a target, in this version, must tell the finding that a case is about."""
        return EVERY in case.finding or (target in case.finding and self.concerns(case, target))

    def concerns(self, case: Case, target: str) -> bool:
        """Whether a target's version is one of those that a case's `finding` or `differs` is about."""
        below = case.below.get(target)
        return below is None or version_key(chosen_of(self.config)[target].version) < version_key(below)

    @property
    def laboratory(self) -> Laboratory:
        """The topic on those proxies for which tests were chosen; started when it is first needed."""
        if self._laboratory is None:
            try:
                self._laboratory = self._start()
            except Exception as error:  # noqa: BLE001  # told by every case, tried once
                self._laboratory = error
        if isinstance(self._laboratory, Exception):
            raise Wrong(
                f"{self.path.name}: {type(self._laboratory).__name__}: {self._laboratory}"
            ) from self._laboratory
        return self._laboratory

    def _start(self) -> Laboratory:
        topic, cases = read(self.path)
        folder = tempfile.TemporaryDirectory(prefix=f"policyc-{self.path.stem}-", ignore_cleanup_errors=True)
        self.addfinalizer(folder.cleanup)
        laboratory = Laboratory(self.path.stem, topic, cases, Path(folder.name), certificates_of(self.config))
        self.addfinalizer(laboratory.stop)
        items = [item for item in self.session.items if isinstance(item, CaseItem) and item.parent is self]
        targets = [target for target in TARGETS if any(item.judge == target for item in items)]
        chosen = chosen_of(self.config)
        laboratory.reduce(chosen, targets)
        twins, own = (bool(self.config.getoption(name, default=False)) for name in ("twins", "own_certificates"))
        laboratory.start(chosen, targets, twins=twins, own_certificates=own)
        return laboratory

    def findings(self, target: str) -> dict[str, Any]:
        """What ``policyc lint`` says of the whole topic for a target."""
        if target not in self._reports:
            laboratory = self.laboratory
            file = laboratory.certificates.folder / f"{laboratory.name}-{target}.yaml"
            settings = {target: dict(chosen_of(self.config)[target].settings)}
            file.write_text(json.dumps({**laboratory.whole_policy, "targets": settings}))
            done = run_policyc("lint", str(file), "--target", target, "--format", "json")
            if done.returncode not in (0, 1):
                raise Wrong(f"policyc lint ended with {done.returncode}: {done.stderr}")
            self._reports[target] = json.loads(done.stdout)
        return self._reports[target]


class CaseItem(pytest.Item):
    """One case on one proxy, or as the reference reads it."""

    def __init__(self, *, case: Case, judge: str, version: Version, **more: Any) -> None:
        super().__init__(**more)  # pyright: ignore[reportUnknownMemberType]
        self.case = case
        self.judge = judge
        self.version: Version = version
        # Old versions of TLS must be tried, and Python warns of them.
        self.add_marker(pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning"))

    @property
    def file(self) -> TopicFile:
        """The topic."""
        assert isinstance(self.parent, TopicFile)
        return self.parent

    def runtest(self) -> None:
        """Run the case, or see that it is told why it cannot."""
        if self.judge == REFERENCE:
            self._tell("passed")
            self._raise(running.read_case(self.file.laboratory, self.case, self.version))
            return
        chosen = chosen_of(self.config)[self.judge]
        if chosen.program is None:
            self._tell("missing")
            missing = f"NOT TESTED: {self.judge} is not installed on this machine"
            if os.environ.get("CI") == "true":
                pytest.fail(f"{missing}, and with CI=true every proxy must be there")
            pytest.skip(missing)
        laboratory = self.file.laboratory
        reasons = laboratory.reasons(self.case, self.judge)
        if self.case.finding or laboratory.lacks(self.case, self.judge):
            self._tell("finding" if self.case.finding else "unsupported")
            self._see_findings(
                {*reasons, *(self.case.finding[key] for key in {EVERY, self.judge} & self.case.finding.keys())}
            )
            return
        differs = self.judge in self.case.differs and self.file.concerns(self.case, self.judge)
        # The finding `envoy-sni-in-capitals` tells of these.
        differs |= self.judge == "envoy" and any(
            name not in laboratory.certificates.own and name.lower() in laboratory.certificates.own
            for name in (step.name_asked or "" for step in self.case.steps)
        )
        self._tell("differs" if differs else "passed")
        error = laboratory.edges.failed.get(self.judge)
        if error is not None:
            raise Wrong(f"{type(error).__name__}: {error}")
        wrong = running.run_case(laboratory, self.judge, self.case, self.version)
        if not differs:
            self._raise(wrong)
        elif not wrong:
            raise Wrong(f"{self.judge} does this right: take `differs` away from the case")

    def _raise(self, wrong: Sequence[str]) -> None:
        if wrong:
            raise Wrong("\n  ".join(wrong))

    def _tell(self, state: str) -> None:
        """What this is in the report, if it passes."""
        features = [feature.id for feature in self.case.features]
        result = {"topic": self.case.topic, "case": self.case.name, "judge": self.judge, "features": features}
        why = self.case.differs.get(self.judge, "")
        self.user_properties.append((RESULT, {**result, "state": state, "why": why}))

    def _see_findings(self, rules: set[str]) -> None:
        findings = self.file.findings(self.judge)["findings"]
        told = {one["rule"] for one in findings if one["target"] in (None, self.judge)}
        if not rules <= told:
            raise Wrong(f"policyc lint --target {self.judge} does not say {sorted(rules - told)}; it says {told}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What is wrong is told in the message: nobody needs to see the runner's frames."""
        if isinstance(excinfo.value, Wrong):
            return f"{self.case.topic}: {self.name}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the case is."""
        return self.path, None, self.name
