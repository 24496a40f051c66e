"""Conditions of rules: what a policy writes → matchers with expressions that every target takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..schemas import policy as written
from .diagnostics import Diagnostic, Location, Path, declare
from .normal_form import (
    STRICT,
    NotNormal,
    PathOptions,
    close_literal,
    close_query_character,
    decode_literal,
    escape_text,
    has_one_spelling,
    other_pair,
)
from .plan import Condition, HeaderMatcher, Hostname, PathMatcher, QueryMatcher, TextMatch
from .regex import BadRegex, element_expression, parameter_expression, path_expression

INVALID_PATH = declare(
    "invalid-path",
    """
    ## What it does
    A path in a rule can never be met, because requests with such a path are refused before any rule.

    ## Why it is bad
    The rule would look like protection and never apply.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {exact: "/admin?debug=1"}}, deny: 403}
    ```

    ## Use instead
    Begin with `/`, write characters plainly (`/café`, `/a b`) or as valid UTF-8 triplets, without `//`, `.` or `..`
    segments, and without a query: that is what `query` is for.
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {exact: /admin}, query: {name: debug, exact: "1"}}, deny: 403}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc3986#section-6
    """,
)
INVALID_REGEX = declare(
    "invalid-regex",
    """
    ## What it does
    A regular expression is not RE2 syntax, or one that does not mean the same to every engine.

    ## Why it is bad
    Engines differ in look-around, back-references and in what happens on long input: a repeated group on a few
    kilobytes makes a just-in-time compiled expression report "no match", and a deny rule lets the request pass.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {regex: "^/(?:[a-z]+/)*secret"}}, deny: 403}
    ```

    ## Use instead
    Repeat single characters or classes only, anchor at the ends only, and write percent-encoded characters plainly.
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {regex: "^/[a-z/]*/secret"}}, deny: 403}
    ```

    ## Targets
    All. Those on PCRE2 would let a request pass that makes the expression give up; those on RE2 have no such limit,
    and no look-around.

    ## References
    https://github.com/google/re2/wiki/Syntax
    """,
)

INVALID_QUERY = declare(
    "invalid-query",
    """
    ## What it does
    A parameter's name or value to compare with holds a character that cannot be compared.

    ## Why it is bad
    Queries are not checked for well-formed percent triplets, so a `%` in one may stand for itself or begin a triplet,
    and servers differ in how they read it. A rule on it would mean one thing here and another there.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {query: {name: next, exact: "%2Fadmin"}}, deny: 403}
    ```

    ## Use instead
    The decoded text without `%`: `name: a b` finds `a+b` and `a%20b`.
    ```yaml
    inspection_rules:
      web:
        - {when: {query: {name: next, exact: /admin}}, deny: 403}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://url.spec.whatwg.org/#urlencoded-parsing
    """,
)


def hostname(text: str) -> Hostname:
    """A validated hostname of the policy as a value."""
    return Hostname(text[2:], True) if text.startswith("*.") else Hostname(text)


def condition(
    source: written.Condition, path: Path, findings: list[Diagnostic], options: PathOptions = STRICT
) -> Condition:
    """The matchers of one `when` or `unless`, for sites with these `options`. What is wrong goes to `findings`."""
    return Condition(
        paths=tuple(
            matcher
            for index, match in enumerate(source.path or ())
            for matcher in path_matchers(match, (*path, "path", index), findings, options)
        ),
        methods=tuple(dict.fromkeys(source.method or ())),
        headers=tuple(
            matcher
            for index, match in enumerate(source.header or ())
            for matcher in _header(match, (*path, "header", index), findings)
        ),
        queries=tuple(
            matcher
            for index, match in enumerate(source.query or ())
            for matcher in _query(match, (*path, "query", index), findings)
        ),
        sources=tuple(dict.fromkeys(source.source or ())),
        hosts=tuple(dict.fromkeys(hostname(name) for name in source.host or ())),
    )


def path_matchers(
    match: written.PathMatch, path: Path, findings: list[Diagnostic], options: PathOptions = STRICT
) -> Iterator[PathMatcher]:
    """One matcher for each literal or expression of a `path` condition."""
    for kind, texts in (
        (TextMatch.EXACT, match.exact),
        (TextMatch.PREFIX, match.prefix),
        (TextMatch.SUFFIX, match.suffix),
    ):
        for index, text in enumerate(texts or ()):
            at = (*path, kind.value, index)
            if kind is not TextMatch.SUFFIX and not text.startswith("/"):
                findings.append(INVALID_PATH.found(f"`{text}` does not begin with `/`", at))
                continue
            if text == "":
                findings.append(INVALID_PATH.found("an empty suffix ends every path", at))
                continue
            try:
                literal = close_literal(decode_literal(text, options), match.ignore_case, options)
            except NotNormal as error:
                helps = ["conditions on the query are written as `query`"] if "?" in text else []
                findings.append(INVALID_PATH.found(f"`{text}`: {error}", at, help=helps))
                continue
            if kind is TextMatch.PREFIX:
                border = "(?:/|%2[Ff])" if options.encoded_slash else "/"
                literal += "[^?]*" if text.endswith("/") else f"(?:{border}[^?]*)?"
            elif kind is TextMatch.SUFFIX:
                literal = "[^?]*" + literal
            one_spelling = all(has_one_spelling(character, options) for character in text)
            plain = kind is not TextMatch.SUFFIX and one_spelling and not options.path_params
            yield PathMatcher(kind, text, match.ignore_case, literal, plain)
    for index, text in enumerate(match.regex or ()):
        try:
            yield PathMatcher(
                TextMatch.REGEX, text, match.ignore_case, path_expression(text, match.ignore_case, options)
            )
        except BadRegex as error:
            findings.append(_bad_regex(text, error, (*path, "regex", index)))


def _bad_regex(text: str, error: BadRegex, path: Path) -> Diagnostic:
    return INVALID_REGEX.found(f"`{text}`, at character {error.position + 1}: {error}", Location(path))


def _header(match: written.HeaderMatch, path: Path, findings: list[Diagnostic]) -> Iterator[HeaderMatcher]:
    name = match.name.lower()
    if match.present:
        yield HeaderMatcher(name, TextMatch.PRESENT, "", "")
    # A value is a field line or an element of a comma-separated list in it, without the blanks around.
    begin, end = "(?:^|,)[ \\t]*", "[ \\t]*(?:,|\\z)"
    for kind, texts in (
        (TextMatch.EXACT, match.exact),
        (TextMatch.PREFIX, match.prefix),
        (TextMatch.SUFFIX, match.suffix),
        (TextMatch.CONTAINS, match.contains),
    ):
        for text in texts or ():
            literal = escape_text(text)
            expression = {
                TextMatch.EXACT: begin + literal + end,
                TextMatch.PREFIX: begin + literal,
                TextMatch.SUFFIX: literal + end,
                TextMatch.CONTAINS: literal,
            }[kind]
            yield HeaderMatcher(name, kind, text, expression)
    for index, text in enumerate(match.regex or ()):
        try:
            yield HeaderMatcher(name, TextMatch.REGEX, text, f"{begin}(?:{element_expression(text)}){end}")
        except BadRegex as error:
            findings.append(_bad_regex(text, error, (*path, "regex", index)))


def _query(match: written.QueryMatch, path: Path, findings: list[Diagnostic]) -> Iterator[QueryMatcher]:
    try:
        name = "".join(close_query_character(character, name=True) for character in match.name)
    except NotNormal as error:
        findings.append(INVALID_QUERY.found(f"`{match.name}`: {error}", (*path, "name")))
        return

    def matcher(kind: TextMatch, text: str, value: str, empty: bool) -> QueryMatcher:
        # `value`: an expression for the raw value; `empty`: it also matches none.
        behind = f"(?:={value})?" if empty else f"={value}"
        pair = rf"{name}{behind}(?:&.*)?"
        return QueryMatcher(
            match.name,
            kind,
            text,
            value,
            rf"[^?]*[?](?:(?:{other_pair(match.name)})&)*{pair}",
            rf"[^?]*[?](?:(?!{name}(?:[=&]|\z))[^&]*+&)*+{pair}",
        )

    if match.present:
        yield matcher(TextMatch.PRESENT, "", "[^&]*", empty=True)
    for index, text in enumerate(match.exact or ()):
        try:
            value = "".join(close_query_character(character) for character in text)
        except NotNormal as error:
            findings.append(INVALID_QUERY.found(f"`{text}`: {error}", (*path, "exact", index)))
        else:
            yield matcher(TextMatch.EXACT, text, value, empty=text == "")
    for index, text in enumerate(match.regex or ()):
        try:
            value = parameter_expression(text)
        except BadRegex as error:
            findings.append(_bad_regex(text, error, (*path, "regex", index)))
        else:
            yield matcher(TextMatch.REGEX, text, f"(?:{value})", empty=re.fullmatch(value, "") is not None)
