"""
## What it does
Two names of `backend_cas` hold the same certificates and the same revocation lists.

## Why it is bad
When the CA is replaced, or one of its certificates revoked, one of them is forgotten.

## Example
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem}
  internal-pki: {ca: certs/internal-ca.pem}
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
  api:
    servers: [192.0.2.20:443]
    tls: {ca: internal-pki, server_name: api.example.internal}
sites:
  shop:
    hostnames: [shop.example.com]
    public_certificate: shop
    backend: app
    inspect: [web]
    routes: [{path: {prefix: /api}, backend: api}]
```

## Use instead
One name, used by both backends.

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-6.1.1
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import TrustAnchors
from .. import Context


@rule("same-ca-twice", Severity.INFO)
def same_ca_twice(context: Context) -> Iterator[Diagnostic]:
    first: dict[object, TrustAnchors] = {}
    for anchors in context.plan.anchors:
        key = (frozenset(one.sha256 for one in anchors.certificates), anchors.crl_pem)
        same = first.setdefault(key, anchors)
        if same is not anchors:
            yield same_ca_twice.found(
                f"`{anchors.name}` holds the same certificates as `{same.name}`",
                Location(anchors.path, of="key"),
                related=[Location(same.path, "the other one", of="key")],
                help=[f"use `{same.name}` for both, and remove `{anchors.name}`"],
            )
