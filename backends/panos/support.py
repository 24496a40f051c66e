"""What PAN-OS can do, by its position.

At the edge the firewall is transparent: the visitor's connection ends on the server, and inspection only reads along.
It forwards or ends sessions; it writes no byte of HTTP. Behind a proxy it reads the inner leg, and what the policy
asks of a request is done before it.

Facts carry the tags of their sources: [KB] knowledgebase kA1Ki000000sY1zKAE, [D10.1] and [D11.1] the administrator's
guides, [CFG] "Configure SSL Inbound Inspection", [HELP] the 11.1 web interface help, [SPEC] pan-os-codegen 9920a6f,
[SCM] the vendor's OpenAPI patterns. *Unverified* means that no source was found; nothing here was tried on a device.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...compiler.diagnostics import Severity
from ...compiler.features import Feature, Support, complete, emulated, impossible, native, version_key
from ...schemas.target import TargetSettings, Version
from ...schemas.values import NetworkText, Some, wrong

_OLDEST, _NEWEST = (10, 0), (12, 1)
_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]*[A-Za-z0-9._-])?\Z")
_VSYS = re.compile(r"vsys[1-9][0-9]{0,2}\Z")


def _existing(kind: str, limit: int) -> AfterValidator:
    # Names of things that exist already: dots are let through, since scripts in the wild use them ([SCM]).
    def check(value: str) -> str:
        if not _WORD.match(value) or "  " in value:
            raise wrong(f"`{value}` is not the name of {kind}: letters, digits, space, `.`, `_`, `-`")
        if len(value) > limit:
            raise wrong(f"`{value}` has {len(value)} characters; the name of {kind} has at most {limit}")
        return value

    return AfterValidator(check)


ZoneName = Annotated[str, _existing("a zone", 31)]  # unverified limit
ProfileGroupName = Annotated[str, _existing("a profile group", 31)]  # [HELP]
ApplicationName = Annotated[str, _existing("an application", 63)]  # unverified limit
LogSettingName = Annotated[str, _existing("a log forwarding profile", 63)]  # [SPEC]
PanoramaName = Annotated[str, _existing("a device group or template", 63)]  # unverified limit


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class PanosLocation(_Part):
    """Where the configuration goes: a virtual system of a firewall, or a device group of Panorama."""

    vsys: str | None = Field(default=None, examples=["vsys1"])
    """A firewall's virtual system, `vsys1` on most. The certificates go into what all of them share."""
    device_group: PanoramaName | None = Field(default=None, examples=["Edge"])
    """Panorama: the device group that gets objects and rules."""
    template: PanoramaName | None = Field(default=None, examples=["Edge-Firewalls"])
    """Panorama: the template that gets the certificates. It must reach the firewalls of the device group, and the
    device group must refer to it, or the rules cannot name its certificates and zones."""
    rulebase: Literal["pre", "post"] | None = None
    """Panorama: whether the rules stand before (`pre`, the default) or after (`post`) the firewall's own."""

    @model_validator(mode="after")
    def _one_place(self) -> PanosLocation:
        if (self.vsys is None) == (self.device_group is None) or (self.template is None) != (self.device_group is None):
            raise wrong("write `{vsys: vsys1}` for a firewall, or `{device_group: …, template: …}` for Panorama")
        if self.vsys is not None and not _VSYS.match(self.vsys):
            raise wrong(f"`{self.vsys}` is not a virtual system: write `vsys1`")
        if self.device_group == "shared":
            raise wrong("`shared` is no device group [SPEC]: name the one that the firewalls are in")
        if self.rulebase is not None and self.device_group is None:
            raise wrong("`rulebase` is for Panorama; a firewall has one rulebase")
        return self


class PanosZones(_Part):
    """Zones of the traffic to inspect; `to` is where the servers are, after any destination NAT."""

    from_: Some[ZoneName] = Field(default=["untrust"], alias="from")
    """Where visitors (or the proxies) come from."""
    to: Some[ZoneName] = ["dmz"]
    """Where the servers are."""
    public: ZoneName | None = Field(default=None, examples=["untrust"])
    """At the edge: the zone of the sites' public addresses, before NAT. Default: `from`, where that is one zone."""

    @property
    def before_nat(self) -> str | None:
        """The zone that a NAT rule has as its destination. None where the settings do not say."""
        if self.public is not None:
            return self.public
        return self.from_[0] if len(self.from_) == 1 and self.from_ != ["any"] else None


class Settings(TargetSettings):
    """A PAN-OS firewall, or a device group of Panorama."""

    version: Version = "11.2"
    """PAN-OS of the *oldest* firewall that gets this, `"10.0"` to `"12.1"`. 10.2 changed how decryption rules look."""
    panorama_version: Version | None = Field(default=None, examples=["11.2"])
    """PAN-OS of Panorama itself, which is never older than its firewalls'. Default: the same as `version`."""
    location: PanosLocation = PanosLocation(vsys="vsys1")
    """`{vsys: vsys1}`, or `{device_group: …, template: …}` for Panorama."""
    zones: PanosZones = PanosZones()
    """`{from: [untrust], to: [dmz]}`."""
    position: Literal["edge", "behind_proxy"] = "edge"
    """`edge`: visitors reach the firewall directly. `behind_proxy`: it sits between a proxy and the backends."""
    proxies: list[NetworkText] = Field(default=[])
    """With `behind_proxy`: where the proxies connect from. Default: any address."""
    decryption_rules: Literal["per_address", "per_site"] = "per_address"
    """For what shares an address and port: one rule with all certificates, or a rule for each site (behind a proxy: for
    each backend) by the name in the SNI, and one for the rest."""
    nat: Literal["write", "existing"] = "write"
    """At the edge: destination NAT from `public_addresses` to the servers is written, or is there already."""
    applications: list[ApplicationName] = Field(default=[], examples=[["soap"]])
    """App-IDs that are let in besides `ssl` and `web-browsing`: what the firewall calls the sites' applications once it
    reads them. `any` lets in whatever comes to the port."""
    profile_groups: dict[str, ProfileGroupName] = Field(default={}, examples=[{"strict": "Strict-Inbound"}])
    """What `scan: NAME` means here: an existing profile group for each name."""
    log_setting: LogSettingName | None = Field(default=None, examples=["Log-To-Panorama"])
    """An existing log forwarding profile for all rules."""

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if not _OLDEST <= version_key(self.version)[:2] <= _NEWEST:
            raise wrong(
                f"`version: {self.version}`: 10.0 to 12.1 are known; name the next lower one for a later release"
            )
        if self.proxies and self.position == "edge":
            raise wrong("`proxies` says where proxies connect from, and needs `position: behind_proxy`")
        if self.panorama_version is not None:
            if self.location.device_group is None:
                raise wrong("`panorama_version` is for Panorama: name `location.device_group`")
            if version_key(self.panorama_version) < version_key(self.version):
                raise wrong(f"Panorama {self.panorama_version} does not manage firewalls with {self.version}")
        if self.zones.public == "any":
            raise wrong("`zones.public: any`: a NAT rule names the one zone that the public addresses are in")
        return self

    @property
    def edge(self) -> bool:
        """Whether visitors reach the firewall directly."""
        return self.position == "edge"

    @property
    def max_certificates(self) -> int:
        """Of one decryption rule: 12 since 10.2 [HELP], and one before: of what Panorama has, one arrives [MC]."""
        return 12 if version_key(self.version) >= (10, 2) else 1

    @property
    def schema_version(self) -> str:
        """Of the machine that reads the configuration: Panorama translates for older firewalls [MC]."""
        return self.panorama_version or self.version

    @property
    def certificate_list(self) -> bool:
        """Whether a decryption rule has ``<certificates>`` (10.2) and not one name as text; neither takes the other."""
        return version_key(self.schema_version) >= (10, 2)

    @property
    def multi_config(self) -> bool:
        """Whether the API has ``action=multi-config`` with strict transactions (10.2 API guide)."""
        return version_key(self.schema_version) >= (10, 2)

    @property
    def rulebase(self) -> str:
        """The name of the rulebase below the virtual system or device group."""
        return f"{self.location.rulebase or 'pre'}-rulebase" if self.location.device_group else "rulebase"


def support(settings: Settings) -> Mapping[Feature, Support]:
    """The answers for a position. The version matters for no feature, only for the form of the output."""
    return _EDGE if settings.edge else _BEHIND_PROXY


_INBOUND = (
    "https://docs.paloaltonetworks.com/pan-os/11-1/pan-os-admin/decryption/decryption-concepts/ssl-inbound-inspection"
)
_WAY_OUT = (
    "put a generated proxy in front and let the firewall inspect the inner leg: targets.panos.position: behind_proxy; "
    "or build these sites for haproxy, nginx or envoy"
)


def _not_at_the_edge(reason: str, severity: Severity = Severity.ERROR) -> Support:
    return impossible(reason, link=_INBOUND, help=_WAY_OUT, severity=severity)


_TRANSPARENT = "the firewall is transparent: "
_LEAF = emulated(
    "stricter: the firewall compares the server's leaf with the imported one byte for byte [KB], and looks at neither "
    "issuer nor name; visitors verify what they are shown, which is that same leaf"
)
_SWITCHES = (
    "minimum and maximum version, and switches for key exchange, encryption and hash [SPEC]; there is no list of "
    "suites and none of curves, so suites are refused by their parts"
)
_NO_HEALTH = _not_at_the_edge(
    "destination NAT spreads sessions over the servers, and knows of none that is down [SPEC]: there is no health check"
)
_NO_HTTP = _TRANSPARENT + "it changes no byte of a request or an answer"
_SIGNATURES = (
    "security rules do not look at it; a custom signature resets sessions by a pattern of at least seven fixed bytes, "
    "which is not the same"
)

_EDGE = complete(
    {
        # What every decrypted site gets, and a firewall in the path never gives: a warning, as long as nothing the
        # policy denies depends on it; `path-deny-evadable` is the error where something does.
        Feature.SNI_REFUSAL: _not_at_the_edge(
            _TRANSPARENT + "the server decides what a visitor without a known SNI is shown",
            Severity.WARNING,
        ),
        Feature.HOST_CHECK: _not_at_the_edge(
            _TRANSPARENT + "nothing compares the Host header with the SNI; the server gets both as sent",
            Severity.WARNING,
        ),
        Feature.NORMAL_FORM: _not_at_the_edge(
            _TRANSPARENT + "every method, and every spelling of a path, reaches the server as sent",
            Severity.WARNING,
        ),
        Feature.FORWARDING_HEADERS: _not_at_the_edge(
            _NO_HTTP + "; the server sees the visitor's address itself, and must not believe X-Forwarded-* headers",
            Severity.WARNING,
        ),
        Feature.ACCESS_LOG: native(reason="traffic and decryption logs, in the firewall's own form"),
        Feature.WILDCARD_HOSTNAME: native(
            reason="rules match the site's address; in URL categories `^` stands for exactly one label"
        ),
        Feature.TLS_MODERN: emulated("a decryption profile: " + _SWITCHES),
        Feature.TLS_INTERMEDIATE: emulated("a decryption profile: " + _SWITCHES),
        Feature.TLS_OLD: emulated("a decryption profile: " + _SWITCHES),
        Feature.TLS_VERSIONS: native(reason="minimum and maximum version of the decryption profile [SPEC]"),
        Feature.HTTP2: native(reason="inspected since 9.0, with ECDHE; the server offers it or not"),
        Feature.HTTP_REDIRECT: _not_at_the_edge(_TRANSPARENT + "it answers no request itself"),
        Feature.TRUSTED_PROXIES: _not_at_the_edge("rules match the packet's address; X-Forwarded-For is only logged"),
        Feature.PROXY_PROTOCOL: _not_at_the_edge(_TRANSPARENT + "it reads no PROXY header"),
        Feature.SEVERAL_LISTENERS: emulated(
            "rules for each port that visitors reach, with its listener's TLS settings"
        ),
        Feature.PASSTHROUGH: native(reason="a no-decrypt rule above the others"),
        Feature.VERIFY_FULL: _LEAF,
        Feature.VERIFY_CHAIN: _LEAF,
        Feature.VERIFY_NONE: _LEAF,
        Feature.PLAINTEXT_BACKEND: _not_at_the_edge(
            _TRANSPARENT + "the visitor's TLS ends on the server, so a server without TLS cannot serve https"
        ),
        Feature.SYSTEM_CA: _LEAF,
        Feature.BACKEND_CRL: _not_at_the_edge("inbound inspection checks no revocation of the server's certificate"),
        Feature.BACKEND_PIN: emulated(
            "the leaf that the firewall holds is the only one that it lets through; see `pin-excludes-certificate`"
        ),
        Feature.BACKEND_CLIENT_CERTIFICATE: _not_at_the_edge(
            "sessions with client certificates cannot be decrypted [D10.1]"
        ),
        Feature.BACKEND_MIN_TLS: _not_at_the_edge(
            "one decryption profile holds for both sides, and it has the listener's versions"
        ),
        Feature.WILDCARD_SERVER_NAME: _LEAF,
        Feature.SEVERAL_SERVERS: _not_at_the_edge(
            "dynamic destination NAT spreads sessions over the servers, and goes on sending them to one that is down: "
            "there is no health check, and no failover",
            Severity.WARNING,
        ),
        Feature.SERVER_WEIGHT: _not_at_the_edge("destination NAT has no weights [SPEC]"),
        Feature.BACKUP_SERVER: _NO_HEALTH,
        Feature.BALANCE_LEAST_CONNECTIONS: emulated("dynamic destination NAT by least-sessions [SPEC]"),
        Feature.BALANCE_SOURCE_HASH: emulated("dynamic destination NAT by source-ip-hash [SPEC]"),
        Feature.HEALTH_CHECK: _NO_HEALTH,
        Feature.TIMEOUTS: _not_at_the_edge(_TRANSPARENT + "it opens no connection of its own to time out"),
        Feature.BACKEND_HTTP2: _not_at_the_edge(_TRANSPARENT + "visitor and server agree on the protocol"),
        Feature.HOST_HEADER: _not_at_the_edge(_NO_HTTP),
        Feature.MATCH_PATH: emulated(
            "prefixes, by custom URL categories in security rules; see `inexpressible-rule` and `path-deny-evadable`"
        ),
        Feature.MATCH_PATH_REGEX: _not_at_the_edge("URL categories have no regular expressions"),
        Feature.MATCH_METHOD: _not_at_the_edge(_SIGNATURES),
        Feature.MATCH_HEADER: _not_at_the_edge(_SIGNATURES),
        Feature.MATCH_HEADER_REGEX: _not_at_the_edge(_SIGNATURES),
        Feature.MATCH_QUERY: _not_at_the_edge(_SIGNATURES),
        Feature.MATCH_SOURCE: native(reason="source addresses of a security rule"),
        Feature.MATCH_HOST: emulated("custom URL categories in security rules"),
        Feature.ALLOW: emulated("a security rule, where it is by source address alone; see `inexpressible-rule`"),
        Feature.DENY: emulated("the session is reset; see `deny-without-status`"),
        Feature.REDIRECT: _not_at_the_edge(_TRANSPARENT + "it answers no request itself"),
        Feature.RATE_LIMIT: _not_at_the_edge("DoS protection counts connections and sessions, not requests [SPEC]"),
        Feature.LIMIT_BODY: _not_at_the_edge("a signature can compare Content-Length; bodies without it would pass"),
        Feature.REQUEST_HEADERS: _not_at_the_edge(_NO_HTTP),
        Feature.RESPONSE_HEADERS: _not_at_the_edge(_NO_HTTP),
        Feature.LOG_LABEL: _not_at_the_edge("the traffic and URL logs have no free field"),
        Feature.ROUTES: _not_at_the_edge(_TRANSPARENT + "NAT chooses a server by address and port, before any path"),
        Feature.CLIENT_AUTH: _not_at_the_edge("sessions with client certificates cannot be decrypted [D10.1]"),
        Feature.SCAN: native(reason="the profile group that `profile_groups` names, on the security rule"),
        Feature.EXTRA_METHODS: emulated("every method passes"),
        Feature.WEBSOCKET: native(reason="the App-ID `websocket` is let in as well (its name is unverified)"),
        Feature.ENCODED_SLASH: emulated("every spelling passes"),
        Feature.ENCODED_RESERVED: emulated("every spelling passes"),
        Feature.PATH_PARAMS: emulated("every spelling passes"),
        Feature.EMPTY_SEGMENTS: emulated("every spelling passes"),
        Feature.STRICT_SEGMENT_END: _not_at_the_edge(_TRANSPARENT + "every spelling of a path passes"),
    }
)

_BY_PROXY = emulated("done by the proxy in front; the firewall inspects the inner leg")
_BEHIND_PROXY = complete(
    {
        **dict.fromkeys(Feature, _BY_PROXY),
        Feature.PASSTHROUGH: native(reason="a no-decrypt rule above the others"),
        Feature.PLAINTEXT_BACKEND: native(reason="the inner leg is in clear: a security rule, and nothing to decrypt"),
        Feature.BACKEND_MIN_TLS: native(reason="the decryption profile of the inner leg has the same minimum"),
        Feature.BACKEND_CLIENT_CERTIFICATE: impossible(
            "sessions with client certificates cannot be decrypted [D10.1]",
            link=_INBOUND,
            help="drop the client certificate, or build the firewall from a policy without this backend",
        ),
        Feature.SCAN: native(reason="the profile group that `profile_groups` names, on the security rule"),
    }
)
