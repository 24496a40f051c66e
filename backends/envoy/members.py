"""Sites that share a chain: how a request's site is told, and where its requests go.

A virtual host is found by a header that is the SNI and the host, so both must be of the same site, and Envoy's own
lookup sees to capitals and ports. An input of the SNI itself crashes Envoy where a cluster is chosen (1.40).
"""

from __future__ import annotations

from collections.abc import Sequence

from .json_text import Line
from .messages import Json, extension
from .model import SITE_HEADER, Member, Place
from .predicates import header_input, predicate

SITE = "policyc.site"
"""Filter state of a connection: for the access log, the name of its site."""
PLUGIN = "sites"
OF_REQUEST = "%REQUESTED_SERVER_NAME%|%REQ(:AUTHORITY)%"
"""What `SITE_HEADER` is set to when a request is read."""


def domains(sites: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The values of the header for some sites, given their names: each is good with each as SNI and host."""
    return tuple(f"{sni}|{host}" for names in sites for sni in names for host in names)


def clusters(members: Sequence[Member]) -> Json:
    """What chooses a request's cluster."""
    by_sni = {f"{name}|": _places(member.places) for member in members for name in member.names}
    return {
        "extension": extension(
            PLUGIN,
            "envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier",
            cluster_matcher={"matcher_tree": {"input": header_input(SITE_HEADER), "prefix_match_map": {"map": by_sni}}},
        )
    }


def _places(places: Sequence[Place]) -> Json:
    *some, last = places
    if not some:
        return _to(last)
    matchers = [{"predicate": predicate(one.test), "on_match": _to(one)} for one in some if one.test is not None]
    return Line({"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": _to(last)}})


def _to(place: Place) -> Json:
    chosen = "envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction"
    return Line({"action": extension(place.source, chosen, cluster=place.cluster)})


def note_site(members: Sequence[Member]) -> Json:
    """A network filter that notes a connection's site."""
    sites = sorted((name, member.site) for member in members for name in member.names)
    return extension(
        SITE,
        "envoy.extensions.filters.network.set_filter_state.v3.Config",
        on_new_connection=[
            {
                "object_key": SITE,
                "factory_key": "envoy.string",
                "format_string": {"text_format_source": {"inline_string": f"%CEL({_site_of(sites)})%"}},
            }
        ],
    )


def _site_of(sites: Sequence[tuple[str, str]]) -> str:
    """An expression for the site of the SNI, which is one of these, in order: by halves, since a map would be made
    anew for each connection. Neither names nor sites hold a quote or a percent sign."""
    if len(sites) == 1:
        return f"'{sites[0][1]}'"
    middle = len(sites) // 2
    below, above = _site_of(sites[:middle]), _site_of(sites[middle:])
    return f"(connection.requested_server_name<'{sites[middle][0]}'?{below}:{above})"
