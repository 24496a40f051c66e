"""Single requests that a rule applies to: where one of them gets past all earlier rules, no sets need be compared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice, product
from urllib.parse import quote

from ..plan import Address, Condition, PathMatcher, Rule, TextMatch
from .request_sets import Universe

_ANYWHERE = tuple(map(ip_address, ("203.0.113.77", "2001:db8:77::77")))
_UNUSED = "zq7x"
"""A name that no policy has; if one has, a sample is worth less, and nothing is wrong."""
_TRIED = 24
_LONGEST = 200
"""Of a path's text: against a longer one, an expression that begins anywhere takes longer than the sets would."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A request without query and without headers of its own."""

    method: str
    source: Address
    host: str
    path: str


def samples(rule: Rule, universe: Universe) -> Iterator[Sample]:
    """A few requests to which a rule applies; none where it looks at headers or parameters."""
    when = rule.when
    if when.headers or when.queries:
        return
    methods = [method for method in universe.methods if not when.methods or method in when.methods]
    sources = [*(network.network_address for network in when.sources[:4]), *_ANYWHERE]
    hosts = [host for host in universe.hosts if not when.hosts or any(name.covers(host) for name in when.hosts)]
    short = (matcher for matcher in when.paths[:4] if len(matcher.text) <= _LONGEST)
    paths = [_path(matcher) for matcher in short] if when.paths else [f"/{_UNUSED}"]
    for path, host, source, method in islice(product(paths, hosts[:3], sources, methods), _TRIED):
        sample = Sample(method, source, host, path)
        if applies(rule, sample):
            yield sample


def applies(rule: Rule, sample: Sample) -> bool:
    """Whether a rule applies to a request, wherever it stands."""
    return _holds(rule.when, sample) and not (rule.unless is not None and _holds(rule.unless, sample))


def _holds(condition: Condition, sample: Sample) -> bool:
    if condition.headers or condition.queries:
        return False
    return (
        (not condition.methods or sample.method in condition.methods)
        and (not condition.paths or _matches(condition.paths, sample.path))
        and (not condition.hosts or any(name.covers(sample.host) for name in condition.hosts))
        and (not condition.sources or any(sample.source in network for network in condition.sources))
    )


def _matches(matchers: Iterable[PathMatcher], path: str) -> bool:
    return any(_compiled(matcher.expression).fullmatch(path) is not None for matcher in matchers)


@lru_cache(16_384)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.DOTALL)


def _path(matcher: PathMatcher) -> str:
    # It need not be right: whether the rule applies is asked for each sample.
    text = quote(matcher.text, safe="/~!$&'()*+,=:@%")
    match matcher.kind:
        case TextMatch.PREFIX:
            return f"{text.removesuffix('/')}/{_UNUSED}"
        case TextMatch.SUFFIX:
            return f"/{_UNUSED}{text}"
        case _:
            return text
