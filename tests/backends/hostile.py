"""Texts that try to break out of their place, a policy full of places, and the structure of what is written."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from lxml import etree
from policyc.compiler.bundle import Bundle
from policyc.compiler.diagnostics import Path

WORDS = ("default", "include", "hostnames", "volatile", "any", "none", "server", "end")
"""Harmless texts that mean something to a target; every place takes them."""

TEXTS = (
    *WORDS,
    *(" ", "a b", " x ", "\t", "\n", "\0", "\x1b[2J", "\x85", "\xa0", "x\ny: z", "x\r\nX-Evil: 1"),
    *('"', "'", "`", '"; }', "'; }", "{", "}", "#", "# x", ";", "\\", "x\\", '\\"', "\\n", "\\x22"),
    *("$", "$host", "${host}", "${HOME}", "$(id)", "`id`", "%", "%%", "%[src]", "%{x}", "%REQ(x)%", "%22", "%0a"),
    *("<a>", "]]>", "&amp;", "-->", "--", "-", "~", "~*x", "!", "=", "|", "&&", "x*", "?", ","),
    *("(", "[", "]", "/", "../x", "@", ":", "^", "x$", ".x", "_", "0", "400", "system", "\\E", "(*ACCEPT)"),
    *("{{ x }}", "{% raw %}", "{# x #}", "'; id; '", '"; return 200 x; #', '"}],"x":[{"'),
    *("ä", "\u0130", "xn--x", "ä" * 5000, "\u2028", "\u202e", "\ufeff", "\U0001f600", "\u0663", "a{\u0663}", "x" * 63),
    *("a" * 5000, '"' * 5000),
)

_MARKER = re.compile(r"@([a-z ]+)@")

POLICY: dict[str, Any] = {
    "version": 1,
    "name": "@policy name@",
    "listeners": {"@listener@": {"bind": ["127.0.0.1:58443"]}},
    "public_certificates": {"@certificate@": {"cert": "@cert file@.pem", "key": "@key file@.key"}},
    "backend_cas": {"@anchor@": {"ca": "@anchor file@.ca"}},
    "backends": {
        "@backend@": {
            "servers": ["192.0.2.10:58443"],
            "tls": {
                "ca": "@anchor@",
                "server_name": "@server name@.example.com",
                "certificate": "@leaf file@.leaf",
            },
        },
        "p@passed backend@": {"servers": ["192.0.2.30:58443"]},
    },
    "inspection_rules": {"@list@": [{"name": "@rule name@", "when": {"source": "192.0.2.0/24"}, "deny": 403}]},
    "sites": {
        "@site@": {
            "hostnames": ["@host@.example.com", "@single label@"],
            "public_certificate": "@certificate@",
            "backend": "@backend@",
            "inspect": ["@list@"],
        },
        "p@passed site@": {
            "hostnames": ["@passed host@.example.org", "*.@passed wildcard@.org"],
            "decrypt": False,
            "backend": "p@passed backend@",
        },
    },
    "accept": [
        {"finding": finding, "reason": "x @reason@"}
        for finding in ("path-deny-evadable", "backend-not-verified", "crl-missing")
    ],
}
"""What every target takes. A place is marked ``@so@``; the same mark at several places is the same text."""


def _rule(when: Mapping[str, Any] | None = None, **actions: Any) -> dict[str, Any]:
    rule = {**({"when": when} if when else {}), **(actions or {"deny": 403})}
    return {"inspection_rules": {"@list@": [rule]}}


def _site(**keys: Any) -> dict[str, Any]:
    return {"sites": {"@site@": keys}}


def _backend(**keys: Any) -> dict[str, Any]:
    return {"backends": {"@backend@": keys}}


def _header(**keys: Any) -> dict[str, Any]:
    return _rule({"header": {"name": "X-Test", **keys}})


PARTS: tuple[dict[str, Any], ...] = (
    _rule({"path": {"prefix": "/@prefix@"}}),
    _rule({"path": {"exact": ["/@exact@", "@exact without slash@"]}}),
    _rule({"path": {"exact": "/x@folded@", "ignore_case": True}}),
    _rule({"path": {"suffix": "@suffix@"}}),
    _rule({"path": {"regex": "@regex@"}}),
    _rule({"path": {"regex": "^/@folded regex@$", "ignore_case": True}}),
    _rule({"path": {"regex": "[x@class@]"}}),
    _rule({"method": ["@method@"]}),
    _rule({"host": ["@host@.example.com"]}),
    _rule({"path": {"prefix": "/x"}}, allow=True),
    _rule({"header": {"name": "@header name@", "present": True}}),
    *(_header(**{kind: f"@header {kind}@"}) for kind in ("exact", "prefix", "suffix", "contains", "regex")),
    _rule({"query": {"name": "@query name@", "present": True}}),
    _rule({"query": {"name": "x", "exact": "@query exact@"}}),
    _rule({"query": {"name": "x", "regex": "@query regex@"}}),
    {
        "inspection_rules": {
            "@list@": [{"unless": {"path": {"prefix": "/@unless@"}, "host": ["@host@.example.com"]}, "deny": 403}]
        }
    },
    _rule(redirect={"to": "/@redirect path@"}),
    _rule(redirect={"to": "https://www.example.com/@redirect url@"}),
    _rule(log="@label@"),
    *(
        _rule(
            **{
                f"{message}_headers": {
                    # The same text at all places is not the same header: what is done to one is written together.
                    "set": {f"X-Set-@{message} set name@": f"@{message} set value@"},
                    "add": {f"X-Add-@{message} add name@": f"@{message} add value@"},
                    "remove": [f"X-Gone-@{message} remove@"],
                }
            }
        )
        for message in ("request", "response")
    ),
    _rule({"path": {"prefix": "/x"}}, rate_limit={"rate": "5/s"}, limit_body="1KiB"),
    _site(methods=["@site method@"]),
    _site(websocket=True),
    {"listeners": {"@listener@": {"trusted_proxies": ["198.51.100.0/24"]}}},
    _site(client_auth={"ca": "@anchor@", "forward_subject": "Subject-@subject@"}),
    _site(routes=[{"path": {"prefix": "/~@route@"}, "backend": "@backend@"}]),
    _site(hostnames=["*.@wildcard@.com"]),
    _site(scan="@scan@"),
    _backend(health={"path": "/@health path@"}),
    _backend(host_header="@host header@"),
    _backend(tls={"client_certificate": {"cert": "@cert file@.pem", "key": "@key file@.key"}}),
    {"backend_cas": {"@anchor@": {"crl": "@crl file@.crl"}}},
    {"listeners": {"@listener@": {"redirect_http": ["127.0.0.1:58080"]}}},
)
"""What some targets take only: each is in the policy of those that do."""


def joined(one: Any, other: Any) -> Any:
    """Two parts of a policy as one: lists one after the other, mappings into each other."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = cast("dict[str, Any]", {**one, **other})
        return {key: joined(one[key], other[key]) if key in one and key in other else both[key] for key in both}
    return cast("list[Any]", one + other) if isinstance(one, list) and isinstance(other, list) else other


def places(policy: Any) -> frozenset[str]:
    """All marks in a policy."""
    return frozenset(_MARKER.findall(json.dumps(policy)))


def filled(policy: Any, texts: Mapping[str, str]) -> Any:
    """A policy with a text for each mark."""
    if isinstance(policy, str):
        return _MARKER.sub(lambda mark: texts[mark[1]], policy)
    if isinstance(policy, dict):
        mapping = cast("dict[str, Any]", policy)
        return {filled(key, texts): filled(value, texts) for key, value in mapping.items()}
    return [filled(item, texts) for item in cast("list[Any]", policy)] if isinstance(policy, list) else policy


def marked(policy: Any, texts: Mapping[str, str], at: Path = ()) -> Iterator[tuple[Path, str]]:
    """The path, in the filled policy, of every key and value with a mark."""
    if isinstance(policy, str):
        yield from ((at, mark) for mark in _MARKER.findall(policy))
    elif isinstance(policy, dict):
        for key, value in cast("dict[str, Any]", policy).items():
            here = (*at, filled(key, texts))
            yield from ((here, mark) for mark in _MARKER.findall(key))
            yield from marked(value, texts, here)
    elif isinstance(policy, list):
        for index, item in enumerate(cast("list[Any]", policy)):
            yield from marked(item, texts, (*at, index))


def as_yaml(policy: Any) -> str:
    """JSON, with escapes for what YAML takes for a line's end or does not take at all."""
    text = json.dumps(policy, indent=1, ensure_ascii=False)
    return re.sub("[\x7f-\xa0\u2028\u2029\ufeff\ufffe]", lambda found: f"\\u{ord(found[0]):04x}", text)


# --- structure ------------------------------------------------------------------------------------------------

Structure = Counter[tuple[object, ...]]


def structure(bundle: Bundle) -> dict[str, Structure]:
    """For each kind of file what parts it has, and how many. Values do not count, only how they are embedded."""
    kinds: Counter[str] = Counter(path.rpartition(".")[2] for path in bundle.files)
    found = {"files": Counter[tuple[object, ...]](dict.fromkeys(kinds.items(), 1))}
    for path, data in bundle.files.items():
        kind = path.rpartition(".")[2]
        if kind not in ("pem", "crt", "crl"):
            found.setdefault(kind, Counter()).update(_READERS.get(kind, _lines)(data.decode()))
    return found


def _lines(text: str) -> Iterator[tuple[object, ...]]:
    yield ("lines", len(text.split("\n")), text.count("\r"), text.count("\0"))


_NGINX = re.compile(
    r"""(?P<blank>[ \t\r\n]+|\#[^\n]*) | (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')(?=[\s;{)]) | (?P<end>[{};])
    | (?P<bare>(?:\\.|\$\{|[^\s;{}"'\\])(?:\\.|\$\{|[^\s;{\\])*)""",
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = re.compile(r"\$\{?(?!\{?policyc_dollar)[a-z0-9_]*", re.IGNORECASE)


def nginx_directives(text: str) -> Iterator[tuple[object, ...]]:
    """By nginx's own rules for words: each directive with its blocks, its number of words and of variables."""
    blocks: list[str] = []
    words: list[str] = []
    at = 0
    while at < len(text):
        token = _NGINX.match(text, at)
        assert token, f"not a word: {text[at : at + 80]!r}"
        at = token.end()
        if token["quoted"] or token["bare"]:
            words.append(token[0])
        elif token["end"]:
            # A map's keys are no directives; expressions have no variables.
            name = words[0] if words and (not blocks or blocks[-1] not in ("map", "geo")) else "(key)"
            variables = sum(len(_VARIABLE.findall(word)) for word in words if not word.startswith('"~'))
            if words or token[0] == "}":
                yield (*blocks, name if words else "", len(words), variables, token[0])
            if token[0] == "{":
                blocks.append(words[0])
            elif token[0] == "}":
                assert not words, f"no end: {words}"
                blocks.pop()
            words = []
    assert not blocks, f"not closed: {blocks}"
    assert not words, f"no end: {words}"


_HAPROXY = re.compile(r"""\s+|'[^']*'|"(?:\\.|[^"\\])*"|\\.|\#.*|(?P<plain>[^\s'"\\#]+)""", re.DOTALL)
_SECTIONS = ("global", "defaults", "frontend", "backend", "listen", "resolvers", "cache", "userlist", "ring", "peers")
_FORMAT = re.compile(r"(?<!%)(?:%%)*%[\[{a-zA-Z]")


def _haproxy(text: str) -> Iterator[tuple[object, ...]]:
    """By HAProxy's rules for words: section, keyword, number of words, of variables and of formats."""
    section = ""
    for line in text.split("\n"):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] in _SECTIONS:
            section = words[0]
        open_text = re.sub(r"'[^']*'|\\.|#.*", "", line)
        action = re.split(r" (?:if|unless) ", line)[0] if words[0].startswith(("http-", "log-format")) else ""
        yield (section, words[0], len(words), open_text.count("$"), len(_FORMAT.findall(action)))


_NAMES_OF = (("map",), ("files",), ("applied",), ("typed_per_filter_config",))
"""Keys below these are hostnames, files, rules and filters."""


def _json(text: str) -> Iterator[tuple[object, ...]]:
    def walk(value: Any, at: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
        if isinstance(value, dict):
            for key, inner in cast("dict[str, Any]", value).items():
                yield from walk(inner, (*at, "(key)" if at[-1:] in _NAMES_OF else str(key)))
        elif isinstance(value, list):
            for inner in cast("list[Any]", value):
                yield from walk(inner, (*at, "[]"))
        else:
            formats = value.replace("%%", "").count("%") if isinstance(value, str) and at[-1:] == ("value",) else 0
            yield (*at, type(value).__name__, formats)

    return walk(json.loads(text), ())


def _xml(text: str) -> Iterator[tuple[object, ...]]:
    for element in etree.fromstring(text.encode()).iter():
        path = [ancestor.tag for ancestor in element.iterancestors()]
        yield (*reversed(path), element.tag, tuple(element.attrib))


def _set(text: str) -> Iterator[tuple[object, ...]]:
    for line in text.split("\n"):
        assert line.isascii()
        assert line.count('"') % 2 == 0, line
        assert "\\" not in line, line
        words = re.findall(r'"[^"]*"|\S+', line)
        yield (*words[:1], len(words))


_READERS: Mapping[str, Callable[[str], Iterator[tuple[object, ...]]]] = {
    "conf": nginx_directives,
    "cfg": _haproxy,
    "json": _json,
    "xml": _xml,
    "set": _set,
}
