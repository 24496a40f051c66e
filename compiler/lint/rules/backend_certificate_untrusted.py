"""
## What it does
The certificate that a backend is known to present is not issued by the CA that the policy trusts for it.

## Why it is bad
Every proxy refuses the backend: visitors get 502 or 503. Only a leaf whose issuer is known not to be the anchor is
found; one below an intermediate that the server sends is not judged here.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/self-signed.pem}
```

## Use instead
Give the CA that issued it. A self-signed certificate can be its own `ca`.
```yaml
backend_cas:
  app: {ca: certs/self-signed.pem}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: app, server_name: app.example.internal, certificate: certs/self-signed.pem}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-6.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...certificates import issued_by
from ...diagnostics import Diagnostic, Location, rule
from .. import Context
from ..certificates import described


@rule("backend-certificate-untrusted")
def backend_certificate_untrusted(context: Context) -> Iterator[Diagnostic]:
    for backend in context.plan.backends:
        tls = backend.tls
        if tls is None or tls.anchors is None or tls.anchors.system:
            continue
        trusted = tls.anchors.certificates
        for index, leaf in enumerate(tls.leaves):
            if any(leaf.sha256 == anchor.sha256 for anchor in trusted):
                continue
            same_name = [anchor for anchor in trusted if anchor.subject == leaf.issuer]
            if any(issued_by(leaf, anchor) for anchor in same_name) or not (same_name or leaf.self_issued):
                continue
            yield backend_certificate_untrusted.found(
                f"the certificate of the backend `{backend.name}` is not issued by `{tls.anchors.name}`",
                (*tls.path, "certificate", index),
                related=[
                    Location((*tls.path, "ca"), f"trusts {', '.join(described(anchor) for anchor in trusted[:2])}")
                ],
                notes=[described(leaf)],
                help=["give the CA that issued it"],
                backends=[backend.name],
            )
