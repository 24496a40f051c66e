"""
## What it does
A redirect leads to a URL of the same edge that is refused: by a rule, or because no request may have such a path.
Rules that look at headers are not judged.

## Why it is bad
Visitors are sent to an error.

## Example
```yaml
inspection_rules:
  web:
    - {when: {path: {exact: /old}}, redirect: {to: /internal/new}}
    - {when: {path: {prefix: /internal}}, deny: 403}
```

## Use instead
Redirect to a place that the visitor may reach.
```yaml
inspection_rules:
  web:
    - {when: {path: {exact: /old}}, redirect: {to: /new}}
    - {when: {path: {prefix: /internal}}, deny: 403}
```

## Targets
All that can redirect.

## References
https://www.rfc-editor.org/rfc/rfc9110#section-15.4
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Path, Severity, rule
from ...plan import Rule
from .. import Context
from ..redirects import Redirects


@rule("redirect-to-refusal", Severity.WARNING)
def redirect_to_refusal(context: Context) -> Iterator[Diagnostic]:
    told: set[Path] = set()
    redirects = Redirects(context.plan, context.walks)
    for hop in redirects.hops():
        decision = redirects.refusal(hop)
        if decision is None or hop.rule.path in told or _asks_headers(decision.rule):
            continue
        told.add(hop.rule.path)
        yield redirect_to_refusal.found(
            f"this redirect leads to {decision.status}: {decision.why}",
            (*hop.rule.path, "redirect", "to"),
            related=[Location((*decision.rule.path, "deny"), "by this rule")] if decision.rule else [],
            notes=[f"{hop.method} {hop.to.host}{hop.to.target}, as asked for by {hop.source}"],
            help=["redirect to a place that the visitor may reach"],
            sites=[hop.site.name],
        )


def _asks_headers(rule: Rule | None) -> bool:
    return rule is not None and any(part.headers for part in (rule.when, rule.unless) if part)
