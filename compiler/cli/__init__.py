"""The command line. One small module per command; each imports what it uses when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import build, check, diff, explain, init, lint, lsp, probe, rotate, schema, targets, test, trace

FINDINGS, USAGE, UNREADABLE, BUG, WOULD_CHANGE = 1, 2, 3, 4, 5

app = typer.Typer(
    name="policyc",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="One policy for a TLS edge, compiled for every target, or a finding that says where not and why.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"policyc {version('policyc')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """One policy for a TLS edge, compiled for every target, or a finding that says where not and why."""


app.command("init", help=init.HELP)(init.command)
app.command("lint", help=lint.HELP)(lint.command)
app.command("build", help=build.HELP)(build.command)
app.command("check", help=check.HELP)(check.command)
app.command("test", help=test.HELP)(test.command)
app.command("trace", help=trace.HELP)(trace.command)
app.command("diff", help=diff.HELP)(diff.command)
app.command("probe", help=probe.HELP)(probe.command)
app.command("rotate", help=rotate.HELP)(rotate.command)
app.command("explain", help=explain.HELP)(explain.command)
app.command("targets", help=targets.HELP)(targets.command)
app.command("schema", help=schema.HELP)(schema.command)
app.command("lsp", help=lsp.HELP)(lsp.command)


def main() -> None:
    """The entry point: a bug of ours ends with status 4 and says so, a plug-in that cannot be used with 3."""
    import gc
    import io

    # The same bytes in every locale, and names of files as they are.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    # A run makes many values and drops them all when its process ends: to collect between took a tenth of a large
    # build, and freed nothing.
    gc.disable()
    try:
        app()
    except Exception as error:  # noqa: BLE001  # the edge: whatever is not a finding is a bug
        import os
        import traceback

        from ..target import UnusableTarget

        if os.environ.get("POLICYC_DEBUG"):
            traceback.print_exc()
        if isinstance(error, UnusableTarget):
            print(f"policyc: {error}", file=sys.stderr)
            sys.exit(UNREADABLE)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
        print(
            f"policyc: this is a bug of policyc ({type(error).__name__} at {place}). Nothing was written.\n"
            "Please report it with the policy, or a part of it that shows the same; POLICYC_DEBUG=1 prints more.",
            file=sys.stderr,
        )
        sys.exit(BUG)
