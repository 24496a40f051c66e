"""Inspection lists, in the spellings that their sites let through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...schemas import policy as written
from ..diagnostics import Diagnostic, Path
from ..normal_form import STRICT, PathOptions
from ..plan import RuleList, Site, Use
from ..rule_lists import looks_for_expressions_in_queries, rule_list, rule_uses
from .part import Part, Shared


class Rules(Part):
    """Resolves the lists, and how sites read paths."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._options: dict[tuple[written.Paths, tuple[str, ...]], PathOptions] = {}

    def lists(self) -> dict[tuple[str, PathOptions], RuleList]:
        """Each list for each kind of spelling that its sites let through: what a literal matches depends on it."""
        asked: dict[str, dict[PathOptions, None]] = {name: {} for name in self.policy.inspection_rules}
        for _, site in sorted(self.policy.sites.items()):
            for name in site.inspect:
                asked.get(name, {})[self.path_options(site).spellings] = None
        lists: dict[tuple[str, PathOptions], RuleList] = {}
        for name, rules in sorted(self.policy.inspection_rules.items()):
            told: list[Diagnostic] = []
            for options in asked[name] or (STRICT,):
                lists[name, options] = rule_list(name, rules, options, told)
            self.findings += dict.fromkeys(told)
        return lists

    def path_options(self, site: written.Site) -> PathOptions:
        """How a site reads paths. Many sites do it alike."""
        asked = site.paths, tuple(site.inspect)
        if asked not in self._options:
            rules = (rule for name in site.inspect for rule in self.policy.inspection_rules.get(name, ()))
            plain_query = looks_for_expressions_in_queries(rules)
            self._options[asked] = PathOptions(**site.paths.model_dump(), plain_query=plain_query)
        return self._options[asked]

    def features(self, lists: Iterable[RuleList], sites: Mapping[str, Site]) -> None:
        """Rules count as used by the sites that inspect with them; a list nobody uses asks nothing of a target."""
        users: dict[Path, dict[str, None]] = {}
        for site in sites.values():
            for one in site.rule_lists:
                users.setdefault(one.path, {})[site.name] = None
        for one in {one.path: one for one in lists}.values():
            for rule in one.rules if one.path in users else ():
                for feature, path in rule_uses(rule):
                    self.uses.append(Use(feature, path, tuple(users[one.path])))
