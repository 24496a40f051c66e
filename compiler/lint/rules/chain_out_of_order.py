"""
## What it does
In a public certificate's file, a certificate is not followed by the one that issued it.

## Why it is bad
Some clients build the chain only in the order in which it is sent, and refuse the connection.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-swapped-chain.pem, key: certs/shop-swapped-chain.key}
```

## Use instead
The leaf first, then the certificate that issued it, and so on; the root need not be there.
```yaml
public_certificates:
  shop: {cert: certs/shop-long-chain.pem, key: certs/shop-long-chain.key}
```

## Targets
All: the proxies send the file as it is.

## References
https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2
"""

from __future__ import annotations

from collections.abc import Iterator

from ...certificates import issued_by
from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import shown_by


@rule("chain-out-of-order")
def chain_out_of_order(context: Context) -> Iterator[Diagnostic]:
    shown = shown_by(context.plan)
    for certificate in context.plan.certificates:
        for position, (child, parent) in enumerate(zip(certificate.chain, certificate.chain[1:], strict=False)):
            if not issued_by(child, parent):
                yield chain_out_of_order.found(
                    f"certificate {position + 1} of `{certificate.name}` is not issued by certificate {position + 2}",
                    (*certificate.path, "cert"),
                    notes=[
                        f"{position + 1}: {child.subject}, issued by {child.issuer}",
                        f"{position + 2}: {parent.subject}",
                    ],
                    help=["put the leaf first, then the certificate that issued it, and so on"],
                    sites=shown[certificate.name],
                )
                break
