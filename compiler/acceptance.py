"""The policy's `accept` list: which findings somebody decided to live with."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from ..schemas.policy import Acceptance
from .diagnostics import Diagnostic, Location, Path, Severity, declare, removal, renaming
from .spelling import nearest, typing_error

UNKNOWN_FINDING = declare(
    "unknown-finding",
    """
    ## What it does
    An `accept` entry names a finding that policyc does not know.

    ## Why it is bad
    It accepts nothing, and looks as if it did.

    ## Example
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plain-text-backend, backends: [app], reason: "a cable between the two machines"}
    ```

    ## Use instead
    The name stands in brackets in the finding's first line: `error[backend-certificate-mismatch]`.
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "a cable between the two machines"}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://docs.zizmor.sh/usage/#ignoring-results
    """,
)
UNUSED_ACCEPTANCE = declare(
    "unused-acceptance",
    """
    ## What it does
    An `accept` entry takes no finding off the list.

    ## Why it is bad
    Old entries pile up, and one day hide something that nobody decided to live with.

    ## Example
    ```yaml
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "a cable between the two machines"}
    ```

    ## Use instead
    Remove it.
    ```yaml
    accept: []
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://docs.zizmor.sh/usage/#ignoring-results
    """,
    Severity.WARNING,
)
EXPIRED_ACCEPTANCE = declare(
    "expired-acceptance",
    """
    ## What it does
    The last day of an `accept` entry is over, so its findings are back.

    ## Why it is bad
    Whoever accepted it wanted to look at it again by then.

    ## Example
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "moves in May", until: 2026-05-31}
    ```

    ## Use instead
    Mend what it was about, or decide again and set a new `until`. This finding depends on today's date.
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "moves in August", until: 2026-08-31}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://docs.zizmor.sh/usage/#ignoring-results
    """,
)
IMPOSSIBLE_ACCEPTANCE = declare(
    "impossible-acceptance",
    """
    ## What it does
    An `accept` entry is for a finding that cannot be accepted, or only for named backends.

    ## Why it is bad
    Some findings mean that a target would be open where the policy is closed, or that backends are no longer
    verified. There is no global switch for that.

    ## Example
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, reason: "all our backends are like that"}
    ```

    ## Use instead
    Name the `backends` where the finding allows it; else mend the policy, or do not build it for that target.
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "a cable between the two machines"}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://github.com/traefik/traefik/issues/2367
    """,
)
UNDECIDED_ACCEPTANCE = declare(
    "undecided-acceptance",
    """
    ## What it does
    The reason of an `accept` entry is a TODO, as `policyc lint --add-accept` writes it.

    ## Why it is bad
    Nobody has decided yet that this can stay, and the finding is off the list all the same.

    ## Example
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "TODO: say why this can stay"}
    ```

    ## Use instead
    Say why it can stay, with `until` where it shall be looked at again. Else mend what it is about, and remove it.
    ```yaml
    backend_cas: {}
    backends:
      app: {servers: [192.0.2.10:8080], tls: false}
    accept:
      - {finding: plaintext-backend, backends: [app], reason: "a cable between the two machines"}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://docs.zizmor.sh/usage/#ignoring-results
    """,
    # No more than that: an old policy whose findings were all accepted shall pass with `--fail-on warning` at once.
    Severity.INFO,
)

UNDECIDED = "TODO: say why this can stay"
"""The reason that `policyc lint --add-accept` writes."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Findings that stand, and those that were accepted with the entry that does so."""

    standing: list[Diagnostic]
    accepted: list[tuple[Diagnostic, Acceptance]]


def judge(
    findings: Sequence[Diagnostic],
    entries: Sequence[Acceptance],
    today: date,
    targets: Collection[str],
    known: Collection[str],
) -> Judged:
    """Apply the `accept` list. `targets` are those that were linted: entries for others are not called unused."""
    standing: list[Diagnostic] = []
    accepted: list[tuple[Diagnostic, Acceptance]] = []
    used: set[int] = set()
    refused: dict[int, Diagnostic] = {}
    for finding in findings:
        for index, entry in enumerate(entries):
            if not _names(entry, finding):
                continue
            used.add(index)
            if entry.until is not None and entry.until < today:
                continue
            if not finding.acceptable or (finding.per_backend and entry.backends is None):
                refused[index] = finding
                continue
            accepted.append((finding, entry))
            break
        else:
            standing.append(finding)
    for index, entry in enumerate(entries):
        standing += _about_entry(entry, index, index in used, refused.get(index), today, targets, known)
    return Judged(standing, accepted)


def _names(entry: Acceptance, finding: Diagnostic) -> bool:
    return (
        entry.finding == finding.rule
        and entry.target in (None, finding.target)
        and (entry.sites is None or (bool(finding.sites) and set(finding.sites) <= set(entry.sites)))
        and (entry.backends is None or (bool(finding.backends) and set(finding.backends) <= set(entry.backends)))
    )


def _about_entry(
    entry: Acceptance,
    index: int,
    used: bool,
    refused: Diagnostic | None,
    today: date,
    targets: Collection[str],
    known: Collection[str],
) -> list[Diagnostic]:
    path: Path = ("accept", index)
    if entry.finding not in known:
        at = Location((*path, "finding"))
        meant = typing_error(entry.finding, known)
        return [
            UNKNOWN_FINDING.found(
                f"there is no finding `{entry.finding}`",
                at,
                help=nearest(entry.finding, known),
                fixes=[renaming(at, entry.finding, meant)] if meant else [],
            )
        ]
    if entry.until is not None and entry.until < today:
        return [
            EXPIRED_ACCEPTANCE.found(
                f"`{entry.finding}` was accepted until {entry.until}",
                (*path, "until"),
                notes=[f"the reason given: {entry.reason}"],
                help=["mend what it was about, or decide again"],
            )
        ]
    if refused is not None:
        if refused.acceptable:
            return [
                IMPOSSIBLE_ACCEPTANCE.found(
                    f"`{entry.finding}` can be accepted for named backends only",
                    (*path, "finding"),
                    help=[f"add `backends: [{', '.join(refused.backends)}]`"],
                )
            ]
        return [
            IMPOSSIBLE_ACCEPTANCE.found(
                f"`{entry.finding}` cannot be accepted", (*path, "finding"), help=list(refused.help)
            )
        ]
    if not used and (entry.target is None or entry.target in targets):
        return [
            UNUSED_ACCEPTANCE.found(
                f"nothing is found that this accepts: `{entry.finding}`",
                Location(path),
                help=["remove the entry"],
                fixes=[removal(Location(path), f"the entry for `{entry.finding}`")],
            )
        ]
    if _is_undecided(entry.reason):
        return [
            UNDECIDED_ACCEPTANCE.found(
                f"nobody said yet why `{entry.finding}` can stay",
                (*path, "reason"),
                help=["write the reason in place of the TODO, or mend what is found and remove the entry"],
            )
        ]
    return []


def _is_undecided(reason: str) -> bool:
    """Whether a reason is a TODO. One that only speaks of something to do is a reason."""
    return reason.strip() == "TODO" or reason.lstrip().startswith("TODO:")
