"""
## What it does
A trust anchor is neither a CA nor self-issued.

## Why it is bad
Proxies on OpenSSL do not end a chain at such a certificate and refuse every backend; those on BoringSSL accept it.

## Example
```yaml
backend_cas:
  internal: {ca: certs/app.pem}
```

## Use instead
The root of the internal PKI. A backend's certificate can be an anchor only if it is self-signed.
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem}
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
from ..certificates import described


@rule("anchor-is-not-a-ca")
def anchor_is_not_a_ca(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        if one.role == "anchor" and not one.certificate.is_ca and not one.certificate.self_issued:
            yield anchor_is_not_a_ca.found(
                f"{one.what} holds a certificate that is no CA",
                one.at,
                notes=[described(one.certificate)],
                help=["give the root that issued it"],
                sites=one.sites,
                backends=one.backends,
            )
