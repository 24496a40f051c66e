"""Documents that are wrong, or nearly right: values changed in place, and bytes changed behind the reader's back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, cast

import yaml

from ..backends.hostile import TEXTS, as_yaml

Policy = dict[str, Any]

_ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        2**63,
        10**30,
        1.5,
        float("inf"),
        float("nan"),
        "",
        " ",
        [],
        {},
        [[]],
        {"": ""},
        [None],
    ),
    *(
        "null",
        "true",
        "0x1",
        "1e9",
        "*",
        "&a",
        "!!str",
        "<<",
        "=",
        "2026-01-01",
        "12:30:45",
        "0o7",
        "~",
        "\ud800",
        "\0",
    ),
    *([1] * 1000, {str(number): number for number in range(300)}, "x" * 100_000, "(" * 500, "a{1000}" * 20, ["x", 1]),
    *({"address": {"address": "x"}}, [["192.0.2.1:443"]], "99999999999999999999:443", "[::1%eth0]:443", "192.0.2.1:"),
    *("fe80::1%x", "1.2.3.4/33", "1.2.3.4/255.0.0.0", "::/129", "0/0", "\u0661.2.3.4:443", "\uff11.2.3.4", "1_000s"),
    *("\u0665s", "5\u00a0s", "5s\n", "\u212aiB", "1KiB ", "000000000000000001s", "/" + "../" * 1000, "/dev/stdin", "."),
    *("a" * 254 + ".com", ".".join("a" * 130), "*." * 20 + "x", "xn--" + "a" * 80, "\u3002x", "x\u200d.com", "a..b"),
    *("(?P<x>a)(?P=x)", "(a+)+$", "(?#", "[a", "a{2,1}", "\\", "\\1", "(?i", "[[:x:]]", "\\p{Greek}", "a**", "(?<!a)b"),
)
"""What nobody expects, at any place."""


def changed(policy: Policy, random: Random) -> Policy:
    """The policy with one to three values replaced, removed, doubled, moved, or under another key."""
    copy: Policy = json.loads(json.dumps(policy))
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(copy))
        container, key = random.choice(places)
        others, other = random.choice(places)
        match random.randrange(7):
            case 0:
                del container[key]
            case 1:
                container[key] = json.loads(json.dumps(others[other]))  # so that nothing is inside of itself
            case 2:
                container[key] = [container[key]]
            case 3:
                _put(container, random.choice((*TEXTS, "name", "tls", "when", 1)), container[key])
            case 4:
                container[key] = random.choice(TEXTS)
            case _:
                container[key] = random.choice(_ODD)
        if not copy:
            break
    return copy


def _put(container: Any, key: Any, value: Any) -> None:
    if isinstance(container, dict):
        cast("dict[Any, Any]", container)[str(key)] = value
    else:
        container.append(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of every container, as the container and its key."""
    inside: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        inside = iter(list(cast("dict[Any, Any]", value).items()))
    elif isinstance(value, list):
        inside = enumerate(list(cast("list[Any]", value)))
    for key, inner in inside:
        yield value, key
        yield from _places(inner)


def text_of(policy: Policy, random: Random) -> bytes:
    """The policy as YAML, in one of the ways in which people write it."""
    style = random.randrange(4)
    if style == 0:
        return as_yaml(policy).encode(errors="surrogatepass")
    if style == 1:
        return json.dumps(policy).encode()
    flow = None if style == 2 else False
    dump: Callable[..., str] = getattr(yaml, "safe_dump")  # noqa: B009  # its stub leaves the stream open
    text = dump(policy, allow_unicode=True, default_flow_style=flow, sort_keys=False, width=80)
    return text.encode(errors="surrogatepass")


# --- bytes ------------------------------------------------------------------------------------------------------

Change = Callable[[bytes, Random], bytes]

_PIECES = (
    *(
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
        b"\x85",
        b"\x07",
    ),
    *(b"\r", b"\n", b"\t", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xef\xbf\xbe", b"\xe2\x80\xae", b"\x1b[2J"),
    *(
        b"&a ",
        b"*a ",
        b"*b",
        b"!!python/object:os.system ",
        b"!x ",
        b"!<tag:x> ",
        b"%YAML 1.1\n---\n",
        b"\n---\n",
        b"\n...\n",
    ),
    *(
        b"? ",
        b": ",
        b"- ",
        b"| ",
        b"|+9\n",
        b">-\n ",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"'",
        b"#",
        b"<<: *a\n",
        b", ",
        b"=",
        b"`",
    ),
    *(
        b"\\x41",
        b"\\u0000",
        b"\\ud800",
        b"\\N",
        b"&",
        b"*",
        b"%TAG ! x\n",
        b"-----BEGIN PRIVATE KEY-----",
        b"\n@x",
        b"\n  ",
    ),
    *(
        b"? [a, b]\n: c\n",
        b"&a [*a]",
        b"&a {x: *a}",
        b"!!binary aGk=",
        b"!!set {a, b}",
        b"!!int 3",
        b"~: 1\n",
        b"1: 1\n",
    ),
)


def _truncated(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _flipped(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 3, 20))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _with_piece(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(_PIECES) * random.choice((1, 1, 1, 2, 70, 3000)) + data[at:]


def _without_part(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 2, 10, 100)) :]


def _spliced(data: bytes, random: Random) -> bytes:
    start, end = sorted((random.randrange(len(data) + 1), random.randrange(len(data) + 1)))
    at = random.randrange(len(data) + 1)
    return data[:at] + data[start:end] * random.choice((1, 1, 2, 5)) + data[at:]


def _line_moved(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    moved = lines.pop(random.randrange(len(lines)))
    indented = random.choice((moved, b" " + moved, b"  " + moved, moved.lstrip(), moved.replace(b" ", b"\t", 1)))
    lines.insert(random.randrange(len(lines) + 1), indented)
    return b"\n".join(lines)


def _other_encoding(data: bytes, random: Random) -> bytes:
    text = data.decode(errors="replace")
    return text.encode(
        random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037")), errors="replace"
    )


def _line_ends(data: bytes, random: Random) -> bytes:
    return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\r", b"\n\n", b"\x0b", b"\xc2\x85")))


def _noise(data: bytes, random: Random) -> bytes:
    return random.randbytes(random.choice((1, 10, 1000, 5000)))


def _deep(data: bytes, random: Random) -> bytes:
    deep = random.choice((10, 63, 64, 65, 1000, 20_000))
    opened = random.choice((b"[", b"{a: ", b"- ", b"{", b'{"a":[', b"? ", b"&a [", b"!x ["))
    return random.choice((b"name: ", b"", b"sites: ")) + opened * deep


def _many(data: bytes, random: Random) -> bytes:
    line = random.choice(
        (b"- x\n", b"a%d: x\n", b"sites: {}\n", b"&a%d x\n", b"# x\n", b"version: 1\n", b"- &a x\n- *a\n")
    )
    many = random.choice((100, 10_000))
    lines = (line % number if b"%d" in line else line for number in range(many))
    return (data + b"\n" if random.random() < 0.5 else b"x:\n") + b"".join(lines)


def _bomb(data: bytes, random: Random) -> bytes:
    wide, high = random.choice(((9, 9), (2, 60), (300, 4), (1000, 2)))
    levels = [b"a0: &a0 [" + b", ".join([b"x"] * wide) + b"]"]
    levels += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * wide)) for n in range(1, high)]
    return b"\n".join(levels) + b"\nsites: *a%d\n" % (high - 1)


CHANGES: tuple[Change, ...] = (
    *(_truncated, _flipped, _flipped, _with_piece, _with_piece, _with_piece, _without_part, _spliced, _line_moved),
    *(_line_moved, _other_encoding, _line_ends, _noise, _deep, _many, _bomb),
)
"""What is done to a document's bytes."""
RARE = frozenset({_many, _bomb, _deep})
"""Changes that make large documents: one in five of them is enough."""


def document(policy: Policy, random: Random) -> tuple[str, bytes]:
    """A document made of a policy, and what was done to it."""
    if random.random() < 0.4:
        return "values", text_of(changed(policy, random), random)
    data = text_of(policy, random)
    names: list[str] = []
    for _ in range(random.choice((1, 1, 2))):
        change = random.choice(CHANGES)
        if change in RARE and random.random() < 0.8:
            change = _flipped
        data = change(data, random)
        names.append(change.__name__.strip("_"))
    return "+".join(names), data
