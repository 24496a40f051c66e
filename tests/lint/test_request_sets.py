"""What is found about rules is never wrong: random rules are walked by random requests, with the reference semantics.

And it is not for want of findings: each kind is found in some of the random policies.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policyc.compiler.conditions import condition
from policyc.compiler.decide import Connection, Forwarded, Redirected, Refused, Request, decide
from policyc.compiler.lint.request_sets import Applies, Universe, there_is
from policyc.compiler.lint.walks import Walk
from policyc.compiler.plan import Condition
from policyc.compiler.resolve import resolve
from policyc.schemas import policy as written
from policyc.schemas.policy import Policy

METHODS = ("GET", "HEAD", "POST", "DELETE")
PATHS = (
    "/",
    "/a",
    "/A",
    "/a/",
    "/a/b",
    "/a/b.bak",
    "/ab",
    "/a/b/c",
    "/a~",
    "/a%7e",
    "/b",
    "/b.BAK",
    "/x",
    "/caf%C3%A9",
)
LITERALS = ("/a", "/A", "/a/", "/a/b", "/b", "/a~", "/café", "/")
SUFFIXES = (".bak", "b", "/a", "~")
EXPRESSIONS = ("^/a", "b$", "^/[ab]+$", "[.]bak", "^/(a|b)/?", "^/a/[^/]*$", "^/.?$", "^/$")
SOURCES = ("10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/32")
ADDRESSES = ("10.1.2.3", "10.200.0.1", "192.0.2.1", "2001:db8::1", "fe80::1")
HOSTS = ("shop.example.com", "*.example.com", "x.example.com", "other.example.com")
HEADERS = (
    {"exact": ["root"]},
    {"prefix": ["ro"]},
    {"suffix": ["ot"]},
    {"contains": ["o"]},
    {"regex": ["^ro*t$"]},
    {"present": True},
)
VALUES = (None, b"root", b"rot", b"user,root", b"x", b"")
QUERIES = ({"exact": ["1"]}, {"exact": ["2"]}, {"present": True}, {"regex": ["^[0-9]$"]})
STRINGS = (b"", b"?d=1", b"?d=2", b"?d", b"?e=1&d=2")


def _list(of: Sequence[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(of), min_size=1, max_size=2, unique_by=repr)


def _match(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(parts)


_path = st.one_of(
    _match(exact=_list(LITERALS[:-1]), ignore_case=st.booleans()),
    _match(prefix=_list(LITERALS), ignore_case=st.booleans()),
    _match(suffix=_list(SUFFIXES), ignore_case=st.booleans()),
    _match(regex=_list(EXPRESSIONS), ignore_case=st.booleans()),
)
_parts: dict[str, st.SearchStrategy[Any]] = {
    "path": st.lists(_path, min_size=1, max_size=2),
    "method": _list(METHODS),
    "source": _list(SOURCES),
    "host": _list(HOSTS),
    "header": st.lists(st.sampled_from([{"name": "X-Role", **one} for one in HEADERS]), min_size=1, max_size=1),
    "query": st.lists(st.sampled_from([{"name": "d", **one} for one in QUERIES]), min_size=1, max_size=1),
}
_condition = st.lists(st.sampled_from(sorted(_parts)), min_size=1, max_size=2, unique=True).flatmap(
    lambda keys: st.fixed_dictionaries({key: _parts[key] for key in keys})
)
_rule = st.fixed_dictionaries(
    {},
    optional={
        "when": _condition,
        "unless": _condition,
        "ending": st.sampled_from(["allow", "deny", "redirect", "log"]),
    },
)
_ENDINGS = {
    "allow": {"allow": True},
    "deny": {"deny": 403},
    "redirect": {"redirect": {"to": "/elsewhere"}},
    "log": {"log": "seen"},
}


def _policy(rules: list[dict[str, Any]]) -> Policy:
    actual = [{**rule, **_ENDINGS[rule.get("ending", "deny")]} for rule in rules]
    for rule in actual:
        rule.pop("ending", None)
    return Policy.model_validate(
        {
            "version": 1,
            "public_certificates": {"c": {"cert": "certs/shop.pem", "key": "certs/shop.key"}},
            "backends": {"b": {"servers": ["127.0.0.1:1"], "tls": False}},
            "inspection_rules": {"web": actual},
            "sites": {
                "s": {
                    "hostnames": ["*.example.com", "shop.example.com"],
                    "public_certificate": "c",
                    "backend": "b",
                    "inspect": ["web"],
                }
            },
        }
    )


def _requests() -> list[tuple[str, str, Request]]:
    return [
        (host, source, Request(method.encode(), path.encode() + query, (host.encode(),), headers))
        for host in ("shop.example.com", "x.example.com")
        for source in ADDRESSES
        for method in METHODS
        for path in PATHS
        for query, value in zip((*STRINGS, STRINGS[0]), VALUES, strict=True)
        for headers in [((b"X-Role", value),) if value is not None else ()]
    ]


REQUESTS = _requests()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A document beside which the certificates are."""
    from policyc.compiler.document import read

    from . import certificates

    folder = tmp_path_factory.mktemp("walks")
    for name in ("certs/shop.pem", "certs/shop.key"):
        certificates.write(folder, name)
    (folder / "policy.yaml").write_text("version: 1\n")
    return read(str(folder / "policy.yaml"))[0]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(_rule, min_size=2, max_size=5), data=st.data())
def test_no_request_meets_a_rule_that_is_found_to_be_out_of_reach(
    document: Any, rules: list[dict[str, Any]], data: st.DataObject
) -> None:
    plan, findings = resolve(_policy(rules), document)
    assert findings == []
    site = plan.sites[0]
    steps = tuple(Applies(rule) for rule in site.rule_lists[0].rules)
    mentioned = [host for step in steps for part in (step.rule.when, step.rule.unless) if part for host in part.hosts]
    walk = Walk(steps, Universe.of(site, mentioned), [site])
    unreached = {step.rule.id for index, step in enumerate(steps) if not walk.reached(index)}
    never = {step.rule.id for index, step in enumerate(steps) if not walk.applies_at_all(index)}
    apart = {(some.rule.id, other.rule.id) for some in steps for other in steps if not walk.overlap(some, other)}
    inside = {(some.rule.id, other.rule.id) for some in steps for other in steps if walk.within(some, other)}
    for host, source, request in data.draw(st.lists(st.sampled_from(REQUESTS), min_size=60, max_size=60)):
        decision = decide(plan, Connection("https", host, ip_address(source)), request)
        assert isinstance(decision, Forwarded | Refused | Redirected)
        hit = [rule.id for rule, applied in decision.walk if applied]
        missed = [rule.id for rule, applied in decision.walk if not applied]
        assert not unreached & set(hit)
        assert not never & set(hit)
        assert not any((one, other) in apart for one in hit for other in hit)
        assert not any((one, other) in inside for one in hit for other in missed)


def _condition_of(**parts: Any) -> Condition:
    return condition(written.Condition.model_validate(parts), (), [])


UNIVERSE = Universe(METHODS, ("shop.example.com", "\0.example.com"))


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ({"path": {"prefix": "/a/b"}}, {"path": {"prefix": "/a"}}, True),
        ({"path": {"prefix": "/ab"}}, {"path": {"prefix": "/a"}}, False),
        ({"path": {"exact": "/a"}}, {"path": {"prefix": "/a/"}}, False),
        ({"path": {"exact": "/A"}}, {"path": {"prefix": "/a", "ignore_case": True}}, True),
        ({"path": {"prefix": "/a", "ignore_case": True}}, {"path": {"prefix": "/a"}}, False),
        ({"path": {"suffix": ".tar.gz"}}, {"path": {"suffix": ".gz"}}, True),
        ({"path": {"exact": "/a~"}}, {"path": {"exact": "/a%7E"}}, True),
        ({"path": {"regex": "^/a/[0-9]+$"}}, {"path": {"prefix": "/a"}}, True),
        ({"path": {"prefix": "/a"}}, {"path": {"regex": "^/a"}}, True),
        ({"path": {"regex": "^/a"}}, {"path": {"prefix": "/a"}}, False),
        ({"path": {"prefix": "/"}}, {"path": {"regex": "^/"}}, True),
        ({"path": [{"exact": "/a"}, {"exact": "/b"}]}, {"path": {"regex": "^/[ab]$"}}, True),
        ({"path": {"regex": "^/[ab]$"}}, {"path": [{"exact": "/a"}, {"exact": "/b"}]}, True),
        ({"method": ["GET", "HEAD", "POST", "DELETE"]}, {}, True),
        ({}, {"method": ["GET", "HEAD", "POST", "DELETE"]}, True),
        ({}, {"method": ["GET", "HEAD", "POST"]}, False),
        ({"source": ["10.0.0.0/8"]}, {"source": ["10.0.0.0/9", "10.128.0.0/9"]}, True),
        ({"source": ["10.0.0.0/8"]}, {"source": ["10.0.0.0/9", "10.128.0.0/10"]}, False),
        ({}, {"source": ["0.0.0.0/0", "::/0"]}, True),
        ({"source": ["::ffff:10.0.0.1"]}, {"source": ["10.0.0.0/8"]}, False),
        ({"host": ["shop.example.com"]}, {"host": ["*.example.com"]}, True),
        ({"host": ["*.example.com"]}, {"host": ["shop.example.com"]}, False),
        ({"header": {"name": "X-A", "exact": "ab"}}, {"header": {"name": "x-a", "regex": "^a"}}, True),
        ({"header": {"name": "X-A", "prefix": "ab"}}, {"header": {"name": "x-a", "contains": "b"}}, True),
        ({"header": {"name": "X-A", "contains": "ab"}}, {"header": {"name": "x-a", "exact": "ab"}}, False),
        ({"header": {"name": "X-A", "contains": "ab"}}, {"header": {"name": "x-a", "suffix": "b"}}, False),
        ({"header": {"name": "X-A", "prefix": "ab"}}, {"header": {"name": "x-a", "suffix": "b"}}, False),
        ({"header": {"name": "X-A", "suffix": "ab"}}, {"header": {"name": "x-a", "suffix": "b"}}, True),
        ({"header": {"name": "X-A", "suffix": "ab"}}, {"header": {"name": "x-a", "prefix": "a"}}, False),
        ({"header": {"name": "X-A", "exact": "ab"}}, {"header": {"name": "x-a", "suffix": "b"}}, True),
        ({"header": {"name": "X-A", "regex": "ab"}}, {"header": {"name": "x-a", "contains": "ab"}}, False),
        ({"header": {"name": "X-A", "regex": "ab"}}, {"header": {"name": "x-a", "present": True}}, True),
        ({"query": {"name": "d", "exact": "1"}}, {"query": {"name": "d", "present": True}}, True),
        ({"query": {"name": "d", "exact": "1"}}, {"query": {"name": "D", "present": True}}, False),
    ],
)
def test_one_condition_within_another(inner: dict[str, Any], outer: dict[str, Any], within: bool) -> None:
    rules = [written_rule(_condition_of(**parts) if parts else Condition()) for parts in (inner, outer)]
    some, other = map(Applies, rules)
    assert there_is(UNIVERSE, some.when, [other.escaped]) is not within


def written_rule(when: Condition) -> Any:
    """A rule of the Plan with this condition."""
    from policyc.compiler.plan import Allow, Rule

    return Rule("web-1", None, ("inspection_rules", "web", 0), when, None, (Allow(),))


def test_networks_are_on_one_line() -> None:
    """The last IPv4 address and the first IPv6 address are neighbours there, and no more than that."""
    last, first = ip_network("255.255.255.255"), ip_network("::")
    both = _condition_of(source=[str(last), str(first)])
    alone = _condition_of(source=[str(last)])
    some, other = Applies(written_rule(both)), Applies(written_rule(alone))
    assert there_is(UNIVERSE, some.when, [other.escaped])
    assert not there_is(UNIVERSE, other.when, [some.escaped])
