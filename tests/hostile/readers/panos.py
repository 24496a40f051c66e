"""PAN-OS: all forms say the same, and name only addresses, ports and certificates that the Plan has.

The forms' readers are those of the target's own tests: XML by lxml, set commands by words, Terraform by its grammar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from lxml import etree
from policyc.compiler import plan as meaning

from ...backends.panos.forms import Said, read_multi_config, read_set, read_terraform, read_xml
from .facts import digest


def differences(plan: meaning.Plan, settings: Any, files: Mapping[str, bytes]) -> list[str]:
    """Where the forms differ, and what of them the Plan does not say."""
    xml = read_xml(files["panos.xml"])
    found: list[str] = []
    for form, said in _others(settings.location, files):
        if (said.values, said.order) != (xml.values, xml.order):
            found.append(f"{form} says other than panos.xml")
    edge = settings.position == "edge"
    shown, known = (
        _certificates(plan),
        {digest([data.decode()]) for name, data in files.items() if name.startswith("certs/")},
    )
    if not known <= shown["edge" if edge else "behind"]:
        found.append("certificates that the policy does not show there")
    addresses = {text for path, texts in xml.values.items() if path[-1] == "ip-netmask" for text in texts}
    if not addresses <= _addresses(plan, settings):
        found.append(f"addresses: {sorted(addresses - _addresses(plan, settings))}")
    ports = {text for path, texts in xml.values.items() if path[-1] == "port" for text in texts}
    if not ports <= _ports(plan):
        found.append(f"ports: {sorted(ports - _ports(plan))}")
    hosts = {text.partition("/")[0] for path, texts in xml.values.items() if path[-1] == "list" for text in texts}
    odd = {host for host in hosts if not re.fullmatch(r"[a-z0-9._*-]+", host)}
    if odd:
        found.append(f"hosts in URL categories: {sorted(odd)}")
    return found


def tags(files: Mapping[str, bytes]) -> set[str]:
    """The names of all elements."""
    return {element.tag for element in etree.fromstring(files["panos.xml"]).iter()}


def _others(location: Any, files: Mapping[str, bytes]) -> list[tuple[str, Said]]:
    group = cast("str | None", location.device_group)
    kind, name = ("device-group", group) if group else ("vsys", cast("str", location.vsys))
    place = ["device-group", name] if group else [] if name == "vsys1" else ["vsys", name]
    found = [("set", read_set(files["panos.set"], place))]
    if "panos.multi-config.xml" in files:
        found.append(("API", read_multi_config(files["panos.multi-config.xml"], kind, name)))
    if "terraform/main.tf" in files:
        found.append(
            ("Terraform", read_terraform(files["terraform/main.tf"], {kind.replace("-", "_"): {"name": name}}))
        )
    return found


def _certificates(plan: meaning.Plan) -> Mapping[str, set[str]]:
    leaves = [chain for one in plan.backends if one.tls for chain in one.tls.chains]
    return {
        "edge": {digest(one.pem for one in shown.chain) for shown in plan.certificates},
        "behind": {digest(one.pem for one in chain) for chain in leaves},
    }


def _addresses(plan: meaning.Plan, settings: Any) -> set[str]:
    networks = [source for _, one in plan.conditions() for source in one.sources] + list(settings.proxies)
    found = {str(address) for site in plan.sites for address in site.public_addresses}
    found |= {str(server.socket.address) for one in plan.backends for server in one.servers}
    found |= {str(socket.address) for one in plan.listeners for socket in (*one.binds, *one.redirect_http)}
    return (
        found | {str(one) for one in networks} | {str(one).removesuffix("/32").removesuffix("/128") for one in networks}
    )


def _ports(plan: meaning.Plan) -> set[str]:
    sockets = [socket for one in plan.listeners for socket in (*one.binds, *one.redirect_http)]
    sockets += [server.socket for one in plan.backends for server in one.servers]
    return {str(one.port) for one in sockets}
