"""Users' regular expressions: RE2 syntax in, one expression that all engines read alike out.

Only what cannot go wrong in a backtracking engine is taken: a repetition stands behind a single character, class or
``.``, never behind a group (PCRE2's JIT counts an exhausted stack as "no match", which lets a deny rule pass).
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass

from .normal_form import (
    STRICT,
    UNRESERVED,
    NotNormal,
    PathOptions,
    close_character,
    close_query_character,
    escape_byte,
    has_one_spelling,
)

_SETS = {
    "d": frozenset(string.digits),
    "w": frozenset(string.ascii_letters + string.digits + "_"),
    "s": frozenset("\t\n\f\r "),
}
_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_REPEAT = re.compile(r"\{([0-9]{1,4})(,([0-9]{0,4}))?\}")
_MAX_REPEAT = 1000  # RE2's own bound


class BadRegex(ValueError):
    """An expression that is not taken. The message says why; `position` counts characters from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True, slots=True)
class _Text:
    """What an expression is looked for in: a text that holds no `border`, with its characters' spellings.

    `spelled` raises NotNormal for a character that the text never holds; `single` says whether that is one byte.
    """

    what: str
    border: str
    spelled: Callable[[str, bool], str]
    single: Callable[[str], bool]


def path_expression(regex: str, ignore_case: bool, options: PathOptions = STRICT) -> str:
    """An expression for the *whole* raw path, without anchors, that matches where `regex` is found in it.

    ``.`` and negated classes stand for one raw byte; a literal character also matches its percent triplet, where the
    normal form leaves it that spelling. Raises BadRegex.
    """
    text = _Text(
        "a path",
        "?",
        lambda character, ignore: close_character(character, ignore, options),
        lambda character: has_one_spelling(character, options),
    )
    return _Translator(regex, ignore_case, text).translate()


def element_expression(regex: str) -> str:
    """An expression for a *whole* element of a header's list that matches where `regex` is found in it.

    ``.`` and negated classes stand for one byte that is no comma. Raises BadRegex.
    """
    return _Translator(regex, False, _Text("a list's element", ",", _element_character, lambda _: True)).translate()


def parameter_expression(regex: str) -> str:
    """An expression for the *whole* raw value of a query's parameter that matches where `regex` is found in it.

    ``.`` and negated classes stand for one raw byte; other characters match in each of their spellings, but letters,
    digits and ``-._~`` plainly only: see `PathOptions.plain_query`. Raises BadRegex.
    """
    text = _Text("a parameter", "&", _parameter_character, lambda character: character in UNRESERVED)
    return _Translator(regex, False, text).translate()


def _element_character(character: str, ignore_case: bool) -> str:
    if character == ",":
        raise NotNormal("an element of a list holds no comma: each element is tried by itself")
    if ignore_case and character.isalpha() and character.isascii():
        return f"[{character.upper()}{character.lower()}]"
    return escape_byte(ord(character)) if character.isascii() else re.escape(character)


def _parameter_character(character: str, ignore_case: bool) -> str:
    if ignore_case and character.isalpha() and character.isascii():
        return f"[{character.upper()}{character.lower()}]"
    # A site with such a rule refuses queries in which one of these is encoded (`PathOptions.plain_query`).
    return escape_byte(ord(character)) if character in UNRESERVED else close_query_character(character)


class _Translator:
    """Recursive descent over RE2's syntax; gives the translated text directly."""

    def __init__(self, regex: str, ignore_case: bool, text: _Text) -> None:
        self.text = regex
        self.at = 0
        self.ignore_case = ignore_case
        self.within = text
        self.depth = 0

    def translate(self) -> str:
        if self.text.startswith("(?i)"):
            self.at, self.ignore_case = 4, True
        any_byte = f"[^{self.within.border}]*"
        out: list[str] = []
        while True:
            start = self._take("^") or self._take(r"\A")
            body, end = self._sequence(top=True)
            out.append(("" if start else any_byte) + body + ("" if end else any_byte))
            if not self._take("|"):
                break
        if self.at < len(self.text):
            raise self._bad("a `)` without its `(`")
        return out[0] if len(out) == 1 else "(?:" + "|".join(out) + ")"

    def _bad(self, message: str, at: int | None = None) -> BadRegex:
        return BadRegex(message, self.at if at is None else at)

    def _take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def _sequence(self, top: bool) -> tuple[str, bool]:
        """Pieces up to ``|``, ``)`` or the end; and whether an end anchor closed them."""
        out: list[str] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if self.text[self.at] == "$" or self.text.startswith(r"\z", self.at):
                self.at += 1 if self.text[self.at] == "$" else 2
                if not top or (self.at < len(self.text) and self.text[self.at] != "|"):
                    raise self._bad("`$` is taken at the end of the expression or of a top-level alternative only")
                return "".join(out), True
            out.append(self._piece())
        return "".join(out), False

    def _piece(self) -> str:
        start = self.at
        if self._take("("):
            atom, single = self._group(start), False
            group = True
        else:
            atom, single = self._atom()
            group = False
        quantifier = self._quantifier()
        if not quantifier:
            return atom
        if quantifier == "?":
            return f"(?:{atom})?" if not single else f"{atom}?"
        if group:
            raise self._bad(
                "a repeated group: engines give up on long input and then let it pass; repeat a single class",
                start,
            )
        if not single:
            raise self._bad(
                f"`{self.text[start : self.at]}` repeats a character that {self.within.what} may hold in two "
                "spellings; use `.`, a negated class, or a class of characters with one spelling",
                start,
            )
        return atom + quantifier

    def _quantifier(self) -> str:
        for sign in "*+?":
            if self._take(sign):
                quantifier = sign
                break
        else:
            match = _REPEAT.match(self.text, self.at)
            if not match:
                return ""
            low, high = int(match[1]), int(match[3]) if match[3] else None
            if low > _MAX_REPEAT or (high is not None and (high > _MAX_REPEAT or high < low)):
                raise self._bad(f"`{match[0]}`: repetitions go from 0 to {_MAX_REPEAT}, the lower bound first")
            self.at = match.end()
            quantifier = match[0]
        self._take("?")  # a lazy repetition matches the same texts
        if self.at < len(self.text) and (self.text[self.at] in "*+?" or _REPEAT.match(self.text, self.at)):
            raise self._bad("a repetition of a repetition")
        return quantifier

    def _group(self, start: int) -> str:
        if self._take("?") and not self._take(":"):
            raise self._bad("only `(…)` and `(?:…)` groups are taken, and `(?i)` at the very beginning", start)
        self.depth += 1
        if self.depth > 20:
            raise self._bad("groups nested more than 20 deep", start)
        out = [self._sequence(top=False)[0]]
        while self._take("|"):
            out.append(self._sequence(top=False)[0])
        if not self._take(")"):
            raise self._bad("a `(` without its `)`", start)
        self.depth -= 1
        return "(?:" + "|".join(out) + ")"

    def _atom(self) -> tuple[str, bool]:
        """One character, class or ``.``; and whether it is exactly one byte long."""
        start = self.at
        character = self.text[self.at]
        self.at += 1
        if character == ".":
            return f"[^{self.within.border}]", True
        if character == "[":
            return self._class(start)
        if character == "\\":
            return self._escape(start)
        if character in "*+?" or _REPEAT.match(self.text, start):
            raise self._bad(f"nothing to repeat before `{character}`", start)
        if character == "^":
            raise self._bad("`^` is taken at the beginning of the expression or of a top-level alternative only", start)
        return self._literal(character, start)

    def _literal(self, character: str, start: int) -> tuple[str, bool]:
        try:
            spelled = self.within.spelled(character, self.ignore_case)
        except NotNormal as error:
            raise self._bad(str(error), start) from None
        return spelled, self.within.single(character)

    def _escape(self, start: int) -> tuple[str, bool]:
        if self.at >= len(self.text):
            raise self._bad("a `\\` at the end", start)
        character = self.text[self.at]
        if character in "dws":
            self.at += 1
            return self._emit_class(_SETS[character], False, start)
        if character in "DWS":
            self.at += 1
            return self._emit_class(_SETS[character.lower()], True, start)
        return self._literal(self._escaped(start), start)

    def _escaped(self, start: int) -> str:
        character = self.text[self.at]
        self.at += 1
        if character == "x":
            digits = self.text[self.at : self.at + 2]
            if len(digits) == 2 and set(digits) <= set(string.hexdigits):
                self.at += 2
                return chr(int(digits, 16))
            raise self._bad("`\\x` is followed by two hex digits", start)
        if character.isalnum() or character == "_":
            raise self._bad(f"`\\{character}` is not taken", start)
        return character

    def _class(self, start: int) -> tuple[str, bool]:
        negated = self._take("^")
        members: set[str] = set()
        first = True
        while True:
            if self.at >= len(self.text):
                raise self._bad("a `[` without its `]`", start)
            if self.text[self.at] == "]" and not first:
                self.at += 1
                break
            first = False
            low = self._class_member()
            if isinstance(low, frozenset):
                members |= low
                continue
            high = low
            if self.text.startswith("-", self.at) and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                end = self._class_member()
                if isinstance(end, frozenset) or ord(end) < ord(low):
                    raise self._bad("a range goes from a lower to a higher character", start)
                high = end
            if ord(high) >= 0x80:
                raise self._bad("classes hold ASCII characters only", start)
            members |= {chr(code) for code in range(ord(low), ord(high) + 1)}
        return self._emit_class(frozenset(members), negated, start)

    def _class_member(self) -> str | frozenset[str]:
        start = self.at
        if self.text.startswith("[:", self.at):
            raise self._bad("`[:…:]` classes are not taken", start)
        character = self.text[self.at]
        self.at += 1
        if character != "\\":
            return character
        if self.at >= len(self.text):
            raise self._bad("a `\\` at the end", start)
        if self.text[self.at] in "dws":
            self.at += 1
            return _SETS[self.text[self.at - 1]]
        return self._escaped(start)

    def _emit_class(self, members: frozenset[str], negated: bool, start: int) -> tuple[str, bool]:
        if self.ignore_case:
            members |= {other for member in members for other in (member.lower(), member.upper())}
        if negated:
            # The text holds no border: excluded, so that the expression can never run on into what follows.
            return _brackets(members | {self.within.border}, negated=True), True
        plain = frozenset(member for member in members if self.within.single(member))
        others = sorted(members - plain)
        # Within a range, what no request may hold is simply never met; named alone it is a mistake.
        spelled: list[str] = []
        for other in others:
            try:
                spelled.append(self.within.spelled(other, False))
            except NotNormal as error:
                if len(members) == 1:
                    raise self._bad(str(error), start) from None
        alternatives = ([_brackets(plain, negated=False)] if plain else []) + spelled
        if not alternatives:
            raise self._bad(f"a class that {self.within.what} can never match", start)
        return (
            (alternatives[0], True)
            if len(alternatives) == 1 and plain
            else ("(?:" + "|".join(alternatives) + ")", False)
        )


def _brackets(members: frozenset[str], negated: bool) -> str:
    codes = sorted(ord(member) for member in members)
    out: list[str] = []
    index = 0
    while index < len(codes):
        end = index
        while end + 1 < len(codes) and codes[end + 1] == codes[end] + 1:
            end += 1
        low, high = _class_byte(codes[index]), _class_byte(codes[end])
        out.append(low if end == index else f"{low}-{high}" if end > index + 1 else low + high)
        index = end + 1
    return "[" + ("^" if negated else "") + "".join(out) + "]"


def _class_byte(code: int) -> str:
    return chr(code) if chr(code).isalnum() or chr(code) in "_/." else f"\\x{code:02X}"
