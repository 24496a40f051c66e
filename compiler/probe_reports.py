"""A probe's outcome for people and for programs. What servers sent is data: nothing of it reaches a terminal raw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .diagnostics import Diagnostic, Severity, format_path
from .lint.certificates import described, names_of
from .plan import Certificate
from .probe import Presented, Probed
from .reports import printable, told

REPORT_VERSION = 1


def text(probed: Probed, targets: Sequence[str]) -> str:
    """Backend by backend: what each server presents and what every target makes of it, then a summary line."""
    lines: list[str] = []
    for one in probed.presented:
        leaf = one.leaf
        lines.append(f"backend {one.backend.name}: {described(leaf)}")
        lines.append(f"  for {names_of(leaf)}; {leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}")
        lines.append(f"  sha256:{leaf.sha256}")
        lines += [f"  presented by {socket} for {name}" for socket, name in one.shown]
        lines.append("  " + _compared(one))
        lines += [f"  {name}: {_verdict(one, name)}" for name in targets]
        lines += [] if targets else [f"  {_verdict(one, None)} (the policy names no target)"]
        lines += _reasons(one)
        lines.append("")
    for failure in probed.failures:
        lines.append(f"backend {failure.backend}: {failure.socket} for {failure.server_name}")
        lines += [f"  error: {failure.why}", ""]
    for finding in probed.others:
        lines += [*_finding(finding, ""), ""]
    for one in probed.unasked:
        lines.append(f"backend {one.backend} was not probed: {one.why}")
    lines += ["", _summary(probed)] if probed.unasked else [_summary(probed)]
    return "".join(printable(line) + "\n" for line in lines)


def _compared(one: Presented) -> str:
    if not one.tls.leaves:
        return "the policy does not say what this backend presents (--write records it)"
    if one.known:
        return "it is the one that the policy says"
    return f"the policy says another: {'; '.join(described(leaf) for leaf in one.tls.leaves)}"


def _verdict(one: Presented, target: str | None) -> str:
    if one.refused_by(target):
        return "would not accept it"
    if one.tls.anchors is not None and one.tls.anchors.system:
        return "nothing against it here; its machine's own trust store decides about the CA"
    return "would accept it"


def _reasons(one: Presented) -> Iterator[str]:
    for problem in one.problems:
        yield f"  error: {problem.target + ': ' if problem.target else ''}{problem.what}"
        yield from (f"    {line}" for line in problem.help)
    for finding in one.findings:
        yield from _finding(finding, "  ")
    for finding, why in one.accepted:
        yield f"  accepted[{finding.rule}]: {told(finding)} (reason: {why})"


def _finding(finding: Diagnostic, indent: str) -> Iterator[str]:
    yield f"{indent}{finding.severity}[{finding.rule}]: {told(finding)}"
    yield from (f"{indent}  {note}" for note in finding.notes)
    yield from (f"{indent}  help: {order}" for order in finding.help)


def _counts(probed: Probed) -> dict[str, int]:
    findings = [*probed.others, *(finding for one in probed.presented for finding in one.findings)]
    problems = sum(len(one.problems) for one in probed.presented) + len(probed.failures)
    counts = {str(severity): sum(one.severity is severity for one in findings) for severity in Severity}
    return {
        "read": sum(len(one.shown) for one in probed.presented),
        "not_read": len(probed.failures),
        "not_probed": len(probed.unasked),
        **counts,
        "error": counts["error"] + problems,
    }


def _summary(probed: Probed) -> str:
    counts = _counts(probed)
    words = [f"{counts['read']} read", f"{counts['not_read']} not read", f"{counts['not_probed']} not probed"]
    found = [f"{counts[key]} {key}{'s' if counts[key] != 1 and key != 'info' else ''}" for key in map(str, Severity)]
    return f"{', '.join(words)}; {', '.join(one for one in found if one[0] != '0') or 'nothing found'}"


def as_json(policy: str, probed: Probed, targets: Sequence[str], recorded: Sequence[tuple[str, str, str]] = ()) -> str:
    """One JSON object, indented, as `schemas/probe.schema.json` describes it.

    `report_version` changes when a reader would have to; a key may be added without.
    """
    report = {
        "report_version": REPORT_VERSION,
        "policy": policy,
        "targets": list(targets),
        "summary": _counts(probed),
        "presented": [_presented(one, targets) for one in probed.presented],
        "failures": [
            {"backend": one.backend, "server": str(one.socket), "server_name": one.server_name, "message": one.why}
            for one in probed.failures
        ],
        "not_probed": [{"backend": one.backend, "message": one.why} for one in probed.unasked],
        "findings": [_as_data(one) for one in probed.others],
        "recorded": [{"backend": backend, "file": file, "line": line} for backend, file, line in recorded],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def _presented(one: Presented, targets: Sequence[str]) -> dict[str, Any]:
    return {
        "backend": one.backend.name,
        "shown": [{"server": str(socket), "server_name": name} for socket, name in one.shown],
        "chain": [_certificate(certificate) for certificate in one.chain],
        "in_policy": one.known,
        "trust_not_judged": one.tls.anchors is not None and one.tls.anchors.system,
        "accepted_by": {name: not one.refused_by(name) for name in targets},
        "problems": [
            {"target": problem.target, "message": problem.what, "help": list(problem.help)} for problem in one.problems
        ],
        "findings": [_as_data(finding) for finding in one.findings],
        "accepted": [{**_as_data(finding), "reason": why} for finding, why in one.accepted],
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "sha256": certificate.sha256,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "dns_names": list(certificate.dns_names),
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


def _as_data(finding: Diagnostic) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": str(finding.severity),
        "target": finding.target,
        "message": finding.message,
        "at": format_path(finding.primary.path),
        "notes": list(finding.notes),
        "help": list(finding.help),
        "sites": list(finding.sites),
        "backends": list(finding.backends),
    }
