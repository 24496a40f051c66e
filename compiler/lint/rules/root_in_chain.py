"""
## What it does
A public certificate's file ends in a self-issued root.

## Why it is bad
Clients trust their own copy of a root and ignore the one that is sent: bytes for nothing in each handshake.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-with-root.pem, key: certs/shop-with-root.key}
```

## Use instead
Remove it from the file.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
```

## Targets
All: the proxies send the file as it is.

## References
https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Severity, rule
from .. import Context
from ..certificates import shown_by


@rule("root-in-chain", Severity.INFO)
def root_in_chain(context: Context) -> Iterator[Diagnostic]:
    shown = shown_by(context.plan)
    for certificate in context.plan.certificates:
        if len(certificate.chain) > 1 and certificate.chain[-1].self_issued:
            yield root_in_chain.found(
                f"the chain `{certificate.name}` includes its root",
                (*certificate.path, "cert"),
                help=["remove it from the file"],
                sites=shown[certificate.name],
            )
