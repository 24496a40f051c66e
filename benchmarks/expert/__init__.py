"""Configurations as an expert writes them by hand, for the same job as a policy that policyc compiles.

Each does all that `docs/requests.md` says of the job (`benchmarks.load.job`), with the same access log, and knows what
no compiler can know of all policies: that each site has one hostname, that nobody asks for a WebSocket or a client's
certificate. `benchmarks.load.agreement` holds them to the same answers before anything is measured.
"""

from __future__ import annotations

_ASCII = "2[0-246-9A-C]|3[AC-E]|40|5[BDE]|60|7[B-E]"
_UTF8 = (
    "%(?:C2%[AB][0-9A-F]|(?:C[3-9A-F]|D[0-9A-F]|(?:E0%[AB][0-9A-F]|E[1-9A-CEF]%[89AB][0-9A-F]|ED%[89][0-9A-F]"
    "|(?:F0%[9AB][0-9A-F]|F[1-3]%[89AB][0-9A-F]|F4%8[0-9A-F])%[89AB][0-9A-F]))%[89AB][0-9A-F])"
)
_PLAIN = r"A-Za-z0-9_~!\x24&\x27()*+,=:@\[\]|-"
_QUERY = r"(?:[?][\x21\x22\x24-\x7E]*)?"

PCRE_TARGET = rf"(?i)(?:/(?!/|[.][.]?(?:[/?]|\z))(?:[.{_PLAIN}]++|%(?:{_ASCII})|{_UTF8})*+)++{_QUERY}\z"
"""A request target in normal form, all of it in one pass, for engines that look ahead. Not anchored at its start."""

_CHARACTER = f"[{_PLAIN}]|%(?:{_ASCII})|{_UTF8}"
_UNDOTTED = f"(?:{_CHARACTER})"
_ANY = f"(?:{_CHARACTER}|[.])"
RE2_TARGET = rf"(?i)(?:/(?:[.]?{_UNDOTTED}{_ANY}*|[.][.]{_ANY}+))*/?{_QUERY}"
"""The same for RE2, which does not look ahead. The whole target must match, and not be empty."""

METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
    ":ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Mozilla's intermediate suites without DHE."""
