"""Inspection rules at the edge: which of them a security rule can say, and the URLs of its custom category.

How a URL entry is read (advanced URL filtering guidelines, "URL category exceptions"): letters in any case; tokens end
at ``. / ? & = ; +``; ``*`` is any tokens and ``^`` exactly one, each alone in its token, and no ``^`` after a slash; no
scheme; a domain alone gets a slash behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...compiler.diagnostics import Path
from ...compiler.normal_form import decode_literal, has_one_spelling
from ...compiler.plan import Allow, Condition, Deny, Hostname, Rule, Site, TextMatch

URL_LENGTH = 255  # [HELP]


def inexpressible(rule: Rule, alone: bool) -> tuple[Path, str] | None:
    """Why no security rule says what an inspection rule says: the place in the policy, and the reason.

    Only of what the feature table lets through. None where it can be said. `alone`: no other site is reached where
    this rule's site is.
    """
    for index, matcher in enumerate(rule.when.paths):
        place = (*rule.path, "when", "path", index, matcher.kind.value)
        if matcher.kind is not TextMatch.PREFIX:
            return place, f"a URL category covers a path and all below it, so `{matcher.kind.value}` cannot be said"
        odd = [character for character in decode_literal(matcher.text) if not has_one_spelling(character)]
        if odd:
            return place, f"`{odd[0]}` is a wildcard in URL categories, or has several spellings"
    if rule.unless is not None and (rule.unless.paths or rule.unless.hosts):
        return (*rule.path, "unless"), "a security rule has exceptions by source address only"
    if rule.unless is not None and rule.unless.sources and rule.when.sources:
        return (*rule.path, "unless"), "a security rule has either sources or exceptions from any source"
    if allows(rule):
        if rule.when.paths or rule.when.hosts:
            key = "path" if rule.when.paths else "host"
            return (*rule.path, "when", key), (
                "URL categories ignore case, and nothing brings requests into one form: an `allow` by them would let "
                "through what it does not name"
            )
        if not alone:
            return (*rule.path, "allow"), "other sites are reached at the same address, and it would hold for them too"
    return None


def allows(rule: Rule) -> bool:
    """Whether requests that it hits pass without a further rule."""
    return any(isinstance(action, Allow) for action in rule.actions)


def denies(rule: Rule) -> bool:
    """Whether requests that it hits end there."""
    return any(isinstance(action, Deny) for action in rule.actions)


def is_security_rule(rule: Rule, alone: bool) -> bool:
    """Whether an inspection rule becomes a security rule."""
    never = rule.unless is not None and rule.unless.always
    return not never and (denies(rule) or allows(rule)) and inexpressible(rule, alone) is None


def by_category(condition: Condition, for_all: bool) -> bool:
    """Whether a rule needs a URL category. One on the source alone does not where all that are reached have it."""
    return bool(condition.paths or condition.hosts) or not for_all


def hosts_of(site: Site, rule: Rule) -> list[Hostname]:
    """The site's hostnames that a rule speaks of."""
    if not rule.when.hosts:
        return list(site.hostnames)
    both: dict[Hostname, None] = {}
    for own in site.hostnames:
        for named in rule.when.hosts:
            if own == named or (named.wildcard and not own.wildcard and named.covers(own.name)):
                both[own] = None
            elif own.wildcard and not named.wildcard and own.covers(named.name):
                both[named] = None
    return list(both)


def urls_of(site: Site, rule: Rule) -> tuple[str, ...]:
    """Entries of a custom URL category for what a rule denies.

    A prefix is listed with and without a slash behind it, which takes in ``/admin``, ``/admin?x`` and ``/admin/x``,
    and not ``/administrator``.
    """
    paths = [decode_literal(matcher.text) for matcher in rule.when.paths] or ["/"]
    tails = [tail for path in paths for tail in ([path] if path.endswith("/") else [path, path + "/"])]
    return tuple(dict.fromkeys(url_host(host) + tail for host in hosts_of(site, rule) for tail in tails))


def urls_of_hosts(hosts: Iterable[Hostname]) -> tuple[str, ...]:
    """Entries for whole hosts: in a decryption rule they are compared with the SNI [HELP]."""
    return tuple(f"{url_host(host)}/" for host in dict.fromkeys(hosts))


def url_host(host: Hostname) -> str:
    """A hostname in a URL entry: ``^`` is exactly one token between dots, as a wildcard of the policy is one label."""
    return f"^.{host.name}" if host.wildcard else host.name


def matches_url(entry: str, host: str, target: str) -> bool:
    """Whether an entry as `urls_of` makes them covers a request: letters in any case, its path and all below it."""
    wanted, _, path = entry.lower().partition("/")
    asked = host.lower().split(".")
    labels = wanted.split(".")
    if len(asked) != len(labels) or any(one not in ("^", other) for one, other in zip(labels, asked, strict=True)):
        return False
    path, target = "/" + path, target.lower()
    return target == path or target.startswith(path if path.endswith("/") else (path + "?", path + "/"))
