"""``policyc lsp``."""

from __future__ import annotations

import sys

import typer

HELP = "Speak the Language Server Protocol on stdin and stdout, for editors."


def command() -> None:
    """Exit status: 0 when the editor ends it, 2 without the `lsp` extra."""
    try:
        import pygls  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        print(
            "policyc: the language server needs pygls, which is not installed\n"
            "  pip install 'policyc[lsp]', or: pipx inject policyc pygls",
            file=sys.stderr,
        )
        raise typer.Exit(2) from None
    import gc

    from .. import stopping
    from ..lsp.features import serve
    from . import stop

    gc.enable()  # other than the other commands, it goes on for days
    # It holds nothing that must be put right, and waits in a thread for its input.
    stopping.install(stop)
    serve()
