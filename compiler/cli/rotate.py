"""``policyc rotate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .lint import Form

if TYPE_CHECKING:
    from ...schemas.policy import Policy
    from ..plan import Plan
    from ..rotation import Order, Rotation, Step

HELP = "The safe order in which a backend gets a new certificate: what to do on each target before, and after."


def command(
    policy: Annotated[str, typer.Argument(help="Policy file, or folder of *.yaml files.")],
    backend: Annotated[str, typer.Option(help="The backend whose servers get it.", metavar="NAME")],
    certificate: Annotated[
        str, typer.Option(help="PEM file of the new certificate, with its chain behind it.", metavar="FILE")
    ],
    target: Annotated[
        list[str] | None, typer.Option(help="Only for this target. Default: those in the policy.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Judge it as of this date (YYYY-MM-DD).", metavar="DATE")] = None,
) -> None:
    """Exit status: 0, 1 where the new certificate cannot take over, 3 the policy or the file cannot be read."""
    from datetime import UTC, datetime

    from ..acceptance import Judged
    from ..pipeline import has_errors, load, settings_for
    from ..rotation import problems
    from . import session

    moment = session.moment(at) or datetime.now(UTC)
    targets, asked = session.chosen_targets(target or [])
    loaded = load(policy, targets)
    if loaded.plan is None or has_errors(loaded.findings):
        session.report(loaded.document, Judged(standing=loaded.findings, accepted=[]), Form.TEXT, [])
        raise typer.Exit(3)
    rotation = _rotation(loaded.plan, loaded.policy, backend, certificate)
    refused = list(problems(loaded.plan, rotation, moment))
    orders = {
        name: targets[name].rotation(loaded.plan, settings_for(loaded, targets[name]), rotation)
        for name in asked or list(loaded.settings)
    }
    refused += [f"{name}: {why}" for name, order in orders.items() for why in order.problems]
    for line in _told(rotation, orders, refused):
        print(line)
    if refused:
        raise typer.Exit(1)


def _rotation(plan: Plan, policy: Policy | None, backend: str, certificate: str) -> Rotation:
    from ..certificates import BadCertificate, read_certificates
    from ..rotation import Rotation
    from ..validate import nearest
    from . import session

    known = {one.name: one for one in plan.backends}
    if backend not in known:
        session.usage(f"there is no backend {backend!r}", nearest(backend, known))
    found = known[backend]
    if found.tls is None:
        session.usage(f"the backend {backend!r} has no TLS, and so no certificate")
    try:
        chain = read_certificates(certificate)
    except BadCertificate as error:
        session.unreadable(f"{certificate}: {error}")
    written = policy.backends[backend].tls if policy else None
    files = (written.certificate or []) if written else []  # `tls: false` ended above
    return Rotation(found, chain, certificate, tuple(files))


def _told(rotation: Rotation, orders: Mapping[str, Order], refused: Sequence[str]) -> list[str]:
    """The lines of the answer: before, the servers, after."""
    from ..rotation import told

    lines = [told(rotation)]
    if refused:
        return [*lines, "", "The new certificate cannot take over:", *(f"  - {why}" for why in refused)]
    number = 0

    def steps(of: Sequence[Step], indent: str) -> None:
        nonlocal number
        for step in of:
            number += 1
            lines.append(f"{indent}{number}. {step.what}")
            lines.extend(f"{indent}     {line}" for line in step.how)

    lines += ["", "Before any server presents the new one:"]
    for name, order in orders.items():
        lines.append(f"  {name}" + ("" if order.before else f": nothing. {_sentence(order.because)}"))
        steps(order.before, "    ")
    lines += ["", "When all targets are ready:"]
    steps(_servers(rotation), "  ")
    lines += ["", "When every server presents the new one, and only then:"]
    for name, order in orders.items():
        lines.append(f"  {name}" + ("" if order.after else ": nothing."))
        steps(order.after, "    ")
    return lines


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _servers(rotation: Rotation) -> list[Step]:
    from ..rotation import Step

    servers = [str(server.socket) for server in rotation.backend.servers]
    name = rotation.backend.server_name or next(iter(rotation.new.dns_names), "NAME")
    return [
        Step(f"install it with its key and chain on {', '.join(servers)}, one server after the other"),
        Step(
            "see that each presents it",
            (
                *(
                    f"openssl s_client -connect {server} -servername {name} </dev/null 2>/dev/null | "
                    "openssl x509 -noout -fingerprint -sha256"
                    for server in servers
                ),
                f"sha256 Fingerprint={':'.join(_pairs(rotation.new.sha256.upper()))}",
            ),
        ),
    ]


def _pairs(digits: str) -> list[str]:
    return [digits[at : at + 2] for at in range(0, len(digits), 2)]
