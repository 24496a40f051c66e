"""Cases as data: what a file of ``cases/`` may say, and the single cases that it stands for.

A topic is one policy, the origins behind it, and cases: each a few requests with what must become of them, tagged with
the features that it proves. `README.md` here says it for those who write cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import yaml
from policyc.compiler.features import Feature
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

FOLDER = Path(__file__).resolve().parent / "cases"

Version = Literal["h1", "h2"]
Ending = Literal[
    "passes",  # 200, and it arrives byte for byte
    "status",  # the edge answers with `status`, and nothing arrives
    "malformed",  # a parser refuses it before any rule of ours; its own status or the end of the connection
    "handshake",  # no TLS
    "stranger",  # a visitor's certificate is not good enough: no TLS, or 400
    "failed",  # the backend cannot be talked to: 502 or 503, and it hears no byte
    "down",  # no server of the backend is up: 502 or 503
    "unanswered",  # as failed, or the end of the connection: it is the backend that refuses the edge
    "once",  # the backend breaks off: 502 or 503, and it got the request once and no more
    "late",  # the backend was too slow: 504
    "through",  # TLS is passed through to `backend`, untouched
    "switches",  # 101, and the connection carries bytes both ways
    "limited",  # 429 or 413 by `rule`, which let the walk go on
]
_SHORT = {"passes", "malformed", "handshake", "stranger", "failed", "down", "unanswered", "once", "late", "switches"}


class Data(BaseModel):
    """What all parts of a case have in common: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Arrival(Data):
    """What the origin must have got; more than what every request that passes must have anyway."""

    headers: dict[str, list[str]] = {}
    """The values of all field lines of a name, in order."""
    joined: dict[str, str] = {}
    """The same where it may be one field line or several: the values, joined by ``, ``."""
    absent: list[str] = []
    server: int | None = None
    """The number of the backend's server."""
    subject: str | None = None
    """The common name of the certificate that the edge showed."""
    sni: str | None = None
    protocol: str | None = None


class Answered(Data):
    """What the visitor must have got."""

    headers: dict[str, list[str]] = {}
    absent: list[str] = []
    body: str | None = None
    spoken: str | None = None
    """The version of TLS."""
    alpn: str | None = None
    shows: str | None = None
    """The certificate, by its name in pki.yaml."""


class Expect(Data):
    """What must become of one request."""

    ending: Ending
    status: int | None = None
    rule: str | None = None
    """The id of the rule that decides."""
    location: str | None = None
    """Of a redirect from plain HTTP, ``{port}`` is the listener's and ``{target}`` what was asked for."""
    backend: str | None = None
    """Whose origin must get it. Default: the one that the reference says."""
    heard: bool = False
    """With `failed`: the backend got other requests before, so that only this one must not have reached it."""
    arrives: Arrival = Arrival()
    answer: Answered = Answered()
    log: dict[str, Any] = {}
    """Fields of the line in the access log."""
    within: tuple[float, float] | None = None
    """How many seconds the answer may take, at least and at most."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | str | dict):
            raise ValueError(f"{value!r} is no expectation")
        if isinstance(value, int):
            return {"ending": "passes"} if value == 200 else {"ending": "status", "status": value}
        if isinstance(value, str):
            if value not in _SHORT:
                raise ValueError(f"{value!r} is not one of {', '.join(sorted(_SHORT))}")
            return {"ending": value}
        said = cast("dict[str, Any]", value)
        if "ending" not in said:
            status = said.get("status", 200)
            return {**said, "ending": "passes" if status == 200 else "status", "status": status}
        return said


def _filled(value: Any) -> Any:
    """``{ab*3}`` stands for ``ababab``, in values however deep."""
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in cast("list[Any]", value)]
    if not isinstance(value, str):
        return value
    return re.sub(r"\{(.+?)\*(\d+)\}", lambda found: found[1] * int(found[2]), value)


Filled = Annotated[str, BeforeValidator(_filled)]


class Tls(Data):
    """How the visitor speaks TLS."""

    low: str = "1.2"
    high: str = "1.3"
    ciphers: str | None = None
    offers: list[str] | None = None


class Ask(Data):
    """One request. Texts are latin-1: one character, one byte."""

    host: Filled | None
    """As sent; None sends none."""
    sni: str | None = None
    """Default: the host without port."""
    no_sni: bool = False
    target: Filled = "/"
    method: str = "GET"
    headers: list[Filled] = []
    """Field lines as they stand, ``Name: value``."""
    body: Filled = ""
    framing: Literal["length", "chunked", "none"] = "length"
    """`chunked` means without Content-Length in HTTP/2; `none`: what `headers` says."""
    raw: Filled | None = None
    """A whole HTTP/1.1 message, in place of all that. The reference has no reading of it."""
    source: str | None = None
    """The address to come from. Default 127.0.0.1."""
    ipv6: bool = False
    listener: str = "public"
    plain: bool = False
    """To the listener's socket for plain HTTP."""
    tls: Tls | None = None
    certificate: str | None = None
    """What the visitor shows, by its name in pki.yaml."""
    proxy: Literal["v1", "v2", "none", "garbage"] | None = None
    """The PROXY header; `source` is then the address in it."""
    proxy_local: bool = False
    """A PROXY header that names nobody."""
    times: int = 1
    wait: float = 0
    """Seconds to wait before."""
    eventually: float = 0
    """Seconds in which the expectation must come true, by asking again."""
    same_connection: bool = False
    """On the connection of the step before."""
    expect: Expect
    spread: list[tuple[int, int]] | None = None
    """How many of the `times` requests each server of the backend gets, at least and at most."""
    sticky: bool = False
    """One server gets all of the `times` requests."""

    @property
    def name_asked(self) -> str | None:
        """The SNI that is sent."""
        if self.no_sni:
            return None
        return self.sni if self.sni is not None else (self.host or "").partition(":")[0].lower()

    @property
    def has_reading(self) -> bool:
        """Whether the reference can be asked."""
        return self.raw is None and not self.plain and self.tls is None


class Group(Data):
    """Cases that have a name and features in common: one for each ask, or one of several steps."""

    name: str
    features: list[str] = Field(min_length=1)
    over: list[Version] = ["h1", "h2"]
    ask: dict[str, Any] = {}
    """What all asks have in common."""
    expect: Any = None
    """What is expected of each of `asks`."""
    asks: list[Any] = []
    outcomes: dict[Any, list[Any]] = {}
    """Expectation → asks."""
    steps: list[dict[str, Any]] = []
    """One case of several requests, in order."""
    finding: dict[str, str] = {}
    """Target → its own lint rule that refuses `sites`; `every`: a rule that refuses them whatever the target."""
    below: dict[str, str] = {}
    """Target → the version from which on `finding` is not told, or `differs` does not hold, any more."""
    differs: dict[str, str] = {}
    """Target → what it does otherwise, a bug that is known: the cases must fail there, and the report says so."""
    sites: list[str] = []
    """The sites that it is about, where the SNI and the host do not say so."""
    why: str = ""


class Recipe(Data):
    """An origin: a server behind the edge."""

    certificate: str | None = None
    """Its name in pki.yaml; none: plaintext."""
    same: str | None = None
    """The origins of another backend."""
    down: bool = False
    """It does not listen."""
    answers: bool = True
    delay: float = 0
    high: str = "1.3"
    upgrades: bool = False
    client_ca: str | None = None
    protocol: Literal["http/1.1", "h2"] = "http/1.1"
    responds: dict[str, str] = {}
    """Target → a whole response in place of the account of the request."""


class Topic(Data):
    """A file of ``cases/``."""

    about: str
    host: str | None = None
    """The host of asks that do not name one."""
    policy: dict[str, Any]
    origins: dict[str, list[Recipe]]
    cases: list[Group]


@dataclass(frozen=True)
class Case:
    """One case: steps, and the features that it proves."""

    topic: str
    name: str
    """Unique in its topic."""
    features: tuple[Feature, ...]
    over: tuple[Version, ...]
    steps: tuple[Ask, ...]
    finding: Mapping[str, str]
    sites: tuple[str, ...]
    below: Mapping[str, str]
    differs: Mapping[str, str]

    @property
    def has_reading(self) -> bool:
        """Whether the reference can be asked about each step."""
        return bool(self.steps) and all(step.has_reading for step in self.steps)


EVERY = "every"
"""In place of a target: a finding that does not depend on one."""


class BadTopic(Exception):
    """A file of cases that does not keep to the form. The message says which and where."""


def read(file: Path) -> tuple[Topic, tuple[Case, ...]]:
    """A topic and its cases. Raises BadTopic."""
    try:
        values = yaml.safe_load(file.read_text())
        topic = Topic.model_validate({**values, "policy": whole_policy(_filled(values["policy"]), values["origins"])})
        cases = tuple(_cases(file.stem, topic))
    except (ValidationError, ValueError, KeyError, yaml.YAMLError) as error:
        raise BadTopic(f"{file.name}: {error}") from error
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadTopic(f"{file.name}: cases with the same name: {twice}")
    return topic, cases


def whole_policy(written: Mapping[str, Any], origins: Mapping[str, Any]) -> dict[str, Any]:
    """A policy with what topics need not say.

    One listener `public`; the certificate `all` for every site that is decrypted; ``SITE.example.com`` as its name; a
    backend of its own name, or else `main`; servers for a backend as many as it has origins; CAs of the names in
    pki.yaml that backends and visitors' certificates refer to.
    """
    policy: dict[str, Any] = {"version": 1, **written}
    policy.setdefault("listeners", {"public": {"bind": ["0.0.0.0:443"]}})
    backends: dict[str, dict[str, Any]] = {
        name: dict(backend) for name, backend in cast("dict[str, Any]", written.get("backends") or {}).items()
    }
    for name in origins:
        backends.setdefault(name, {})
    for name, backend in backends.items():
        backend.setdefault("servers", [f"192.0.2.{number}:443" for number, _ in enumerate(origins[name], 1)])
        backend.setdefault("tls", False)
    sites: dict[str, dict[str, Any]] = {name: dict(site or {}) for name, site in written["sites"].items()}
    for name, site in sites.items():
        site.setdefault("hostnames", [f"{name}.example.com"])
        site.setdefault("backend", name if name in backends else "main")
        if site.get("decrypt", True):
            site.setdefault("public_certificate", "all")
    certificates: set[str] = {site["public_certificate"] for site in sites.values() if "public_certificate" in site}
    named: set[str | None] = {backend["tls"].get("ca") for backend in backends.values() if backend["tls"]}
    named |= {site["client_auth"]["ca"] for site in sites.values() if "client_auth" in site}
    cas = {name: {"ca": f"{name}.pem"} for name in sorted(filter(None, named - {"system"}))}
    policy["backend_cas"] = {**cas, **(written.get("backend_cas") or {})}
    policy["public_certificates"] = {name: {"cert": f"{name}.pem", "key": f"{name}.key"} for name in certificates}
    return {**policy, "backends": backends, "sites": sites}


def _cases(topic_name: str, topic: Topic) -> Iterator[Case]:
    by_id = {feature.id: feature for feature in Feature}
    for group in topic.cases:
        unknown = set(group.features) - by_id.keys()
        if unknown:
            raise ValueError(f"{group.name}: there are no features {sorted(unknown)}")
        features = tuple(by_id[name] for name in group.features)
        common = {"host": topic.host, **group.ask}
        singles = [(group.expect, one) for one in group.asks]
        singles += [(expected, one) for expected, asks in group.outcomes.items() for one in asks]
        named: list[tuple[str, tuple[Ask, ...]]] = []
        for expected, one in singles:
            said: dict[str, Any] = {"target": one} if isinstance(one, str) else dict(one)
            label = str(said.pop("name", "")) or _label(said)
            ask = Ask.model_validate({"expect": expected, **common, **said})
            named.append((f"{group.name}: {label}", (ask,)))
        if group.steps:
            steps = tuple(Ask.model_validate({"expect": group.expect, **common, **one}) for one in group.steps)
            named.append((group.name, steps))
        if group.finding:
            named.append((group.name, ()))
        if not named:
            raise ValueError(f"{group.name}: no asks")
        for name, steps in _numbered(named):
            over: tuple[Version, ...] = tuple(
                version for version in group.over if version == "h1" or _in_http2(steps)
            ) or ("h1",)
            yield Case(
                topic_name, name, features, over, steps, group.finding, tuple(group.sites), group.below, group.differs
            )


def _in_http2(steps: tuple[Ask, ...]) -> bool:
    return not any(step.raw is not None or step.plain or step.same_connection for step in steps)


def _numbered(named: list[tuple[str, tuple[Ask, ...]]]) -> Iterator[tuple[str, tuple[Ask, ...]]]:
    """Cases of one group that would have the same name are numbered."""
    seen: dict[str, int] = {}
    for name, steps in named:
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), steps


def _label(said: Mapping[str, Any]) -> str:
    """A short, printable name for an ask."""
    parts = [f"{key}={value}" for key, value in said.items() if key not in ("expect", "target", "headers")]
    text = " ".join([str(said.get("target", "/")), *map(str, said.get("headers", ())), *parts])
    shown = text.encode("unicode_escape").decode().replace("::", ":")
    return shown if len(shown) <= 70 else f"{shown[:50]}..{shown[-18:]}"
