"""Sites that treat requests alike, so that a target writes what they share once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from .normal_form import STRICT, USUAL_METHODS
from .plan import Site

_DIGITS = 32
"""Of a digest. Fewer could be made to meet: a site would get the options of another one, and no diff would show it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Decrypted sites with the same inspection lists, request form and certificates asked of visitors.

    `sites` are in the document's order. `name` is unique among profiles, and does not depend on which sites there are:
    the lists' names, and behind two colons a digest where the options are not the usual. No name of a policy holds a
    colon.
    """

    name: str
    sites: tuple[Site, ...]


def profiles(sites: Iterable[Site]) -> tuple[Profile, ...]:
    """The profiles of some sites, in the order in which they come up. Sites passed through have none."""
    by_name: dict[str, list[Site]] = {}
    for site in sites:
        if site.decrypt:
            by_name.setdefault(profile_name(site), []).append(site)
    return tuple(Profile(name, tuple(those)) for name, those in by_name.items())


def profile_name(site: Site) -> str:
    """The name of a decrypted site's profile. Empty for the usual options without any list."""
    lists = ":".join(rule_list.name for rule_list in site.rule_lists)
    auth = site.client_auth
    if site.methods == USUAL_METHODS and not site.websocket and site.path_options == STRICT and auth is None:
        return lists
    options = [
        site.methods,
        site.websocket,
        site.path_options.names,
        (auth.anchors.name, auth.required, auth.forward_subject) if auth else None,
    ]
    return f"{lists}::{hashlib.sha256(json.dumps(options).encode()).hexdigest()[:_DIGITS]}"
