"""The case that policyc exists for, shown on this machine: ``make demo``.

A site with a public certificate, a server behind it with another, self-signed one: a firewall's SSL Inbound Inspection
cannot decrypt that, three proxies can. Every line of the output is something that was just tried; the exit status is 0
if all of it was as it should be.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from make_certificates import make
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.proxy import DidNotStart, Missing, Proxy, program, runnable
from policyc.compiler.loopback.relocate import relocate
from policyc.compiler.loopback.visitor import Answer, Door, Refused, Visitor, ask, request

HERE = Path(__file__).resolve().parent
POLICY = HERE / "weberlab" / "policy.yaml"
BEHIND = HERE / "weberlab" / "behind-proxy.yaml"
SITE, INNER = "pi10-test5.weberlab.de", "foobar.internal"
MISMATCH = "backend-certificate-mismatch"


@dataclass
class Report:
    """What was tried, line by line."""

    failures: int = 0
    skipped: list[str] = field(default_factory=list[str])

    def title(self, text: str) -> None:
        """A heading."""
        print(f"\n{text}")

    def line(self, good: bool, text: str, got: str = "") -> None:
        """One thing that was tried; `got` says what happened."""
        self.failures += not good
        print(f"  {'✓' if good else '✗'} {text}{f'  ({got})' if got else ''}")

    def quote(self, text: str) -> None:
        """Output of another program, indented."""
        print("".join(f"    | {line}\n" for line in text.strip().splitlines()), end="")


def policyc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, from the folder above the examples."""
    command = [str(Path(sys.executable).with_name("policyc")), *arguments]
    return subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, timeout=60, check=False)


def lint(report: Report) -> None:
    """What the linter says of the policy, target by target."""
    report.title(f"policyc lint {POLICY.relative_to(HERE.parent)}")
    done = policyc("lint", str(POLICY.relative_to(HERE.parent)))
    *findings, total = done.stdout.strip().split("\n\n")
    mismatch = [finding for finding in findings if finding.startswith(f"error[{MISMATCH}]: panos:")]
    report.quote("\n\n".join([*mismatch, total]) if mismatch else done.stdout + done.stderr)
    found = done.returncode == 1 and len(mismatch) == 1
    report.line(found, "the firewall cannot do it, and lint says why", f"exit status {done.returncode}")
    for target in runnable():
        done = policyc("lint", "--target", target, str(POLICY))
        report.line(done.returncode == 0, f"{target}: nothing to object", f"exit status {done.returncode}")
        if done.returncode:
            report.quote(done.stdout + done.stderr)


def refuse(report: Report, output: Path) -> None:
    """The build for the firewall, which must write nothing."""
    report.title("policyc build --target panos")
    done = policyc("build", str(POLICY), "--target", "panos", "-o", str(output))
    report.line(done.returncode == 1 and MISMATCH in done.stdout, "refused", f"exit status {done.returncode}")
    report.line(not output.exists() or not any(output.iterdir()), "nothing was written")


def tried(door: Door, raw: bytes) -> tuple[Answer | None, str]:
    """The answer, if there was one, and what happened in a few words."""
    try:
        answer = ask(door, raw)
    except Refused as refused:
        return None, str(refused)
    return answer, f"{answer.status}"


def show(report: Report, target: str, folder: Path) -> None:
    """One proxy between visitors and the server."""
    certificates = make("weberlab")
    stranger = pki.leaf([SITE, INNER], pki.authority("Some Other CA"))
    genuine = Origin("pi10", (certificates / "pi10-internal.pem", certificates / "pi10-internal.key"))
    impostor = Origin("impostor", pki.write(folder, "impostor", stranger))
    for origin, tell in ((genuine, _genuine), (impostor, _impostor)):
        moved = relocate(POLICY.read_text(), POLICY.parent, {"pi10": [origin.socket]})
        file = folder / f"{origin.name}.yaml"
        file.write_text(moved.text)
        output = folder / origin.name
        done = policyc("build", str(file), "--target", target, "-o", str(output), "--keys", "copy")
        if done.returncode:
            report.line(False, "policyc build", f"exit status {done.returncode}")
            report.quote(done.stdout + done.stderr)
            return
        try:
            with origin, Proxy(target, output / target, moved.sockets):
                door = Door(moved.ports["public"][0][1], certificates / "public-root.pem", SITE)
                tell(report, origin, door)
        except DidNotStart as error:
            report.line(False, "the proxy starts")
            report.quote(str(error))
            return


def _genuine(report: Report, origin: Origin, door: Door) -> None:
    with Visitor(door) as visitor:
        issuer = x509.load_der_x509_certificate(visitor.certificate).issuer.rfc4514_string()
        answer = visitor.ask(request("/", SITE))
    report.line(answer.status == 200, "a visitor who trusts the public CA only is served", f"{answer.status}, {issuer}")
    seen = {(connection.sni, connection.tls_version) for connection in origin.connections if connection.requests}
    said = ", ".join(f"SNI {sni}, {version}" for sni, version in seen)
    report.line(
        {sni for sni, _ in seen} == {INNER}, "the server was asked for by its inner name and verified for it", said
    )
    origin.forget()
    denied, got = tried(door, request("/admin", SITE))
    report.line(
        denied is not None and denied.status == 403 and not origin.requests, "/admin from outside is denied", got
    )
    odd, got = tried(door, request("/x/..%2fadmin", SITE))
    report.line(odd is not None and odd.status == 400 and not origin.requests, "/x/..%2fadmin is refused", got)
    stranger = Door(door.port, door.trusts, "unknown.example.com")
    refused, got = tried(stranger, request("/", SITE))
    report.line(refused is None and got.startswith("in the handshake"), "an unknown SNI is refused in the handshake")
    other, got = tried(door, request("/", "other.example.com"))
    report.line(other is not None and other.status == 421 and not origin.requests, "another Host than the SNI's", got)


def _impostor(report: Report, origin: Origin, door: Door) -> None:
    answer, got = tried(door, request("/secret", SITE, "POST", body=b"password=hunter2"))
    status = answer.status if answer else None
    report.line(status in (502, 503), "a server with the same name from another CA: the visitor gets an error", got)
    tries = len(origin.connections)
    report.line(tries > 0 and origin.received == b"", "and that server got no byte", f"{tries} connection(s), 0 bytes")


def inner_leg(report: Report, output: Path) -> None:
    """The firewall behind the proxy, where the two certificates are one."""
    report.title(f"policyc build --target panos {BEHIND.relative_to(HERE.parent)}")
    done = policyc("build", str(BEHIND), "--target", "panos", "-o", str(output))
    report.line(done.returncode == 0, "the firewall fits between the proxy and the server", f"exit {done.returncode}")
    if done.returncode:
        report.quote(done.stdout + done.stderr)
        return
    commands = (output / "panos" / "panos.set").read_text().splitlines()
    rules = [command for command in commands if "ssl-inbound-inspection" in command]
    report.line(len(rules) == 1, "its decryption rule holds one certificate")
    report.quote("\n".join(rules))
    if len(rules) != 1:
        return
    name = rules[0].split()[-1].strip('"')
    held = (output / "panos" / "certs" / f"{name}.pem").read_bytes()
    server = (make("weberlab") / "pi10-internal.pem").read_bytes()
    equal = x509.load_pem_x509_certificate(held) == x509.load_pem_x509_certificate(server)
    report.line(equal, f"and {name} is the server's own, so the firewall decrypts")


def main() -> int:
    """Run it all; 0 if all was as it should be."""
    begin = time.monotonic()
    report = Report()
    print(f"visitors are shown: {SITE} from a public CA; the server behind has its own certificate for {INNER}")
    make("weberlab")
    with tempfile.TemporaryDirectory(prefix="policyc-demo-") as name:
        folder = Path(name)
        lint(report)
        refuse(report, folder / "refused")
        for target in runnable():
            report.title(f"policyc build --target {target}, and run it")
            try:
                program(target)
            except Missing as missing:
                report.skipped.append(target)
                print(f"  - skipped: {missing}")
                continue
            place = folder / target
            place.mkdir()
            show(report, target, place)
        inner_leg(report, folder / "behind")
    failures = report.failures + (len(report.skipped) if os.environ.get("CI") == "true" else 0)
    verdict = f"{failures} of it not as it should be" if failures else "all as it should be"
    skipped = f"; skipped: {', '.join(report.skipped)}" if report.skipped else ""
    print(f"\n{verdict}{skipped}; {time.monotonic() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
