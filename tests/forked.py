"""Many runs of policyc by one interpreter that has imported it: else most of each run's time is imports.

Each run is a process of its own, forked before anything of it has begun: `sys.argv`, handlers of signals and what
modules remember are its own, and so are its files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SERVE = """
import json, os, signal, sys
# As for somebody at a terminal: what runs in the background may have been told to ignore these.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
exec(sys.argv[1])
from policyc.compiler import cli, native_check, output_folder, pipeline, target
from policyc.compiler.cli import commands, session
target.installed_targets()
for line in sys.stdin.buffer:
    before, arguments, printed, said = json.loads(line)
    child = os.fork()
    if not child:
        for number, path in enumerate((os.devnull, printed, said)):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["policyc", *arguments]
        exec(before)
        cli.main()
        sys.exit()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    sys.__stdout__.buffer.write(b"%d\\n" % status)
    sys.__stdout__.buffer.flush()
"""


@dataclass(frozen=True)
class Ran:
    """How a run ended."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True)
class Interpreter:
    """Runs policyc in forks of itself. `outputs` is a folder for what they print."""

    process: subprocess.Popen[bytes]
    outputs: Path

    def run(self, *arguments: str, before: str = "") -> Ran:
        """One run, after some code of ours."""
        assert self.process.stdin
        assert self.process.stdout
        printed, said = self.outputs / "stdout", self.outputs / "stderr"
        self.process.stdin.write(json.dumps([before, arguments, str(printed), str(said)]).encode() + b"\n")
        self.process.stdin.flush()
        return Ran(int(self.process.stdout.readline()), printed.read_bytes(), said.read_bytes())


@contextmanager
def interpreter(
    folder: Path, environment: Mapping[str, str], outputs: Path, before: str = ""
) -> Generator[Interpreter]:
    """An interpreter in a folder. The code `before` runs in it once, before policyc is imported."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE, before], cwd=folder, env=environment, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdin
        yield Interpreter(process, outputs)
        process.stdin.close()
        assert process.wait(60) == 0
