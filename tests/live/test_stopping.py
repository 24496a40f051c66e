"""Ctrl-C and SIGTERM at any moment: nothing stays but what was there, and no traceback. Real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import make_certificates
import pytest

from ..compiler.test_crashes import Tree, tree

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}

AT_STEP = """
import os, signal, sys, threading
at, number = int(sys.argv.pop(1)), int(sys.argv.pop(1))
steps = 0

def hook(event, arguments):
    # Every event of the interpreter that touches the world outside: files, folders, programs, sockets.
    global steps
    if threading.current_thread() is not threading.main_thread() or not event.startswith(WATCHED):
        return
    steps += 1
    if steps == at:
        os.kill(os.getpid(), number)

WATCHED = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.",
           "tempfile.", "subprocess.Popen", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind",
           "ctypes.dlsym")
from policyc.compiler.cli import main
from policyc.compiler import stopping
stopping.install()

def stepping(real):
    def step(*arguments, **named):
        hook("os.mkdir", ())
        return real(*arguments, **named)
    return step

for name in ("fsync", "write", "fchmod"):
    setattr(os, name, stepping(getattr(os, name)))
sys.addaudithook(hook)
sys.argv[0] = "policyc"
try:
    main()
finally:
    print(f"steps: {steps}", file=sys.stderr)
"""


@dataclass(frozen=True)
class Place:
    """A policy to work with, and the folders that may not change."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def left(self) -> Tree:
        """All that is there, but for the locks of ports, which are everybody's."""
        return {name: one for name, one in tree(self.folder).items() if not name.startswith("tmp/policyc-ports-")}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The example of a folder, with the CA's key left out of it and a temporary folder of its own."""
    certs = make_certificates.make("teams")
    (tmp_path / "certs").symlink_to(certs)
    (tmp_path / "policies").symlink_to(certs.parent / "policies")
    (tmp_path / "tests").symlink_to(certs.parent / "tests")
    (tmp_path / "tmp").mkdir()
    return Place(tmp_path, {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"})


def running_in(folder: Path) -> list[str]:
    """The programs that have a path below a folder on their command line."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and int(process.name) != os.getpid():
            found.append(command)
    return found


def stopped(ran: subprocess.CompletedProcess[str], number: signal.Signals) -> bool:
    """Whether it was, and then as it should be; else it had ended by itself."""
    assert "Traceback" not in ran.stderr, ran.stderr
    assert "Exception ignored" not in ran.stderr, ran.stderr
    if ran.returncode == STOPS[number]:
        assert ran.stderr.splitlines()[-1] == f"policyc: stopped by {number.name}"
        return True
    assert ran.returncode in (0, 1), (ran.returncode, ran.stderr)
    return False


def steps_of(ran: subprocess.CompletedProcess[str]) -> int:
    assert ran.returncode in (0, 1), ran.stderr
    return int(ran.stderr.rpartition("steps: ")[2])


def spread(last: int, number: int) -> list[tuple[int, signal.Signals]]:
    """So many of the steps, the first and the last among them, and for each of them one of the signals."""
    chosen = sorted({1, last, *range(1, last + 1, max(1, last // number))})
    return [(at, list(STOPS)[index % len(STOPS)]) for index, at in enumerate(chosen)]


@pytest.mark.parametrize("again", [False, True])
def test_a_build(place: Place, again: bool) -> None:
    build = ("build", "policies", "-o", "above/out", "--target", "haproxy")
    before = place.left()
    last = steps_of(place.run(AT_STEP, "0", "0", *build))
    after = place.left()
    assert after != before
    assert last > 30
    if again:
        before = after
        last = steps_of(place.run(AT_STEP, "0", "0", *build))
    was = 0
    for at, number in spread(last, 12):
        if not again:
            shutil.rmtree(place.folder / "above", ignore_errors=True)
        was += stopped(place.run(AT_STEP, str(at), str(number.value), *build), number)
        assert place.left() in (before, after), at
    assert was > 8


COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check", "policies", "--target", "nginx"),
    "test --live": ("test", "policies", "tests", "--live", "nginx"),
    "probe": ("probe", "policies", "--timeout", "0.1", "--write"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_writes_nothing(place: Place, command: str, proxy_program: Callable[[str], str]) -> None:
    proxy_program("nginx")
    before = place.left()
    last = steps_of(place.run(AT_STEP, "0", "0", *COMMANDS[command]))
    assert place.left() == before
    was = 0
    for at, number in spread(last, 6):
        was += stopped(place.run(AT_STEP, str(at), str(number.value), *COMMANDS[command]), number)
        assert place.left() == before, at
        assert running_in(place.temporary) == [], at
    assert was >= min(5, last - 1)


@pytest.mark.parametrize("number", STOPS)
def test_the_language_server(place: Place, number: signal.Signals) -> None:
    command = [sys.executable, "-c", "from policyc.compiler.cli import main; main()", "lsp"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=place.folder, env=place.environment, stdin=pipe, stdout=pipe, stderr=pipe
    ) as server:
        assert server.stdin
        assert server.stdout
        asked: dict[str, object] = {"processId": None, "rootUri": None, "capabilities": {}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}).encode()
        server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        server.stdin.flush()
        assert server.stdout.readline().startswith(b"Content-")
        server.send_signal(number)
        assert server.wait(30) == STOPS[number]
        assert server.stderr
        assert server.stderr.read().decode().splitlines()[-1] == f"policyc: stopped by {number.name}"
