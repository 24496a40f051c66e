"""`envoy.json`, asked as Envoy would be: matchers are followed by name, and both ways where they ask for more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from .facts import ASKED, SYSTEM, Answers, Facts, Leads, digest

Json = dict[str, Any]


def read(files: Mapping[str, bytes], names: list[str], system_ca: str) -> Facts:
    """What is said of these names."""
    return _Edge(json.loads(files["envoy.json"], object_pairs_hook=_once), files, system_ca).facts(names)


_NAMES = ("map", "applied", "typed_per_filter_config", "typed_extension_protocol_options", "static_layer")
"""Their keys are names."""


def keys(files: Mapping[str, bytes]) -> set[str]:
    """All fields of all messages."""

    def walk(value: Any, named: bool) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in cast("Json", value).items():
                yield from () if named else (key,)
                yield from walk(inner, key in _NAMES)
        elif isinstance(value, list):
            for inner in cast("list[Any]", value):
                yield from walk(inner, False)

    return set(walk(json.loads(files["envoy.json"]), False))


def _once(pairs: list[tuple[str, Any]]) -> Json:
    assert len({key for key, _ in pairs}) == len(pairs), "a key stands twice"
    return dict(pairs)


def _inside(value: Any, key: str) -> Iterator[Any]:
    """The values of a key, anywhere below."""
    if isinstance(value, dict):
        for name, inner in cast("Json", value).items():
            if name == key:
                yield inner
            yield from _inside(inner, key)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _inside(inner, key)


class _Edge:
    def __init__(self, document: Json, files: Mapping[str, bytes], system_ca: str) -> None:
        self.listeners = document["static_resources"]["listeners"]
        self.clusters = {one["name"]: one for one in document["static_resources"]["clusters"]}
        self.files = files
        self.system_ca = system_ca
        self.host = ""

    def facts(self, names: list[str]) -> Facts:
        """Of each name that a listener with TLS has a chain for."""
        found: Facts = {}
        for self.host in names:
            answers = Answers()
            for listener in self.listeners:
                if "filter_chain_matcher" in listener:
                    chains = {one["name"]: one for one in listener["filter_chains"]}
                    for action in self._ends(listener["filter_chain_matcher"]):
                        self._chain(chains[action["typed_config"]["value"]], answers)
            if answers.leads or answers.shown:
                found[self.host] = answers
        return found

    def _chain(self, chain: Json, answers: Answers) -> None:
        for pair in _inside(chain.get("transport_socket", {}), "tls_certificates"):
            names = [one["certificate_chain"]["filename"] for one in pair]
            answers.shown.update(digest([self.files[name].decode()]) for name in names)
        for one in chain["filters"]:
            config = one["typed_config"]
            if "cluster" in config:
                answers.leads.add(self._leads(config["cluster"]))
            if "route_config" not in config:
                continue
            self._edits(config["http_filters"], answers)
            for host in self._virtual_hosts(config["route_config"]):
                self._edits(host.get("typed_per_filter_config", {}), answers)
                for action in self._ends(host["matcher"]):
                    self._route(action["typed_config"], config["route_config"], answers)

    def _virtual_hosts(self, routes: Json) -> Iterator[Json]:
        """The one that is for the name: by an exact domain, or else by the longest wildcard."""
        hosts = routes["virtual_hosts"]
        # Sites that share a chain are found by the SNI and the host.
        name = f"{self.host}|{self.host}" if "vhost_header" in routes else self.host
        exact = [one for one in hosts if name in one["domains"]]
        suffixes = sorted(
            (
                (len(domain), number)
                for number, one in enumerate(hosts)
                for domain in one["domains"]
                if domain[0] == "*" and self.host.endswith(domain[1:])
            ),
            reverse=True,
        )
        yield from exact or [hosts[number] for _, number in suffixes[:1]]

    def _clusters(self, route: Json, routes: Json) -> Iterator[str]:
        """Where a route may lead to: it says so, or what the sites of a chain share says it, by the SNI."""
        if "cluster" in route:
            yield route["cluster"]
            return
        (plugin,) = (one["extension"]["typed_config"] for one in routes["cluster_specifier_plugins"])
        by_sni = plugin["cluster_matcher"]["matcher_tree"]["prefix_match_map"]["map"]
        for action in self._ends({"on_no_match": by_sni[f"{self.host}|"]}):
            yield action["typed_config"]["cluster"]

    def _route(self, route: Json, routes: Json, answers: Answers) -> None:
        if "direct_response" in route:
            answers.statuses.add(route["direct_response"]["status"])
            added = {one["header"]["key"]: one["header"]["value"] for one in route.get("response_headers_to_add", [])}
            if "Location" in added:
                answers.locations.add(literal(added["Location"]) or "")
        else:
            answers.leads.update(self._leads(cluster) for cluster in self._clusters(route["route"], routes))
        self._edits(route.get("typed_per_filter_config", {}), answers)

    def _edits(self, value: Any, answers: Answers) -> None:
        for response in (False, True):
            for lines in _inside(value, "response_mutations" if response else "request_mutations"):
                for line in lines:
                    if "append" in line:
                        text = literal(line["append"]["header"]["value"])
                        if text is not None:
                            answers.edits.add((response, line["append"]["header"]["key"].lower(), text))

    def _leads(self, name: str) -> Leads:
        cluster = self.clusters[name]
        servers = frozenset(
            (_address(one["endpoint"]["address"]), one.get("load_balancing_weight", 1), group.get("priority", 0) > 0)
            for group in cluster["load_assignment"]["endpoints"]
            for one in group["lb_endpoints"]
        )
        if "transport_socket" not in cluster:
            return Leads(servers, False)
        context = cluster["transport_socket"]["typed_config"]
        validation = context["common_tls_context"]["validation_context"]
        if "trusted_ca" not in validation:
            return Leads(servers, True)
        assert validation["trust_chain_verification"] == "VERIFY_TRUST_CHAIN"
        names = [one["matcher"]["exact"] for one in validation.get("match_typed_subject_alt_names", [])]
        if any(_inside(cluster.get("typed_extension_protocol_options", {}), "auto_san_validation")):
            names.append(ASKED)
        else:
            assert not names or names == [context["sni"]]
        file = validation["trusted_ca"]["filename"]
        trusted = SYSTEM if file == self.system_ca else digest([self.files[file].decode()])
        return Leads(servers, True, names[0] if names else None, trusted, "crl" in validation)

    # --- matchers -----------------------------------------------------------------------------------------------

    def _ends(self, matcher: Json) -> Iterator[Json]:
        """Every action that a request for the name may come to."""
        for on_match in self._matches(matcher):
            if "matcher" in on_match:
                yield from self._ends(on_match["matcher"])
            else:
                yield on_match["action"]

    def _matches(self, matcher: Json) -> Iterator[Json]:
        if "matcher_tree" in matcher:
            cases = matcher["matcher_tree"]["exact_match_map"]["map"]
            if not _by_name(matcher["matcher_tree"]["input"]):
                yield from cases.values()
            elif self.host in cases:
                yield cases[self.host]
                return
        for one in matcher.get("matcher_list", {}).get("matchers", ()):
            holds = self._holds(one["predicate"])
            if holds is not False:
                yield one["on_match"]
            if holds:
                return
        if "on_no_match" in matcher:
            yield matcher["on_no_match"]

    def _holds(self, predicate: Json) -> bool | None:
        """None: it depends on more than the name."""
        match predicate:
            case {"not_matcher": inner}:
                holds = self._holds(inner)
                return None if holds is None else not holds
            case {"and_matcher": {"predicate": several}}:
                return _all([self._holds(one) for one in several])
            case {"or_matcher": {"predicate": several}}:
                either = _all([None if (one := self._holds(each)) is None else not one for each in several])
                return None if either is None else not either
            case {"single_predicate": {"input": asked, "value_match": {"safe_regex": {"regex": expression}}}}:
                # A rule on the Host field searches it: what it finds is not asked here, on no target.
                if not _by_name(asked) or expression.startswith(r"\C*"):
                    return None
                return (
                    re.fullmatch(expression.replace("\\C", ".").replace("\\z", "\\Z"), self.host, re.DOTALL) is not None
                )
            case {"single_predicate": {"input": asked, "value_match": {"exact": text}}}:
                return self.host == text if _by_name(asked) else None
            case _:
                return None


def _all(several: list[bool | None]) -> bool | None:
    if False in several:
        return False
    return None if None in several else True


def _by_name(asked: Json) -> bool:
    config = asked["typed_config"]
    return config["@type"].endswith(".ServerNameInput") or config.get("header_name") in (":authority", "host")


def _address(address: Json) -> str:
    one = address["socket_address"]
    return (
        f"[{one['address']}]:{one['port_value']}" if ":" in one["address"] else f"{one['address']}:{one['port_value']}"
    )


def literal(value: str) -> str | None:
    """What a format is, where it holds nothing but text."""
    return None if "%" in value.replace("%%", "") else value.replace("%%", "%")
