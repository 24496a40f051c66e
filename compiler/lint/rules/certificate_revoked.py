"""
## What it does
The policy's own revocation list revokes a certificate that a backend is known to present, or a CA of the same file.

## Why it is bad
Every proxy refuses the backend: visitors get 502 or 503. And the CA had a reason.

## Example
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem, crl: certs/app-revoked.crl}
```

## Use instead
Issue a new certificate for the backend.
```yaml
backend_cas:
  internal: {ca: certs/internal-ca.pem, crl: certs/internal-ca.crl}
```

## Targets
All that take revocation lists.

## References
https://www.rfc-editor.org/rfc/rfc5280#section-5
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, rule
from ...plan import Certificate, TrustAnchors
from .. import Context
from ..certificates import described
from ..revocation import revocation_lists


@rule("certificate-revoked")
def certificate_revoked(context: Context) -> Iterator[Diagnostic]:
    for anchors in context.plan.anchors:
        for certificate in anchors.certificates:
            found = _revoked(certificate, anchors) if not certificate.self_issued else None
            if found:
                yield certificate_revoked.found(
                    f"the trust anchor `{anchors.name}` holds a CA that was revoked on {found}",
                    (*anchors.path, "ca"),
                    related=[Location((*anchors.path, "crl"), "by this list")],
                    notes=[described(certificate)],
                    help=["remove it, and issue anew what it issued"],
                )
    for backend in context.plan.backends:
        tls = backend.tls
        for index, leaf in enumerate(tls.leaves if tls else ()):
            found = _revoked(leaf, tls.anchors) if tls and tls.anchors else None
            if tls and tls.anchors and found:
                yield certificate_revoked.found(
                    f"the certificate of the backend `{backend.name}` was revoked on {found}",
                    (*tls.path, "certificate", index),
                    related=[Location((*tls.anchors.path, "crl"), "by this list")],
                    notes=[described(leaf)],
                    help=["issue a new one for the backend"],
                    backends=[backend.name],
                )


def _revoked(certificate: Certificate, anchors: TrustAnchors) -> str | None:
    for one in revocation_lists(anchors.crl_pem or ""):
        since = one.revokes(certificate) if one.issuer == certificate.issuer else None
        if since and any(one.signed_by(ca) for ca in anchors.certificates):
            return f"{since:%Y-%m-%d}"
    return None
