"""Names that are legal for their kind, stable, and never the same for two things; and descriptions that fit.

Limits and characters: [HELP], the 11.1 web interface help; lengths of descriptions: [SPEC] pan-os-codegen 9920a6f.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from ...compiler.diagnostics import Path, format_path
from ...compiler.plan import Certificate

RULE_NAME = ADDRESS_NAME = SERVICE_NAME = 63  # [HELP]; rules had 31 before 8.1
PROFILE_NAME = CATEGORY_NAME = 31  # [HELP]
TAG_NAME = 127  # [HELP]
CERTIFICATE_NAME = 31  # Panorama's; a firewall has 63 [HELP]. The shorter one everywhere: names survive a move.
RULE_DESCRIPTION, OBJECT_DESCRIPTION, CATEGORY_DESCRIPTION = 1024, 1023, 255  # [SPEC], [HELP]
TAG_COMMENT = 1023  # [SPEC administrative-tag]
TAGS = 64  # of one object or rule [HELP]
PLACES = 8
"""So many places of the policy stand in a description."""

TAG = "policyc"
"""The tag that everything has."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_MISREAD = re.compile(r"[^ !#-&(->@-\[\]-~]")
_SEPARATORS = str.maketrans(".:/", "---")


def object_name(limit: int, *parts: str) -> str:
    """A legal name made of `parts`, the same one always, and never the same for other parts.

    The manual has letters, digits, space, hyphen and underscore [HELP]. Parts are joined by underscores; where that
    would be too long, another character or not reversible, a digest of the parts comes last. The first part is the
    policy's name, the same in all of them.
    """
    joined = "_".join(parts)
    plain = _clean(joined)
    if plain == joined and len(joined) <= limit and not any("_" in part for part in parts[1:]):
        return joined
    return f"{plain[: limit - 9]}_{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:8]}"


def certificate_name(policy: str, label: str, leaf: Certificate) -> str:
    """A certificate's name: it ends in the leaf's digest, so a renewed one gets a new name beside the old [MC, CFG]."""
    return f"{_clean(f'{policy}_{label}')[: CERTIFICATE_NAME - 9]}_{leaf.sha256[:8]}"


def certificate_label(leaf: Certificate) -> str:
    """What a certificate without a name in the policy is called: its common name, else its first DNS name."""
    return next((name for name in (leaf.common_name, *leaf.dns_names) if name), "backend")


def _clean(text: str) -> str:
    return _ILLEGAL.sub("-", text)


def spelled(address: object) -> str:
    """An address or network without dots, colons and slashes; no two become the same, as `:` and `.` never mix."""
    return str(address).translate(_SEPARATORS)


def describe(source: str, paths: Iterable[Path], limit: int) -> str:
    """``policy.yaml: sites.a, sites.b``. On the command line ``?`` asks for help and ``"`` ends a value: both go.

    Of many places only the kinds are told: what all sites share does not change with each of them, and has their tags.
    """
    places = list(dict.fromkeys(paths))
    text = source[: limit // 2] + ": "
    if len(places) > PLACES:
        return plain(text + "many of " + ", ".join(sorted({str(path[0]) for path in places})))
    for index, path in enumerate(places):
        place = format_path(path) + (", " if index < len(places) - 1 else "")
        if len(text) + len(place) + len("and 100000 more") > limit:
            text += f"and {len(places) - index} more"
            break
        text += place
    return plain(text)


def plain(text: str) -> str:
    """A text for people without what the command line misreads."""
    return _MISREAD.sub("_", text)
