"""Policies made from the language's own models: every field of every model comes up, also one that is added later.

A generator of our own, and not Hypothesis: it makes a policy in a fraction of a millisecond, so that 10,000 inputs fit
into a run of every day. What it makes is valid as far as one model can say; what is refused for another reason is
taken out by `tests.hostile.running`. A kind of text that has no maker here fails the tests: see `_TEXTS`.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from random import Random
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from policyc.compiler.target import Target
from policyc.schemas import policy as language
from policyc.schemas.target import TargetSettings
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ..backends.hostile import TEXTS
from ..live.edges import STREAM_MODULE
from .files import ALONE, INNER, LABELS, PLACES, WILDCARDS, Files

Field = tuple[type[BaseModel], str]
Value = Any

_NAMES = (
    *("default", "include", "any", "none", "server", "end", "0", "400", "a-b", "a_b", "a.b", "A-b", "ab", "x" * 63),
    *("x" * 62 + "y", "policyc", "usual", "visitors", "redirect", "decrypt", "tcp", "a-redirect", "a-wildcard", "x.y-"),
    *("list-1", "to_0", "con", "local", "true", "null", "1e5", "0x1", "y"),
)
_SOCKETS = (
    "192.0.2.{}:443",
    "[2001:db8::{}]:8443",
    "198.51.100.{}:80",
    "0.0.0.0:1{}",
    "[::]:2{}",
    "[::ffff:192.0.2.{}]:1",
)
_NETWORKS = ("10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::ffff:0:0/96", "0.0.0.0/0", "::/0", "127.0.0.1/32")
_PATHS = ("/", "/a", "/a/b", "/admin", "/é", "/x~y", "/a%2Fb", "/%20", "/(", "/$host", "/%7Bx%7D", "/'", "/a;b", '/"')
_REGEXES = (
    *(
        "^/[a-z]+[.]php$",
        "x",
        "(?i)bak",
        "^/a|b$",
        "[^/]+",
        r"\d{1,3}",
        "a.b",
        r"[\x00-\x1f]",
        r"\x{e4}",
        "^$",
        "a{2,5}",
    ),
    *("['\"`$#;{}%\\\\]", r"\.", "(a|b)c?", "[[:alpha:]]", r"\QA\E", r"\z", "(?s).", r"\pL", "$", "a{1000}", "~*x"),
)
_HEADERS = (
    "X-Test",
    "x-test",
    "Host",
    "Cookie",
    "Server",
    "Vary",
    "-",
    "0",
    "X-" + "a" * 100,
    "Set-Cookie",
    "Date",
    "TE",
)
_METHODS = ("GET", "POST", "PROPFIND", "get", "x'y", "`", "$", "#", "a|b", "^", "*", "!", "%", "M-SEARCH", "a" * 128)

_REFERENCES: Mapping[Field, str] = {
    (language.Site, "public_certificate"): "public_certificates",
    (language.Site, "backend"): "backends",
    (language.Site, "inspect"): "inspection_rules",
    (language.Site, "listeners"): "listeners",
    (language.Route, "backend"): "backends",
    (language.ClientAuth, "ca"): "backend_cas",
    (language.BackendTls, "ca"): "backend_cas",
    (language.Acceptance, "sites"): "sites",
    (language.Acceptance, "backends"): "backends",
}
"""Fields that are names of something else in the policy."""

_LIKELY: Mapping[Field, float] = {
    **{(language.Policy, name): 1 for name in language.Policy.model_fields if name not in ("name", "accept")},
    (language.Policy, "targets"): 0,  # `Maker.policy` gives the one that is tried
    (language.Site, "decrypt"): 0.15,
    (language.Site, "public_certificate"): 1,
    (language.Site, "inspect"): 0.9,
    (language.Backend, "tls"): 1,
    (language.BackendTls, "server_name"): 0.8,
    (language.BackendTls, "verify"): 0.1,
    (language.BackendTls, "pins"): 0.05,
    (language.Rule, "when"): 0.8,
}
"""How often an optional field is there, where not in a third of the cases."""

_KINDS: Mapping[type[BaseModel], tuple[str, ...]] = {
    language.PathMatch: ("exact", "prefix", "suffix", "regex"),
    language.HeaderMatch: ("exact", "prefix", "suffix", "contains", "regex", "present"),
    language.QueryMatch: ("exact", "regex", "present"),
}


class Maker:
    """Makes values; the same seed makes the same ones. `said`: the fields that were given a value."""

    def __init__(self, seed: int, files: Files) -> None:
        self.random = Random(seed)
        self.files = files
        self.said: Counter[Field] = Counter()
        self.names: dict[str, list[str]] = {}
        self.target = ""
        self.hosts: set[str] = set()
        self._number = 0

    def policy(self, target: Target[TargetSettings]) -> dict[str, Value]:
        """A whole policy for one target."""
        collections = [
            name for name, field in language.Policy.model_fields.items() if get_origin(field.annotation) is dict
        ]
        self.names = {name: self.random.sample(_NAMES, self.random.choice((1, 1, 2, 3))) for name in collections}
        self.hosts = set()
        self.target = target.name
        usual = self.random.random() < 0.3
        if usual:
            self.names["listeners"] = ["https"]
        policy = self.model(language.Policy)
        if usual:
            del policy["listeners"]
        settings = {} if self.random.random() < 0.3 else self.model(target.settings_model())
        if "stream_module" in target.settings_model().model_fields:
            settings["stream_module"] = STREAM_MODULE
        self.said[(language.Policy, "targets")] += 1
        return {**policy, "targets": {target.name: settings}}

    def model(self, model: type[BaseModel]) -> dict[str, Value]:
        """A mapping that the model takes, if what stands elsewhere fits."""
        chosen: dict[str, Value] = {}
        kinds = _KINDS.get(model, ())
        kind = self.random.choice(kinds) if kinds else ""
        for name, field in model.model_fields.items():
            if name in kinds and name != kind:
                continue
            likely = 1 if name == kind or field.is_required() else _LIKELY.get((model, name), 0.33)
            if self.random.random() < likely:
                chosen[name] = self._field(model, name, field)
        fit = _FIT.get(model)
        if fit:
            chosen = fit(self, chosen)
        self.said.update((model, name) for name in chosen)
        return chosen

    def text(self, *usual: str) -> str:
        """One of the usual texts, one that tries to break out, or both in one."""
        kind = self.random.random()
        if kind < 0.5 and usual:
            return self.random.choice(usual)
        text = self.random.choice(TEXTS)
        if kind < 0.6:
            text = "".join(self.random.choices("ab/.%$'\"\\{};#~*?&=<>[]()|^ \t\u00e4\u2028\U0001f600-_,:@`!", k=8))
        return self.random.choice(usual) + text if usual and kind > 0.8 else text

    def _field(self, model: type[BaseModel], name: str, field: FieldInfo) -> Value:
        if model is language.KeyPair or model is language.BackendCa:
            return ""  # the files of a pair belong together: `_FIT`
        return self.value(field.annotation, field.metadata, (model, name))

    def value(self, annotation: Value, metadata: list[Value], field: Field) -> Value:
        """A value of a type, with its validators."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.value(arguments[0], [*arguments[1:], *metadata], field)
        if origin in (Union, types.UnionType) and not _named(metadata):
            return self.value(self.random.choice([one for one in arguments if one is not type(None)]), [], field)
        if origin is Literal:
            return self.random.choice(arguments)
        if origin is list:
            most = 4 if arguments[0] is language.Rule else 2
            many = [self.value(arguments[0], [], field) for _ in range(self.random.randint(1, most))]
            alone = any(getattr(one, "alone", False) for one in metadata) and self.random.random() < 0.4
            return many[0] if alone else _without_doubles(many)
        if origin is dict:
            return self._mapping(arguments, field)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.model(annotation)
        return self._scalar(annotation, metadata, field)

    def _mapping(self, arguments: tuple[Value, ...], field: Field) -> dict[str, Value]:
        keys = self.names.get(field[1]) if field[0] is language.Policy else None
        if keys is None:
            keys = [self.value(arguments[0], [], field) for _ in range(self.random.randint(1, 2))]
        return {key: self.value(arguments[1], [], field) for key in keys}

    def _scalar(self, annotation: Value, metadata: list[Value], field: Field) -> Value:
        if field in _REFERENCES:
            return self.random.choice(self.names[_REFERENCES[field]])
        own = _OF_FIELD.get(field)
        if own:
            return own(self)
        if field[0] not in _LANGUAGE and annotation is str:
            return self.random.choice(_fitting(field[0], field[1], self.target))
        name = _named(metadata)
        if name:
            return _TEXTS[name](self)
        bounds = [next((getattr(one, key) for one in metadata if hasattr(one, key)), None) for key in ("ge", "le")]
        if annotation is int:
            low, high = bounds[0] or 0, bounds[1] if bounds[1] is not None else 1000
            return self.random.choice((low, high, self.random.randint(low, high), min(high, low + 1)))
        if annotation is bool:
            return self.random.random() < 0.5
        raise LookupError(f"{field[0].__name__}.{field[1]}: no maker of {annotation} with {metadata}: give it one here")

    def number(self) -> int:
        """A number that was not there before, 1 to 250 at first."""
        self._number += 1
        return self._number

    def hostname(self) -> str:
        """A hostname that the certificates cover, and that no other site has."""
        host = ""
        for _ in range(20):
            place = self.random.random()
            host = self.random.choice(PLACES).format(self.random.choice(LABELS))
            host = self.random.choice(ALONE) if place < 0.1 else self.random.choice(WILDCARDS) if place < 0.25 else host
            if host.lower() not in self.hosts:
                break
        self.hosts.add(host.lower())
        return host


def _named(metadata: list[Value]) -> str | None:
    """The name of the validator that says what a text means, if there is one."""
    names = [function.__name__ for one in metadata if (function := getattr(one, "func", None)) is not None]
    return next((name for name in names if name not in ("_listed", "_not_empty", "_server")), None)


def _without_doubles(values: list[Value]) -> list[Value]:
    seen: list[Value] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen


# --- texts ------------------------------------------------------------------------------------------------------

_LANGUAGE = frozenset(one for one in vars(language).values() if isinstance(one, type))
_SETTINGS = ("/etc/x.pem", "/run/x", "stdout", "127.0.0.1:514", "vsys1", "untrust", "any", "Strict-Inbound", "soap")
_VERSIONS = {
    "haproxy": ("2.6", "2.8", "3.0", "3.2"),
    "nginx": ("1.22", "1.24", "1.25.1", "1.28"),
    "envoy": ("1.38", "1.40"),
    "panos": ("10.0", "10.2", "11.1", "11.2", "12.1"),
}


@cache
def _fitting(model: type[BaseModel], name: str, target: str) -> tuple[str, ...]:
    """Texts that a field of a target's settings takes."""
    if name == "version":
        return _VERSIONS[target]
    field = model.model_fields[name]
    inner = [one for one in get_args(field.annotation) if one is not type(None)] or [field.annotation]
    kind: Value = inner[0]
    while get_origin(kind) in (list, dict):
        kind = get_args(kind)[-1]
    adapter: TypeAdapter[Value] = TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)
    fitting: list[str] = []
    for text in (*_SETTINGS, *_VERSIONS[target]):
        with suppress(ValidationError):
            adapter.validate_python(text)
            fitting.append(text)
    if not fitting:
        raise LookupError(f"{model.__name__}.{name}: none of {_SETTINGS} fits: add one that does")
    return tuple(fitting)


def _socket(maker: Maker) -> str:
    return maker.random.choice(_SOCKETS).format(maker.number() % 250 + 1)


def _printable(maker: Maker, *usual: str) -> str:
    return "".join(one for one in maker.text(*usual) if " " <= one <= "~")[:600]


def _one_line(maker: Maker, *usual: str) -> str:
    return "".join(one for one in maker.text(*usual) if one >= " " and one != "\x7f")[:600]


def _condition_text(maker: Maker) -> str:
    return _printable(maker, "admin", "curl/", "x=1").replace(",", "").strip() or "x"


_TEXTS: Mapping[str, Callable[[Maker], Value]] = {
    "_name": lambda maker: maker.random.choice(_NAMES),
    "_printable": _printable,
    "_one_line": _one_line,
    "_header_name": lambda maker: maker.random.choice(_HEADERS),
    "_header_value": lambda maker: _printable(maker, "max-age=1", "%[src]", "$host", "%REQ(x)%").strip() or "x",
    "_method": lambda maker: maker.random.choice(_METHODS),
    "_date": lambda maker: maker.random.choice(("2027-03-31", "0001-01-01", "9999-12-31")),
    "_pin": lambda maker: maker.random.choice(maker.files.pins),
    "_file_path": lambda maker: maker.random.choice(maker.files.leaves),
    "parse_duration": lambda maker: maker.random.choice(("1ms", "5s", "1m", "1h", "576h", "60000ms")),
    "parse_size": lambda maker: maker.random.choice((0, 1024, "512KiB", "999999999999GB", "1B", "1024GiB")),
    "parse_rate": lambda maker: maker.random.choice(("5/s", "1/min", "999999999/h", "100/min", "7/h")),
    "parse_socket": _socket,
    "parse_network": lambda maker: maker.random.choice(_NETWORKS),
    "parse_address": lambda maker: maker.random.choice(("198.51.100.{}", "2001:db8:1::{}")).format(
        maker.number() % 250
    ),
    "parse_hostname": lambda maker: maker.hostname(),
    "parse_exact_hostname": lambda maker: maker.random.choice(INNER),
}
"""By the name of the validator that says what a text means."""

_OF_FIELD: Mapping[Field, Callable[[Maker], Value]] = {
    (language.Rule, "name"): lambda maker: _one_line(maker, "admin"),
    (language.Rule, "deny"): lambda maker: maker.random.choice((400, 403, 404, 410, 418, 421, 429, 451, 499, 503)),
    (language.Redirect, "to"): lambda maker: (
        maker.random.choice(("/", "https://www.example.com/", "/x?")) + _printable(maker, "new").replace(" ", "")
    ),
    (language.Condition, "host"): lambda maker: maker.random.choice((*sorted(maker.hosts), "a.example.com")),
    (language.Health, "path"): lambda maker: maker.random.choice(_PATHS),
    (language.Backend, "host_header"): lambda maker: maker.random.choice(
        ("preserve", "server_name", "x.example.com", "x.example.com:8443", _printable(maker))
    ),
    (language.PathMatch, "exact"): lambda maker: "/" + _one_line(maker, *_PATHS).lstrip("/"),
    (language.PathMatch, "prefix"): lambda maker: "/" + _one_line(maker, *_PATHS).lstrip("/"),
    (language.PathMatch, "suffix"): lambda maker: _one_line(maker, ".bak", "~", ".php"),
    (language.PathMatch, "regex"): lambda maker: _one_line(maker, *_REGEXES),
    (language.HeaderMatch, "regex"): lambda maker: _printable(maker, *_REGEXES),
    (language.QueryMatch, "regex"): lambda maker: _one_line(maker, *_REGEXES),
    (language.QueryMatch, "name"): lambda maker: _one_line(maker, "debug", "q") or "q",
    **{(language.HeaderMatch, kind): _condition_text for kind in ("exact", "prefix", "suffix", "contains")},
    (language.Acceptance, "finding"): lambda maker: maker.random.choice(_ACCEPTED),
    (language.Acceptance, "target"): lambda maker: maker.target,
    (language.Acceptance, "reason"): lambda maker: _one_line(maker, "known") or "x",
    (language.Acceptance, "until"): lambda maker: "9999-12-31",
}
"""Fields that want more than their type says."""

_ACCEPTED = ("backend-not-verified", "plaintext-backend", "path-deny-evadable", "crl-missing", "redirect-loop")


# --- what fits together -----------------------------------------------------------------------------------------

Fit = Callable[[Maker, dict[str, Value]], dict[str, Value]]


def _listener_tls(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    low, high = chosen.get("min_version", "1.0"), chosen.get("max_version", "1.3")
    return {**chosen, "min_version": high} if low > high else chosen


def _listener(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    if "protocols" in chosen:
        chosen["protocols"] = _without_doubles([*chosen["protocols"], "http/1.1"])
    return chosen


def _key_pair(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    return dict(maker.random.choice(maker.files.pairs))


def _backend_ca(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    return dict(maker.random.choice(maker.files.anchors))


def _backend_tls(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    trusted = [*maker.names["backend_cas"], "system"] if maker.random.random() < 0.1 else maker.names["backend_cas"]
    known = {key: value for key, value in chosen.items() if key != "ca"}
    if "client_certificate" in known:
        known["client_certificate"] = dict(maker.files.client)
    return known if chosen.get("verify") == "none" else {**known, "ca": maker.random.choice(trusted)}


def _condition(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    return chosen or {"path": {"prefix": maker.random.choice(_PATHS)}}


def _header_edits(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    return chosen or {"remove": [maker.random.choice(_HEADERS)]}


def _rule(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    ending = [key for key in ("allow", "deny", "redirect") if key in chosen]
    for key in maker.random.sample(ending, max(0, len(ending) - 1)):
        del chosen[key]
    acts = {"allow", "deny", "redirect", "rate_limit", "limit_body", "request_headers", "response_headers", "log"}
    return chosen if acts & chosen.keys() else {**chosen, "deny": 403}


def _site(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    if chosen.get("decrypt", True):
        return chosen
    apart = ("public_certificate", "inspect", "routes", "client_auth", "scan", "paths", "methods", "websocket")
    return {key: value for key, value in chosen.items() if key not in apart}


def _route(maker: Maker, chosen: dict[str, Value]) -> dict[str, Value]:
    return {**chosen, "path": {"prefix": maker.random.choice(_PATHS)}}


_FIT: Mapping[type[BaseModel], Fit] = {
    language.ListenerTls: _listener_tls,
    language.Listener: _listener,
    language.KeyPair: _key_pair,
    language.BackendCa: _backend_ca,
    language.BackendTls: _backend_tls,
    language.Condition: _condition,
    language.HeaderEdits: _header_edits,
    language.Rule: _rule,
    language.Site: _site,
    language.Route: _route,
}
"""What the validators of whole models ask for."""
