"""Tests → predicates of Envoy's matchers."""

from __future__ import annotations

from .messages import NAMESPACE, Json, extension, regex
from .model import Applied, Every, FromNetworks, Match, Not, Some, Test


def predicate(test: Test) -> Json:
    """A test as a predicate."""
    match test:
        case Match(header, expression):
            return {"single_predicate": {"input": header_input(header), "value_match": regex(expression)}}
        case FromNetworks(networks, header):
            ranges = [{"address_prefix": str(one.network_address), "prefix_len": one.prefixlen} for one in networks]
            matcher = extension(
                "envoy.matching.matchers.ip",
                "envoy.extensions.matching.input_matchers.ip.v3.Ip",
                cidr_ranges=ranges,
                stat_prefix="source",
            )
            return {"single_predicate": {"input": header_input(header), "custom_match": matcher}}
        case Applied(rule):
            note = extension(
                "applied",
                "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
                filter=NAMESPACE,
                path=[{"key": "applied"}, {"key": rule}],
            )
            matcher = extension(
                "envoy.matching.matchers.metadata_matcher",
                "envoy.extensions.matching.input_matchers.metadata.v3.Metadata",
                value={"bool_match": True},
            )
            return {"single_predicate": {"input": note, "custom_match": matcher}}
        case Every(of):
            return _several("and_matcher", of)
        case Some(of):
            return _several("or_matcher", of)
        case Not(of):
            return {"not_matcher": predicate(of)}


def _several(kind: str, tests: tuple[Test, ...]) -> Json:
    # Envoy refuses these two with fewer than two members.
    if len(tests) == 1:
        return predicate(tests[0])
    return {kind: {"predicate": [predicate(one) for one in tests]}}


def header_input(header: str) -> Json:
    """What a predicate looks at: a request header's lines, joined by commas."""
    return extension(header, "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header)
