"""Parts of two Plans compared field by field: backends, listeners, and what sites have beside their rules.

Each function gives phrases of a kind; who they are about is put before them by `compare.py`. A field that nothing here
has words for is told with its values, so that none is passed over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from ..lint.certificates import described
from ..plan import Backend, BackendTls, Certificate, ClientAuth, Listener, Site, TlsSettings, TrustAnchors
from . import Kind
from .effects import VERIFICATION, verification
from .meaning import meaning

Phrase = tuple[Kind, str]

_BACKEND_SAID = frozenset({"name", "path", "servers", "tls", "server_name"})
_TLS_SAID = frozenset({"path", "anchors", "verify", "pins", "min_version"})
_LISTENER_SAID = frozenset(
    {"name", "path", "binds", "redirect_http", "tls", "trusted_proxies", "proxy_protocol"}
    | {"sites"}  # compared hostname by hostname
)
_SITE_SAID = frozenset(
    {"name", "path", "hostnames", "certificate", "client_auth", "scan", "public_addresses"}
    | {"decrypt", "rule_lists", "groups", "methods", "websocket", "path_options"}  # by requests
)


def backend(old: Backend, new: Backend) -> Iterator[Phrase]:
    """What is otherwise between two backends of one name."""
    before, after = verification(old.tls), verification(new.tls)
    if before != after:
        kind = Kind.UNVERIFIED if after < before else Kind.STRONGER
        yield kind, f"now reached {VERIFICATION[after]} (was {VERIFICATION[before]})"
    if old.tls and new.tls:
        yield from _backend_tls(old.tls, new.tls)
    if old.server_name != new.server_name:
        asked = "the hostname asked for"
        yield Kind.TRUST, f"the name verified is now {new.server_name or asked} (was {old.server_name or asked})"
    if meaning(old.servers) != meaning(new.servers):
        yield Kind.ADDRESS, f"now at {_servers(new)} (was {_servers(old)})"
    yield from _others(old, new, _BACKEND_SAID)


def _servers(one: Backend) -> str:
    return ", ".join(
        str(server.socket)
        + (f" weight {server.weight}" if server.weight != 1 else "")
        + (" backup" if server.backup else "")
        for server in one.servers
    )


def _backend_tls(old: BackendTls, new: BackendTls) -> Iterator[Phrase]:
    yield from anchors(old.anchors, new.anchors)
    if old.pins != new.pins:
        if not new.pins:
            yield Kind.UNVERIFIED, "its certificate is no longer pinned"
        elif not old.pins:
            yield Kind.STRONGER, "its certificate is now pinned"
        else:
            yield Kind.TRUST, f"pinned to {_shortened(new.pins)} (was {_shortened(old.pins)})"
    yield from _version(old.min_version, new.min_version, "the lowest TLS version towards it")
    yield from _others(old, new, _TLS_SAID)


def _shortened(digests: Iterable[str]) -> str:
    return ", ".join(f"{digest[:8]}…" for digest in digests)


def _version(old: str, new: str, what: str) -> Iterator[Phrase]:
    if old != new:
        yield (Kind.WEAKER_TLS if new < old else Kind.STRONGER), f"{what} is now {new} (was {old})"


def anchors(old: TrustAnchors | None, new: TrustAnchors | None) -> Iterator[Phrase]:
    """Whom to trust: certificates that come or go, and revocation lists. Trust in nobody is told by its level."""
    if old is None or new is None:
        return
    known, wanted = _trusted(old), _trusted(new)
    for digest, text in wanted.items():
        if digest not in known:
            yield Kind.TRUST, f"now trusts {text}"
    for digest, text in known.items():
        if digest not in wanted:
            yield Kind.TRUST, f"no longer trusts {text}"
    if old.crl_pem != new.crl_pem:
        if new.crl_pem is None:
            yield Kind.UNVERIFIED, "revocation lists are no longer looked at"
        elif old.crl_pem is None:
            yield Kind.STRONGER, "revocation lists are now looked at"
        else:
            yield Kind.RENEWED, "other revocation lists"


def _trusted(one: TrustAnchors) -> dict[str, str]:
    found = {certificate.sha256: described(certificate) for certificate in one.certificates}
    return found | ({"system": "the target machine's own store"} if one.system else {})


def listener(old: Listener, new: Listener) -> Iterator[Phrase]:
    """What is otherwise between two listeners; their sites are compared hostname by hostname."""
    for what, before, after in (
        ("listens on", old.binds, new.binds),
        ("redirects plain HTTP on", old.redirect_http, new.redirect_http),
    ):
        if set(before) != set(after):
            yield Kind.ADDRESS, f"now {what} {_listed(after)} (was {_listed(before)})"
    if set(old.trusted_proxies) != set(new.trusted_proxies):
        proxies, were = _listed(new.trusted_proxies), _listed(old.trusted_proxies)
        yield Kind.TRUST, f"X-Forwarded-For is now believed of {proxies} (was {were})"
    if old.proxy_protocol is not new.proxy_protocol:
        yield (
            Kind.TRUST,
            "the visitor is now who a PROXY header says" if new.proxy_protocol else "PROXY headers are no longer taken",
        )
    yield from _visitor_tls(old.tls, new.tls)
    yield from _others(old, new, _LISTENER_SAID)


def _visitor_tls(old: TlsSettings, new: TlsSettings) -> Iterator[Phrase]:
    yield from _version(old.min_version, new.min_version, "the lowest TLS version")
    if old.max_version != new.max_version:
        kind = Kind.WEAKER_TLS if new.max_version < old.max_version else Kind.SETTING
        yield kind, f"the highest TLS version is now {new.max_version} (was {old.max_version})"
    for what, before, after in (("suites", old.ciphers, new.ciphers), ("groups", old.curves, new.curves)):
        more = [name for name in after if name not in before]
        less = [name for name in before if name not in after]
        words = [f"also {name}" for name in more] + [f"no longer {name}" for name in less]
        if before != after:
            yield Kind.SETTING, f"TLS {what}: {', '.join(words) or 'in another order'}"


def site(old: Site, new: Site) -> Iterator[Phrase]:
    """What is otherwise between two sites of one hostname, their rules, methods and routes apart."""
    if old.decrypt and not new.decrypt:
        yield Kind.ALLOWED, "TLS is now passed through: no rule is applied, and the server's own certificate is shown"
    elif new.decrypt and not old.decrypt:
        yield Kind.CERTIFICATE, "TLS is no longer passed through: requests are looked at"
    yield from _shown(old, new)
    yield from _client_auth(old.client_auth, new.client_auth)
    if old.scan != new.scan:
        yield (
            Kind.SETTING if new.scan else Kind.ALLOWED,
            f"scanned by {new.scan} (was {old.scan or 'not scanned'})" if new.scan else "content is no longer scanned",
        )
    if set(old.public_addresses) != set(new.public_addresses):
        yield (
            Kind.ADDRESS,
            f"public addresses are now {_listed(new.public_addresses)} (were {_listed(old.public_addresses)})",
        )
    yield from _others(old, new, _SITE_SAID)


def _shown(old: Site, new: Site) -> Iterator[Phrase]:
    if old.certificate is None or new.certificate is None:
        return
    before, after = old.certificate.leaf, new.certificate.leaf
    if before.sha256 == after.sha256:
        if meaning(old.certificate.chain) != meaning(new.certificate.chain):
            yield Kind.SETTING, "the same certificate with other intermediates"
        return
    same = _as_seen(before) == _as_seen(after) and after.not_after >= before.not_after
    if same:
        yield (
            Kind.RENEWED,
            f"{described(after)} until {after.not_after:%Y-%m-%d} (was until {before.not_after:%Y-%m-%d})",
        )
        return
    yield Kind.CERTIFICATE, f"visitors are shown {described(after)} (was {described(before)})"


def _as_seen(certificate: Certificate) -> Hashable:
    names = frozenset(certificate.dns_names)
    return certificate.issuer, certificate.subject, names, certificate.key_type, certificate.key_bits


def _client_auth(old: ClientAuth | None, new: ClientAuth | None) -> Iterator[Phrase]:
    levels = ("are not asked for", "are asked for, and may be absent", "must be shown")
    before, after = (0 if auth is None else 2 if auth.required else 1 for auth in (old, new))
    if before != after:
        kind = Kind.UNVERIFIED if after < before else Kind.DENIED
        yield kind, f"visitors' certificates now {levels[after]}; before, they {levels[before]}"
    if old and new:
        for kind, text in anchors(old.anchors, new.anchors):
            yield kind, f"of visitors' certificates: {text}"
        if old.forward_subject != new.forward_subject:
            was = old.forward_subject or "none"
            yield Kind.HEADERS, f"the certificate's subject is in {new.forward_subject or 'no header'} (was {was})"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "none"


def _others(old: Any, new: Any, said: Set[str]) -> Iterator[Phrase]:
    """Fields without words of their own."""
    for one in fields(old):
        before, after = getattr(old, one.name), getattr(new, one.name)
        if one.name not in said and meaning(before) != meaning(after):
            yield (
                Kind.SETTING,
                f"{one.name.replace('_', ' ')} is now {value_in_words(after)} (was {value_in_words(before)})",
            )


def value_in_words(value: Any) -> str:
    """A setting for people."""
    if value is None or value in ((), [], {}):
        return "none"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Certificate):
        return described(value)
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return ", ".join(f"{key} {value_in_words(part)}" for key, part in parts.items() if part is not None)
    if isinstance(value, tuple | list):
        return ", ".join(value_in_words(one) for one in cast("tuple[Any, ...]", value))
    if is_dataclass(value) and not isinstance(value, type):
        shown = [one.name for one in fields(value) if one.name not in ("path", "key_file", "key_as_written")]
        return ", ".join(f"{name} {value_in_words(getattr(value, name))}" for name in shown)
    return str(value)
