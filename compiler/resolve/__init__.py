"""Policy → Plan: names joined, defaults filled in, certificates read, rules turned into matchers.

Goes on as far as it can. What cannot be resolved becomes a finding and is left out of the Plan, with everything that
hangs on it; a build with such a finding writes nothing.

What has a name (sites, backends, …) is in the order of names: nothing follows from where the document says it, or in
which file of a folder. Lists (rules, hostnames, servers) have the order that they were given.
"""

from __future__ import annotations

from ...schemas import policy as written
from .. import progress
from ..diagnostics import Diagnostic
from ..document import Document
from ..features import Feature
from ..plan import Plan
from .backends import Backends
from .certificates import Certificates
from .listeners import Listeners
from .part import Shared, present
from .rules import Rules
from .sites import Known, Sites


def resolve(policy: written.Policy, document: Document) -> tuple[Plan, list[Diagnostic]]:
    """The Plan, and what could not be resolved. With an error among the findings the Plan is incomplete."""
    shared = Shared(policy, document)
    return _plan(policy, shared), shared.findings


def _plan(policy: written.Policy, shared: Shared) -> Plan:
    files = Certificates(shared)
    certificates = present(
        (name, files.public(name, pair))
        for name, pair in progress.counted("certificates", sorted(policy.public_certificates.items()))
    )
    anchors = present((name, files.anchors(name, ca)) for name, ca in sorted(policy.backend_cas.items()))
    behind = Backends(shared, files, anchors)
    backends = present((name, behind.backend(name, one)) for name, one in sorted(policy.backends.items()))
    rules = Rules(shared)
    lists = rules.lists()
    within = Sites(shared, Known(certificates, anchors, backends, lists), rules)
    sites = present(
        (name, within.site(name, site)) for name, site in progress.counted("sites", sorted(policy.sites.items()))
    )
    front = Listeners(shared)
    front.hostnames_once()
    front.sockets_once()
    listeners = tuple(front.listener(name, listener, sites) for name, listener in sorted(policy.listeners.items()))
    if len(listeners) > 1:
        front.use(Feature.SEVERAL_LISTENERS, ("listeners",))
    rules.features(lists.values(), sites)
    return Plan(
        name=policy.name,
        listeners=listeners,
        sites=tuple(sites.values()),
        certificates=tuple(certificates.values()),
        anchors=tuple(anchors.values()),
        backends=tuple(backends.values()),
        upstreams=tuple(within.upstreams.all()),
        rule_lists=tuple(lists.values()),
        uses=tuple(shared.uses),
    )
