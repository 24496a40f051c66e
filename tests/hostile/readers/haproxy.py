"""`haproxy.cfg` and the files beside it, by HAProxy's own rules for words (configuration.html#2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from .facts import ASKED, SYSTEM, Answers, Facts, Leads, digest

_WORD = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\#]""", re.DOTALL)
SECTIONS = ("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "cache", "ring")


def words(line: str) -> list[str]:
    """The words of a line; fails where a variable of the environment would be looked for, or a quote is open."""
    found: list[str] = []
    at, word = 0, None
    while at < len(line):
        if line[at] in " \t":
            found += [word] if word is not None else []
            at, word = at + 1, None
            continue
        if line[at] == "#":
            break
        match = _WORD.match(line, at)
        assert match, f"not a word: {line[at:]!r}"
        part = match[0]
        if part[0] == "'":
            part = part[1:-1]
        else:
            assert "$" not in part or part == "\\$", f"a variable: {line!r}"
            part = re.sub(r"\\(.)", r"\1", part[1:-1] if part[0] == '"' else part)
        word = (word or "") + part
        at = match.end()
    return [*found, word] if word is not None else found


@dataclass
class Section:
    """A section, with the `defaults` that it is from."""

    kind: str
    name: str
    parent: str = ""
    lines: list[list[str]] = field(default_factory=list[list[str]])


@lru_cache(1)
def sections(text: str) -> list[Section]:
    """All sections, in order."""
    found: list[Section] = []
    for line in text.split("\n"):
        of_line = words(line)
        if of_line and of_line[0] in SECTIONS:
            parent = of_line[3] if of_line[2:3] == ["from"] else ""
            found.append(Section(of_line[0], of_line[1] if len(of_line) > 1 else "", parent))
        elif of_line:
            found[-1].lines.append(of_line)
    return found


def read(files: Mapping[str, bytes], names: list[str], system_ca: str) -> Facts:
    """What is said of these names."""
    return _Edge(files, system_ca).facts(names)


def keywords(files: Mapping[str, bytes]) -> set[str]:
    """The first words of all lines."""
    return {line[0] for one in sections(files["haproxy.cfg"].decode()) for line in one.lines}


class _Edge:
    def __init__(self, files: Mapping[str, bytes], system_ca: str) -> None:
        self.files = files
        self.system_ca = system_ca
        self.sections = sections(files["haproxy.cfg"].decode())

    def _of(self, kind: str, name: str) -> Section:
        (one,) = (one for one in self.sections if (one.kind, one.name) == (kind, name))
        return one

    def facts(self, names: list[str]) -> Facts:
        """Of each name that a map knows."""
        found: Facts = {}
        for front in (one for one in self.sections if one.kind == "frontend"):
            text = " ".join(" ".join(line) for line in front.lines)
            entries = dict(line.split(" ", 1) for name in _files(text, "map_str") for line in self._lines(name))
            for host in names:
                to = entries.get(host) or entries.get("*." + host.partition(".")[2])
                if to and ("ssl" in text.split() or "req.ssl_sni" in text):
                    self._front(front, host, to.split("/"), found.setdefault(host, Answers()))
        return {host: answers for host, answers in found.items() if answers.leads or answers.shown}

    def _front(self, front: Section, host: str, to: list[str], answers: Answers) -> None:
        _, section, passed, group = to
        tcp = ["mode", "tcp"] in front.lines
        for line in front.lines:
            if line[0] == "bind" and "crt-list" in line and section:
                answers.shown.update(self._shown(line[line.index("crt-list") + 1], host))
            if line[:2] == ["use_backend", "%[var(txn.way)]"]:
                for name in self._ways(front, group):
                    self._backend(self._of("backend", name), answers)
            elif line[0] == "use_backend":
                by_map = line[1].startswith("%[")
                name = (passed if tcp else section) if by_map else line[1]
                if name and (by_map or _condition(line).get("var(txn.group)") == group):
                    self._backend(self._of("backend", name), answers)

    def _ways(self, front: Section, group: str) -> set[str]:
        """Where paths of a group of names lead: by maps from the group and the path behind it."""
        text = " ".join(" ".join(line) for line in front.lines if "set-var(txn.way)" in line)
        names = _files(text, "map_str") | _files(text, "map_beg")
        ways = [line.rpartition(" ") for name in names for line in self._lines(name)]
        return {section for key, _, section in ways if key.startswith(f"{group}/")}

    def _lines(self, name: str) -> Iterator[str]:
        return (line for line in self.files[name].decode().splitlines() if line and line[0] != "#")

    def _shown(self, listed: str, host: str) -> Iterator[str]:
        entries = [re.sub(r" \[[^]]*\]", "", line).split(" ") for line in self._lines(listed)]
        by_name = {name: file for file, *names in entries for name in names}
        file = by_name.get(host) or by_name.get("*." + host.partition(".")[2])
        if file:
            yield digest([self.files[file].decode()])

    def _backend(self, section: Section, answers: Answers) -> None:
        servers = [line for line in section.lines if line[0] == "server"]
        answers.leads.add(
            Leads(frozenset(_server(line) for line in servers), "ssl" in servers[0], *self._verified(servers))
        )
        inspected = next((one for one in self.sections if (one.kind, one.name) == ("defaults", section.parent)), None)
        for line in [*(inspected.lines if inspected else ()), *section.lines]:
            self._rule(line, answers)

    def _verified(self, servers: list[list[str]]) -> tuple[str | None, str | None, bool]:
        (one,) = {
            tuple(_option(line, key) for key in ("verify", "verifyhost", "ca-file", "sni", "crl-file"))
            for line in servers
        }
        verify, name, trusted, sni, revoked = one
        if verify != "required":
            return None, None, False
        assert trusted is not None
        digested = SYSTEM if trusted == self.system_ca else digest([self.files[trusted].decode()])
        if name is None:
            assert sni == "var(txn.host)"
            return ASKED, digested, revoked is not None
        assert sni == f"str({name})"
        return name, digested, revoked is not None

    def _rule(self, line: list[str], answers: Answers) -> None:
        match line:
            case ["http-request", "deny", "status", status, *_]:
                answers.statuses.add(int(status))
            case ["http-request", "return", "status", status, "hdr", "Location", to, *_]:
                answers.statuses.add(int(status))
                answers.locations.add(literal(to) or "")
            case ["http-request" | "http-after-response" as when, "set-header" | "add-header", name, value, *_]:
                text = literal(value)
                if text is not None:
                    answers.edits.add((when == "http-after-response", name.lower(), text))
            case _:
                pass


def literal(value: str) -> str | None:
    """What a format is, where it holds nothing but text."""
    plain = value.replace("%%", "")
    return None if "%" in plain else value.replace("%%", "%")


def _files(text: str, kind: str) -> set[str]:
    return set(re.findall(rf"{kind}\(([^)]+)\)", text))


def _condition(line: list[str]) -> dict[str, str]:
    """Comparisons of a condition: sample → pattern."""
    return {line[at + 1]: line[at + 5] for at, one in enumerate(line) if one == "{" and line[at + 4 : at + 5] == ["--"]}


def _option(line: list[str], name: str) -> str | None:
    return line[line.index(name) + 1] if name in line else None


def _server(line: list[str]) -> tuple[str, int, bool]:
    return line[2], int(_option(line, "weight") or 1), "backup" in line
