"""
## What it does
A certificate that a server presents, to visitors or to the proxy, says what it may be used for (extended key usage),
and servers are not among it.

## Why it is bad
Browsers and TLS libraries refuse it: visitors are shown an error, or the proxy answers 502 or 503.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-for-clients.pem, key: certs/shop-for-clients.key}
```

## Use instead
A certificate with the usage `serverAuth`, or without any.
```yaml
public_certificates:
  shop: {cert: certs/shop-for-both.pem, key: certs/shop-for-both.key}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import ANY_USAGE, SERVER_AUTH, described


@rule("certificate-not-for-servers")
def certificate_not_for_servers(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        usages = one.certificate.usages
        if one.role not in ("public", "backend") or usages is None or {SERVER_AUTH, ANY_USAGE} & set(usages):
            continue
        yield certificate_not_for_servers.found(
            f"{one.what} may not be used by a server",
            one.at,
            notes=[described(one.certificate), "its extended key usages do not hold serverAuth"],
            help=["have it issued with the extended key usage serverAuth"],
            sites=one.sites,
            backends=one.backends,
        )
