"""A table finds the rule that a walk through its rules would."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import chain

import pytest
from policyc.compiler.diagnostics import Diagnostic
from policyc.compiler.normal_form import STRICT, PathOptions
from policyc.compiler.path_tables import MANY, PathTable, in_tables
from policyc.compiler.plan import Rule
from policyc.compiler.rule_lists import rule_list
from policyc.schemas import policy as written

SEGMENTS = ("a", "A", "ab", "b", "a.b", "a-b_c", "0")


def rules(*texts: dict[str, object], options: PathOptions = STRICT) -> tuple[Rule, ...]:
    findings: list[Diagnostic] = []
    made = rule_list("list", [written.Rule.model_validate(one) for one in texts], options, findings)
    assert not findings
    return made.rules


def deny(kind: str, paths: Sequence[str], **others: object) -> dict[str, object]:
    return {"when": {"path": {kind: list(paths), **others}}, "deny": 403}


def many(**others: object) -> list[dict[str, object]]:
    return [deny("prefix", [f"/path-{index}"], **others) for index in range(MANY)]


def path(source: random.Random, depth: int) -> str:
    return (
        "".join(f"/{source.choice(SEGMENTS)}" for _ in range(source.randint(0, depth))) + source.choice(["", "/"])
        or "/"
    )


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_the_first_rule_that_holds_is_found(seed: int, ignore_case: bool) -> None:
    source = random.Random(seed)
    texts = [
        deny(
            source.choice(["exact", "prefix"]),
            [path(source, 3) for _ in range(source.randint(1, 3))],
            ignore_case=ignore_case,
        )
        for _ in range(MANY)
    ]
    (table,) = in_tables(rules(*texts))
    assert isinstance(table, PathTable)
    for _ in range(500):
        asked = path(source, 5)
        walked = next(
            (rule for rule in table.rules if any(re.fullmatch(one.expression, asked) for one in rule.when.paths)), None
        )
        assert table.rule_of(asked) is walked, asked


def test_few_paths_stay_rules() -> None:
    assert not any(isinstance(one, PathTable) for one in in_tables(rules(*many()[1:])))


def test_one_rule_with_many_paths_is_a_table() -> None:
    (table,) = in_tables(rules(deny("exact", [f"/path-{index}" for index in range(MANY)])))
    assert isinstance(table, PathTable)
    assert len(table.rules) == 1


def test_the_order_of_rules_stays() -> None:
    other: dict[str, object] = {"when": {"path": {"suffix": ".bak"}}, "deny": 404}
    listed = rules(*many(), other, *many())
    parts = list(in_tables(listed))
    assert [isinstance(one, PathTable) for one in parts] == [True, False, True]
    assert list(chain.from_iterable(one.rules if isinstance(one, PathTable) else (one,) for one in parts)) == list(
        listed
    )


@pytest.mark.parametrize(
    "different",
    [
        {"deny": None, "redirect": {"to": "/", "status": 301}},
        {"log": "seen"},
        {"deny": None, "allow": True},
        {"unless": {"source": ["10.0.0.0/8"]}},
        {"when": {"path": {"prefix": ["/café"]}}},
        {"when": {"path": {"prefix": ["/a~b"]}}},
        {"when": {"path": {"suffix": [".sql"]}}},
        {"when": {"path": {"regex": ["^/a+$"]}}},
        {"when": {"path": {"prefix": ["/x"], "ignore_case": True}}},
        {"when": {"path": {"prefix": ["/x"]}, "method": ["POST"]}},
    ],
)
def test_a_rule_that_differs_is_not_of_the_run(different: dict[str, object]) -> None:
    rule = {key: value for key, value in {**many()[0], **different}.items() if value is not None}
    parts = list(in_tables(rules(*many(), rule)))
    assert [isinstance(one, PathTable) for one in parts] == [True, False]


def test_what_else_must_hold_is_said() -> None:
    inside = {"source": ["10.0.0.0/8"]}
    texts = [{**one, "unless": inside} for one in many()]
    (table,) = in_tables(rules(*texts))
    assert isinstance(table, PathTable)
    assert table.when.always
    assert table.unless == rules(texts[0])[0].unless


@pytest.mark.parametrize(
    "options",
    [PathOptions(encoded_slash=True), PathOptions(empty_segments=True), PathOptions(path_params=True)],
    ids=lambda options: options.names[0],
)
def test_paths_with_several_spellings_are_in_no_table(options: PathOptions) -> None:
    assert not any(isinstance(one, PathTable) for one in in_tables(rules(*many(), options=options)))
