"""URLs as people write them on a command line or in a test: taken apart, and not tidied up."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of ``https://HOST[:PORT]/PATH[?QUERY]``; `authority` and `target` are sent as they stand here."""

    authority: bytes
    host: str
    port: int
    target: bytes


def parse_url(text: str) -> Url:
    """A URL's parts. Raises ValueError, with a message for people, for what is no https URL."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() != "https":
        raise ValueError(f"{text!r} is not a URL: write https://www.example.com/path")
    end = min((rest.find(sign) for sign in "/?" if sign in rest), default=len(rest))
    authority, target = rest[:end], rest[end:]
    host, _, port = authority.partition(":")
    # As written: a parser of URLs would tidy up what the policy is asked about.
    target = target if target.startswith("/") else "/" + target
    return Url(
        os.fsencode(authority), host, int(port) if port.isascii() and port.isdigit() else 443, os.fsencode(target)
    )
