"""The normal form's expressions, and literals and regexes closed under the spellings it leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policyc.compiler.normal_form import F1, F2, R3, NotNormal, close_literal, decode_literal
from policyc.compiler.regex import BadRegex, path_expression

SHARED = Path(__file__).parents[3] / "shared" / "data" / "normal-form.json"


def normal(target: str) -> bool:
    """Whether a request target passes the three expressions."""
    return bool(
        re.fullmatch(F1, target)
        and re.fullmatch(F2.removeprefix("(?i)"), target, re.IGNORECASE)
        and not re.match(R3 + r"\Z", target)
    )


def full(expression: str, path: str) -> bool:
    return re.fullmatch(expression, path) is not None


@pytest.mark.skipif(not SHARED.exists(), reason="the project's shared measurements are not on this machine")
def test_expressions_are_the_measured_ones() -> None:
    measured = json.loads(SHARED.read_text())
    assert (measured["F1_must_match"], measured["F2_must_match"], measured["R3_must_not_match"]) == (F1, F2, R3)


@pytest.mark.parametrize(
    "target", ["/", "/a", "/a/", "/a.b/..c/...", "/%20", "/%7e", "/caf%C3%a9", "/a?b=%zz//..", "/a|b", "/~x"]
)
def test_normal(target: str) -> None:
    assert normal(target)


@pytest.mark.parametrize(
    "target",
    [
        "", "a", "*", "//", "/a//b", "/./a", "/a/..", "/a/../b", "/%2e", "/%61", "/%2f", "/%5c", "/a%", "/%zz",
        "/%u0041", "/%00",
        "/a;b", "/a\\b", "/a#b", "/a b", "/\x7f", "/é", "/%c0%af", "/%ed%a0%80", "/%f5%80%80%80", "/%80", "/%C3",
        "/a?b#c",
        "http://x/", "/%25", "/%3f", "/a\n", "/%c2%80",
    ],
)  # fmt: skip
def test_not_normal(target: str) -> None:
    assert not normal(target)


PATH_TEXT = st.text(st.sampled_from("abzAZ09-._~!$&'()*+,=:@[]| <>\"^`{}é€"), min_size=1, max_size=12)


@given(PATH_TEXT, st.data())
def test_a_literal_matches_every_spelling_that_passes(text: str, data: st.DataObject) -> None:
    spelled = "".join(
        data.draw(st.sampled_from([c, *("".join(form % b for b in c.encode()) for form in ("%%%02X", "%%%02x"))]))
        for c in text
    )
    try:
        expression = close_literal(decode_literal("/" + text))
    except NotNormal:
        assert {".", ".."} & set(text.split("/"))
        return
    if normal("/" + spelled):
        assert unquote(spelled) == text
        assert full(expression, "/" + spelled)
    assert not full(expression, "/" + spelled + "x")


@pytest.mark.parametrize(
    "literal", ["/a//b", "/a/./b", "/..", "/%2e", "/%61", "/a%", "/a;b", "/a?b", "/a#b", "/%ff", "/a\\b"]
)
def test_literals_that_no_request_can_have(literal: str) -> None:
    with pytest.raises(NotNormal):
        close_literal(decode_literal(literal))


@pytest.mark.parametrize(
    ("regex", "matching", "others"),
    [
        ("/admin", ["/admin", "/x/admin/y", "/administrator"], ["/Admin", "/adm"]),
        ("^/admin$", ["/admin"], ["/admin/", "/x/admin"]),
        (r"\.php$", ["/a.php", "/.php"], ["/a.php/", "/aphp"]),
        ("^/a|b$", ["/a/x", "/x/b"], ["/x/a/c"]),
        ("^/[a-z]+/[0-9]{2,3}$", ["/ab/12", "/ab/123"], ["/ab/1", "/ab/1234", "//12"]),
        ("(?i)^/secret$", ["/SeCrEt"], ["/secrets"]),
        ("^/~me$", ["/~me", "/%7Eme", "/%7eme"], ["/me"]),
        ("^/a b$", ["/a%20b"], ["/a+b"]),
        ("^/(one|two)?x$", ["/x", "/onex", "/twox"], ["/onetwox"]),
        ("^/[^/]+$", ["/a", "/a.b"], ["/a/b", "/"]),
        ("^/é$", ["/%C3%A9", "/%c3%a9"], ["/%c3%aa"]),
        ("^/[~-]x$", ["/~x", "/%7Ex", "/-x"], ["/x"]),
    ],
)
def test_regexes(regex: str, matching: list[str], others: list[str]) -> None:
    expression = path_expression(regex, ignore_case=False)
    for path in matching:
        assert full(expression, path), path
    for path in others:
        assert not full(expression, path), path


@pytest.mark.parametrize(
    "regex",
    [
        "(a|b)*",
        "(?:ab)+",
        "^a$b",
        "a**",
        "[a",
        "(a",
        "a)",
        r"\b",
        r"a\1",
        "(?=a)",
        "(?!a)",
        "(?<n>a)",
        "%20",
        "[~]*",
        "a{2000}",
        "a\\",
        "*a",
        "x^y",
        "[[:alpha:]]",
        "a;b",
    ],
)
def test_regexes_that_are_not_taken(regex: str) -> None:
    with pytest.raises(BadRegex):
        path_expression(regex, ignore_case=False)


@given(st.text(st.sampled_from("ab/.*+?()[]{}|^$\\-~%1,é "), max_size=12))
def test_what_is_taken_compiles_and_never_repeats_a_group(regex: str) -> None:
    try:
        expression = path_expression(regex, ignore_case=True)
    except BadRegex:
        return
    re.compile(expression)
    assert not re.search(r"\)[*+{]", expression)
