"""Ctrl-C and SIGTERM at any moment: nothing stays but what was there, and no traceback. Real signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import make_certificates
import pytest

from ..compiler.test_crashes import Tree, tree
from ..forked import Interpreter, Ran, interpreter

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}

STEPS = """
import atexit, os, signal, sys, threading
steps = 0

def hook(event, arguments):
    # Every event of the interpreter that touches the world outside: files, folders, programs, sockets.
    global steps
    if threading.current_thread() is not threading.main_thread() or not event.startswith(WATCHED):
        return
    steps += 1
    if steps == AT:
        os.kill(os.getpid(), NUMBER)

WATCHED = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil.",
           "tempfile.", "subprocess.Popen", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind",
           "ctypes.dlsym")
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
atexit.register(lambda: print(f"steps: {steps}", file=sys.stderr))
"""
"""A signal at one of the steps of what runs then: `AT` says which, `NUMBER` is the signal's."""


@dataclass(frozen=True)
class Place:
    """A policy to work with, and the folders that may not change."""

    folder: Path
    environment: Mapping[str, str]
    interpreter: Interpreter

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def run(self, arguments: Sequence[str], at: int = 0, number: int = 0) -> Ran:
        """A run with a signal at a step of it, or without one."""
        return self.interpreter.run(*arguments, before=f"AT, NUMBER = {at}, {number}\n{STEPS}")

    def left(self) -> Tree:
        """All that is there, but for the locks of ports, which are everybody's."""
        return {name: one for name, one in tree(self.folder).items() if not name.startswith("tmp/policyc-ports-")}


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The example of a folder, with the CA's key left out of it and a temporary folder of its own."""
    certs = make_certificates.make("teams")
    (tmp_path / "certs").symlink_to(certs)
    (tmp_path / "policies").symlink_to(certs.parent / "policies")
    (tmp_path / "tests").symlink_to(certs.parent / "tests")
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}
    with interpreter(tmp_path, environment, tmp_path_factory.mktemp("printed")) as one:
        yield Place(tmp_path, environment, one)


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


def stopped(ran: Ran, number: signal.Signals) -> bool:
    """Whether it was, and then as it should be; else it had ended by itself."""
    said = ran.stderr.decode()
    assert "Traceback" not in said, said
    assert "Exception ignored" not in said, said
    if ran.returncode == STOPS[number]:
        assert said.splitlines()[-1] == f"policyc: stopped by {number.name}"
        return True
    assert ran.returncode in (0, 1), (ran.returncode, said)
    return False


def steps_of(ran: Ran) -> int:
    assert ran.returncode in (0, 1), ran.stderr
    return int(ran.stderr.decode().rpartition("steps: ")[2])


def spread(last: int, number: int) -> list[tuple[int, signal.Signals]]:
    """So many of the steps, the first and the last among them, and for each of them one of the signals."""
    chosen = sorted({1, last, *range(1, last + 1, max(1, last // number))})
    return [(at, list(STOPS)[index % len(STOPS)]) for index, at in enumerate(chosen)]


@pytest.mark.parametrize("again", [False, True])
def test_a_build(place: Place, again: bool) -> None:
    build = ("build", "policies", "-o", "above/out", "--target", "haproxy")
    before = place.left()
    last = steps_of(place.run(build))
    after = place.left()
    assert after != before
    assert last > 30
    if again:
        before = after
        last = steps_of(place.run(build))
    was = 0
    for at, number in spread(last, 12):
        if not again:
            shutil.rmtree(place.folder / "above", ignore_errors=True)
        was += stopped(place.run(build, at, number.value), number)
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
    last = steps_of(place.run(COMMANDS[command]))
    assert place.left() == before
    was = 0
    for at, number in spread(last, 6):
        was += stopped(place.run(COMMANDS[command], at, number.value), number)
        assert place.left() == before, at
        assert running_in(place.temporary) == [], at
    assert was >= min(5, last - 1)


@pytest.mark.parametrize("number", STOPS)
def test_the_language_server(place: Place, number: signal.Signals) -> None:
    begin = f"import signal; signal.signal({number.value}, signal.SIG_DFL)"  # it may be ignored here
    command = [sys.executable, "-c", f"{begin}; from policyc.compiler.cli import main; main()", "lsp"]
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
