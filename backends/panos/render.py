"""The model → panos.xml, panos.set, the certificates and the script that imports them.

Both forms of the configuration are written from one tree of plain values, so that they cannot differ.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from jinja2 import Environment, PackageLoader, StrictUndefined
from lxml import etree

from ...compiler.bundle import Bundle, KeyFile
from ...compiler.plan import Certificate
from .lower import TAG, Configuration, DecryptionProfile, DecryptionRule, SecurityRule
from .support import Settings

Node = Mapping[str, "str | tuple[str, ...] | Node"]
"""An element's children: a text, members, or children again. No children: an empty element."""

_WORD = re.compile(r"[A-Za-z0-9._/:-]+")
_MISREAD = re.compile(r"[^ !#->@-\[\]-~]")
_DEVICE = "localhost.localdomain"  # what PAN-OS calls itself in its own configuration [SPEC]


@dataclass(frozen=True, slots=True)
class Section:
    """Named entries at a path below the virtual system or device group. Of rules the order counts."""

    path: tuple[str, ...]
    entries: tuple[tuple[str, Node], ...]
    ordered: bool = False


def render(configuration: Configuration, source: str) -> Bundle:
    """All files. Private keys are named and never read."""
    content = sections(configuration, source)
    pairs = configuration.key_pairs
    files = {
        "panos.xml": to_xml(content, configuration.settings),
        "panos.set": to_set(content, configuration.settings),
    }
    if pairs:
        files["import-certificates.sh"] = _script(configuration, source)
    for pair in pairs:
        files[f"certs/{pair.name}.pem"] = "".join(certificate.pem for certificate in pair.chain).encode()
    without_key = [pair.name for pair in pairs if not pair.key]
    return Bundle(
        files=files,
        keys=tuple(
            KeyFile(f"certs/{pair.name}.key", pair.key.key_file, pair.key.key_as_written) for pair in pairs if pair.key
        ),
        executable=frozenset({"import-certificates.sh"} & set(files)),
        install=(
            "Install: ./import-certificates.sh --help, then either form: paste panos.set in configuration mode, or "
            "import panos.xml and `load config partial mode merge`; then commit.\n"
            "         Rules come last: move them above your own that match more. A merge puts new ones below old ones, "
            "panos.set moves its rules into order; neither removes what the policy no longer has "
            f"(all of it has the tag {TAG})."
            + (f"\n         The policy does not name the keys of: {', '.join(without_key)}." if without_key else "")
        ),
    )


# --- the tree -------------------------------------------------------------------------------------------------


def sections(configuration: Configuration, source: str) -> list[Section]:
    """Everything that both forms say, in an order in which nothing is named before it is there."""
    settings = configuration.settings
    rulebase = "rulebase" if settings.location.vsys else "pre-rulebase"
    tags = (TAG,)
    content = [
        Section(
            ("tag",),
            ((TAG, {"color": "color3", "comments": f"Written by policyc from {_plain(source)}; change that"}),),
        ),
        Section(
            ("address",),
            tuple(
                (one.name, {"ip-netmask": one.value, "description": one.description, "tag": tags})
                for one in configuration.addresses
            ),
        ),
        Section(
            ("service",),
            tuple(
                (one.name, {"protocol": {"tcp": {"port": str(one.port)}}, "description": one.description, "tag": tags})
                for one in configuration.services
            ),
        ),
        Section(
            ("profiles", "custom-url-category"),
            tuple(
                (one.name, {"description": one.description, "list": one.urls, "type": "URL List"})
                for one in configuration.categories
            ),
        ),
        Section(("profiles", "decryption"), tuple((one.name, _profile(one)) for one in configuration.profiles)),
        Section(
            (rulebase, "decryption", "rules"),
            tuple((one.name, _decryption_rule(one, settings)) for one in configuration.decryption),
            ordered=True,
        ),
        Section(
            (rulebase, "security", "rules"),
            tuple((one.name, _security_rule(one, settings)) for one in configuration.security),
            ordered=True,
        ),
    ]
    return [section for section in content if section.entries]


def _profile(profile: DecryptionProfile) -> Node:
    def version(text: str) -> str:
        return "tls" + text.replace(".", "-")

    # Where it cannot decrypt, the session ends: passing it on unread would be the hole in the policy.
    refused = (
        "block-unsupported-version",
        "block-unsupported-cipher",
        "block-if-no-resource",
        "block-if-hsm-unavailable",
        "block-tls13-downgrade-no-resource",
    )
    return {
        "ssl-inbound-proxy": dict.fromkeys(refused, "yes"),
        "ssl-protocol-settings": {
            "min-version": version(profile.min_version),
            "max-version": version(profile.max_version),
            **{switch: _yes(on) for switch, on in profile.switches},
        },
    }


def _decryption_rule(rule: DecryptionRule, settings: Settings) -> Node:
    kind: Node = {"ssl-forward-proxy": {}}  # a no-decrypt rule needs a type, and means none
    if rule.certificates:
        listed = {"certificates": rule.certificates} if settings.certificate_list else rule.certificates[0]
        kind = {"ssl-inbound-inspection": listed}
    return {
        **_common(rule, settings),
        "action": "decrypt" if rule.certificates else "no-decrypt",
        "type": kind,
        **({"profile": rule.profile} if rule.profile else {}),
        "log-success": "yes",
        "log-fail": "yes",
        **_closing(rule, settings),
    }


def _security_rule(rule: SecurityRule, settings: Settings) -> Node:
    return {
        **_common(rule, settings),
        **({"negate-source": "yes"} if rule.negate_source else {}),
        "application": rule.application,
        "action": "allow" if rule.allow else "reset-both",
        **({"profile-setting": {"group": (rule.profile_group,)}} if rule.profile_group else {}),
        "log-end": "yes",
        **_closing(rule, settings),
    }


def _common(rule: DecryptionRule | SecurityRule, settings: Settings) -> Node:
    return {
        "from": tuple(settings.zones.from_),
        "to": tuple(settings.zones.to),
        "source": rule.source,
        "source-user": ("any",),
        "destination": rule.destination,
        "service": rule.service,
        "category": rule.category,
    }


def _closing(rule: DecryptionRule | SecurityRule, settings: Settings) -> Node:
    return {
        **({"log-setting": settings.log_setting} if settings.log_setting else {}),
        "tag": (TAG,),
        "description": rule.description,
    }


def _yes(on: bool) -> str:
    return "yes" if on else "no"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ._/:-]", "_", text)


# --- XML ------------------------------------------------------------------------------------------------------


def to_xml(content: list[Section], settings: Settings) -> bytes:
    """A ``<config>`` document, as ``load config partial`` reads it."""
    numbers = [*settings.version.split("."), "0"][:3]
    root = etree.Element("config", version=".".join(numbers))
    device = etree.SubElement(etree.SubElement(root, "devices"), "entry", name=_DEVICE)
    location = settings.location
    kind, name = ("vsys", location.vsys) if location.vsys else ("device-group", location.device_group)
    place = etree.SubElement(etree.SubElement(device, kind), "entry", name=str(name))
    for section in content:
        parent = place
        for step in section.path:
            found = parent.find(step)
            parent = etree.SubElement(parent, step) if found is None else found
        for name, node in section.entries:
            _fill(etree.SubElement(parent, "entry", name=name), node)
    etree.indent(root)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _fill(parent: etree._Element, node: Node) -> None:  # pyright: ignore[reportPrivateUsage]  # lxml has no public name
    for key, value in node.items():
        element = etree.SubElement(parent, key)
        if isinstance(value, str):
            element.text = value
        elif isinstance(value, tuple):
            for member in value:
                etree.SubElement(element, "member").text = member
        else:
            _fill(element, value)


# --- set commands ---------------------------------------------------------------------------------------------


def to_set(content: list[Section], settings: Settings) -> bytes:
    """The same as commands of the configuration mode. ``move`` keeps the rules' order when there are older ones."""
    location = settings.location
    if location.device_group:
        place = f"device-group {_quoted(location.device_group)} "
    else:
        place = "" if location.vsys == "vsys1" else f"vsys {location.vsys} "
    lines: list[str] = []
    for section in content:
        path = place + " ".join(section.path)
        for name, node in section.entries:
            start = f"set {path} {_quoted(name)}"
            lines += (f"{start} {end}" for end in _commands(node))
        if section.ordered:
            names = [_quoted(name) for name, _ in section.entries]
            lines += (f"move {path} {name} after {before}" for before, name in pairwise(names))
    return ("\n".join(lines) + "\n").encode()


def _commands(node: Node) -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, str):
            yield f"{key} {_word(value)}"
        elif isinstance(value, tuple):
            yield from (f"{key} {_word(member)}" for member in value)
        elif value:
            yield from (f"{key} {end}" for end in _commands(value))
        else:
            yield key


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    # How the command line escapes a quotation mark is not documented; nothing that gets here holds one.
    if _MISREAD.search(text):
        raise ValueError(f"not for the command line: {text!r}")
    return f'"{text}"'


# --- the import script ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comment:
    """One line of text for a comment; everything else in the template is a quoted word."""

    text: str


def _shell(value: object) -> str:
    match value:
        case Comment(text):
            return re.sub(r"[^ -~]", "_", text)
        case str():
            return shlex.quote(value)
        case _:
            raise TypeError(f"not for a shell script: {value!r}")


def _script(configuration: Configuration, source: str) -> bytes:
    environment = Environment(
        loader=PackageLoader(__package__ or "", "templates"),
        undefined=StrictUndefined,
        finalize=_shell,
        autoescape=False,  # noqa: S701  # `finalize` quotes for the shell; HTML is not what this is
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("import-certificates.sh").render(
        source=Comment(source),
        certificates=[
            (pair.name, Comment(_summary(pair.chain[0])), Comment(pair.key.key_as_written) if pair.key else None)
            for pair in configuration.key_pairs
        ],
        template=configuration.settings.location.template or "",
    )
    return text.encode()


def _summary(leaf: Certificate) -> str:
    return f"{leaf.common_name or leaf.subject}, from {leaf.issuer_name}, SHA-256 {leaf.sha256}"
