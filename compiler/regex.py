"""Users' regular expressions: RE2 syntax in, one expression that all engines read alike out.

Only what cannot go wrong in a backtracking engine is taken: a repetition stands behind a single character, class or
``.``, never behind a group (PCRE2's JIT counts an exhausted stack as "no match", which lets a deny rule pass).
"""

from __future__ import annotations

import re
import string

from .normal_form import NotNormal, close_character, escape_byte, has_one_spelling

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


def path_expression(regex: str, ignore_case: bool) -> str:
    """An expression for the *whole* raw path, without anchors, that matches where `regex` is found in it.

    ``.`` and negated classes stand for one raw byte; a literal character also matches its percent triplet, where the
    normal form leaves it that spelling. Raises BadRegex.
    """
    return _Translator(regex, ignore_case, closed=True).translate()


def value_expression(regex: str) -> str:
    """An expression for the *whole* of a header's or a query's value that matches where `regex` is found in it.

    Raises BadRegex.
    """
    return _Translator(regex, False, closed=False).translate()


class _Translator:
    """Recursive descent over RE2's syntax; gives the translated text directly."""

    def __init__(self, text: str, ignore_case: bool, closed: bool) -> None:
        self.text = text
        self.at = 0
        self.ignore_case = ignore_case
        self.closed = closed
        self.depth = 0

    def translate(self) -> str:
        if self.text.startswith("(?i)"):
            self.at, self.ignore_case = 4, True
        any_byte = "[^?]*" if self.closed else ".*"
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
                f"`{self.text[start : self.at]}` repeats a character that a path may hold in two spellings; "
                "use `.` or a class of letters, digits, `-`, `_`, `.` and `/`",
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
            return ("[^?]" if self.closed else "."), True
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
        if not self.closed:
            return escape_byte(ord(character)) if ord(character) < 0x80 else re.escape(character), True
        if character == "%":
            raise self._bad(
                "write the character itself instead of its percent triplet; both spellings are matched", start
            )
        try:
            closed = close_character(character, self.ignore_case)
        except NotNormal as error:
            raise self._bad(str(error), start) from None
        return closed, has_one_spelling(character)

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
            # A path holds no "?": excluded, so that the expression can never run on into the query.
            return _brackets(members | frozenset("?" if self.closed else ""), negated=True), True
        if not self.closed:
            return _brackets(members, negated=False), True
        plain = frozenset(member for member in members if has_one_spelling(member))
        others = sorted(members - plain)
        # Within a range, what no request may hold is simply never met; named alone it is a mistake.
        spelled: list[str] = []
        for other in others:
            try:
                spelled.append(close_character(other))
            except NotNormal as error:
                if len(members) == 1:
                    raise self._bad(str(error), start) from None
        alternatives = ([_brackets(plain, negated=False)] if plain else []) + spelled
        if not alternatives:
            raise self._bad("a class that no path can match", start)
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
