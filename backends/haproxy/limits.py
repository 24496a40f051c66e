"""How far HAProxy's limits go."""

from __future__ import annotations

from ...compiler.plan import RateLimit

BODY_LIMIT = 65_536
"""The largest body that HAProxy is made to hold as a whole, so that it can be measured before any of it is sent on."""


def most(limit: RateLimit) -> int:
    """Requests that may pass within a `window`."""
    return limit.count + limit.burst


def window(limit: RateLimit) -> int:
    """The milliseconds in which `most` requests pass in the long run: HAProxy's sliding window."""
    return -(-limit.period * most(limit) // limit.count)
