"""``policyc probe``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Threshold

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..pipeline import Loaded
    from ..plan import Plan
    from ..probe import Presented

HELP = "Ask the servers behind the edge for their certificates, and say whether each target would accept them."


class Form(StrEnum):
    """How the outcome is printed."""

    TEXT = "text"
    JSON = "json"


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    target: Annotated[
        list[str] | None, typer.Option(help="Only for this target. Default: those in the policy.")
    ] = None,
    backend: Annotated[
        list[str] | None, typer.Option(help="Only this backend; may be given again.", metavar="NAME")
    ] = None,
    host: Annotated[
        list[str] | None,
        typer.Option(help="A visitor's name below a wildcard, to ask servers for; may be given again.", metavar="NAME"),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for each connection.", min=0.1, max=60)] = 5,
    at_once: Annotated[int, typer.Option(help="Connections under way at once.", min=1, max=256)] = 16,
    write: Annotated[
        bool, typer.Option("--write", help="Write what the policy does not know beside it. The policy stays as it is.")
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print what was found.")] = Form.TEXT,
    fail_on: Annotated[Threshold, typer.Option(help="The lightest finding that fails.")] = Threshold.ERROR,
    at: Annotated[
        str | None, typer.Option(help="Judge certificates as of this date (YYYY-MM-DD).", metavar="DATE")
    ] = None,
) -> None:
    """Exit status: 0 all that was probed is good, 1 findings, 3 the policy cannot be read or a file not written."""
    from datetime import UTC, datetime

    from ..acceptance import Judged
    from ..pipeline import has_errors, load
    from ..probe import Probed, aims, judge_all, read_all
    from ..probe_reports import as_json, text
    from . import session

    moment = session.moment(at) or datetime.now(UTC)
    targets, asked = session.chosen_targets(target or [])
    loaded = load(policy, targets)
    if loaded.plan is None or has_errors(loaded.findings):
        session.report(
            loaded.document, Judged(standing=loaded.findings, accepted=[]), form, asked, readable=loaded.readable
        )
        raise typer.Exit(3)
    chosen = asked or list(loaded.settings)
    wanted, unasked = aims(loaded.plan, _hosts(loaded.plan, host or []), _backends(loaded.plan, backend or []))
    presented, failures = read_all(wanted, timeout, at_once)
    others = judge_all(loaded, targets, chosen, presented, moment)
    probed = Probed(presented, failures, unasked, others)
    recorded = list(_record(loaded, presented)) if write else []
    if form is Form.JSON:
        sys.stdout.write(as_json(loaded.document.name, probed, chosen, recorded))
    else:
        sys.stdout.write(text(probed, chosen))
        _tell_recorded(recorded)
    if probed.fails(session.severity(fail_on)):
        raise typer.Exit(1)


def _hosts(plan: Plan, given: Sequence[str]) -> list[str]:
    from ...schemas.values import parse_exact_hostname
    from ..probe import strangers
    from . import session

    hosts: list[str] = []
    for text in given:
        try:
            hosts.append(parse_exact_hostname(text))
        except ValueError:
            session.usage(f"--host {text!r} is not a hostname")
    for stranger in strangers(plan, hosts):
        session.usage(f"no decrypted site answers for --host {stranger!r}")
    return list(dict.fromkeys(hosts))


def _backends(plan: Plan, given: Sequence[str]) -> list[str]:
    from ..spelling import nearest
    from . import session

    known = [one.name for one in plan.backends]
    for name in given:
        if name not in known:
            session.usage(f"there is no backend {name!r}", nearest(name, known))
    return list(given)


def _record(loaded: Loaded, presented: Sequence[Presented]) -> Iterator[tuple[str, str, str]]:
    """Writes what the policy does not know: for each the backend, the file, and the line for the policy."""
    import os

    from ..document import reason
    from ..probe import files_of, recorded_name, unlisted
    from . import session

    for backend, found in unlisted(presented).items():
        files = [*files_of(loaded, backend), *map(recorded_name, found)]
        line = f"certificate: {files[0]}" if len(files) == 1 else f"certificate: [{', '.join(files)}]"
        for one in found:
            file = os.path.relpath(loaded.document.resolve_path(one.tls.path, recorded_name(one)))
            try:
                _put(file, "".join(certificate.pem for certificate in one.chain))
            except OSError as error:
                session.unreadable(f"cannot write {file}: {reason(error)}")
            yield backend, file, f"backends.{backend}.tls.{line}"


def _put(file: str, text: str) -> None:
    """A new file, whole or not at all, or one that is there with the same content; never another one's."""
    import os

    from ..document import read_bytes
    from ..stopping import written_beside

    with written_beside(file, text.encode()) as beside:
        os.chmod(beside, 0o644)
        try:
            os.link(beside, file)
        except FileExistsError:
            if read_bytes(file) != text.encode():
                raise OSError("there is another file of that name") from None


def _tell_recorded(recorded: Sequence[tuple[str, str, str]]) -> None:
    from ..reports import printable

    if not recorded:
        return
    print("\nWritten:")
    for _, file, _ in recorded:
        print(printable(f"  {file}"))
    print("In the policy, once the fingerprint is what the server's owner says:")
    for line in dict.fromkeys(line for *_, line in recorded):
        print(printable(f"  {line}"))
