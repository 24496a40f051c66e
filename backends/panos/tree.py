"""The model as one tree of plain values, from which every form of the output is written, so that none can differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ...compiler.diagnostics import Path
from .model import Configuration, DecryptionProfile, DecryptionRule, NatRule, SecurityRule
from .naming import CATEGORY_DESCRIPTION, OBJECT_DESCRIPTION, RULE_DESCRIPTION, TAG_COMMENT, describe, plain
from .place import Place, place_of
from .support import Settings

Node = Mapping[str, "str | tuple[str, ...] | Node"]
"""An element's children: a text, members, or children again. No children: an empty element."""

_R = TypeVar("_R", NatRule, DecryptionRule, SecurityRule)

TAG_COLOUR = "color3"


@dataclass(frozen=True, slots=True)
class Section:
    """Named entries at a path below the virtual system or device group. Of rules the order counts."""

    path: tuple[str, ...]
    entries: tuple[tuple[str, Node], ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything, in an order in which nothing is named before it is there."""

    place: Place
    sections: tuple[Section, ...]


def tree(configuration: Configuration, source: str) -> Tree:
    """Elements and values as PAN-OS names them [SPEC]. `source` is the policy's name, for descriptions."""
    settings = configuration.settings
    ours = plain(f"Written by policyc from {source}; change that")[:TAG_COMMENT]

    def described(paths: Iterable[Path], limit: int) -> str:
        return describe(source, paths, limit)

    def rules(kind: str, found: Iterable[_R], write: Callable[[_R, Settings], Node]) -> Section:
        entries = (
            (one.match.name, {**write(one, settings), "description": described(one.match.paths, RULE_DESCRIPTION)})
            for one in found
        )
        return Section((settings.rulebase, kind, "rules"), tuple(entries), ordered=True)

    sections = (
        Section(
            ("tag",),
            tuple(
                (tag.name, {"color": TAG_COLOUR, "comments": described(tag.paths, TAG_COMMENT) if tag.paths else ours})
                for tag in configuration.tags
            ),
        ),
        Section(
            ("address",),
            tuple(
                (
                    one.name,
                    {"ip-netmask": one.value, "description": described(one.paths, OBJECT_DESCRIPTION), "tag": one.tags},
                )
                for one in configuration.addresses
            ),
        ),
        Section(
            ("address-group",),
            tuple(
                (
                    one.name,
                    {"static": one.members, "description": described(one.paths, OBJECT_DESCRIPTION), "tag": one.tags},
                )
                for one in configuration.groups
            ),
        ),
        Section(
            ("service",),
            tuple(
                (
                    one.name,
                    {
                        "protocol": {one.protocol: {"port": str(one.port)}},
                        "description": described(one.paths, OBJECT_DESCRIPTION),
                        "tag": one.tags,
                    },
                )
                for one in configuration.services
            ),
        ),
        Section(
            ("profiles", "custom-url-category"),
            tuple(
                (
                    one.name,
                    {"description": described(one.paths, CATEGORY_DESCRIPTION), "list": one.urls, "type": "URL List"},
                )
                for one in configuration.categories
            ),
        ),
        Section(("profiles", "decryption"), tuple((one.name, _profile(one)) for one in configuration.profiles)),
        rules("nat", configuration.nat, _nat_rule),
        rules("decryption", configuration.decryption, _decryption_rule),
        rules("security", configuration.security, _security_rule),
    )
    return Tree(place_of(settings.location), tuple(section for section in sections if section.entries))


def _profile(profile: DecryptionProfile) -> Node:
    def version(text: str) -> str:
        return text if text == "max" else "tls" + text.replace(".", "-")

    # Where it cannot decrypt, the session ends: passing it on unread would be the hole in the policy, and for twelve
    # hours, in which the pair of hosts is remembered as not decrypted [HELP].
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


def _nat_rule(rule: NatRule, settings: Settings) -> Node:
    # The original packet: its zones, and its port as one text [HELP, SPEC].
    zone = settings.zones.before_nat or settings.zones.from_[0]
    port: Node = {} if rule.port is None else {"translated-port": str(rule.port)}
    translation: Node = {
        "destination-translation": {"translated-address": rule.servers, **port},
    }
    if rule.distribution is not None:
        translation = {
            "dynamic-destination-translation": {
                "translated-address": rule.servers,
                **port,
                "distribution": rule.distribution,
            }
        }
    return {
        "from": tuple(settings.zones.from_),
        "to": (zone,),
        "source": rule.match.source,
        "destination": rule.match.destination,
        "service": rule.match.service[0],
        "nat-type": "ipv4",
        **translation,
        "tag": rule.match.tags,
    }


def _decryption_rule(rule: DecryptionRule, settings: Settings) -> Node:
    kind: Node = {"ssl-forward-proxy": {}}  # a no-decrypt rule needs a type, and means none
    if rule.certificates:
        listed = {"certificates": rule.certificates} if settings.certificate_list else rule.certificates[0]
        kind = {"ssl-inbound-inspection": listed}
    return {
        "from": tuple(settings.zones.from_),
        "to": tuple(settings.zones.to),
        **_sessions(rule, settings),
        "action": "decrypt" if rule.certificates else "no-decrypt",
        "type": kind,
        **({"profile": rule.profile} if rule.profile else {}),
        # By default failures are logged and successes are not [HELP]: both are written.
        "log-success": "yes",
        "log-fail": "yes",
        **_closing(rule, settings),
    }


def _security_rule(rule: SecurityRule, settings: Settings) -> Node:
    return {
        "from": tuple(settings.zones.from_),
        "to": rule.to,
        **_sessions(rule, settings),
        **({"negate-source": "yes"} if rule.negate_source else {}),
        "application": rule.application,
        "action": rule.action,
        **({"profile-setting": {"group": (rule.profile_group,)}} if rule.profile_group else {}),
        "log-end": "yes",
        **_closing(rule, settings),
    }


def _sessions(rule: DecryptionRule | SecurityRule, settings: Settings) -> Node:
    return {
        "source": rule.match.source,
        "source-user": ("any",),
        "destination": rule.match.destination,
        "service": rule.match.service,
        "category": rule.category,
    }


def _closing(rule: DecryptionRule | SecurityRule, settings: Settings) -> Node:
    return {
        **({"log-setting": settings.log_setting} if settings.log_setting else {}),
        "tag": rule.match.tags,
    }


def _yes(on: bool) -> str:
    return "yes" if on else "no"
