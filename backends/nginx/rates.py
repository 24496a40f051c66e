"""Rates as nginx says them: whole requests a second or a minute, counted in thousandths of a request a second."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...compiler.plan import RateLimit


@dataclass(frozen=True, slots=True)
class Said:
    """A rate in nginx's words, and what share of the rate that is meant it comes to: never more than 1."""

    text: str
    share: Fraction


def said(limit: RateLimit) -> Said:
    """The nearest rate that is not above. Its text is empty below one request a minute."""
    meant = Fraction(limit.count * 1_000_000, limit.period)  # thousandths of a request a second
    each_second, each_minute = int(meant // 1000), int(meant * 60 // 1000)
    written = [
        (Fraction(each_second * 1000), f"{each_second}r/s"),
        (Fraction(each_minute * 1000 // 60), f"{each_minute}r/m"),
    ]
    best, text = max(written, key=lambda one: one[0])
    return Said(text if best else "", best / meant)
