"""Parts of two Plans that mean the same: what a name, a place or a file is called does not count."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any, cast

from ..plan import Certificate, HostGroup, PublicCertificate, Rule, RuleList, TrustAnchors, Upstream

_NAMES: dict[type, frozenset[str]] = {
    Rule: frozenset({"id", "name"}),
    RuleList: frozenset({"name"}),
    PublicCertificate: frozenset({"name"}),
    TrustAnchors: frozenset({"name"}),
    HostGroup: frozenset({"id"}),
    Upstream: frozenset({"id"}),
}
_PLACES = frozenset({"path", "key_file", "key_as_written"})


def meaning(value: Any) -> Hashable:
    """A value that is equal for parts of Plans that mean the same."""
    if isinstance(value, Certificate):
        return value.sha256
    if isinstance(value, tuple):
        return tuple(meaning(one) for one in cast("tuple[Any, ...]", value))
    if is_dataclass(value) and not isinstance(value, type):
        left_out = _PLACES | _NAMES.get(type(value), frozenset())
        return (
            type(value).__name__,
            *(meaning(getattr(value, one.name)) for one in fields(value) if one.name not in left_out),
        )
    return cast("Hashable", value)
