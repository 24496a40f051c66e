"""
## What it does
The certificate that a backend is known to present has no subject alternative name, only a common name.

## Why it is bad
Targets do not agree on it: some take the common name for the name that is verified, others refuse the backend, and
visitors get 502 or 503. Internal CAs still issue such certificates.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/app-without-san.pem}
```

## Use instead
Issue the certificate with the name as a DNS name in its SAN: `openssl req -addext subjectAltName=DNS:…`.
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal, certificate: certs/app.pem}
```

## Targets
All. Those on OpenSSL fall back to the common name where there is no SAN at all; those on BoringSSL refuse.

## References
https://www.rfc-editor.org/rfc/rfc9525#section-2
https://github.com/envoyproxy/gateway/issues/8705
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, rule
from .. import Context


@rule("backend-certificate-without-san")
def backend_certificate_without_san(context: Context) -> Iterator[Diagnostic]:
    for claim in context.claims:
        if claim.backend and not claim.leaf.has_san:
            yield backend_certificate_without_san.found(
                f"{claim.whose} has no SAN, and is verified for `{claim.host}`",
                claim.at,
                notes=[
                    "targets on OpenSSL compare the common name instead, others refuse the backend"
                    + (f"; here it is {claim.leaf.common_name}" if claim.leaf.common_name else "")
                ],
                help=[f"issue one with `{claim.host}` as a DNS name in its SAN"],
                backends=claim.backends,
            )
