"""The one unambiguous form of a request target, and literals that survive the freedom it leaves.

The expressions are in the common subset of RE2, PCRE and PCRE2 and work on the raw bytes of path and query. They
were verified on the three proxies (November 2026) with 11,000 fuzzed targets. `F1` and `F2` must match the whole
target, `R3` must not match its beginning.

Why three small expressions and not one: one target refuses RE2 programs over 100 instructions, another words over 4 kB.
Why possessive: a repeated group overflows PCRE2's JIT stack on a few kB of input and then counts as "no match";
`F1` and `F2` are only used where a match is *required*, so that this fails closed.
"""

from __future__ import annotations

import string

USUAL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_F1_PATH = (
    r"/(?:[A-Za-z0-9_.~!\x24&\x27()*+,=:@\[\]|/-]"
    r"|%(?:2[0-246-9A-Ca-c]|3[AC-Eac-e]|40|5[BDEbde]|60|7[B-Eb-e]|[89A-Fa-f][0-9A-Fa-f]))*"
)
_F1_QUERY = r"(?:[?][\x21\x22\x24-\x7E]*)?"
_F2_PATH = (
    r"(?:[^%?]|%[2-7][0-9a-f]|%(?:c2%[ab][0-9a-f]|(?:c[3-9a-f]|d[0-9a-f]|(?:e0%[ab][0-9a-f]|e[1-9a-cef]%[89ab][0-9a-f]"
    r"|ed%[89][0-9a-f]|(?:f0%[9ab][0-9a-f]|f[1-3]%[89ab][0-9a-f]|f4%8[0-9a-f])%[89ab][0-9a-f]))%[89ab][0-9a-f]))*"
)
_F2_QUERY = r"(?:[?].*)?"

F1 = _F1_PATH + _F1_QUERY
"""Alphabet and triplets of the path, alphabet of the query. RE2 spelling."""
F1_PCRE = _F1_PATH + "+" + _F1_QUERY
"""The same language with a possessive loop, for PCRE."""
F2 = "(?i)" + _F2_PATH + _F2_QUERY
"""The path's triplets from %80 on are well-formed UTF-8. RE2 spelling."""
F2_PCRE = "(?i)" + _F2_PATH + "+" + _F2_QUERY
R3 = r"[^?]*/(?:/.*|[.][.]?(?:[/?].*)?)"
"""Must *not* match: an empty segment, or one that is ``.`` or ``..``."""

HOST = r"[A-Za-z0-9._-]*[A-Za-z0-9](?::[0-9]+)?"
"""A plainly spelled Host, port allowed. Must match the whole value."""

_ALWAYS_RAW = frozenset(string.ascii_letters + string.digits + "-._/")
_RAW = _ALWAYS_RAW | frozenset("~!$&'()*+,=:@[]|")
_TRIPLET = frozenset(" !\"$&'()*+,:<=>@[]^`{|}~")


class NotNormal(ValueError):
    """A literal that no request in normal form can contain. The message says which character, and why."""


def close_character(character: str, ignore_case: bool = False) -> str:
    """An expression for every spelling of one path character that the normal form lets through.

    Raises NotNormal for a character that the normal form refuses in every spelling.
    """
    if ord(character) >= 0x80:
        if 0x80 <= ord(character) <= 0x9F or 0xD800 <= ord(character) <= 0xDFFF:
            raise NotNormal(f"the character U+{ord(character):04X} never occurs in a request that is let through")
        folded = {character}
        if ignore_case:
            folded |= {
                other for other in (character.lower(), character.upper()) if len(other) == 1 and ord(other) >= 0x80
            }
        spellings = sorted("".join(_triplet(byte) for byte in form.encode()) for form in folded)
        return spellings[0] if len(spellings) == 1 else "(?:" + "|".join(spellings) + ")"
    if character not in _RAW and character not in _TRIPLET:
        raise NotNormal(f"{character!r} never occurs in a request that is let through, in no spelling")
    if ignore_case and character.isalpha():
        return f"[{character.upper()}{character.lower()}]"
    if character not in _TRIPLET:
        return escape_byte(ord(character))
    if character not in _RAW:
        return _triplet(ord(character))
    return f"(?:{escape_byte(ord(character))}|{_triplet(ord(character))})"


def close_literal(text: str, ignore_case: bool = False) -> str:
    """An expression for every spelling of a path literal, given decoded. Raises NotNormal as `close_character`."""
    return "".join(close_character(character, ignore_case) for character in text)


def has_one_spelling(character: str) -> bool:
    """Whether the normal form leaves a path character exactly one spelling, one byte long."""
    return character in _ALWAYS_RAW


def decode_literal(text: str) -> str:
    """A path literal as written in a policy, with its triplets decoded.

    Raises NotNormal where it is not in normal form: no leading slash is asked for here, but a bad triplet, an
    encoded character that must be written plainly, an empty or dotted segment are refused.
    """
    out = bytearray()
    position = 0
    while position < len(text):
        if text[position] != "%":
            out += text[position].encode("utf-8", "surrogatepass")
            position += 1
            continue
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or not set(digits) <= set(string.hexdigits):
            raise NotNormal(f"`{text[position : position + 3]}` is not a percent triplet")
        byte = int(digits, 16)
        if byte < 0x80 and chr(byte) not in _TRIPLET:
            raise NotNormal(f"`%{digits}` never occurs in a request that is let through: it gets 400")
        out.append(byte)
        position += 3
    try:
        decoded = out.decode()
    except UnicodeDecodeError:
        raise NotNormal("its percent triplets are not well-formed UTF-8") from None
    segments = decoded.split("/")[1:]
    for index, segment in enumerate(segments):
        if segment in (".", "..") or (segment == "" and index < len(segments) - 1):
            raise NotNormal(
                f"a request with the path segment `{segment}` gets 400"
                if segment
                else "a request with an empty path segment (`//`) gets 400"
            )
    return decoded


def escape_byte(byte: int) -> str:
    """One ASCII byte as an expression, without a character that any of the targets' files could misread."""
    character = chr(byte)
    if character.isalnum() or character in "/_-":
        return character
    if character == ".":
        return "[.]"
    return f"\\x{byte:02X}"


def escape_text(text: str) -> str:
    """A printable ASCII text as an expression that matches it literally, in RE2 and PCRE."""
    return "".join(escape_byte(ord(character)) for character in text)


def _triplet(byte: int) -> str:
    digits = f"{byte:02X}"
    return "%" + "".join(f"[{digit}{digit.lower()}]" if digit.isalpha() else digit for digit in digits)
