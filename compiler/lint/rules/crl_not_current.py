"""
## What it does
A revocation list is past the day on which the next one was due, or its first day is still to come. This finding depends
on today's date (or on `--at`).

## Why it is bad
TLS libraries refuse every certificate of a CA whose list is not current: all its backends are down, 502 or 503.

## Example
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem, crl: certs/stale.crl}
```

## Use instead
The CA's newest list, fetched by a program, and a build after that.
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem, crl: certs/internal-ca.crl}
```

## Targets
All that take revocation lists. A proxy on OpenSSL goes on refusing until it is given a newer one.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..revocation import revocation_lists


@rule("crl-not-current")
def crl_not_current(context: Context) -> Iterator[Diagnostic]:
    for anchors in context.plan.anchors:
        for one in revocation_lists(anchors.crl_pem or ""):
            if one.since > context.at:
                when = f"is valid only from {one.since:%Y-%m-%d %H:%M} UTC"
            elif one.until is not None and one.until < context.at:
                when = f"ended on {one.until:%Y-%m-%d}"
            else:
                continue
            yield crl_not_current.found(
                f"the revocation list of {one.issuer} in `{anchors.name}` {when}",
                (*anchors.path, "crl"),
                notes=[context.as_of],
                help=["fetch the CA's newest list, and build again"],
                backends=[one.name for one in context.plan.backends if one.tls and one.tls.anchors is anchors],
            )
