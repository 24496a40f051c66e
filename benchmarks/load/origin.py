"""What stands behind the proxies: nginx, which tells in a few words what it was sent."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_connection

from policyc.compiler.native_check import find_program

# Header names with underscores are taken here, so that one that was let through is seen.
_CONFIG = """\
worker_processes 1;
daemon off;
user {user};
pid origin.pid;
error_log stderr emerg;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    underscores_in_headers on;
    keepalive_requests 1000000;
    keepalive_timeout 300s;
    large_client_header_buffers 4 16k;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        return 200 "{told}";
    }}
}}
"""
TOLD = {
    "sni": "ssl_server_name",
    "target": "request_uri",
    "host": "http_host",
    "for": "http_x_forwarded_for",
    "proto": "http_x_forwarded_proto",
    "forwarded host": "http_x_forwarded_host",
    "port": "http_x_forwarded_port",
    "client certificate": "http_x_forwarded_client_cert",
    "forwarded": "http_forwarded",
    "test": "http_x_test",
    "connection": "http_connection",
}
"""What an answer's body tells, line by line, and the variable that it comes from."""


@contextmanager
def origin(port: int, certificate: tuple[Path, Path]) -> Generator[None]:
    """An HTTPS server on a port of loopback, while the context lasts."""
    told = "\\n".join(f"{what}: ${variable}" for what, variable in TOLD.items())
    user = pwd.getpwuid(os.geteuid()).pw_name
    with tempfile.TemporaryDirectory(prefix="policyc-origin-") as folder:
        config = Path(folder) / "origin.conf"
        config.write_text(
            _CONFIG.format(port=port, certificate=certificate[0], key=certificate[1], told=told, user=user)
        )
        process = subprocess.Popen([find_program("nginx"), "-p", f"{folder}/", "-c", str(config)])
        try:
            _wait(process, port)
            yield
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("the origin did not start")
