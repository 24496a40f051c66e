"""
## What it does
The certificate that the proxy shows to a backend says what it may be used for (extended key usage), and clients are
not among it.

## Why it is bad
Backends refuse the connection: visitors get 502 or 503. Public CAs stopped to issue certificates for clients in 2026,
so a renewed one may lose the usage.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls:
      ca: internal
      server_name: app.example.internal
      client_certificate: {cert: certs/proxy-for-servers.pem, key: certs/proxy-for-servers.key}
```

## Use instead
A certificate with the usage `clientAuth`, or without any.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls:
      ca: internal
      server_name: app.example.internal
      client_certificate: {cert: certs/proxy.pem, key: certs/proxy.key}
```

## Targets
All that can show a certificate to backends.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12
https://letsencrypt.org/2025/05/14/ending-tls-client-authentication
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context
from ..certificates import ANY_USAGE, CLIENT_AUTH, described


@rule("client-certificate-not-for-clients")
def client_certificate_not_for_clients(context: Context) -> Iterator[Diagnostic]:
    for one in context.certificates:
        usages = one.certificate.usages
        if one.role != "client" or usages is None or {CLIENT_AUTH, ANY_USAGE} & set(usages):
            continue
        yield client_certificate_not_for_clients.found(
            f"{one.what} may not be used by a client",
            one.at,
            notes=[described(one.certificate), "its extended key usages do not hold clientAuth"],
            help=["have it issued with the extended key usage clientAuth"],
            backends=one.backends,
        )
