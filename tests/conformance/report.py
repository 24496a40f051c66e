"""The conformance report: what each target did of each feature, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policyc.compiler.features import Feature
from policyc.compiler.target import installed_targets

from .proxies import Chosen

_HEAD = """\
# Conformance

What the cases of `tests/conformance` showed on real proxies: one policy, the same requests, the same decisions. The
same cases hold the reference semantics (`compiler/decide.py`) to the same expectations.

Made by `make conformance`. For another version of a proxy:
`pytest tests/conformance --proxy nginx=/path/to/nginx --report FILE`.

- **passed**: the target does what the policy says; so many cases with this feature ran on it.
- **unsupported**: `policyc lint` refuses it for this version of the target, and nothing is built; so many cases saw it.

Known differences are cases that must fail on a target until somebody mends it there.

"""
Result = Mapping[str, Any]


def render(results: Sequence[Result], chosen: Mapping[str, Chosen]) -> str:
    """The report, the same for the same results."""
    cases = {(one["topic"], one["case"]) for one in results}
    by_reference = {(one["topic"], one["case"]) for one in results if one["judge"] == "reference"}
    lines = [_HEAD + f"{len(cases)} cases, {len(by_reference)} of them decided by the reference too."]
    known = installed_targets()
    for target, one in chosen.items():
        table = known[target].support(known[target].settings_model().model_validate(dict(one.settings)))
        of_target = [result for result in results if result["judge"] == target]
        ran = {(result["topic"], result["case"]) for result in of_target if result["state"] == "passed"}
        lines += ["", f"## {known[target].title} {one.exact_version}", ""]
        if one.program is None:
            lines.append("Not installed where this was made: nothing was tested.")
            continue
        if one.stated:
            lines += [f"Built for version {one.version}.", ""]
        lines += [f"{len(ran)} cases ran.", "", "| feature | result | cases | |", "| --- | --- | ---: | --- |"]
        for feature in Feature:
            about = [result for result in of_target if feature.id in result["features"]]
            honoured = table[feature].honoured_by(one.version)
            counted = {
                (result["topic"], result["case"])
                for result in about
                if (result["state"] == "passed") is honoured and result["outcome"] == "passed"
            }
            failed = any(result["outcome"] == "failed" for result in about)
            word = "**FAILED**" if failed else ("passed" if honoured else "unsupported") if counted else "no case"
            support = table[feature]
            why = support.reason if not honoured or support.state == "emulated" else ""
            if support.since and not honoured:
                why = f"since {support.since}: {why}"
            lines.append(f"| `{feature.id}` | {word} | {len(counted)} | {why} |")
        differs = {f"{result['case']} ({result['why']})" for result in of_target if result["state"] == "differs"}
        if differs:
            lines += ["", "Known differences: " + "; ".join(sorted(differs)) + "."]
        own = sorted({result["case"] for result in of_target if result["state"] == "finding"})
        if own:
            lines += ["", "Refused by rules of its own: " + "; ".join(own) + "."]
    return "\n".join(lines) + "\n"
