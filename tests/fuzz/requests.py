"""Requests for the differential fuzz: made of the parts that parsers and rules disagree about."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

from ..live.asks import Ask
from .policies import EXTRA_METHODS, HEADERS, HOSTS, METHODS

_HOSTS = (
    *HOSTS,
    *("x.w.example.com", "x.y.w.example.com", "w.example.com", "A.Example.COM", "c.example.com:443", "a.example.com."),
    *("nobody.example.com", "x@a.example.com", ".w.example.com"),
)
_SNI = (*[None] * 24, *HOSTS, "x.w.example.com", "X.W.EXAMPLE.com", "nobody.example.com", "x.y.w.example.com")
_PATH_TOKENS = (
    *("/", "/", "/a", "/b", "/admin", "/Admin", "a", "b", ".php", ".PHP", "~", "x~y", "12", "'", "(x)", "+"),
    *("%7E", "%7e", "%20", "%27", "%2B", "%C3%A9", "%c3%a9", "%C3", "%E2%82%AC", "%28x%29"),
    *("//", ".", "..", "/./", "/../", "%2e", "%2E%2e", "%2F", "%2f", "%5C", "\\", ";", ";x=1", "%3B", "%23", "%25"),
    *("%3F", "%00", "%0a", "%61", "%", "%z", "%u0061", "*", "|", "^", "<", '"', "{", "\x7f", "\xe9", "#", "@", ":"),
)
_QUERY_TOKENS = (
    *("q", "id", "=", "=", "&", "&", "1", "a", "b", "x=1", "+", "?", "/", ";", "%71", "%69d", "%20", "%3D", "%26"),
    *("%C3%A9", "%c3%a9", "%2B", "%31", "%", "%zz", "%0a", "a%20b", "a+b", "a/b", "#", '"', "\x7f", "q=1", "&q=2"),
)
_VALUES = (
    *("admin", "Admin", "a", "b c", "user, admin", "admin,", ",admin", " admin ", "a\tb", "x=1", "12", "a;b", ""),
    *("\xff,admin", "\xc3\xa9", "administrator", "admin admin", ",", "a,b c"),
)
_FORWARDED = (
    *("10.0.0.1", "198.51.100.7", "127.0.0.2", "10.0.0.1, 127.0.0.3", "127.0.0.2,127.0.0.1", "nonsense", "::1", ""),
    *("10.0.0.1, 10.0.0.2, 198.51.100.7", "198.51.100.7:443", "[::1]", "10.0.0.1,,10.0.0.2", " 10.0.0.1\t"),
)


def _joined(tokens: tuple[str, ...], most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(tokens), max_size=most).map("".join)


def _target(path: str, query: str | None) -> str:
    return f"/{path}" + (f"?{query}" if query is not None else "")


def _likely(path: str, query: str | None) -> str:
    """The same, without the empty segment that a path of parts so often begins with."""
    return _target(path.removeprefix("/"), query)


_QUERIES = st.none() | _joined(_QUERY_TOKENS, 7)
_TARGETS = st.one_of(
    st.builds(_likely, _joined(_PATH_TOKENS[:26], 5), _QUERIES),
    st.builds(_target, _joined(_PATH_TOKENS, 6), _QUERIES),
)

_LINES = st.one_of(
    st.tuples(st.sampled_from(HEADERS), st.sampled_from(_VALUES)),
    st.tuples(st.sampled_from(("X-Forwarded-For", "x-forwarded-for")), st.sampled_from(_FORWARDED)),
    st.sampled_from(
        [
            ("X_Role", "admin"),
            ("X.Role", "admin"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.test"),
            ("X-Forwarded-Port", "1"),
            ("Forwarded", "for=10.0.0.1"),
            ("X-Real-IP", "10.0.0.1"),
            ("X-Edge", "forged"),
            ("X-More", "0"),
            ("Referer", "https://a.example.com/"),
        ]
    ),
)


def _ask(host: str, sni: str | None, **more: Any) -> Ask:
    # What is no hostname cannot be sent as SNI.
    plain = re.fullmatch(r"[A-Za-z0-9.]*[a-z]", host) and not host.startswith(".")
    return Ask(host=host, sni=sni if plain else sni or HOSTS[0], **more)


def _seen_alike(headers: list[tuple[str, str]]) -> bool:
    """One parser drops an empty X-Forwarded-For beside another one (docs/requests.md), so that nothing can see it."""
    told = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    return "" not in told or not any(told)


def asks(headers: bool) -> st.SearchStrategy[Ask]:
    """A request; `headers`: with lines that rules may look at. Two lines of one name only then."""
    lines = st.lists(_LINES, max_size=3 if headers else 2, unique_by=None if headers else lambda line: line[0].lower())
    return st.builds(
        _ask,
        target=_TARGETS,
        method=st.sampled_from((*METHODS, "GET", "GET", *EXTRA_METHODS, "TRACE")),
        host=st.sampled_from((*HOSTS * 4, *("x.w.example.com",) * 4, *_HOSTS)),
        sni=st.sampled_from(_SNI),
        headers=lines.filter(_seen_alike).map(tuple),
        body=st.just(b""),
        source=st.sampled_from((None, "127.0.0.2", "127.0.0.3", "127.0.0.9")),
    )
