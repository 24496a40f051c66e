"""The parts of an `nginx.conf` → text. Every expression of the templates is quoted here, by its type."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...compiler.bundle import Bundle, KeyFile
from ...compiler.diagnostics import format_path
from ...compiler.plan import Hostname
from .files import crl_file
from .forwarding import USUALLY_SHOWN
from .matching import wildcard_expression
from .model import DOLLAR, Configuration, Expression, Joined, Key, LogFormat, Map, Text, Variable

_WORD_LIMIT = 4000
_KEPT = "It keeps its pid, temporary files and, unless told otherwise, access.log in this folder."
_SPECIAL_KEYS = frozenset({"default", "hostnames", "include", "volatile"})


@dataclass(frozen=True, slots=True)
class Bare:
    """A word without quotes, for flags and times: letters, digits and ``_:./=@+-[]`` only."""

    text: str


@dataclass(frozen=True, slots=True)
class Blank:
    """Blanks in front of a directive."""

    text: str


@dataclass(frozen=True, slots=True)
class Comment:
    """The rest of a comment's line."""

    text: str


def quote(value: object) -> str:
    """A value as one word of `nginx.conf`, so that it is nothing else there. Raises ValueError where it cannot be.

    A plain text with ``$`` is refused: whether nginx looks for variables depends on the place (`Text`).
    """
    match value:
        case bool():
            raise ValueError("a truth value is not a word")
        case int() | IPv4Network() | IPv6Network():
            return str(value)
        case Variable(name):
            return f"${name}"
        case LogFormat():
            return _log_format(value)
        case Bare(text):
            if not text or not all(c.isascii() and (c.isalnum() or c in "_:./=@+-[]") for c in text):
                raise ValueError(f"{text!r} is not a bare word")
            return text
        case Blank(text):
            if text.strip(" "):
                raise ValueError(f"{text!r} is not blank")
            return text
        case Comment(text):
            return "".join(c if c.isprintable() else " " for c in text)
        case Expression(text):
            return _quoted("~" + text)
        case Key(text):
            return _quoted("\\" + text if text in _SPECIAL_KEYS or text.startswith(("~", "\\")) else text)
        case Hostname():
            return _quoted("~" + wildcard_expression(value)) if value.wildcard else _quoted(value.name)
        case Text(text):
            return _quoted(text).replace("$", DOLLAR)
        case Joined(parts):
            return '"' + "".join(_part(part) for part in parts) + '"'
        case str():
            if "$" in value:
                raise ValueError(f"{value!r}: a plain word has no $")
            return _quoted(value)
        case _:
            raise ValueError(f"no way to write a {type(value).__name__}")


def _part(value: str | Text | Variable) -> str:
    if not isinstance(value, Variable):
        return quote(value)[1:-1]
    # What a group has found is known without braces only.
    return f"${value.name}" if value.name.isdigit() else f"${{{value.name}}}"


def _log_format(log: LogFormat) -> str:
    """The members of a JSON object; nginx escapes what its variables hold."""
    members: list[str] = []
    for name, value in log.members:
        shown = f"${{{value.name}}}" if isinstance(value, Variable) else quote(value)[1:-1]
        members.append(f'"{name}":' + (shown if name in log.numbers else f'"{shown}"'))
    return "'{" + ",".join(members) + "}'"


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} holds a character that cannot be printed")
    # nginx reads \t, \r and \n in any word, quoted or not, so every backslash is doubled.
    word = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if len(word.encode()) > _WORD_LIMIT:
        raise ValueError("a word over nginx's limit of 4096 bytes")
    return word


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is said once for all locations, and by a location where it differs. The times are the policy's defaults."""

    connect: int = 5_000
    response: int = 60_000
    idle: int = 60_000
    protocols: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    ciphers: str = "DEFAULT"


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

    def milliseconds(value: int) -> Bare:
        return Bare(f"{value}ms")

    def address(parts: tuple[str, str | Variable]) -> Bare | Joined:
        scheme, upstream = parts
        return Joined(parts) if isinstance(upstream, Variable) else Bare(scheme + upstream)

    def place(path: tuple[str | int, ...]) -> Comment:
        return Comment(f"{source}: {format_path(path)}" if path else source)

    # Jinja2's own types allow its built-in filters only.
    filters: dict[str, Any] = environment.filters
    filters.update(
        address=address,
        bare=Bare,
        text=Text,
        joined=Joined,
        variable=Variable,
        ms=milliseconds,
        comment=Comment,
        place=place,
        raw=Blank,
    )
    text = environment.get_template("nginx.conf.j2").render(
        c=configuration, sizes=_sizes(configuration), usual=_Usual(), usually_shown=USUALLY_SHOWN
    )
    files = {"nginx.conf": text.encode()}
    keys: list[KeyFile] = []
    for certificate in configuration.certificates:
        files[f"certs/{certificate.name}.pem"] = "".join(one.pem for one in certificate.chain).encode()
        keys.append(KeyFile(f"certs/{certificate.name}.key", certificate.key_file, certificate.key_as_written))
    for shown in configuration.shown:
        files[f"{shown.name}.pem"] = shown.pem.encode()
        keys.append(KeyFile(f"{shown.name}.key", shown.key_file, shown.key_as_written))
    for anchors in configuration.anchors:
        files[f"ca/{anchors.name}.pem"] = "".join(one.pem for one in anchors.certificates).encode()
        if anchors.crl_pem:
            files[crl_file(anchors)] = anchors.crl_pem.encode()
    return Bundle(
        files=files,
        keys=tuple(keys),
        check=("nginx", "-t", "-p", "{folder}/", "-c", "{folder}/nginx.conf"),
        # Then it opens the sockets, which needs the rights, addresses and folders of the machine that it will run on.
        check_says="syntax is ok",
        check_fault=r"^(?:nginx: |\S+ \S+ )\[(?:emerg|alert|crit)\] (?:\d+#\d+: )?(.+)",
        run=("nginx", "-p", "{folder}/", "-c", "{folder}/nginx.conf"),
        install="\n".join([_KEPT, *_folders(configuration)]),
    )


def _folders(configuration: Configuration) -> list[str]:
    sockets = [bind for one in configuration.listeners for bind in one.binds]
    sockets += [f"unix:{one.socket}" for one in (configuration.tcp.forwards if configuration.tcp else ())]
    folders = sorted({bind.removeprefix("unix:").rpartition("/")[0] for bind in sockets if bind.startswith("unix:")})
    return [f"{folder} must exist, and be open to nginx alone: its sockets lie there." for folder in folders]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """nginx's hashes, large enough for every name: it refuses or complains otherwise."""

    names: int
    name_bucket: int
    keys: int
    key_bucket: int
    variables: int
    variable_bucket: int
    header_bucket: int


def _sizes(configuration: Configuration) -> _Sizes:
    names = [
        host.name
        for part in (*(server for one in configuration.listeners for server in one.servers), *configuration.redirects)
        for host in part.names
    ]
    maps = (*configuration.maps, *(configuration.tcp.maps if configuration.tcp else ()))
    keys = [key.text for block in maps if isinstance(block, Map) for key, _ in block.cases if isinstance(key, Key)]
    variables = [block.name for block in maps]
    headers = [
        line.name
        for listener in configuration.listeners
        for server in listener.servers
        for location in server.locations
        for line in location.request or ()
    ]
    headers += [
        name
        for listener in configuration.listeners
        for server in listener.servers
        for location in server.locations
        for name in location.hidden
    ]
    return _Sizes(
        *(_hash_size(names), _bucket_size(names)),
        *(_hash_size(keys), _bucket_size(keys)),
        *(_hash_size(variables), _bucket_size(variables)),
        _bucket_size(headers),
    )


def _hash_size(names: Collection[str]) -> int:
    size = 1024
    while size < 2 * len(names):
        size *= 2
    return size


def _bucket_size(names: Iterable[str]) -> int:
    # Two of the longest, each with a pointer and its length, and the pointer that ends the bucket.
    wanted = 2 * (max(map(len, names), default=0) + 24) + 8
    size = 128
    while size < wanted:
        size *= 2
    return size
