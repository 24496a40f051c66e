"""The command line: its start and its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from .. import stopping

if TYPE_CHECKING:
    from types import FrameType

FINDINGS, USAGE, UNREADABLE, BUG, WOULD_CHANGE = 1, 2, 3, 4, 5


def stop(number: int, _: FrameType | None = None) -> NoReturn:
    """The end after a signal: nothing stays, nobody is waited for, and no more than a line is said."""
    import os
    import signal
    from contextlib import suppress

    stopping.sweep()
    with suppress(OSError, ValueError):  # whoever read it is gone as well
        print(f"policyc: stopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    # Not `sys.exit`: it waits for threads, and their sockets.
    os._exit(128 + number)


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
        stopping.install()
        # Not before: this takes a moment.
        from .commands import app

        app()
    except stopping.Stopped as stopped:
        stop(stopped.number)
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
