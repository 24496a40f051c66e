"""A policy as one page: what becomes of each site on each target, and why.

The page is whole in itself. It asks for nothing over the network, and its Content-Security-Policy lets nothing run but
the page's own script, whatever a name in the policy says.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .. import printable
from .concern import Stage
from .page import Page
from .verdicts import State

GENERATOR = '<meta name="generator" content="policyc report">'
"""Near the beginning of every page: by it a page is known as one that may be written anew."""

_STAGES = {
    Stage.VISITORS: "Visitors",
    Stage.SHOWN: "Certificate shown",
    Stage.EDGE: "Edge",
    Stage.CHECKED: "Server verified",
    Stage.SERVERS: "Servers",
}
_HERE = Path(__file__).parent


def render(page: Page) -> str:
    """The page as HTML. The same page is the same text."""
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    style, script = (_trusted((_HERE / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        page=page,
        stages=list(_STAGES.values()),
        states=State,
        generator=_trusted(GENERATOR),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _trusted(text: str) -> Markup:
    """A text of ours that stands in the page as it is. What comes from a policy never does."""
    return Markup(text)  # noqa: S704  # nothing but what is in this folder


def _hash(text: str) -> str:
    """As a Content-Security-Policy names it (CSP3, 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: Any) -> Any:
    """What turns its direction, or is no text at all, is shown by its number."""
    return value if isinstance(value, Markup) else printable(str(value))
