"""
## What it does
A public certificate's file ends in a certificate whose issuer is an intermediate, and the intermediate is not in it.
Found where the leaf stands alone and names a policy of the CA/Browser Forum (public CAs issue no leaf from a root), or
where the missing intermediate is known, because another file of the policy has it.

## Why it is bad
Browsers that have met the intermediate elsewhere connect, others refuse, as do most programs: it works for whoever
tests it, and fails for some visitors.

## Example
```yaml
public_certificates:
  shop: {cert: certs/shop-leaf-alone.pem, key: certs/shop-leaf-alone.key}
```

## Use instead
The file that the CA calls the full chain.
```yaml
public_certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
```

## Targets
All: the proxies send the file as it is.

## References
https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2
https://cabforum.org/working-groups/server/baseline-requirements/
"""

from __future__ import annotations

from collections.abc import Iterator

from ...certificates import issued_by
from ...diagnostics import Diagnostic, Severity, rule
from .. import Context
from ..certificates import shown_by


@rule("chain-incomplete", Severity.WARNING)
def chain_incomplete(context: Context) -> Iterator[Diagnostic]:
    shown = shown_by(context.plan)
    intermediates = {
        one.certificate.subject: one.certificate
        for one in context.certificates
        if one.certificate.is_ca and not one.certificate.self_issued
    }
    for certificate in context.plan.certificates:
        last = certificate.chain[-1]
        known = intermediates.get(last.issuer)
        if known is not None and (last.self_issued or known in certificate.chain or not issued_by(last, known)):
            known = None
        alone = len(certificate.chain) == 1 and last.publicly_trusted and not last.self_issued
        if alone or known is not None:
            yield chain_incomplete.found(
                f"the chain `{certificate.name}` is incomplete: the intermediate that issued its "
                f"{'leaf' if len(certificate.chain) == 1 else 'last certificate'} is missing",
                (*certificate.path, "cert"),
                notes=[f"issued by {last.issuer}"],
                help=["add the intermediate behind it: most CAs call such a file the full chain"],
                sites=shown[certificate.name],
            )
