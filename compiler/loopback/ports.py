"""Free ports on loopback, each given to one process only.

They lie below Linux's range for outgoing connections, so that none is taken between the choice and the use.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

_FIRST, _COUNT = 24000, 8000
_held: list[int] = []


def free_port(address: str = "127.0.0.1") -> int:
    """A port that nobody listens on and that no other laboratory is given while this process lives.

    Raises RuntimeError when none is left.
    """
    locks = Path(tempfile.gettempdir()) / f"policyc-ports-{os.getuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    start = os.getpid() * 37
    for step in range(_COUNT):
        port = _FIRST + (start + step) % _COUNT
        descriptor = os.open(locks / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        if _can_listen(address, port):
            _held.append(descriptor)
            return port
        os.close(descriptor)
    raise RuntimeError(f"no free port between {_FIRST} and {_FIRST + _COUNT - 1}")


def _can_listen(address: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
