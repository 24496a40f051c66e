"""What only a transparent firewall gets wrong. One module per concern, one function per rule."""

from __future__ import annotations

from collections.abc import Sequence

from ....compiler.diagnostics import Rule, rules_in


def rules() -> Sequence[Rule]:
    """All of them, in the order of the modules."""
    from . import addresses, certificates, inspection, platform, tls

    return [rule for module in (certificates, tls, addresses, inspection, platform) for rule in rules_in(module)]
