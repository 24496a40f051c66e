"""The passphrase of encrypted private keys: from the environment, or asked for once. Never from the command line.

Arguments of a process can be read by everybody on the machine, its environment by its owner only.
"""

from __future__ import annotations

import os
import sys
from functools import cache

VARIABLE = "POLICYC_KEY_PASSPHRASE"


@cache
def passphrase() -> bytes | None:
    """What opens the encrypted keys of this run; None where nobody is there to say so."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return os.fsencode(given)
    if not _somebody_is_there():
        return None
    import getpass

    try:
        return os.fsencode(getpass.getpass("policyc: passphrase of the private keys: ", sys.stderr))
    except EOFError:
        return None


def _somebody_is_there() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
