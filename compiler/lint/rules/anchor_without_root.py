"""
## What it does
A trust anchor's file holds an intermediate CA, but not the root above it.

## Why it is bad
Proxies on OpenSSL need the whole chain up to a self-issued certificate and refuse every backend; those on BoringSSL
stop at the intermediate and accept. The same policy would work on one target and be down on the others.

## Example
```yaml
backend_cas:
  internal: {ca: certs/internal-issuing-ca.pem}
```

## Use instead
Add the root to the file, or use the root alone.
```yaml
backend_cas:
  internal: {ca: certs/internal-both-cas.pem}
```

## Targets
All.

## References
https://docs.openssl.org/3.0/man1/openssl-verification-options/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context


@rule("anchor-without-root")
def anchor_without_root(context: Context) -> Iterator[Diagnostic]:
    for anchors in context.plan.anchors:
        subjects = {one.subject for one in anchors.certificates}
        for certificate in anchors.certificates:
            if certificate.is_ca and not certificate.self_issued and certificate.issuer not in subjects:
                yield anchor_without_root.found(
                    f"the trust anchor `{anchors.name}` holds an intermediate without its root",
                    (*anchors.path, "ca"),
                    notes=[f"{certificate.subject}, issued by {certificate.issuer}"],
                    help=["add the root to the file"],
                )
