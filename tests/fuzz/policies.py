"""Whole policies for the differential fuzz: small words, so that rules and requests meet often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Policy = dict[str, Any]

HOSTS = ("a.example.com", "b.example.com", "c.example.com")
WILDCARD = "*.w.example.com"
PATHS = ("/", "/a", "/a/", "/a/b", "/admin", "/Admin", "/é", "/x~y", "/a b", "/a'b", "/a.php", "/c+", "/(x)")
SUFFIXES = (".php", "/b", "~", "b", ".PHP")
REGEXES = ("^/a", "/b$", "[.]php$", "^/[a-z]+$", "a.b", "[0-9]{2}", "^/(a|b)/", "(?i)ADMIN", "^/x~y", "[^a-z]b")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EXTRA_METHODS = ("PROPFIND", "LOCK")
SOURCES = ("127.0.0.2", "127.0.0.2/31", "10.0.0.0/8", "127.0.0.0/30", "198.51.100.7")
HEADERS = ("X-Role", "X-Tag", "User-Agent")
VALUES = ("admin", "a", "b c", "x=1", "a;b")
VALUE_REGEXES = ("^admin$", "a.", "^[a-z]+$", "[0-9]", "(?i)ADMIN", "b c")
PARAMETERS = ("q", "id", "a b", "é")
PARAMETER_VALUES = ("", "1", "a b", "x=1", "é", "a/b")
PARAMETER_REGEXES = ("^[0-9]+$", "a.b", "^$", "x=", "^[^1]")
PROXIES = ("127.0.0.3", "127.0.0.0/30", "10.0.0.0/8")


def _some(values: tuple[str, ...], most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


def _one_kind(kinds: Mapping[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Policy]:
    return st.sampled_from(sorted(kinds)).flatmap(lambda kind: kinds[kind].map(lambda value: {kind: value}))


_PATH = st.tuples(
    _one_kind({"exact": _some(PATHS), "prefix": _some(PATHS), "suffix": _some(SUFFIXES), "regex": _some(REGEXES)}),
    st.booleans(),
).map(lambda pair: {**pair[0], **({"ignore_case": True} if pair[1] else {})})

_HEADER = st.tuples(
    st.sampled_from(HEADERS),
    _one_kind(
        {
            **{kind: _some(VALUES) for kind in ("exact", "prefix", "suffix", "contains")},
            "regex": _some(VALUE_REGEXES),
            "present": st.just(True),
        }
    ),
).map(lambda pair: {"name": pair[0], **pair[1]})

_QUERY = st.tuples(
    st.sampled_from(PARAMETERS),
    _one_kind({"exact": _some(PARAMETER_VALUES), "regex": _some(PARAMETER_REGEXES), "present": st.just(True)}),
).map(lambda pair: {"name": pair[0], **pair[1]})


def _conditions(headers: bool) -> st.SearchStrategy[Policy]:
    keys: dict[str, st.SearchStrategy[Any]] = {
        "path": _PATH,
        "method": _some(METHODS, 3),
        "query": _QUERY,
        "source": _some(SOURCES),
        "host": _some((*HOSTS, WILDCARD)),
    }
    if headers:
        keys["header"] = _HEADER
    return st.lists(st.sampled_from(sorted(keys)), min_size=1, max_size=2, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: keys[key] for key in chosen})
    )


_EDITS: dict[str, st.SearchStrategy[Any]] = {
    "remove": st.just(["X-Tag"]),
    "set": st.sampled_from([{"X-Edge": "one"}, {"X-Edge": "two; %[src] $host"}, {"X-Tag": "set"}]),
    "add": st.sampled_from([{"X-More": "1"}, {"X-Edge": "added"}]),
}


def _edits(*kinds: str) -> st.SearchStrategy[Policy]:
    return st.fixed_dictionaries({}, optional={kind: _EDITS[kind] for kind in kinds}).filter(bool)


def _actions(headers: bool) -> st.SearchStrategy[Policy]:
    return st.one_of(
        st.sampled_from([400, 401, 403, 404, 410, 418, 429, 503]).map(lambda status: {"deny": status}),
        st.just({"allow": True}),
        st.tuples(
            st.sampled_from(["/new", "https://other.example/x?a=b%20c#d"]), st.sampled_from([301, 302, 303, 307, 308])
        ).map(lambda pair: {"redirect": {"to": pair[0], "status": pair[1]}}),
        # To add to several lines of a header one must see them all.
        _edits("remove", "set", *(["add"] if headers else [])).map(lambda edits: {"request_headers": edits}),
        _edits("remove", "set", "add").map(lambda edits: {"response_headers": edits}),
    )


def _rule(headers: bool) -> st.SearchStrategy[Policy]:
    conditions = _conditions(headers)
    return st.tuples(
        st.fixed_dictionaries({}, optional={"when": conditions, "unless": conditions}).filter(bool), _actions(headers)
    ).map(lambda pair: {**pair[0], **pair[1]})


_PATH_OPTIONS = st.one_of(
    st.just(dict[str, bool]()),
    st.sampled_from(
        [
            {"encoded_slash": True},
            {"encoded_reserved": True},
            {"path_params": True},
            {"empty_segments": True},
            {"strict_segment_end": True},
            {"path_params": True, "empty_segments": True, "encoded_reserved": True},
            {"encoded_slash": True, "strict_segment_end": True},
        ]
    ),
)

_SITE = st.fixed_dictionaries(
    {"inspect": st.lists(st.sampled_from(["one", "two"]), max_size=2, unique=True)},
    optional={
        "paths": _PATH_OPTIONS,
        "methods": _some(EXTRA_METHODS),
        "routes": st.lists(st.sampled_from(["/a", "/a/b", "/é", "/x~y", "/"]), min_size=1, max_size=3, unique=True).map(
            lambda prefixes: [{"path": {"prefix": prefix}, "backend": "second"} for prefix in prefixes]
        ),
    },
)


@st.composite
def policies(draw: st.DrawFn, certificate: Mapping[str, str], headers: bool) -> Policy:
    """A policy with three sites, two lists and two plaintext backends. `headers`: rules may look at headers."""
    hostnames = {"ab": [HOSTS[0], HOSTS[1]], "c": [HOSTS[2]], "w": [WILDCARD]}
    rules = st.lists(_rule(headers), min_size=1, max_size=4)
    listener: Policy = {"bind": ["0.0.0.0:443"]}
    if draw(st.booleans()):
        listener["trusted_proxies"] = draw(_some(PROXIES))
    return {
        "version": 1,
        "listeners": {"public": listener},
        "public_certificates": {"all": dict(certificate)},
        "backends": {
            "main": {"servers": ["192.0.2.1:80"], "tls": False},
            "second": {"servers": ["192.0.2.2:80"], "tls": False},
        },
        "inspection_rules": {"one": draw(rules), "two": draw(rules)},
        "sites": {
            name: {"hostnames": hosts, "public_certificate": "all", "backend": "main", **draw(_SITE)}
            for name, hosts in hostnames.items()
        },
        # What the policies say is not the point here, only that every target says the same.
        "accept": [
            {"finding": "plaintext-backend", "backends": ["main", "second"], "reason": "loopback"},
            {"finding": "pass-depends-on-path-option", "reason": "compared, not used"},
            {"finding": "redirect-loop", "reason": "compared, not used"},
        ],
    }
