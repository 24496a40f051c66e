"""The tree as XML: a ``<config>`` for partial loads with the commands that load it, and a request of the API."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from io import BytesIO
from itertools import pairwise, takewhile
from typing import Any

from lxml import etree

from .place import DEVICE, Place
from .support import Settings
from .tree import Node, Tree

FILE = "panos.xml"
_Element = etree._Element  # pyright: ignore[reportPrivateUsage]  # no public name
_File = Any  # what `etree.xmlfile` gives; its stubs do not have it

REQUEST_LIMIT = 5 << 20
"""Bytes that the API takes in one request (10.2 API guide)."""


def xml_forms(tree: Tree, settings: Settings) -> tuple[bytes, bytes]:
    """Both forms: a ``<config>`` document as ``load config partial`` reads it, and the ``element`` of one request.

    Written side by side, one entry at a time: to make an element is most of the work, and to keep them all would be
    most of the memory. The request is empty where the version takes none.
    """
    document, request = BytesIO(), BytesIO()
    numbers = [*settings.schema_version.split("."), "0"][:3]
    with ExitStack() as files:
        config = _Config(files.enter_context(etree.xmlfile(document, encoding="utf-8")), ".".join(numbers), tree.place)
        operations = None
        if settings.multi_config:
            operations = _Operations(files.enter_context(etree.xmlfile(request, encoding="utf-8")))
        for section in tree.sections:
            config.enter(section.path)
            above = "/".join((tree.place.xpath, *section.path))
            for name, node in section.entries:
                element = etree.Element("entry", name=name)
                _fill(element, node)
                if operations:
                    operations.edit(f"{above}/entry[@name='{name}']", element)
                config.add(element)
            if operations and section.ordered:
                for (before, _), (name, _) in pairwise(section.entries):
                    operations.move(f"{above}/entry[@name='{name}']", before)
        config.close()
        if operations:
            operations.close()
    return document.getvalue() + b"\n", request.getvalue() + b"\n" if operations else b""


class _Config:
    """A document in the layout of `etree.indent`. Sections that follow each other share the elements they lie in."""

    def __init__(self, file: _File, version: str, place: Place) -> None:
        self._file = file
        self._open: list[tuple[str, AbstractContextManager[object]]] = []
        file.write_declaration()
        self._begin("config", version=version)
        self._begin("devices")
        self._begin("entry", name=DEVICE)
        self._begin(place.kind)
        self._begin("entry", name=place.name)
        self._outside = len(self._open)

    def enter(self, path: Sequence[str]) -> None:
        """Into the element at a path below the place."""
        here = [step for step, _ in self._open[self._outside :]]
        shared = len(list(takewhile(lambda steps: steps[0] == steps[1], zip(here, path, strict=False))))
        self._end(self._outside + shared)
        for step in path[shared:]:
            self._begin(step)

    def add(self, element: _Element) -> None:
        """An element where we are; it is no longer the caller's."""
        etree.indent(element, level=len(self._open))
        self._line()
        self._file.write(element)

    def close(self) -> None:
        """The end of the document."""
        self._end(0)

    def _begin(self, step: str, /, **attributes: str) -> None:
        if self._open:
            self._line()
        context = self._file.element(step, attributes)
        context.__enter__()
        self._open.append((step, context))

    def _end(self, depth: int) -> None:
        while len(self._open) > depth:
            _, context = self._open.pop()
            self._line()
            context.__exit__(None, None, None)

    def _line(self) -> None:
        self._file.write("\n" + "  " * len(self._open))


class _Operations:
    """What one request with ``action=multi-config&strict-transactional=yes`` does: all of it, or nothing.

    ``edit`` replaces what has the name, so that what the policy no longer has goes from rules that stay; ``move`` keeps
    the order of rules. The form: [TF/pango xmlapi/multiconfig.go], which leaves `id` out where it is not set: numbers
    would shift with every entry above. One operation a line: spaces between elements would be a third of a request
    whose size has a limit.
    """

    def __init__(self, file: _File) -> None:
        self._file = file
        file.write_declaration()
        self._all = file.element("multi-configure-request")
        self._all.__enter__()
        file.write("\n")

    def edit(self, xpath: str, element: _Element) -> None:
        """Put an entry in the place of the one that has its name."""
        with self._file.element("edit", {"xpath": xpath}):
            self._file.write(element)
        self._file.write("\n")

    def move(self, xpath: str, before: str) -> None:
        """Put a rule behind another one."""
        self._file.write(etree.Element("move", xpath=xpath, where="after", dst=before))
        self._file.write("\n")

    def close(self) -> None:
        """The end of the request."""
        self._all.__exit__(None, None, None)


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


def _fill(parent: _Element, node: Node) -> None:
    for key, value in node.items():
        element = etree.SubElement(parent, key)
        if isinstance(value, str):
            element.text = value
        elif isinstance(value, tuple):
            for member in value:
                etree.SubElement(element, "member").text = member
        else:
            _fill(element, value)
