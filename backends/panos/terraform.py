"""The tree as resources of the Terraform provider, 2.x.

Certificates are not among them: their keys would stand in Terraform's state.

Names of resources and attributes: [TF] terraform-provider-panos 2.0.12, made from [SPEC], whose names they are with
underscores, but for those in `_ATTRIBUTES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .hcl import Body, Raw, Value, document
from .naming import plain
from .place import Place
from .tree import Node, Section, Tree

LABEL = "policyc"
"""Of every resource: which things it stands for is in its map."""

_RULES = {
    "from": "source_zones",
    "to": "destination_zones",
    "source": "source_addresses",
    "destination": "destination_addresses",
    "service": "services",
}


@dataclass(frozen=True, slots=True)
class _Resource:
    name: str
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])


_RESOURCES: Mapping[str, _Resource] = {
    "tag": _Resource("panos_administrative_tag"),
    "address": _Resource("panos_addresses", {"tag": "tags"}),
    "address-group": _Resource("panos_address_group"),
    "service": _Resource("panos_service", {"tag": "tags", "port": "destination_port"}),
    "custom-url-category": _Resource("panos_custom_url_category"),
    "profiles/decryption": _Resource("panos_decryption_profile"),
    "nat": _Resource("panos_nat_policy_rules", {**_RULES, "to": "destination_zone", "service": "service"}),
    "decryption": _Resource("panos_decryption_policy_rules", _RULES),
    "security": _Resource(
        "panos_security_policy_rules", {**_RULES, "source-user": "source_users", "application": "applications"}
    ),
}

_NUMBERS = frozenset({"translated-port"})
_SWITCHES = ("keyxchg-algo-", "enc-algo-", "auth-algo-", "block-", "log-success", "log-fail", "log-end", "negate-")


def to_terraform(tree: Tree, source: str) -> bytes:
    """``main.tf``. Credentials are the provider's own variables of the environment."""
    body: list[Body] = [
        Body(
            "terraform",
            (),
            {
                "required_version": ">= 1.8",
                "required_providers": Body(
                    "required_providers", (), {"panos": {"source": "PaloAltoNetworks/panos", "version": "~> 2.0"}}
                ),
            },
        ),
        Body("provider", ("panos",), {}),
    ]
    made: list[str] = []
    for section in tree.sections:
        resource = _RESOURCES[_kind(section)]
        body.append(_resource(resource, section, tree.place, made))
        made.append(f"{resource.name}.{LABEL}")
    comment = (
        f"Written by policyc from {plain(source)}. Do not edit: change the policy and build again.",
        "Address and key of the firewall or Panorama: PANOS_HOSTNAME, PANOS_API_KEY.",
        "Import the certificates first (import-certificates.sh): rules name them.",
    )
    return document(comment, body).encode()


def _kind(section: Section) -> str:
    if section.ordered:
        return section.path[1]
    return "profiles/decryption" if section.path == ("profiles", "decryption") else section.path[-1]


def _resource(resource: _Resource, section: Section, place: Place, made: Sequence[str]) -> Body:
    entries = {name: _attributes(node, resource.renamed) for name, node in section.entries}
    attributes: dict[str, Value | Body] = {"location": _location(place, section)}
    if section.ordered:
        attributes["position"] = {"where": "first"}
        attributes["rules"] = [{"name": name, **values} for name, values in entries.items()]
    elif resource.name == "panos_addresses":
        attributes["addresses"] = entries
    else:
        attributes = {"for_each": entries, **attributes, "name": Raw("each.key")}
        keys = dict.fromkeys(key for values in entries.values() for key in values)
        attributes |= {key: Raw(f"each.value.{key}") for key in keys}
    if made:
        attributes["depends_on"] = [Raw(one) for one in made]
    return Body("resource", (resource.name, LABEL), attributes)


def _location(place: Place, section: Section) -> Value:
    if place.kind == "vsys":
        return {"vsys": {"name": place.name}}
    rulebase = {"rulebase": section.path[0]} if section.ordered else {}
    return {"device_group": {"name": place.name, **rulebase}}


def _attributes(node: Node, renamed: Mapping[str, str]) -> dict[str, Value]:
    return {renamed.get(key, key.replace("-", "_")): _value(key, value, renamed) for key, value in node.items()}


def _value(key: str, value: str | tuple[str, ...] | Node, renamed: Mapping[str, str]) -> Value:
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str):
        # Inside, only a service's port is called otherwise.
        return _attributes(value, {"port": "destination_port"} if key in ("tcp", "udp") else {})
    if key in _NUMBERS:
        return int(value)
    return value == "yes" if key.startswith(_SWITCHES) else value
