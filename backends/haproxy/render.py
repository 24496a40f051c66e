"""The parts of a `haproxy.cfg` → text. Every expression of the templates is quoted here, by its type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...compiler.bundle import Bundle, KeyFile
from ...compiler.diagnostics import format_path
from ...compiler.normal_form import FORWARDED_FOR, HOST, MAX_FORWARDED, escape_text
from ...compiler.plan import Balance
from .expressions import joined_lines, whole
from .model import CertificateList, Configuration, ListedCertificate, Literal, MapFile, Terms
from .rules import PASSED

_BARE = re.compile(r"!?[A-Za-z0-9_.:/,()@+=*\[\]-]+\Z")
_BALANCES = {
    Balance.ROUND_ROBIN: "roundrobin",
    Balance.LEAST_CONNECTIONS: "leastconn",
    Balance.SOURCE_HASH: "source",
}
_WORDS_OF_CONDITION = 40
"""Words of a condition on one line. HAProxy refuses a line of more than 64."""
_NAMES_PER_LINE = 200
"""Names on one line of a crt-list. HAProxy refuses lines of more than 64 KiB or 2,048 words."""


@dataclass(frozen=True, slots=True)
class Bare:
    """Words without quotes: names, addresses and samples."""

    text: str


@dataclass(frozen=True, slots=True)
class Format:
    """A text in a place where HAProxy looks for ``%[sample]``."""

    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A text as a sample expression."""

    text: str


@dataclass(frozen=True, slots=True)
class Comment:
    """The rest of a comment's line."""

    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample expression as one word."""

    text: str


@dataclass(frozen=True, slots=True)
class Written:
    """What a macro has written, quoted already."""

    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """What stands behind a rule: nothing where it holds always."""

    terms: Terms


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Status and body of a refusal. With a body any status is allowed, without it only some."""

    status: int
    text: str


def quote(value: object) -> str:
    """A value as one word of `haproxy.cfg`, so that it is nothing else there. Raises ValueError where it cannot be."""
    match value:
        case bool():
            raise ValueError("a truth value is not a word")
        case int():
            return str(value)
        case Bare(text):
            if not _BARE.match(text):
                raise ValueError(f"{text!r} is not a bare word")
            return text
        case Comment(text):
            return "".join(character if character.isprintable() else " " for character in text)
        case Format(text):
            return _quoted(text.replace("%", "%%"))
        case Constant(text):
            if not re.fullmatch(r"[A-Za-z0-9._+-]+", text):
                raise ValueError(f"{text!r} has no spelling inside of an expression")
            return f"str({text})"
        case Sample(text):
            return text if _BARE.match(text) else _quoted(text)
        case Written(text):
            return text
        case Header(name, value):
            return f"hdr {quote(Bare(name))} {quote(Format(value))}"
        case Condition(terms):
            if terms == ((),):
                return ""
            return " if " + " or ".join(" ".join(quote(Bare(str(one))) for one in term) for term in terms)
        case Refusal(status, text):
            return f"status {status} content-type text/plain string {_quoted(text)}"
        case str():
            return _quoted(value)
        case _:
            raise ValueError(f"no way to write a {type(value).__name__}")


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that cannot be printed")
    return "'" + text.replace("'", "'\\''") + "'"


def render(configuration: Configuration, source: str) -> Bundle:
    """The target's files. `source` is the policy's name for comments."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=StrictUndefined,
        finalize=quote,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        autoescape=False,  # noqa: S701  # `quote` does it
    )

    def place(path: tuple[str | int, ...]) -> Comment:
        return Comment(f"{source}: {format_path(path)}" if path else source)

    # Jinja2's own types allow its built-in filters only.
    filters: dict[str, Any] = environment.filters
    filters.update(
        bare=Bare,
        format=Format,
        constant=Constant,
        comment=Comment,
        condition=Condition,
        place=place,
        sample=Sample,
        ms=_milliseconds,
        methods=_methods,
        whole=whole,
        conditions=_conditions,
        header=_header,
        written=Written,
    )
    text = environment.get_template("haproxy.cfg.j2").render(
        c=configuration,
        refusal=_refusal,
        passed=PASSED,
        balances=_BALANCES,
        host=whole(HOST),
        forwarded={"lines": joined_lines("x-forwarded-for"), "list": whole(FORWARDED_FOR), "most": MAX_FORWARDED},
    )
    files = {"haproxy.cfg": text.encode()}
    for one in configuration.maps:
        files[one.file] = _map(one, place(one.path))
    for one in configuration.lists:
        files[one.file] = _list(one, place(one.path))
    keys: list[KeyFile] = []
    for pair in configuration.pairs:
        files[pair.file] = pair.pem.encode()
        keys.append(KeyFile(pair.key, pair.key_file, pair.key_as_written))
    for anchors in configuration.anchors:
        files[f"ca/{anchors.name}.pem"] = "".join(one.pem for one in anchors.certificates).encode()
        if anchors.crl_pem is not None:
            files[f"ca/{anchors.name}.crl"] = anchors.crl_pem.encode()
    return Bundle(
        files=files,
        keys=tuple(keys),
        check=("haproxy", "-c", "-f", "haproxy.cfg"),
        # The summary lines that end it tell nothing.
        check_fault=r"^\[ALERT\] +\(\d+\) : (?:config : )?+(?!Error\(s\) found|Fatal errors found)(.+)",
        run=("haproxy", "-f", "haproxy.cfg"),
        install="Start it in this folder: the names of files in it are relative.",
    )


def _milliseconds(value: int) -> Bare:
    return Bare(f"{value}ms")


def _methods(methods: Sequence[str]) -> str:
    """What one of these methods looks like."""
    return whole("|".join(map(escape_text, methods)))


def _refusal(status: int, text: str | None = None) -> Refusal:
    return Refusal(status, text or f"{status} {HTTPStatus(status).phrase}")


def _header(value: str, name: str) -> Header:
    return Header(name, value)


def _conditions(terms: Terms) -> list[Condition]:
    """A condition as few that each fit on a line; any of them holds where it does."""
    lines: list[list[tuple[Literal, ...]]] = []
    size = _WORDS_OF_CONDITION
    for term in terms:
        if size + len(term) + 1 > _WORDS_OF_CONDITION:
            lines.append([])
            size = 0
        lines[-1].append(term)
        size += len(term) + 1
    return [Condition(tuple(line)) for line in lines]


def _map(one: MapFile, place: Comment) -> bytes:
    return _lines(place, (f"{quote(Bare(key))} {quote(Bare(to))}" for key, to in one.entries))


def _list(one: CertificateList, place: Comment) -> bytes:
    return _lines(
        place,
        (
            " ".join(quote(Bare(word)) for word in (listed.file, *_options(listed), *names))
            for listed in one.entries
            for names in _chunks(listed.names)
        ),
    )


def _options(one: ListedCertificate) -> Sequence[str]:
    if one.ca_file is None:
        return ()
    words = ["verify", "required" if one.required else "optional", "ca-file", one.ca_file]
    words += ["crl-file", one.crl_file] if one.crl_file else []
    return (f"[{words[0]}", *words[1:-1], f"{words[-1]}]")


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _NAMES_PER_LINE):
        yield names[start : start + _NAMES_PER_LINE]


def _lines(place: Comment, lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in (f"# {quote(place)}", *lines)).encode()
