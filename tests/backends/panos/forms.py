"""Reads every form of the output back into the same values, so that they can be compared.

Each reader is written from the form's own description and shares nothing with what writes it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from lxml import etree

Path = tuple[str, ...]


@dataclass
class Said:
    """What a form says."""

    values: dict[Path, list[str]] = field(default_factory=dict[Path, list[str]])
    """Path of an element below the virtual system or device group → its texts and members; none if it is empty."""
    order: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """The names of the rules of each rulebase."""

    def names(self, *path: str) -> set[str]:
        """The names of the entries below a path."""
        return {key[len(path)] for key in self.values if key[: len(path)] == path}


# --- XML --------------------------------------------------------------------------------------------------------


def read_xml(data: bytes) -> Said:
    """``panos.xml``."""
    place = etree.fromstring(data).find("devices/entry/*/entry")
    assert place is not None
    said = Said()
    _walk(place, (), said)
    return said


def _walk(element: Any, path: Path, said: Said) -> None:
    for child in element:
        if child.tag == "entry":
            if path[-1] == "rules":
                said.order.setdefault(path[-2], []).append(child.get("name"))
            _walk(child, (*path, child.get("name")), said)
        elif child.tag == "member":
            said.values.setdefault(path, []).append(child.text)
        elif len(child):
            _walk(child, (*path, child.tag), said)
        else:
            said.values[(*path, child.tag)] = [child.text] if child.text else []


_STEP = re.compile(r"/([a-z-]+)(?:\[@name='([^']*)'\])?")


def read_multi_config(data: bytes, kind: str, name: str) -> Said:
    """``panos.multi-config.xml``: ``edit`` puts an entry in place, ``move`` changes the order of rules."""
    root = etree.fromstring(data)
    assert root.tag == "multi-configure-request"
    said = Said()
    for request in root:
        xpath = str(request.get("xpath"))
        steps = _STEP.findall(xpath)
        assert "".join(f"/{tag}" + (f"[@name='{entry}']" if entry else "") for tag, entry in steps) == xpath
        head = [("config", ""), ("devices", ""), ("entry", "localhost.localdomain"), (kind, ""), ("entry", name)]
        assert steps[:5] == head
        path = tuple(entry or tag for tag, entry in steps[5:])
        if request.tag == "move":
            assert request.get("where") == "after"
            rules = said.order[path[1]]
            rules.remove(path[-1])
            rules.insert(rules.index(str(request.get("dst"))) + 1, path[-1])
            continue
        assert request.tag == "edit"
        (entry,) = request
        assert (entry.tag, entry.get("name")) == ("entry", path[-1])
        if "rules" in path:
            said.order.setdefault(path[1], []).append(path[-1])
        _walk(entry, path, said)
    return said


# --- set commands -----------------------------------------------------------------------------------------------

_HEADS: tuple[Path, ...] = (
    ("tag",),
    ("address",),
    ("address-group",),
    ("service",),
    ("profiles", "custom-url-category"),
    ("profiles", "decryption"),
    *(
        (rulebase, kind, "rules")
        for rulebase in ("rulebase", "pre-rulebase", "post-rulebase")
        for kind in ("nat", "decryption", "security")
    ),
)
_NO_VALUE = {"ssl-forward-proxy"}


def read_set(data: bytes, place: list[str]) -> Said:
    """``panos.set``. Each command must begin with `place`, and things stand in an order that can be typed."""
    said = Said()
    reached = 0
    for line in data.decode().splitlines():
        verb, *words = shlex.split(line)
        assert words[: len(place)] == place, line
        words = words[len(place) :]
        if verb == "move":
            *path, name, after, other = words
            assert after == "after"
            rules = said.order[path[-2]]
            rules.remove(name)
            rules.insert(rules.index(other) + 1, name)
            continue
        assert verb == "set", line
        (index,) = (index for index, head in enumerate(_HEADS) if tuple(words[: len(head)]) == head)
        assert index >= reached, line
        reached = index
        if "rules" in words[:3] and words[3] not in said.order.setdefault(words[1], []):
            said.order[words[1]].append(words[3])
        if words[-1] in _NO_VALUE:
            said.values[tuple(words)] = []
        else:
            said.values.setdefault(tuple(words[:-1]), []).append(words[-1])
    return said


# --- Terraform --------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r'\s*(?:#[^\n]*\n\s*)*("(?:[^"\\]|\\.)*"|[A-Za-z_][\w.-]*|-?\d+|[{}\[\]=,])')
_UNESCAPED = re.compile(r"\\(.)|\$\$\{|%%\{")


@dataclass
class Block:
    """A block of HCL."""

    labels: tuple[str, ...]
    content: dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """An expression that names something else."""

    text: str


class _Hcl:
    """A parser of as much HCL as is written here: blocks, objects, lists, strings, numbers, truths and references."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match, text[at : at + 40]
            self.tokens.append(match[1])
            at = match.end()
        self.at = 0

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self) -> str:
        return self.tokens[self.at]

    def file(self) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        while self.at < len(self.tokens):
            kind = self.next()
            labels: list[str] = []
            while self.peek() != "{":
                labels.append(_text(self.next()))
            found.setdefault(kind, []).append(Block(tuple(labels), self.body()))
        return found

    def body(self) -> dict[str, Any]:
        assert self.next() == "{"
        content: dict[str, Any] = {}
        while self.peek() != "}":
            key = self.next()
            key = _text(key) if key[0] == '"' else key
            assert key not in content
            if self.peek() == "{":
                content[key] = self.body()
            else:
                assert self.next() == "="
                content[key] = self.value()
            if self.peek() == ",":
                self.next()
        self.next()
        return content

    def value(self) -> Any:
        token = self.peek()
        if token == "{":
            return self.body()
        self.next()
        if token == "[":
            items: list[Any] = []
            while self.peek() != "]":
                items.append(self.value())
                if self.peek() == ",":
                    self.next()
            self.next()
            return items
        if token[0] == '"':
            return _text(token)
        if token in ("true", "false"):
            return token == "true"
        return int(token) if token.lstrip("-").isdigit() else Reference(token)


def _text(token: str) -> str:
    def plain(match: re.Match[str]) -> str:
        return {"n": "\n", "t": "\t", "r": "\r"}.get(match[1], match[1]) if match[1] else match[0][1:]

    return _UNESCAPED.sub(plain, token[1:-1]) if token[0] == '"' else token


def read_hcl(data: bytes) -> dict[str, list[Block]]:
    """The blocks of a file, by type."""
    return _Hcl(data.decode()).file()


_OBJECTS: Mapping[str, Path] = {
    "panos_administrative_tag": ("tag",),
    "panos_addresses": ("address",),
    "panos_address_group": ("address-group",),
    "panos_service": ("service",),
    "panos_custom_url_category": ("profiles", "custom-url-category"),
    "panos_decryption_profile": ("profiles", "decryption"),
}
_RULEBASES = {
    "panos_nat_policy_rules": "nat",
    "panos_decryption_policy_rules": "decryption",
    "panos_security_policy_rules": "security",
}
_ELEMENTS = {
    "source_zones": "from",
    "destination_zones": "to",
    "destination_zone": "to",
    "source_addresses": "source",
    "destination_addresses": "destination",
    "source_users": "source-user",
    "services": "service",
    "applications": "application",
    "tags": "tag",
    "destination_port": "port",
}


def read_terraform(data: bytes, location: Mapping[str, Any]) -> Said:
    """``terraform/main.tf``, as the provider would send it to `location` (without the rulebase of rules)."""
    said = Said()
    blocks = read_hcl(data)
    made: set[str] = set()
    for block in blocks["resource"]:
        kind, label = block.labels
        content = dict(block.content)
        needed = {reference.text for reference in content.pop("depends_on", [])}
        assert needed == made, "everything that was there before may be named"
        made.add(f"{kind}.{label}")
        where = content.pop("location")
        (place,) = where
        rulebase = where[place].pop("rulebase", "rulebase")
        assert where == location
        if kind in _RULEBASES:
            assert content.pop("position") == {"where": "first"}
            path = (rulebase, _RULEBASES[kind], "rules")
            entries = {rule.pop("name"): rule for rule in content.pop("rules")}
            said.order[_RULEBASES[kind]] = list(entries)
        elif kind == "panos_addresses":
            path, entries = _OBJECTS[kind], content.pop("addresses")
        else:
            path, entries = _OBJECTS[kind], _for_each(content)
        assert not content
        for name, attributes in entries.items():
            for at, texts in _elements(attributes):
                said.values[(*path, name, *at)] = texts
    return said


def _for_each(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key, given in content.pop("for_each").items():
        entry: dict[str, Any] = {}
        for name, expression in content.items():
            assert isinstance(expression, Reference)
            base, _, attribute = expression.text.rpartition(".")
            if expression.text == "each.key":
                assert name == "name"
            else:
                assert (base, attribute) == ("each.value", name)
                entry[name] = given[attribute]
        assert set(entry) == set(given)
        found[key] = entry
    content.clear()
    return found


def _elements(attributes: Mapping[str, Any]) -> Iterator[tuple[Path, list[str]]]:
    for name, value in attributes.items():
        element = _ELEMENTS.get(name, name.replace("_", "-"))
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            if not inner:
                yield (element,), []
            yield from (((element, *path), texts) for path, texts in _elements(inner))
        elif isinstance(value, list):
            yield (element,), [str(member) for member in cast("list[Any]", value)]
        elif isinstance(value, bool):
            yield (element,), ["yes" if value else "no"]
        else:
            yield (element,), [str(value)]
