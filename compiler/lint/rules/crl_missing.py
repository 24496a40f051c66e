"""
## What it does
A trust anchor has revocation lists, but none that is signed by one of its CAs.

## Why it is bad
With a `crl` the proxies ask for the list of every CA of the chain. Without it they refuse every certificate of that CA:
502 or 503.

## Example
```yaml
backend_cas:
  internal: {ca: certs/internal-both-cas.pem, crl: certs/internal-ca.crl}
```

## Use instead
All lists in one file: `cat root.crl issuing.crl > both.crl`.
```yaml
backend_cas:
  internal: {ca: certs/internal-both-cas.pem, crl: certs/internal-both-cas.crl}
```

## Targets
All that take revocation lists.

## References
https://docs.openssl.org/3.0/man1/openssl-verification-options/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, rule
from .. import Context
from ..revocation import revocation_lists


@rule("crl-missing")
def crl_missing(context: Context) -> Iterator[Diagnostic]:
    for anchors in context.plan.anchors:
        if anchors.crl_pem is None:
            continue
        lists = revocation_lists(anchors.crl_pem)
        for ca in anchors.certificates:
            if ca.is_ca and not any(one.signed_by(ca) for one in lists):
                forged = any(one.issuer == ca.subject for one in lists)
                yield crl_missing.found(
                    f"there is no revocation list of {ca.subject} in `{anchors.name}`"
                    + (": the one in its name is signed by another key" if forged else ""),
                    (*anchors.path, "crl"),
                    related=[Location((*anchors.path, "ca"), "holds this CA")],
                    help=["put the lists of all its CAs into this file"],
                    backends=[one.name for one in context.plan.backends if one.tls and one.tls.anchors is anchors],
                )
