"""`nginx.conf`, read by crossplane, and asked as nginx would be: by name, through maps."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import crossplane  # pyright: ignore[reportMissingTypeStubs]

from .facts import ASKED, SYSTEM, Answers, Facts, Leads, digest

Directive = Mapping[str, Any]
Block = list[dict[str, Any]]

_parse: Callable[..., Any] = getattr(crossplane, "parse")  # noqa: B009  # it has no types

_HOST = ("host", "ssl_server_name", "ssl_preread_server_name")
_PARTS = re.compile(r"\$\{(\w+)\}|\$(\w+)|([^$]+)")
_ESCAPED = re.compile(r"""\\(["'\\trn])""")
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n"}


def read(files: Mapping[str, bytes], folder: Path, names: list[str], system_ca: str) -> Facts:
    """What is said of these names. `folder` is for the file that crossplane reads."""
    return _Edge(_parsed(files["nginx.conf"], folder), files, system_ca).facts(names)


def directives(files: Mapping[str, bytes], folder: Path) -> set[str]:
    """The names of all directives; the entries of maps are none."""
    return {one["directive"] for one in _below(_parsed(files["nginx.conf"], folder))}


@lru_cache(1)
def _parsed(text: bytes, folder: Path) -> Block:
    path = folder / "nginx.conf"
    path.write_bytes(text)
    parsed = _parse(str(path), single=True, comments=False, check_ctx=True, check_args=True)
    assert parsed["status"] == "ok", parsed["errors"]
    return parsed["config"][0]["parsed"]


def _below(block: Block) -> Iterator[dict[str, Any]]:
    for one in block:
        yield one
        if one["directive"] not in ("map", "geo"):
            yield from _below(one.get("block", []))


def _word(text: str) -> str:
    return _ESCAPED.sub(lambda found: _CONTROLS.get(found[1], found[1]), text)


def _all(block: Block, name: str) -> list[list[str]]:
    return [[_word(word) for word in one["args"]] for one in block if one["directive"] == name]


class _Edge:
    def __init__(self, parsed: Block, files: Mapping[str, bytes], system_ca: str) -> None:
        self.files = files
        self.system_ca = system_ca
        parts = {one["directive"]: one["block"] for one in parsed if "block" in one}
        self.http: Block = parts["http"]
        self.stream: Block = parts.get("stream", [])
        self.host = ""
        self.set: dict[str, str] = {}

    def facts(self, names: list[str]) -> Facts:
        """Of each name that a server block or a map is for."""
        found: Facts = {}
        for self.host in names:
            answers = Answers()
            for server in self._servers():
                self._server(server, answers)
            for server in (one["block"] for one in self.stream if one["directive"] == "server"):
                self._passed(server, answers)
            if answers.leads or answers.shown:
                found[self.host] = answers
        return found

    def _servers(self) -> Iterator[Block]:
        """The server blocks for the name, over TLS: of each socket the one with the name, else with a wildcard."""
        chosen: dict[str, tuple[int, Block]] = {}
        for server in (one["block"] for one in self.http if one["directive"] == "server"):
            own = [name for words in _all(server, "server_name") for name in words]
            rank = 2 if self.host in own else 1 if any(map(self._covered, own)) else 0
            for words in _all(server, "listen"):
                if "ssl" in words and rank > chosen.get(words[0], (0, server))[0]:
                    chosen[words[0]] = rank, server
        return iter({id(server): server for _, server in chosen.values()}.values())

    def _covered(self, name: str) -> bool:
        return name[0] == "~" and re.search(name[1:].replace("\\z", "\\Z"), self.host) is not None

    def _server(self, server: Block, answers: Answers) -> None:
        self.set = {words[0][1:]: words[1] for words in _all(server, "set")}
        for (word,) in _all(server, "ssl_certificate"):
            answers.shown.update(digest([self.files[name].decode()]) for name in self._known(word))
        for returned in _all([inner for one in server for inner in (one, *one.get("block", []))], "return"):
            answers.statuses.add(int(returned[0]))
            if returned[0] in ("301", "302", "303", "307", "308"):
                answers.locations.update(self._known(returned[1]))
        self._edits(True, _all(server, "add_header"), answers)
        for location in self._locations(server):
            inside = {**self.set, **{words[0][1:]: words[1] for words in _all(location, "set")}}
            outside, self.set = self.set, inside
            self._edits(True, _all(location, "add_header"), answers)
            self._edits(False, _all(location, "proxy_set_header"), answers)
            for (word,) in _all(location, "proxy_pass"):
                answers.leads.update(self._leads(to, location) for to in self._known(word))
            self.set = outside

    def _locations(self, server: Block) -> Iterator[Block]:
        """Those that a request for the name may be sent to; all, where that depends on more."""
        ways = {way for *_, word in _all(server, "error_page") for way in self._possible(word)}
        for one in server:
            if one["directive"] == "location" and (None in ways or not ways or one["args"][-1] in ways):
                yield one["block"]

    def _edits(self, response: bool, lines: list[list[str]], answers: Answers) -> None:
        answers.edits.update((response, name.lower(), one) for name, word, *_ in lines for one in self._known(word))

    def _leads(self, to: str, location: Block) -> Leads:
        kind, _, upstream = to.partition("://")
        servers = self._members(self.http, upstream)
        if kind == "http":
            return Leads(servers, False)
        commands = {words[0]: words[1] for words in _all(location, "proxy_ssl_conf_command")}
        files = _all(location, "proxy_ssl_trusted_certificate")
        full = (_all(location, "proxy_ssl_verify") or _all(self.http, "proxy_ssl_verify")) == [["on"]]
        trusted = files[0][0] if full else commands.get("VerifyCAFile")
        if not full and commands.get("VerifyMode") != "Peer":
            assert not trusted
        names = self._known(_all(location, "proxy_ssl_name")[0][0])
        assert len(names) == 1
        revoked = bool(_all(location, "proxy_ssl_crl"))
        # The host is a concrete one here: that it is the one asked for is told by the variable.
        by_host = _all(location, "proxy_ssl_name")[0][0] == "$host"
        name = (ASKED if by_host else names.pop()) if full else None
        return Leads(servers, True, name, self._trusted(trusted), revoked)

    def _trusted(self, name: str | None) -> str | None:
        if name is None or name == self.system_ca:
            return name and SYSTEM
        return digest([self.files[name].decode()])

    def _members(self, block: Block, name: str) -> frozenset[tuple[str, int, bool]]:
        (upstream,) = (one["block"] for one in block if one["directive"] == "upstream" and one["args"] == [name])
        members: set[tuple[str, int, bool]] = set()
        for address, *options in _all(upstream, "server"):
            weight = next((int(one[7:]) for one in options if one.startswith("weight=")), 1)
            members.add((address, weight, "backup" in options))
        return frozenset(members)

    def _passed(self, server: Block, answers: Answers) -> None:
        """Where a listener of the TCP part sends the name: to a socket of this part, and on to servers."""
        if not _all(server, "ssl_preread"):
            return
        for to in self._known(_all(server, "proxy_pass")[0][0]):
            if any(one["directive"] == "upstream" and one["args"] == [to] for one in self.stream):
                answers.leads.add(Leads(self._members(self.stream, to), False))
            for other in (one["block"] for one in self.stream if one["directive"] == "server"):
                if any(words[0] == to for words in _all(other, "listen")):
                    servers = self._members(self.stream, _all(other, "proxy_pass")[0][0])
                    answers.leads.add(Leads(servers, False))

    # --- variables ----------------------------------------------------------------------------------------------

    def _known(self, word: str) -> set[str]:
        """What a word can be, of what is written in the file; not empty, and not what a visitor sends."""
        return {one for one in self._possible(word) if one}

    def _possible(self, word: str) -> set[str | None]:
        parts = [self._variable(one[1] or one[2]) if one[1] or one[2] else {one[3]} for one in _PARTS.finditer(word)]
        return {
            None if any(part is None for part in chosen) else "".join(part for part in chosen if part)
            for chosen in itertools.product(*parts)
        }

    def _variable(self, name: str) -> set[str | None]:
        if name in _HOST:
            return {self.host}
        if name == "policyc_dollar":
            return {"$"}
        if name in self.set:
            return self._possible(self.set[name])
        for block in (self.http, self.stream):
            for one in block:
                if one["directive"] == "map" and one["args"][1] == f"${name}":
                    return self._mapped(_word(one["args"][0]), one["block"])
        return {None}

    def _mapped(self, source: str, block: Block) -> set[str | None]:
        cases = [(_word(one["directive"]), _word(one["args"][0])) for one in block]
        keys = self._possible(source)
        if keys == {None} or None in keys:
            return {value for _, word in cases for value in self._possible(word)}
        found: set[str | None] = set()
        for key in keys:
            exact = [word for case, word in cases if case.removeprefix("\\") == key and case != "default"]
            by_expression = [
                (match, word)
                for case, word in cases
                if case[0:1] == "~" and (match := re.search(case[1:].replace("\\z", "\\Z"), str(key)))
            ]
            default = [word for case, word in cases if case == "default"]
            if not exact and by_expression:
                match, word = by_expression[0]
                word = re.sub(r"\$(\d)", lambda group, match=match: match[int(group[1])], word)
                exact = [word]
            found |= self._possible((exact or default or [""])[0])
        return found
