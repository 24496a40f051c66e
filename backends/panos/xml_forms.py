"""The tree as XML: a ``<config>`` for partial loads with the commands that load it, and a request of the API."""

from __future__ import annotations

from itertools import pairwise

from lxml import etree

from .place import DEVICE
from .support import Settings
from .tree import Node, Section, Tree

FILE = "panos.xml"
REQUEST_LIMIT = 5 << 20
"""Bytes that the API takes in one request (10.2 API guide)."""


def to_config(tree: Tree, settings: Settings) -> bytes:
    """A ``<config>`` document, as ``load config partial`` reads it."""
    numbers = [*settings.schema_version.split("."), "0"][:3]
    root = etree.Element("config", version=".".join(numbers))
    device = etree.SubElement(etree.SubElement(root, "devices"), "entry", name=DEVICE)
    place = etree.SubElement(etree.SubElement(device, tree.place.kind), "entry", name=tree.place.name)
    for section in tree.sections:
        parent = place
        for step in section.path:
            found = parent.find(step)
            parent = etree.SubElement(parent, step) if found is None else found
        for name, node in section.entries:
            _fill(etree.SubElement(parent, "entry", name=name), node)
    return _document(root)


def to_multi_config(tree: Tree) -> bytes:
    """The ``element`` of one request with ``action=multi-config&strict-transactional=yes``: all of it, or nothing.

    ``edit`` replaces what has the name, so that what the policy no longer has goes from rules that stay; ``move`` keeps
    the order of rules. The form: [TF/pango xmlapi/multiconfig.go], which leaves `id` out where it is not set: numbers
    would shift with every entry above.
    """
    root = etree.Element("multi-configure-request")
    for section in tree.sections:
        above = "/".join((tree.place.xpath, *section.path))
        for name, node in section.entries:
            edit = etree.SubElement(root, "edit", xpath=f"{above}/entry[@name='{name}']")
            _fill(etree.SubElement(edit, "entry", name=name), node)
        for before, name in pairwise(_moved(section)):
            etree.SubElement(root, "move", xpath=f"{above}/entry[@name='{name}']", where="after", dst=before)
    # One operation a line: spaces between elements would be a third of a request whose size has a limit.
    for operation in root:
        operation.tail = "\n"
    root.text = "\n"
    return _written(root)


def load_commands(tree: Tree) -> str:
    """What to type to load and to take back: one partial load for each kind of thing."""
    lines = [
        f"# First bring {FILE} to the machine (scp import configuration from USER@HOST:{FILE}), then:",
        "configure",
        "# The way back:",
        "save config to before-policyc.xml",
        *(
            f"load config partial mode merge from-xpath {_quoted(xpath)} to-xpath {_quoted(xpath)} from {FILE}"
            for xpath in ("/".join((tree.place.xpath, *section.path)) for section in tree.sections)
        ),
        "# Move the rules to their place among your own, then:",
        "validate full",
        "commit",
        "# Back again, whether committed or not:",
        "#   load config from before-policyc.xml",
        "#   commit",
    ]
    return "\n".join(lines) + "\n"


def _quoted(xpath: str) -> str:
    # Names may hold spaces, and no quotes.
    return f'"{xpath}"' if " " in xpath else xpath


def _moved(section: Section) -> list[str]:
    return [name for name, _ in section.entries] if section.ordered else []


def _fill(parent: etree._Element, node: Node) -> None:  # pyright: ignore[reportPrivateUsage]  # no public name
    for key, value in node.items():
        element = etree.SubElement(parent, key)
        if isinstance(value, str):
            element.text = value
        elif isinstance(value, tuple):
            for member in value:
                etree.SubElement(element, "member").text = member
        else:
            _fill(element, value)


def _document(root: etree._Element) -> bytes:  # pyright: ignore[reportPrivateUsage]
    etree.indent(root)
    return _written(root)


def _written(root: etree._Element) -> bytes:  # pyright: ignore[reportPrivateUsage]
    return etree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
