"""The texts of the language that mean more than text: durations, sizes, sockets, names.

Each type takes what the document has and gives the value meant. A text that is wrong raises `PydanticCustomError`
with a message for the user: what is wrong, and what is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, NamedTuple, TypeVar, cast

from pydantic import AfterValidator, BeforeValidator, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError

MAX_DURATION = 24 * 24 * 3_600_000
"""Milliseconds. HAProxy counts up to 2147483647; some of what is written is a little more than what the policy says."""
MAX_SIZE = 1 << 40
"""Bytes: 1024 GiB. nginx and HAProxy count in 63 bits, and refuse or misread what is larger."""
MAX_TEXT = 10_000
"""Characters of a text. Proxies take longer request lines and headers, but not longer words in their configuration."""

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h)\Z")
DURATION_PATTERN = r"^[0-9]+(ms|s|m|h)$"
_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB|kB|KB|MB|GB)?\Z")
_BYTES = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}
_RATE = re.compile(r"([0-9]{1,9})/(s|sec|min|m|h)\Z")
_PERIOD = {"s": 1_000, "sec": 1_000, "min": 60_000, "m": 60_000, "h": 3_600_000}
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,128}\Z")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})\Z")


class Rate(NamedTuple):
    """So many `events` in `period` milliseconds."""

    events: int
    period: int


class SocketAddress(NamedTuple):
    """An IP address, as text without brackets, and a TCP port."""

    address: str
    port: int


def wrong(message: str) -> PydanticCustomError:
    """An error with a message for the user. Braces in it are kept as they are."""
    return PydanticCustomError("value", "{message}", {"message": message})


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise wrong(f"this must be {what}")
    return value


def _typed(parse: Callable[[Any], Any], **schema: Any) -> Any:
    return (PlainValidator(parse), WithJsonSchema(schema))


def parse_duration(value: Any) -> int:
    """``500ms``, ``5s``, ``1m``, ``1h`` → milliseconds, at least 1 and at most `MAX_DURATION`."""
    match = _DURATION.match(_text(value, "a duration such as `5s`"))
    if not match or not (milliseconds := int(match[1]) * _MILLISECONDS[match[2]]):
        raise wrong(f"`{value}` is not a duration: write `500ms`, `5s`, `1m` or `1h`")
    if milliseconds > MAX_DURATION:
        raise wrong(f"`{value}` is too long: {duration_text(MAX_DURATION)} is the most")
    return milliseconds


def duration_text(milliseconds: int) -> str:
    """The shortest text that `parse_duration` takes for it."""
    unit = next(unit for unit in reversed(_MILLISECONDS) if milliseconds % _MILLISECONDS[unit] == 0)
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def parse_size(value: Any) -> int:
    """``512KiB``, ``10MiB``, ``1MB`` or a plain number → bytes, at most `MAX_SIZE`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        size = value
    else:
        match = _SIZE.match(_text(value, "a size such as `10MiB`"))
        if not match:
            raise wrong(f"`{value}` is not a size: write `512KiB`, `10MiB` or `1MB`")
        size = int(match[1]) * _BYTES[match[2] or "B"]
    if size > MAX_SIZE:
        raise wrong("this is too large: `1024GiB` is the most")
    return size


def parse_rate(value: Any) -> Rate:
    """``5/s``, ``100/min``."""
    match = _RATE.match(_text(value, "a rate such as `5/s`"))
    if not match or not int(match[1]):
        raise wrong(f"`{value}` is not a rate: write `5/s`, `100/min` or `1000/h`")
    return Rate(int(match[1]), _PERIOD[match[2]])


def parse_socket(value: Any) -> SocketAddress:
    """``192.0.2.10:443``, ``[2001:db8::1]:443``."""
    text = _text(value, "an address and a port such as `192.0.2.10:443`")
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise wrong(f"`{text}` has no port: write `{text}:443`")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise wrong(f"`{text}`: an IPv6 address stands in brackets: `[{host}]:{port_text}`")
    try:
        address = ip_address(host)
    except ValueError:
        raise wrong(f"`{host}` is not an IP address; names are not looked up: write the address") from None
    if getattr(address, "scope_id", None):
        raise wrong(f"`{host}`: a zone index is not supported")
    if not (port_text.isascii() and port_text.isdigit()) or not 1 <= int(port_text[:6]) <= 65535:
        raise wrong(f"`{port_text}` is not a port: 1 to 65535")
    return SocketAddress(str(address), int(port_text))


def parse_network(value: Any) -> IPv4Network | IPv6Network:
    """``10.0.0.0/8``, ``2001:db8::/32``, or a single address. Host bits must be zero."""
    text = _text(value, "a network such as `10.0.0.0/8`")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise wrong(f"`{text}` is not a network: write `10.0.0.0/8` or `2001:db8::/32`") from None
    if text.partition("/")[2].count("."):
        raise wrong(f"`{text}`: write the prefix length: `{network}`")
    if "%" in text:
        raise wrong(f"`{text}`: a zone index is not supported")
    if "/" in text and ip_network(text, strict=False).network_address != ip_address(text.partition("/")[0]):
        raise wrong(f"`{text}` has bits set behind its prefix: did you mean `{network}`?")
    return network


def parse_address(value: Any) -> str:
    """One IPv4 or IPv6 address → its canonical text."""
    text = _text(value, "an IP address")
    try:
        address = ip_address(text)
    except ValueError:
        raise wrong(f"`{text}` is not an IP address") from None
    if getattr(address, "scope_id", None):
        raise wrong(f"`{text}`: a zone index is not supported")
    return str(address)


def parse_hostname(value: Any) -> str:
    """A DNS name, maybe with ``*.`` in front → lower-case A-labels, without a trailing dot.

    Raises for ports, IP literals, underscores in the last two labels and labels that DNS does not allow (RFC 1035,
    RFC 5890). International names are taken by IDNA 2008 with UTS 46 mapping.
    """
    text = _text(value, "a hostname")
    wildcard, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    name = name.removesuffix(".") if name != "." else name
    if "*" in name:
        raise wrong(f"`{text}`: a wildcard is `*.` in front of a name, and covers exactly one label")
    if ":" in name and not name.startswith("[") and name.count(":") == 1:
        raise wrong(f"`{text}`: a hostname has no port here; ports belong to `listeners.*.bind`")
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        raise wrong(f"`{text}` is an IP address; visitors send no SNI for one, so it cannot be a hostname")
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise wrong(f"`{text}` is not a hostname: {error}") from None
    name = name.lower()
    labels = name.split(".")
    for label in labels:
        if not _LABEL.match(label):
            shown = label if label else "(empty)"
            raise wrong(f"`{text}` is not a hostname: the label `{shown}` is not letters, digits and inner hyphens")
    if any("_" in label for label in labels[-2:]):
        raise wrong(f"`{text}` is not a hostname: no underscore in the last two labels")
    if labels[-1].isdigit() or len(name) > 253:
        raise wrong(
            f"`{text}` is not a hostname: " + ("it ends in a number" if labels[-1].isdigit() else "over 253 characters")
        )
    if wildcard and len(labels) < 2:
        raise wrong(f"`{text}`: a wildcard over a whole top-level domain is never meant")
    return wildcard + name


def parse_exact_hostname(value: Any) -> str:
    """As `parse_hostname`, but no wildcard."""
    name = parse_hostname(value)
    if name.startswith("*."):
        raise wrong(f"`{name}`: a wildcard cannot stand here")
    return name


def _name(value: str) -> str:
    if not _NAME.match(value):
        raise wrong(
            f"`{value}` is not a name: begin with a letter or digit, then letters, digits, `.`, `_`, `-`; up to 63"
        )
    return value


def _bounded(value: str) -> str:
    if len(value) > MAX_TEXT:
        raise wrong(f"a text of {len(value):,} characters: no target takes more than {MAX_TEXT:,} here")
    return value


def _printable(value: str) -> str:
    for character in value:
        if not " " <= character <= "~":
            raise wrong(f"the character U+{ord(character):04X} is not allowed here: printable ASCII only")
    return _bounded(value)


def _header_name(value: str) -> str:
    if not _HEADER_NAME.match(value):
        raise wrong(f"`{value}` is not a header name: letters, digits and hyphens (others are dropped on the way)")
    return value


def _header_value(value: str) -> str:
    if value != value.strip():
        raise wrong("a header value has no space at its ends")
    return _printable(value)


def _method(value: str) -> str:
    if not _TOKEN.match(value):
        raise wrong(f"`{value}` is not a method: a token such as `GET` (RFC 9110)")
    return value


def _file_path(value: str) -> str:
    if not value or "\0" in value:
        raise wrong("this is not a file's path")
    if "\n" in value or "-----BEGIN" in value:
        raise wrong("this is the content of a file, and not its path")
    return value


def _one_line(value: str) -> str:
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        raise wrong("a control character is not allowed here")
    return _bounded(value)


def _pin(value: Any) -> str:
    match = _SHA256.match(_text(value, "a pin such as `sha256:…`"))
    if not match:
        raise wrong("a pin is `sha256:` and 64 hex digits: the SHA-256 of the leaf's DER")
    return match[1].lower()


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(_text(value, "a date such as `2027-03-31`"))
    except ValueError:
        raise wrong(f"`{value}` is not a date: write `2027-03-31`") from None


def _listed(value: Any) -> Any:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _not_empty(value: list[Any]) -> list[Any]:
    if not value:
        raise wrong("this list is empty: name at least one, or remove the key")
    return value


@dataclass(frozen=True, slots=True)
class _Schema:
    """Says in the JSON Schema what a validator checks."""

    keyword: str
    value: str | int
    alone: bool = False
    """One element may stand without its list. (Given to BeforeValidator, a type variable would stand for anything.)"""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = {**handler(core), self.keyword: self.value}
        return {"anyOf": [schema["items"], schema]} if self.alone else schema


T = TypeVar("T")

Some = Annotated[list[T], AfterValidator(_not_empty), _Schema("minItems", 1)]
"""A list with at least one element."""

OneOrMany = Annotated[list[T], BeforeValidator(_listed), AfterValidator(_not_empty), _Schema("minItems", 1, alone=True)]
"""One value or a list of them; any of them matches."""

Name = Annotated[str, AfterValidator(_name), _Schema("pattern", _NAME.pattern.replace(r"\Z", "$"))]
Text = Annotated[str, AfterValidator(_one_line)]
Printable = Annotated[str, AfterValidator(_printable)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Method = Annotated[str, AfterValidator(_method)]
FilePath = Annotated[str, AfterValidator(_file_path)]
Duration = Annotated[int, *_typed(parse_duration, type="string", pattern=DURATION_PATTERN, examples=["5s", "500ms"])]
Size = Annotated[int, *_typed(parse_size, type=["string", "integer"], examples=["10MiB", "512KiB"])]
RateText = Annotated[
    Rate, *_typed(parse_rate, type="string", pattern=r"^[0-9]+/(s|sec|min|m|h)$", examples=["5/s", "100/min"])
]
SocketText = Annotated[
    SocketAddress,
    *_typed(
        parse_socket,
        type="string",
        pattern=r"^([0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]+$",
        examples=["0.0.0.0:443", "[::]:443"],
    ),
]
NetworkText = Annotated[
    IPv4Network | IPv6Network, *_typed(parse_network, type="string", examples=["10.0.0.0/8", "2001:db8::/32"])
]
AddressText = Annotated[str, *_typed(parse_address, type="string", examples=["198.51.100.10"])]
HostnameText = Annotated[str, *_typed(parse_hostname, type="string", examples=["shop.example.com", "*.example.com"])]
ExactHostname = Annotated[str, *_typed(parse_exact_hostname, type="string", examples=["shop.internal"])]
Pin = Annotated[str, *_typed(_pin, type="string", pattern="^sha256:[0-9a-fA-F]{64}$")]
DateText = Annotated[date, *_typed(_date, type="string", format="date", examples=["2027-03-31"])]
