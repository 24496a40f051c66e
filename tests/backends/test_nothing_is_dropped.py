"""Nothing is dropped: a part of the policy is in every target's output, or a finding names it.

By reading: a field of the Plan that is set and that nobody reads cannot be in the output. By change, which is the
stronger one: a policy with a feature and the same without it must give different files.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from policyc.compiler import normal_form
from policyc.compiler import plan as plan_module
from policyc.compiler.cli.commands import app
from policyc.compiler.diagnostics import Diagnostic, Severity
from policyc.compiler.diagnostics import Path as DocumentPath
from policyc.compiler.features import Feature, Support
from policyc.compiler.lint.support import rule_id
from policyc.compiler.loopback.pki import authority, leaf, revocation_list, write
from policyc.compiler.pipeline import Loaded, compile_for, examine, has_errors, load
from policyc.compiler.plan import Plan
from policyc.compiler.target import Target, installed_targets
from policyc.schemas.target import TargetSettings
from typer.testing import CliRunner

from .recording_plan import Field, recording, values

Policy = dict[str, Any]
Patch = Callable[[str], Policy]
"""What to change for a feature, from the feature's id, which is the name of its own site, backend and rule list."""


# --- a small change of the policy for each feature -------------------------------------------------------------


def merged(policy: Mapping[str, Any], patch: Mapping[str, Any]) -> Policy:
    """Mappings are merged, None removes a key, everything else replaces it."""
    result = copy.deepcopy(dict(policy))
    for key, value in patch.items():
        result[key] = merged(result.get(key) or {}, cast("Policy", value)) if isinstance(value, dict) else value
    return {key: value for key, value in result.items() if value is not None}


def every(*patches: Patch) -> Patch:
    def patch(name: str) -> Policy:
        result: Policy = {}
        for one in patches:
            # Not `merged`, which would take a None away: it is for the policy.
            for part, named in one(name).items():
                for key, value in named.items():
                    below = result.setdefault(part, {})
                    below[key] = {**below.get(key, {}), **value} if isinstance(value, dict) else value
        return result

    return patch


def backend(**keys: Any) -> Patch:
    return lambda name: {"backends": {name: keys}}


def tls(**keys: Any) -> Patch:
    return backend(tls=keys)


def site(**keys: Any) -> Patch:
    return lambda name: {"sites": {name: keys}}


def wildcard(name: str) -> Policy:
    return {"sites": {name: {"hostnames": [f"*.{name}.example.com"]}}}


def listener(which: str, **keys: Any) -> Patch:
    return lambda _: {"listeners": {which: keys}}


def rules(*of: Policy) -> Patch:
    return lambda name: {"inspection_rules": {name: list(of)}}


FROM = {"source": ["198.51.100.0/24"]}
BELOW = {"path": {"prefix": "/below"}}
TWO = ["192.0.2.1:443", "192.0.2.2:443"]


def when(**keys: Any) -> tuple[Patch, Patch]:
    """A matcher more, or not."""
    return rules({"when": {**FROM, **keys}, "deny": 403}), rules({"when": FROM, "deny": 403})


def act(**keys: Any) -> tuple[Patch, Patch]:
    """A rule with this action, or none."""
    return rules({"when": BELOW, **keys}), rules()


def denied(name: str) -> Policy:
    """A rule for the site alone: a firewall writes hostnames only where a rule needs them."""
    return every(site(inspect=[name]), rules({"when": BELOW, "deny": 403}))(name)


NOTHING: Patch = lambda _: {}  # noqa: E731

IMPLIED = {
    Feature.SNI_REFUSAL,
    Feature.HOST_CHECK,
    Feature.NORMAL_FORM,
    Feature.FORWARDING_HEADERS,
    Feature.ACCESS_LOG,
}
"""What every decrypted site has: there is no policy without them, so no output to compare with."""

CHANGES: dict[Feature, tuple[Patch, Patch]] = {
    Feature.WILDCARD_HOSTNAME: (every(wildcard, denied), denied),
    Feature.TLS_MODERN: (listener("modern", tls={"profile": "modern"}), NOTHING),
    Feature.TLS_INTERMEDIATE: (NOTHING, listener("public", tls={"profile": "modern"})),
    Feature.TLS_OLD: (listener("old", tls={"profile": "old"}), NOTHING),
    Feature.TLS_VERSIONS: (listener("public", tls={"max_version": "1.2"}), NOTHING),
    Feature.HTTP2: (listener("public", protocols=["h2", "http/1.1"]), NOTHING),
    Feature.HTTP_REDIRECT: (listener("public", redirect_http=["0.0.0.0:80"]), NOTHING),
    Feature.TRUSTED_PROXIES: (listener("public", trusted_proxies=["10.0.0.0/8"]), NOTHING),
    Feature.PROXY_PROTOCOL: (listener("public", proxy_protocol=True), NOTHING),
    Feature.SEVERAL_LISTENERS: (NOTHING, lambda _: {"listeners": {"modern": None, "old": None}}),
    Feature.PASSTHROUGH: (site(decrypt=False, public_certificate=None), NOTHING),
    Feature.VERIFY_FULL: (NOTHING, tls(verify="none", ca=None)),
    Feature.VERIFY_CHAIN: (tls(verify="chain"), NOTHING),
    Feature.VERIFY_NONE: (tls(verify="none", ca=None), NOTHING),
    Feature.PLAINTEXT_BACKEND: (backend(tls=False), NOTHING),
    Feature.SYSTEM_CA: (tls(ca="system"), NOTHING),
    Feature.BACKEND_CRL: (
        every(tls(ca="revocable"), lambda _: {"backend_cas": {"revocable": {"crl": "public.crl"}}}),
        tls(ca="revocable"),
    ),
    Feature.BACKEND_PIN: (tls(pins=["sha256:PIN"]), NOTHING),
    Feature.BACKEND_CLIENT_CERTIFICATE: (tls(client_certificate={"cert": "proxy.pem", "key": "proxy.key"}), NOTHING),
    Feature.BACKEND_MIN_TLS: (tls(min_version="1.3"), NOTHING),
    Feature.WILDCARD_SERVER_NAME: (every(wildcard, tls(server_name=None)), wildcard),
    Feature.SEVERAL_SERVERS: (backend(servers=TWO), NOTHING),
    Feature.SERVER_WEIGHT: (backend(servers=[TWO[0], {"address": TWO[1], "weight": 3}]), backend(servers=TWO)),
    Feature.BACKUP_SERVER: (backend(servers=[TWO[0], {"address": TWO[1], "backup": True}]), backend(servers=TWO)),
    Feature.BALANCE_LEAST_CONNECTIONS: (
        backend(servers=TWO, balance="least_connections"),
        backend(servers=TWO),
    ),
    Feature.BALANCE_SOURCE_HASH: (backend(servers=TWO, balance="source_hash"), backend(servers=TWO)),
    Feature.HEALTH_CHECK: (
        backend(health={"path": "/up", "interval": "7s", "timeout": "3s", "rise": 4, "fall": 5, "expect": [204]}),
        NOTHING,
    ),
    Feature.TIMEOUTS: (backend(timeouts={"connect": "1s", "response": "11s", "idle": "13s"}), NOTHING),
    Feature.BACKEND_HTTP2: (backend(protocol="h2"), NOTHING),
    Feature.HOST_HEADER: (backend(host_header="fixed.example.com"), NOTHING),
    Feature.MATCH_PATH: when(**BELOW),
    Feature.MATCH_PATH_REGEX: when(path={"regex": "^/[a-z]", "ignore_case": True}),
    Feature.MATCH_METHOD: when(method=["POST"]),
    Feature.MATCH_HEADER: when(header={"name": "X-Test", "exact": "yes"}),
    Feature.MATCH_HEADER_REGEX: when(header={"name": "X-Test", "regex": "^[a-z]"}),
    Feature.MATCH_QUERY: when(query={"name": "q", "regex": "^yes"}),
    Feature.MATCH_SOURCE: (rules({"when": {**BELOW, **FROM}, "deny": 403}), rules({"when": BELOW, "deny": 403})),
    Feature.MATCH_HOST: when(host=["shop.example.com"]),
    Feature.ALLOW: (
        rules({"when": FROM, "allow": True}, {"when": BELOW, "deny": 403}),
        rules({"when": BELOW, "deny": 403}),
    ),
    Feature.DENY: act(name="from-inside-only", unless=FROM, deny=404),
    Feature.REDIRECT: act(redirect={"to": "/elsewhere", "status": 307}),
    Feature.RATE_LIMIT: act(rate_limit={"rate": "5/s", "burst": 10}),
    Feature.LIMIT_BODY: act(limit_body="10MiB"),
    Feature.REQUEST_HEADERS: act(request_headers={"set": {"A": "1"}, "add": {"B": "2"}, "remove": ["C"]}),
    Feature.RESPONSE_HEADERS: act(response_headers={"set": {"A": "1"}, "add": {"B": "2"}, "remove": ["C"]}),
    Feature.LOG_LABEL: act(log="below"),
    Feature.ROUTES: (site(routes=[{"path": {"prefix": "/api"}, "backend": "shop"}]), NOTHING),
    Feature.CLIENT_AUTH: (site(client_auth={"ca": "public", "forward_subject": "X-Subject"}), NOTHING),
    Feature.SCAN: (site(scan="strict"), NOTHING),
    Feature.EXTRA_METHODS: (site(methods=["PROPFIND"]), NOTHING),
    Feature.WEBSOCKET: (site(websocket=True), NOTHING),
    Feature.ENCODED_SLASH: (site(paths={"encoded_slash": True}), NOTHING),
    Feature.ENCODED_RESERVED: (site(paths={"encoded_reserved": True}), NOTHING),
    Feature.PATH_PARAMS: (site(paths={"path_params": True}), NOTHING),
    Feature.EMPTY_SEGMENTS: (site(paths={"empty_segments": True}), NOTHING),
    Feature.STRICT_SEGMENT_END: (site(paths={"strict_segment_end": True}), NOTHING),
}
"""With the feature, and the same without it."""

PARTS: dict[Feature, Sequence[Patch]] = {
    Feature.HEALTH_CHECK: [
        backend(health=part)
        for part in (
            {"path": "/other"},
            {"interval": "8s"},
            {"timeout": "4s"},
            {"rise": 6},
            {"fall": 6},
            {"expect": [200, 204]},
        )
    ],
    Feature.TIMEOUTS: [backend(timeouts=part) for part in ({"connect": "2s"}, {"response": "12s"}, {"idle": "14s"})],
    Feature.SEVERAL_SERVERS: [backend(servers=[TWO[0], "192.0.2.3:443"]), backend(servers=[TWO[0], "192.0.2.2:8443"])],
    Feature.MATCH_PATH: [
        when(path={"prefix": "/other"})[0],
        when(path={"exact": "/below"})[0],
        when(path={"prefix": ["/below", "/other"]})[0],
    ],
    Feature.MATCH_PATH_REGEX: [when(path={"regex": "^/[a-z]"})[0]],
    Feature.MATCH_METHOD: [when(method=["POST", "PUT"])[0]],
    Feature.MATCH_HEADER: [
        when(header={"name": "X-Other", "exact": "yes"})[0],
        when(header={"name": "X-Test", "prefix": "yes"})[0],
        when(header={"name": "X-Test", "present": True})[0],
    ],
    Feature.MATCH_QUERY: [
        when(query={"name": "Q", "exact": "yes"})[0],
        when(query={"name": "q", "regex": "yes"})[0],
        when(query={"name": "q", "present": True})[0],
    ],
    Feature.DENY: [
        act(unless=FROM, deny=403)[0],
        act(deny=404)[0],
        act(unless={"source": ["2001:db8::/32"]}, deny=404)[0],
    ],
    Feature.REDIRECT: [
        act(redirect={"to": "/elsewhere", "status": 302})[0],
        act(redirect={"to": "/", "status": 307})[0],
    ],
    Feature.RATE_LIMIT: [
        act(rate_limit={"rate": "5/min", "burst": 10})[0],
        act(rate_limit={"rate": "6/s", "burst": 10})[0],
        act(rate_limit={"rate": "5/s"})[0],
    ],
    **{
        feature: [
            act(**{key: {"add": {"B": "2"}, "remove": ["C"]}})[0],
            act(**{key: {"set": {"A": "1"}, "remove": ["C"]}})[0],
            act(**{key: {"set": {"A": "1"}, "add": {"B": "2"}}})[0],
        ]
        for feature, key in (
            (Feature.REQUEST_HEADERS, "request_headers"),
            (Feature.RESPONSE_HEADERS, "response_headers"),
        )
    },
    Feature.CLIENT_AUTH: [site(client_auth={"mode": "optional"}), site(client_auth={"forward_subject": None})],
}
"""Changes on top of a feature's own, each of one part of it."""


def site_and_backend(number: int, name: str, **keys: Any) -> Policy:
    own = {"ca": "public", "server_name": f"{name}.example.com", "certificate": "shop.pem"}
    shown = {"hostnames": [f"{name}.example.com"], "public_certificate": "shop", "backend": name}
    return {
        "backends": {name: {"servers": [f"192.0.2.{number}:443"], "tls": own}},
        "sites": {name: {**shown, "public_addresses": [f"203.0.113.{number}"], **keys}},
    }


def base_policy() -> Policy:
    """What every target can do, with a site, a backend or a rule list for each feature that changes one."""
    patches = [patch(feature.id) for feature, pair in CHANGES.items() for patch in pair]
    lists = dict.fromkeys(name for patch in patches for name in patch.get("inspection_rules", ()))
    names = dict.fromkeys(name for patch in patches for part in ("sites", "backends") for name in patch.get(part, ()))
    policy: Policy = {
        "version": 1,
        "listeners": {
            name: {"bind": [f"0.0.0.0:{port}"], "protocols": ["http/1.1"]}
            for name, port in (("public", 443), ("modern", 8443), ("old", 9443))
        },
        "public_certificates": {"shop": {"cert": "shop.pem", "key": "shop.key"}},
        "backend_cas": {"public": {"ca": "public.pem"}, "revocable": {"ca": "public.pem"}},
        "inspection_rules": {name: [] for name in lists},
    }
    policy = merged(policy, site_and_backend(10, "shop", inspect=list(lists)))
    for number, name in enumerate(names, 11):
        policy = merged(policy, site_and_backend(number, name))
    return policy


def minimal_policy() -> Policy:
    """Nothing but what must be there: whatever another Plan has beyond this one's was asked for."""
    policy = merged(
        {
            "version": 1,
            "public_certificates": {"shop": {"cert": "shop.pem", "key": "shop.key"}},
            "backend_cas": {"public": {"ca": "public.pem"}},
        },
        site_and_backend(10, "shop", public_addresses=[]),
    )
    del policy["backends"]["shop"]["tls"]["certificate"]
    return policy


# --- policies and targets --------------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Policy]] = {
    "nginx": {"old": {"version": "1.22", "stream_module": "/modules/stream.so"}, "new": {"version": "1.29"}},
    "panos": {
        position: {"position": position, "profile_groups": {"strict": "Strict"}}
        for position in ("edge", "behind_proxy")
    },
}
"""Settings under which a target answers differently. Others are tried with their defaults."""


@dataclass(frozen=True)
class Placed:
    """A target at a version and place."""

    id: str
    target: Target[TargetSettings]
    settings: TargetSettings

    @property
    def table(self) -> Mapping[Feature, Support]:
        return self.target.support(self.settings)

    def honours(self, feature: Feature) -> bool:
        return self.table[feature].honoured_by(self.settings.version)

    def its_own(self, feature: Feature) -> bool:
        """Whether the target itself does it, so that its output must say so."""
        return self.honours(feature) and self.table[feature].reason not in DONE_ELSEWHERE

    def findings(self, loaded: Loaded) -> list[Diagnostic]:
        """All findings, as `policyc build` for this target has them."""
        placed = replace(loaded, settings={self.target.name: self.settings})
        return examine(placed, {self.target.name: self.target}, [self.target.name]).standing

    def files(self, loaded: Loaded) -> Mapping[str, bytes]:
        placed = replace(loaded, settings={self.target.name: self.settings})
        return compile_for(placed, self.target).files


DONE_ELSEWHERE = {
    "done by the proxy in front; the firewall inspects the inner leg",
    "every spelling passes",
    "every method passes",
    "the leaf that the firewall holds is the only one that it lets through; see `pin-excludes-certificate`",
    "inspected since 9.0, with ECDHE; the server offers it or not",
    "stricter: the firewall compares the server's leaf with the imported one byte for byte [KB], and looks at neither "
    "issuer nor name; visitors verify what they are shown, which is that same leaf",
}
"""Answers of support tables which say that the policy holds without a word in the target's own output."""


def placements() -> list[Placed]:
    return [
        Placed("-".join(filter(None, (name, label))), target, target.settings_model().model_validate(settings))
        for name, target in installed_targets().items()
        for label, settings in SETTINGS.get(name, {"": {}}).items()
    ]


every_target = pytest.mark.parametrize("placed", placements(), ids=lambda placed: placed.id)


class Policies:
    """Policies, resolved once for all targets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ca = authority("Public CA")
        shop = leaf(["*.example.com", "*.wildcard-hostname.example.com", "*.wildcard-server-name.example.com"], ca)
        write(folder, "shop", shop)
        write(folder, "proxy", leaf(["proxy.internal"], ca, usages=["client"]))
        (folder / "public.pem").write_bytes(ca.pem)
        (folder / "public.crl").write_bytes(revocation_list(ca))
        self.pin = hashlib.sha256(shop.certificate.public_bytes(Encoding.DER)).hexdigest()
        self.known: dict[str, Loaded] = {}
        self.base = base_policy()
        self.built: dict[tuple[str, int], Mapping[str, bytes]] = {}

    def files(self, placed: Placed, loaded: Loaded) -> Mapping[str, bytes]:
        """What `policyc build` would write."""
        key = placed.id, id(loaded)
        if key not in self.built:
            self.built[key] = placed.files(loaded)
        return self.built[key]

    def resolved(self, policy: Policy) -> Loaded:
        key = json.dumps(policy)
        if key not in self.known:
            loaded = load(str(self.write(policy)), {})
            assert not has_errors(loaded.findings), loaded.findings
            self.known[key] = loaded
        return self.known[key]

    def write(self, policy: Policy) -> Path:
        path = self.folder / "policy.yaml"
        path.write_text(json.dumps(policy, indent=1).replace("PIN", self.pin))
        return path

    def both(self, feature: Feature) -> tuple[Loaded, Loaded]:
        """With the feature, and without it."""
        if feature in IMPLIED:
            return self.resolved(self.base), self.resolved(self.base)
        with_it, without = (self.resolved(merged(self.base, patch(feature.id))) for patch in CHANGES[feature])
        return with_it, without

    def fullest(self, wanted: Callable[[Feature], bool]) -> Policy:
        """One policy with all features that are wanted."""
        policy = self.base
        for feature, (patch, _) in CHANGES.items():
            if wanted(feature):
                policy = merged(policy, patch(feature.id))
        return policy


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    return Policies(tmp_path_factory.mktemp("dropped"))


def plan_of(loaded: Loaded) -> Plan:
    assert loaded.plan is not None
    return loaded.plan


# --- the table itself ------------------------------------------------------------------------------------------


def test_every_feature_has_its_change() -> None:
    assert set(CHANGES) == set(Feature) - IMPLIED


@pytest.mark.parametrize("feature", Feature, ids=lambda feature: feature.id)
def test_the_change_uses_its_feature(policies: Policies, feature: Feature) -> None:
    with_it, without = (Counter(use.feature for use in plan_of(one).uses) for one in policies.both(feature))
    if feature in IMPLIED:
        assert with_it[feature]
    else:
        assert with_it[feature] > without[feature]


def test_the_fullest_policy_sets_every_field(policies: Policies) -> None:
    plan = plan_of(policies.resolved(policies.fullest(lambda _: True)))
    assert {use.feature for use in plan.uses} == set(Feature)
    found = {field for field, value in values(plan) if is_set(value)}
    known = {
        (kind.__name__, name)
        for kind in vars(plan_module).values()
        if isinstance(kind, type) and is_dataclass(kind)
        for name in kind.__dataclass_fields__
    }
    # Lint looks at these, and no certificate that a test makes has them.
    assert known - found == {("Certificate", "publicly_trusted"), ("Certificate", "must_staple")}


@every_target
def test_every_target_can_do_the_base(policies: Policies, placed: Placed) -> None:
    """So that a refusal in the tests below is due to the feature."""
    findings = placed.findings(policies.resolved(policies.base))
    assert [finding for finding in findings if finding.severity is Severity.ERROR] == []


# --- by change -------------------------------------------------------------------------------------------------


@every_target
def test_what_a_target_claims_is_in_its_output(policies: Policies, placed: Placed) -> None:
    silent: list[Feature] = []
    for feature in filter(placed.its_own, CHANGES):
        with_it, without = policies.both(feature)
        if policies.files(placed, with_it) == policies.files(placed, without):
            silent.append(feature)
    assert silent == []


@every_target
def test_every_part_of_a_feature_is_in_the_output_or_told(policies: Policies, placed: Placed) -> None:
    silent: list[Policy] = []
    for feature in filter(placed.its_own, PARTS):
        with_it = merged(policies.base, CHANGES[feature][0](feature.id))
        for part in PARTS[feature]:
            one, other = policies.resolved(with_it), policies.resolved(merged(with_it, part(feature.id)))
            if policies.files(placed, one) == policies.files(placed, other) and (
                placed.findings(one) == placed.findings(other)
            ):
                silent.append(part(feature.id))
    assert silent == []


def leaves(patch: Policy, path: DocumentPath = ()) -> Iterator[DocumentPath]:
    for key, value in patch.items():
        yield from leaves(cast("Policy", value), (*path, key)) if isinstance(value, dict) else [(*path, key)]


def passed_through(policies: Policies) -> Iterator[tuple[Feature, Policy, Loaded, Loaded]]:
    """What changes for a backend, the policy with and without it, where only a passed-through site reaches it."""
    for feature, (patch, without) in CHANGES.items():
        name = feature.id
        passed = merged(policies.base, site(decrypt=False, public_certificate=None)(name))
        with_it = merged(passed, patch(name))
        changed = [(merged(patch(name), without(name)), with_it, merged(passed, without(name)))]
        changed += [(part(name), with_it, merged(with_it, part(name))) for part in PARTS.get(feature, ())]
        for change, one, other in changed:
            if feature is not Feature.PASSTHROUGH and change.keys() <= {"backends", "backend_cas"}:
                yield feature, change, policies.resolved(one), policies.resolved(other)


@every_target
def test_what_a_backend_has_holds_for_connections_passed_through_or_is_told(policies: Policies, placed: Placed) -> None:
    silent: list[DocumentPath] = []
    for feature, change, one, other in passed_through(policies):
        if placed.its_own(feature) and policies.files(placed, one) == policies.files(placed, other):
            findings = (*placed.findings(one), *placed.findings(other))
            told = {finding.primary.path for finding in findings if len(finding.primary.path) > 2}
            # Whoever is told that nothing is verified knows that no CA's revocation list is looked at.
            told |= {("backend_cas",) for path in told if path[0] == "backends" and path[2:] == ("tls",)}
            silent += [leaf for leaf in leaves(change) if not any(leaf[: len(path)] == path for path in told)]
    assert silent == []


@every_target
def test_what_a_target_cannot_do_is_told(policies: Policies, placed: Placed) -> None:
    for feature in Feature:
        if placed.honours(feature):
            continue
        with_it, without = policies.both(feature)
        findings = placed.findings(with_it)
        (told,) = (finding for finding in findings if finding.rule == rule_id(feature))
        assert told.target == placed.target.name
        assert feature.description in told.message
        assert all(told.help)
        assert told.help
        assert told.severity in (Severity.ERROR, Severity.WARNING)
        assert told.primary.path
        if feature not in IMPLIED:
            assert rule_id(feature) not in {finding.rule for finding in placed.findings(without)}
        if told.severity is Severity.ERROR:
            assert has_errors(findings)


@every_target
def test_a_build_with_what_a_target_cannot_do_is_refused(policies: Policies, placed: Placed, tmp_path: Path) -> None:
    lacking = [feature for feature in Feature if not placed.honours(feature)]
    refused = {rule_id(one) for one in lacking if placed.table[one].severity is Severity.ERROR}
    settings = placed.settings.model_dump(mode="json", by_alias=True)
    policy = merged(policies.fullest(lambda one: one in lacking), {"targets": {placed.target.name: settings}})
    path = policies.write(policy)
    ran = CliRunner().invoke(app, ["build", str(path), "-o", str(tmp_path / "out"), "--format", "json"])
    assert ran.exit_code == (1 if refused else 0), ran.output
    found = {one["rule"] for one in json.loads(ran.stdout)["findings"] if one["severity"] == "error"}
    assert refused <= found
    assert (tmp_path / "out").exists() is not bool(refused)


# --- by reading ------------------------------------------------------------------------------------------------

DESCRIBES: dict[str, dict[str, str]] = {
    "": {
        "Backend.server_name": "what it means for one name is in Upstream.server_name",
        "BackendTls.chains": "what servers are known to present, as a transparent target imports it",
        "BackendTls.leaves": "what servers are known to present: lint compares it",
        **dict.fromkeys(
            (
                f"Certificate.{name}"
                for name in ("common_name", "dns_names", "public_key", "serial", "sha256", "subject", "usages")
            ),
            "its PEM says it; lint compares it",
        ),
        "HeaderMatcher.text": "the expression says it",
        "HostGroup.id": "a name to use, or not",
        "PathMatcher.kind": "the expression says it",
        "PathMatcher.text": "the expression says it",
        "Plan.anchors": "reached through backends",
        "Plan.backends": "reached through upstreams",
        "Plan.rule_lists": "reached through sites",
        "Plan.sites": "reached through listeners",
        "Plan.upstreams": "reached through sites",
        "Plan.uses": "lint's account of features",
        "QueryMatcher.kind": "the expression says it",
        "QueryMatcher.name": "the expression says it",
        "QueryMatcher.text": "the expression says it",
        "QueryMatcher.value": "the expression says it",
        "Rule.name": "for people",
        "RuleList.name": "a name to use, or not",
        "Site.public_addresses": "where a transparent target is reached; a proxy listens on its own sockets",
        "TlsSettings.profile": "its values are in the other fields",
        "Use.backends": "lint's account of features",
        "Use.feature": "lint's account of features",
        "Use.sites": "lint's account of features",
    },
    "envoy": {"QueryMatcher.expression_pcre": "for other engines"},
    "haproxy": {"QueryMatcher.expression": "for other engines"},
    "nginx-old": {"QueryMatcher.expression": "for other engines"},
    "nginx-new": {"QueryMatcher.expression": "for other engines"},
    "panos-edge": {
        "HostGroup.hostnames": "Site.hostnames, divided by upstream",
        "PathMatcher.expression": "URL categories are made of kind and text",
        "PathMatcher.plain": "for targets that compare bytes",
        "TrustAnchors.name": "the firewall compares leaves, and trusts no CA",
        "Upstream.id": "there are no upstreams",
        "Upstream.server_name": "the visitor's own SNI goes through",
    },
    "panos-behind_proxy": {
        **dict.fromkeys(
            (
                "Hostname.name",
                "Listener.binds",
                "Listener.name",
                "Listener.protocols",
                "Listener.sites",
                "Plan.listeners",
                "Site.hostnames",
                "Site.rule_lists",
            ),
            "the visitors' side is the proxy's",
        ),
        "TrustAnchors.name": "the firewall compares leaves, and trusts no CA",
        "Upstream.id": "there are no upstreams",
    },
}
"""Fields that describe and do not instruct, of every target and of one. Places in the policy (`path`) are such, too."""


def never_read(policies: Policies, placed: Placed) -> set[str]:
    """Fields that the fullest policy of a target sets, and neither its build nor a rule with a finding reads."""
    plan = plan_of(policies.resolved(policies.fullest(placed.its_own)))
    unset: dict[Field, list[object]] = {}
    for field, value in values(plan_of(policies.resolved(minimal_policy()))):
        unset.setdefault(field, []).append(value)
    asked = {field for field, value in values(plan) if is_set(value) and value not in unset.get(field, ())}
    view, reads = recording(plan)
    normal_form.forms.cache_clear()  # it would not ask for what it has answered before
    built = placed.target.build(view, placed.settings, "policy.yaml")
    assert built.files == placed.target.build(plan, placed.settings, "policy.yaml").files
    for rule in placed.target.rules():
        view, seen = recording(plan)
        if rule.check and list(rule.check(view, placed.settings)):
            reads |= seen
    return {f"{kind}.{name}" for kind, name in asked - reads if name != "path"}


def is_set(value: object) -> bool:
    return value not in (None, (), "", 0, False)


@every_target
def test_what_is_set_is_read(policies: Policies, placed: Placed) -> None:
    own = DESCRIBES.get(placed.id, {})
    assert never_read(policies, placed) - set(DESCRIBES[""]) == set(own)


def test_what_is_excused_still_needs_it(policies: Policies) -> None:
    unread = {field for placed in placements() for field in never_read(policies, placed)}
    assert set(DESCRIBES[""]) - unread == set()
    reasons = {placed.table[feature].reason for placed in placements() for feature in Feature}
    assert DONE_ELSEWHERE - reasons == set()
