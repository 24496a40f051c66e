"""The one unambiguous form of a request target, and literals that survive the freedom it leaves.

The expressions are in the common subset of RE2, PCRE and PCRE2 and work on the raw bytes of path and query. They
were verified on the three proxies (November 2026) with 11,000 fuzzed targets. `F1` and `F2` must match the whole
target, `R3` must not match it. `forms` gives the same with a site's opt-ins.

Why three small expressions and not one: one target refuses RE2 programs over 100 instructions, another words over 4 kB.
Why possessive: a repeated group overflows PCRE2's JIT stack on a few kB of input and then counts as "no match";
`F1` and `F2` are only used where a match is *required*, so that this fails closed.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, fields, replace
from functools import cache

USUAL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_F1_QUERY = r"(?:[?][\x21\x22\x24-\x7E]*)?"
_F2_PATH = (
    r"(?:[^%?]|%[2-7][0-9a-f]|%(?:c2%[ab][0-9a-f]|(?:c[3-9a-f]|d[0-9a-f]|(?:e0%[ab][0-9a-f]|e[1-9a-cef]%[89ab][0-9a-f]"
    r"|ed%[89][0-9a-f]|(?:f0%[9ab][0-9a-f]|f[1-3]%[89ab][0-9a-f]|f4%8[0-9a-f])%[89ab][0-9a-f]))%[89ab][0-9a-f]))*"
)
_F2_QUERY = r"(?:[?].*)?"

_ALWAYS_RAW = frozenset(string.ascii_letters + string.digits + "-._/")
_RAW = _ALWAYS_RAW | frozenset("~!$&'()*+,=:@[]|")
_TRIPLET = frozenset(" !\"$&'()*+,:<=>@[]^`{|}~")
_RESERVED = frozenset("#%;?")
UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
"""What never needs a triplet (RFC 3986, 2.3)."""


@dataclass(frozen=True, slots=True)
class PathOptions:
    """Opt-ins out of the strict normal form, and one that makes it stricter: a site's `paths`."""

    encoded_slash: bool = False
    encoded_reserved: bool = False
    path_params: bool = False
    empty_segments: bool = False
    strict_segment_end: bool = False
    plain_query: bool = False
    """No letter, digit or ``-._~`` is encoded in the query. Set where a rule looks for an expression in it."""

    @property
    def spellings(self) -> PathOptions:
        """Without those that change no path literal's spelling."""
        return replace(self, strict_segment_end=False, plain_query=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are set, in the order of the language page."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name))


STRICT = PathOptions()
"""No opt-in."""


@dataclass(frozen=True, slots=True)
class Forms:
    """The normal form of a site as expressions on the whole request target. See the module's docstring."""

    f1: str
    """Alphabet and triplets of the path, alphabet of the query. RE2 spelling."""
    f1_pcre: str
    """The same language with a possessive loop, for PCRE."""
    f2: str
    """The path's triplets from %80 on are well-formed UTF-8. RE2 spelling."""
    f2_pcre: str
    """The same with a possessive loop."""
    r3: str
    """Must *not* match: a segment that the site does not let through (empty, ``.``, ``..``), or such a query."""


@cache
def forms(options: PathOptions) -> Forms:
    """The normal form with a site's opt-ins."""
    raw = "A-Za-z0-9_.~!\\x24&\\x27()*+,=:@\\[\\]|/" + (";" if options.path_params else "") + "-"
    plain = {ord(character) for character in _triplets(options)}
    path = f"/(?:[{raw}]|%(?:{_low_triplets(plain)}|[89A-Fa-f][0-9A-Fa-f]))*"
    return Forms(
        f1=path + _F1_QUERY,
        f1_pcre=path + "+" + _F1_QUERY,
        f2="(?i)" + _F2_PATH + _F2_QUERY,
        f2_pcre="(?i)" + _F2_PATH + "+" + _F2_QUERY,
        r3=_bad_segments(options),
    )


def _triplets(options: PathOptions) -> frozenset[str]:
    """The ASCII characters that may be sent as a triplet."""
    slash = frozenset("/") if options.encoded_slash else frozenset[str]()
    return _TRIPLET | slash | (_RESERVED if options.encoded_reserved else frozenset[str]())


def _low_triplets(codes: set[int]) -> str:
    """Hex digits, in either case, of these ASCII codes, as alternatives by their first digit."""
    alternatives: list[str] = []
    for high in range(2, 8):
        low = [f"{code & 15:X}" for code in range(high * 16, high * 16 + 16) if code in codes]
        digits = sorted({digit for one in low for digit in (one, one.lower())})
        if digits:
            alternatives.append(f"{high}{digits[0]}" if len(digits) == 1 else f"{high}[{_ranges(digits)}]")
    return "|".join(alternatives)


def _ranges(characters: list[str]) -> str:
    """Sorted characters as the inside of a class."""
    out, index = "", 0
    while index < len(characters):
        end = index
        while end + 1 < len(characters) and ord(characters[end + 1]) == ord(characters[end]) + 1:
            end += 1
        low, high = characters[index], characters[end]
        out += low if end == index else low + high if end == index + 1 else f"{low}-{high}"
        index = end + 1
    return out


def _bad_segments(options: PathOptions) -> str:
    slash = "(?:/|%2[Ff])" if options.encoded_slash else "/"
    # What ends a segment's name, or the end of the path.
    border = "[/?;]" if options.path_params else "[/?]"
    rest = f"(?:{border}.*|%2[Ff].*)?" if options.encoded_slash else f"(?:{border}.*)?"
    alternatives = [] if options.empty_segments else [f"{slash}.*"]
    alternatives += [";.*"] if options.path_params and not options.empty_segments else []
    expression = f"[^?]*{slash}(?:{'|'.join([*alternatives, f'[.][.]?{rest}'])})"
    if options.strict_segment_end:
        expression += f"|[^?]*(?:[.]|%20){rest}"
    if options.plain_query:
        expression += f"|[^?]*[?].*%(?:{_low_triplets({ord(character) for character in UNRESERVED})}).*"
    return expression


F1 = forms(STRICT).f1
F1_PCRE = forms(STRICT).f1_pcre
F2 = forms(STRICT).f2
F2_PCRE = forms(STRICT).f2_pcre
R3 = forms(STRICT).r3
"""The strict form, which is the default. Verified on the three proxies."""

HOST = r"[A-Za-z0-9._-]*[A-Za-z0-9](?::[0-9]+)?"
"""A plainly spelled Host, port allowed. Must match the whole value."""

_IPV4 = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_H16 = "[0-9A-Fa-f]{1,4}"
_IPV6 = "|".join(
    (
        f"(?:{_H16}:){{7}}{_H16}",
        f"(?:{_H16}:){{1,7}}:",
        *(f"(?:{_H16}:){{1,{7 - tail}}}(?::{_H16}){{1,{tail}}}" for tail in range(1, 7)),
        f":(?::{_H16}){{1,7}}",
        "::",
    )
)
MAX_FORWARDED = 10
"""Addresses in an X-Forwarded-For that is believed. One target walks them by as many lines of its configuration."""
_ADDRESS = f"(?:{_IPV4}|{_IPV6})"
FORWARDED_FOR = rf"(?:[ \t,]*|[ \t]*{_ADDRESS}(?:[ \t]*,[ \t]*{_ADDRESS}){{0,{MAX_FORWARDED - 1}}}[ \t]*)"
"""An X-Forwarded-For, its lines joined by commas, that a trusted proxy may send: no address, or so many plain ones.
Must match the whole value."""


class NotNormal(ValueError):
    """A literal that no request in normal form can contain. The message says which character, and why."""


def close_character(character: str, ignore_case: bool = False, options: PathOptions = STRICT) -> str:
    """An expression for every spelling of one path character that the normal form lets through.

    Raises NotNormal for a character that the normal form refuses in every spelling.
    """
    if character == "/":
        return "(?:/|%2[Ff])" if options.encoded_slash else "/+" if options.empty_segments else "/"
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
    triplets = _triplets(options)
    if character == "%" and character not in triplets:
        raise NotNormal("write the character itself instead of its percent triplet; both spellings are matched")
    if character not in _RAW and character not in triplets:
        raise NotNormal(f"{character!r} never occurs in a request that is let through, in no spelling")
    if ignore_case and character.isalpha():
        return f"[{character.upper()}{character.lower()}]"
    if character not in triplets:
        return escape_byte(ord(character))
    if character not in _RAW:
        return _triplet(ord(character))
    return f"(?:{escape_byte(ord(character))}|{_triplet(ord(character))})"


def close_literal(text: str, ignore_case: bool = False, options: PathOptions = STRICT) -> str:
    """An expression for every spelling of a path literal, given decoded. Raises NotNormal as `close_character`.

    With `path_params` each segment that ends within the literal, or with it, may have parameters.
    """
    out: list[str] = []
    for index, character in enumerate(text):
        if character == "/" and index:
            out.append(segment_end(options))
        out.append(close_character(character, ignore_case, options))
    return "".join(out) + ("" if text.endswith("/") else segment_end(options))


def segment_end(options: PathOptions) -> str:
    """What may stand between a segment's name and the ``/`` behind it: nothing, but for parameters."""
    return "(?:;[^/?]*)?" if options.path_params else ""


def has_one_spelling(character: str, options: PathOptions = STRICT) -> bool:
    """Whether the normal form leaves a path character exactly one spelling, one byte long."""
    return character in _ALWAYS_RAW and (character != "/" or not (options.encoded_slash or options.empty_segments))


def decode_literal(text: str, options: PathOptions = STRICT) -> str:
    """A path literal as written in a policy, with its triplets decoded.

    Raises NotNormal where it is not in normal form: no leading slash is asked for here, but a bad triplet, an
    encoded character that must be written plainly, an empty or dotted segment are refused.
    """
    out = bytearray()
    position = 0
    allowed = _triplets(options) - {"/"}
    while position < len(text):
        if text[position] != "%":
            if text[position] in _RESERVED:
                raise NotNormal(f"`{text[position]}` is not a character of a path" + _hint(text[position], options))
            out += text[position].encode("utf-8", "surrogatepass")
            position += 1
            continue
        digits = text[position + 1 : position + 3]
        if len(digits) != 2 or not set(digits) <= set(string.hexdigits):
            raise NotNormal(f"`{text[position : position + 3]}` is not a percent triplet")
        byte = int(digits, 16)
        if byte < 0x80 and chr(byte) not in allowed:
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
                else "an empty path segment (`//`): write one `/`, it stands for any number where `//` is let through"
                if options.empty_segments
                else "a request with an empty path segment (`//`) gets 400"
            )
    return decoded


def _hint(character: str, options: PathOptions) -> str:
    return f": write `%{ord(character):02X}`" if options.encoded_reserved else ""


# --- the query --------------------------------------------------------------------------------------------------

_QUERY_RAW = frozenset(map(chr, range(0x21, 0x7F))) - frozenset("#&%+")


def close_query_character(character: str, *, name: bool = False) -> str:
    """An expression for every spelling of one decoded character of a parameter's value (or of its `name`).

    Raises NotNormal for ``%``, which a query may hold raw, so that no expression could tell it from a triplet.
    """
    if character == "%":
        raise NotNormal("a `%` cannot be compared with: queries may hold one that stands for itself, or a triplet")
    triplets = "".join(_triplet(byte) for byte in character.encode("utf-8", "surrogatepass"))
    if character == " ":
        return f"(?:\\x2B|{triplets})"
    if character not in _QUERY_RAW or (name and character == "="):
        return triplets
    return f"(?:{escape_byte(ord(character))}|{triplets})"


def other_pair(name: str) -> str:
    """An expression for a whole pair of a query (without ``&``) that does not have this name, for RE2.

    It spells out where a name departs from `name`, since RE2 has no look-ahead.
    """
    # Every name's character has been checked by `close_query_character`.
    expression = "[^&=][^&]*"  # longer
    for character in reversed(name):
        spelled = close_query_character(character, name=True)
        if ord(character) >= 0x80:
            departs = _departs_from_bytes(character.encode())
        else:
            raw = ("+" if character == " " else character) if character not in "=&+#" else ""
            departs = f"[^&=%{''.join(map(_in_class, raw))}][^&]*|{_other_triplet(ord(character))}"
        expression = f"{spelled}(?:{expression})|{departs}|(?:=[^&]*)?"
    return expression


def _departs_from_bytes(octets: bytes) -> str:
    """A text that does not begin with these bytes as triplets."""
    expression = ""
    for octet in reversed(octets):
        behind = f"|{_triplet(octet)}(?:{expression}|(?:=[^&]*)?)" if expression else ""
        expression = f"[^&=%][^&]*|{_other_triplet(octet)}{behind}"
    return expression


def _other_triplet(byte: int) -> str:
    high, low = (digit + digit.lower() if digit.isalpha() else digit for digit in f"{byte:02X}")
    return f"%(?:[^&{high}][^&]*|[{high}](?:[^&{low}][^&]*)?)?"


def _in_class(character: str) -> str:
    return f"\\x{ord(character):02X}"


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
