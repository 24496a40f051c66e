"""
## What it does
Two names of `public_certificates` hold the same certificate.

## Why it is bad
At the next renewal one of them is forgotten, and some sites go on with the old certificate until it expires. Targets
that hold a limited number of certificates count it twice.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
  www: {cert: certs/shop.pem, key: certs/shop.key}
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
  www: {hostnames: [www.example.com], public_certificate: www, backend: app}
```

## Use instead
One name, used by both sites.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
sites:
  shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
  www: {hostnames: [www.example.com], public_certificate: shop, backend: app}
```

## Targets
All.

## References
https://docs.paloaltonetworks.com/pan-os/10-2/pan-os-new-features/decryption-features/multiple-certificate-support-for-ssl-inbound-inspection
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Severity, rule
from ...plan import PublicCertificate
from .. import Context
from ..certificates import shown_by


@rule("same-certificate-twice", Severity.INFO)
def same_certificate_twice(context: Context) -> Iterator[Diagnostic]:
    shown = shown_by(context.plan)
    first: dict[str, PublicCertificate] = {}
    for certificate in context.plan.certificates:
        same = first.setdefault(certificate.leaf.sha256, certificate)
        if same is not certificate:
            yield same_certificate_twice.found(
                f"`{certificate.name}` is the same certificate as `{same.name}`",
                Location(certificate.path, of="key"),
                related=[Location(same.path, "the other one", of="key")],
                help=[f"use `{same.name}` for both, and remove `{certificate.name}`"],
                sites=shown[certificate.name],
            )
