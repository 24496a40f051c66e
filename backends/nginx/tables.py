"""Long runs of rules on plain paths → maps of texts.

nginx finds a map's text by its hash, without regard to case. Where case counts, the text is a part of what is found,
and compared once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from ...compiler import path_tables
from ...compiler.diagnostics import Path
from ...compiler.path_tables import PathTable
from ...compiler.plan import Rule
from .matching import TARGET, TOKEN_LIMIT
from .model import Expression, Key, Map, Text, Value, Variable

_DEPTHS = 20
"""Different depths of one table: each is a variable that names the next one (see `STEPS_LIMIT`)."""
_PATH = Variable("policyc_path")


def in_tables(rules: Sequence[Rule]) -> Iterator[Rule | PathTable]:
    """Rules in their order, with tables where nginx can have them."""
    for one in path_tables.in_tables(rules):
        if isinstance(one, PathTable) and not _possible(one):
            yield from one.rules
        else:
            yield one


def _possible(table: PathTable) -> bool:
    if len({_depth(text) for text in table.beginnings}) > _DEPTHS:
        return False
    texts = (table.exact, table.beginnings)
    if any(2 * len(text) > TOKEN_LIMIT for of in texts for text in of):
        return False
    return table.ignore_case or all(max(Counter(map(str.lower, of)).values(), default=1) == 1 for of in texts)


def _depth(beginning: str) -> int:
    return beginning.count("/") - 1


def lookup(table: PathTable, path: Path, name: str, value: Callable[[Rule], str]) -> list[Map]:
    """The maps of a table; the last one has the `value` of the rule, or is empty."""
    blocks: list[Map] = []
    by_depth: dict[int, dict[str, Rule]] = {}
    for text, rule in table.beginnings.items():
        by_depth.setdefault(_depth(text), {})[text] = rule
    following: str | Variable = ""
    for depth, rules in sorted(by_depth.items()):
        source = Variable(f"{_PATH.name}_{depth}")
        first = Expression(rf"^(/(?:[^/?]*+/){{{depth}}})")
        blocks.append(Map((), (TARGET,), source.name, "", ((first, Variable("1")),)))
        blocks += _level(table, path, f"{name}__{depth}", source, rules, following, value)
        following = Variable(blocks[-1].name)
    blocks.append(Map((), (TARGET,), _PATH.name, "", ((Expression(r"^([^?]*+)"), Variable("1")),)))
    return [*blocks, *_level(table, path, name, _PATH, table.exact, following, value)]


def _level(
    table: PathTable,
    path: Path,
    name: str,
    source: Variable,
    rules: Mapping[str, Rule],
    following: Value,
    value: Callable[[Rule], str],
) -> Iterator[Map]:
    if table.ignore_case:
        yield Map(path, (source,), name, following, tuple((Key(text), value(rule)) for text, rule in rules.items()))
        return
    found = Variable(f"{name}__found")
    cases = tuple((Key(text), Text(f"{text} {value(rule)}")) for text, rule in rules.items())
    yield Map(path, (source,), found.name, "", cases)
    same = Expression(r"^([^ ]++) \1 (.+)\z")
    yield Map(path, (source, " ", found), name, following, ((same, Variable("2")),))
