"""
## What it does
A certificate that a backend is known to present is not among the backend's `pins`.

## Why it is bad
Only pinned leaves are accepted, so the backend is refused: 502 or 503. Where another of its certificates is pinned,
that happens to the servers that present this one, or on the day of the change.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls:
      ca: internal
      server_name: app.example.internal
      certificate: certs/app.pem
      pins: ["sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]
```

## Use instead
Pin what the backend presents: `openssl x509 -in FILE -outform DER | sha256sum`.

## Targets
Those that can pin; the others refuse to build it.

## References
https://www.rfc-editor.org/rfc/rfc7469#section-4.3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from .. import Context
from ..certificates import described


@rule("pin-matches-no-certificate")
def pin_matches_no_certificate(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        tls = backend.tls
        if tls is None or not tls.pins:
            continue
        for index, leaf in enumerate(tls.leaves):
            if leaf.sha256 not in tls.pins:
                pinned = any(one.sha256 in tls.pins for one in tls.leaves)
                yield pin_matches_no_certificate.found(
                    f"{'a' if pinned else 'the'} certificate of the backend `{backend.name}` is not pinned",
                    (*tls.path, "certificate", index),
                    related=[Location((*tls.path, "pins"), "only these are accepted", of="key")],
                    notes=[described(leaf)],
                    help=[f"pin it: sha256:{leaf.sha256}"],
                    severity=Severity.WARNING if pinned else None,
                    backends=[backend.name],
                )
