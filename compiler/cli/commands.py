"""All commands. One small module for each, which imports what it uses when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from . import blame, build, check, diff, explain, init, lint, lsp, probe, report, rotate, schema, targets, test, trace

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
app.command("blame", help=blame.HELP)(blame.command)
app.command("test", help=test.HELP)(test.command)
app.command("trace", help=trace.HELP)(trace.command)
app.command("diff", help=diff.HELP)(diff.command)
app.command("report", help=report.HELP)(report.command)
app.command("probe", help=probe.HELP)(probe.command)
app.command("rotate", help=rotate.HELP)(rotate.command)
app.command("explain", help=explain.HELP)(explain.command)
app.command("targets", help=targets.HELP)(targets.command)
app.command("schema", help=schema.HELP)(schema.command)
app.command("lsp", help=lsp.HELP)(lsp.command)
