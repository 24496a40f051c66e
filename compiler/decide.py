"""The reference semantics: what must become of a connection and a request under a Plan.

It is the definition, and pure: no target's code is used by it, and it reads requests by itself instead of by the
expressions that targets are given. Only users' own regular expressions are taken from the Plan as translated.
What a target cannot do in the same way is a finding, never a difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from urllib.parse import unquote_to_bytes

from .plan import (
    Address,
    Allow,
    Condition,
    Deny,
    EditHeaders,
    HeaderMatcher,
    HostGroup,
    LimitBody,
    Listener,
    LogLabel,
    Network,
    PathMatcher,
    PathOptions,
    Plan,
    QueryMatcher,
    RateLimit,
    Redirect,
    Rule,
    Site,
    TextMatch,
    Upstream,
)
from .regex import value_expression

# --- what comes in ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connection:
    """A TLS connection: the listener's name, the SNI as sent (None: none), and the peer's address."""

    listener: str
    sni: str | None
    peer: Address


@dataclass(frozen=True, slots=True)
class Request:
    """A request as sent. `headers` are its field lines in order, without Host; names in any case.

    `host` holds the value of each Host line, or the ``:authority`` of HTTP/2. `version` is ``1.0``, ``1.1`` or ``2``.
    """

    method: bytes
    target: bytes
    host: tuple[bytes, ...]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    version: str = "1.1"


# --- what comes out ---------------------------------------------------------------------------------------------

Walk = tuple[tuple[Rule, bool], ...]


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """No certificate is shown."""

    why: str


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """The connection goes on to an upstream, its TLS untouched."""

    site: Site
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Refused:
    """The visitor gets this status. `rule` is None where no rule was needed.

    `walk`, here and below: every rule that was looked at, and whether it applied.
    """

    status: int
    why: str
    rule: Rule | None = None
    walk: Walk = ()


@dataclass(frozen=True, slots=True)
class Redirected:
    """The visitor gets a redirect by a rule."""

    status: int
    to: str
    rule: Rule
    walk: Walk


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The request goes to an upstream, byte for byte, with `host` as its Host.

    `added` are the headers about the visitor; whatever was sent under these names, or under `removed`, is gone.
    `working` are the rules that hit and let the walk go on: limits, edits and labels, in order. Limits are for requests
    that no rule refuses: one that is refused is not counted.
    """

    site: Site
    upstream: Upstream
    host: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    working: tuple[tuple[Rule, RateLimit | LimitBody | EditHeaders | LogLabel], ...]
    allowed_by: Rule | None
    walk: Walk


Decision = HandshakeRefused | PassedThrough | Refused | Redirected | Forwarded

_NOT_FORWARDED = ("forwarded", "x-forwarded-port")
_OPTIONS_OF_CONNECTION = frozenset({b"", b"close", b"keep-alive", b"te", b"upgrade"})


def decide(plan: Plan, connection: Connection, request: Request) -> Decision:
    """What becomes of a request. Raises KeyError for a listener that the plan does not have."""
    listener = next((one for one in plan.listeners if one.name == connection.listener), None)
    if listener is None:
        raise KeyError(connection.listener)
    shown = _site(listener, (connection.sni or "").lower())
    if shown is None:
        return HandshakeRefused("no site claims this SNI" if connection.sni else "no SNI")
    site, group = shown
    if not site.decrypt:
        return PassedThrough(site, group.upstream)
    # Servers read `X_Forwarded_For` as `X-Forwarded-For`: a name of other characters is taken off first of all.
    request = replace(request, headers=tuple(line for line in request.headers if _NAME.match(line[0])))
    refused = _first_checks(request)
    if refused:
        return refused
    host = request.host[0].decode("ascii").partition(":")[0].lower()
    asked = _site(listener, host)
    if asked is None or asked[0] is not site:
        return Refused(421, f"`{host}` is not a host of the site `{site.name}`, whose certificate was shown")
    refused = _form_checks(site, request)
    if refused:
        return refused
    source = visitor(listener, connection.peer, request.headers)
    return _walk(site, asked[1], host, source, _forwarded_for(listener, connection.peer, request.headers), request)


def site_of(listener: Listener, connection: Connection) -> Site | None:
    """The site whose certificate is shown, or that the connection is passed through to; None: it is refused."""
    found = _site(listener, (connection.sni or "").lower())
    return found[0] if found else None


def visitor(listener: Listener, peer: Address, headers: Iterable[tuple[bytes, bytes]]) -> Address:
    """Whose request it is: the peer, or, where that is a trusted proxy, the right-most untrusted X-Forwarded-For."""
    found = peer
    for text in reversed(_elements(b"x-forwarded-for", headers)):
        if not _within(found, listener.trusted_proxies):
            break
        try:
            found = ip_address(text.decode("ascii"))
        except ValueError:
            break
    return found


def _forwarded_for(listener: Listener, peer: Address, headers: Iterable[tuple[bytes, bytes]]) -> str:
    before = _elements(b"x-forwarded-for", headers) if _within(peer, listener.trusted_proxies) else []
    return ", ".join([*(text.decode("latin-1") for text in before), str(peer)])


def _site(listener: Listener, host: str) -> tuple[Site, HostGroup] | None:
    """The site that claims a lower-case host: an exact name beats a wildcard."""
    groups = [(site, group) for site in listener.sites for group in site.groups]
    for wildcard in (False, True):
        for site, group in groups:
            if any(name.wildcard is wildcard and name.covers(host) for name in group.hostnames):
                # `*.example.com` stands for one label, and a label is not empty.
                return None if wildcard and host.startswith(".") else (site, group)
    return None


# --- before any rule --------------------------------------------------------------------------------------------

_NAME = re.compile(rb"[A-Za-z0-9-]+\Z")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_PATH_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@[]|/")
_TRIPLETS = frozenset(b" !\"$&'()*+,:<=>@[]^`{|}~")
_HEX = frozenset(b"0123456789ABCDEFabcdef")


def _first_checks(request: Request) -> Refused | None:
    if request.version not in ("1.1", "2"):
        return Refused(400, f"HTTP/{request.version} is not spoken")
    if len(request.host) != 1:
        return Refused(400, "there must be exactly one Host")
    name, colon, port = request.host[0].partition(b":")
    plain = re.fullmatch(rb"[A-Za-z0-9._-]*[A-Za-z0-9]", name) is not None
    if not plain or (colon and re.fullmatch(rb"[0-9]+", port) is None):
        return Refused(400, "the Host is not plainly spelled")
    return None


def _form_checks(site: Site, request: Request) -> Refused | None:
    for name, value in request.headers:
        lower = name.lower()
        if lower == b"upgrade" and not (site.websocket and value.strip().lower() == b"websocket"):
            return Refused(400, "an Upgrade that the site does not ask for")
        if lower == b"connection" and not {one.lower() for one in _split(value)} <= _OPTIONS_OF_CONNECTION:
            return Refused(400, "a Connection header that names another header")
    if request.method.decode("latin-1") not in site.methods or not _TOKEN.match(request.method):
        return Refused(400, "a method that the site does not take")
    why = _not_normal(request.target, site.path_options)
    return Refused(400, why) if why else None


def _not_normal(target: bytes, options: PathOptions) -> str | None:
    """Why a request target is not in the one unambiguous form; None where it is."""
    path, question, query = target.partition(b"?")
    if not path.startswith(b"/"):
        return "the target is not a path"
    if question and any(not 0x21 <= byte <= 0x7E or byte == 0x23 for byte in query):
        return "the query holds a byte that must be encoded"
    reserved = _TRIPLETS | frozenset((b"#%?;" if options.encoded_reserved else b"") + b"/" * options.encoded_slash)
    raw = _PATH_BYTES | frozenset(b";" * options.path_params)
    decoded = bytearray()
    position = 0
    while position < len(path):
        byte = path[position]
        if byte != 0x25:
            if byte not in raw:
                return f"the path holds the byte 0x{byte:02X}"
            decoded.append(byte)
            position += 1
            continue
        digits = path[position + 1 : position + 3]
        if len(digits) != 2 or not set(digits) <= _HEX:
            return "a `%` without its two hex digits"
        value = int(digits, 16)
        if value < 0x80 and value not in reserved:
            return f"`%{digits.decode()}` is not let through"
        decoded.append(value)
        position += 3
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return "triplets that are not well-formed UTF-8"
    if any(0x80 <= ord(character) <= 0x9F for character in text):
        return "an encoded control character"
    return _bad_segment(path, options)


def _bad_segment(path: bytes, options: PathOptions) -> str | None:
    segments = path.split(b"/")[1:]
    if options.encoded_slash:
        segments = [part for segment in segments for part in re.split(rb"%2[Ff]", segment)]
    for index, segment in enumerate(segments):
        name = segment.partition(b";")[0] if options.path_params else segment
        if name in (b".", b".."):
            return "a `.` or `..` segment"
        if not segment and index < len(segments) - 1 and not options.empty_segments:
            return "an empty segment"
        if options.strict_segment_end and name.endswith((b".", b"%20")):
            return "a segment that ends in `.` or a blank"
    return None


# --- rules ------------------------------------------------------------------------------------------------------


def _walk(
    site: Site, group: HostGroup, host: str, source: Address, forwarded_for: str, request: Request
) -> Refused | Redirected | Forwarded:
    working: list[tuple[Rule, RateLimit | LimitBody | EditHeaders | LogLabel]] = []
    walk: list[tuple[Rule, bool]] = []
    allowed_by: Rule | None = None
    for rule in (rule for rule_list in site.rule_lists for rule in rule_list.rules):
        hit = _holds(rule.when, host, source, request) and not (
            rule.unless is not None and _holds(rule.unless, host, source, request)
        )
        walk.append((rule, hit))
        if not hit:
            continue
        ending: Refused | Redirected | None = None
        for action in rule.actions:
            match action:
                case Allow():
                    allowed_by = rule
                case Deny(status):
                    ending = Refused(status, "a rule denies it", rule, tuple(walk))
                case Redirect(to, status):
                    ending = Redirected(status, to, rule, tuple(walk))
                case RateLimit() | LimitBody() | EditHeaders() | LogLabel():
                    working.append((rule, action))
        if ending is not None:
            return ending
        if allowed_by is not None:
            break
    upstream = _upstream(group, request.target)
    added = (("X-Forwarded-For", forwarded_for), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", host))
    subject = site.client_auth.forward_subject if site.client_auth else None
    return Forwarded(
        site,
        upstream,
        upstream.backend.host_header or host,
        added,
        (*_NOT_FORWARDED, *([subject] if subject else [])),
        tuple(working),
        allowed_by,
        tuple(walk),
    )


def _holds(condition: Condition, host: str, source: Address, request: Request) -> bool:
    """Every key that is there must hold; within one, any."""
    path = request.target.partition(b"?")[0]
    keys: list[tuple[Sequence[object], Callable[[], bool]]] = [
        (condition.paths, lambda: any(_path(one, path) for one in condition.paths)),
        (condition.methods, lambda: request.method.decode("latin-1") in condition.methods),
        (condition.headers, lambda: any(_header(one, request) for one in condition.headers)),
        (condition.queries, lambda: any(_query(one, request.target) for one in condition.queries)),
        (condition.sources, lambda: _within(source, condition.sources)),
        (condition.hosts, lambda: any(one.covers(host) for one in condition.hosts)),
    ]
    return all(holds() for members, holds in keys if members)


def _path(matcher: PathMatcher, path: bytes) -> bool:
    if matcher.kind is TextMatch.REGEX:
        return re.fullmatch(matcher.expression.encode(), path, re.DOTALL) is not None
    # The path is in normal form by now, the literal was when the policy was read: both decode to text.
    asked, wanted = unquote_to_bytes(path).decode(), unquote_to_bytes(matcher.text).decode()
    match matcher.kind:
        case TextMatch.EXACT:
            return _same(asked, wanted, matcher.ignore_case)
        case TextMatch.SUFFIX:
            return _same(asked[max(len(asked) - len(wanted), 0) :], wanted, matcher.ignore_case)
        case _:
            rest = asked[len(wanted) :]
            border = not rest or rest.startswith("/") or wanted.endswith("/")
            return border and _same(asked[: len(wanted)], wanted, matcher.ignore_case)


def _same(asked: str, wanted: str, ignore_case: bool) -> bool:
    """Equal, or equal but for the case of single characters, ASCII and others apart."""
    if not ignore_case:
        return asked == wanted
    return len(asked) == len(wanted) and all(
        one == other or (one in (other.lower(), other.upper()) and one.isascii() is other.isascii())
        for one, other in zip(asked, wanted, strict=True)
    )


def _split(value: bytes) -> list[bytes]:
    return [element.strip(b" \t") for element in value.split(b",")]


def _elements(name: bytes, headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The elements of all field lines of a name, in order, without the empty ones."""
    lines = [value for key, value in headers if key.lower() == name]
    return [element for line in lines for element in _split(line) if element]


def _header(matcher: HeaderMatcher, request: Request) -> bool:
    headers = (*((b"host", value) for value in request.host), *request.headers)
    values = _elements(matcher.name.encode(), headers)
    wanted = matcher.text.encode()
    match matcher.kind:
        case TextMatch.PRESENT:
            return bool(values)
        case TextMatch.EXACT:
            return wanted in values
        case TextMatch.PREFIX:
            return any(value.startswith(wanted) for value in values)
        case TextMatch.SUFFIX:
            return any(value.endswith(wanted) for value in values)
        case TextMatch.CONTAINS:
            return any(wanted in value for value in values)
        case TextMatch.REGEX:
            return any(_found(matcher.text, value) for value in values)


def _query(matcher: QueryMatcher, target: bytes) -> bool:
    query = target.partition(b"?")[2]
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if not pair or _decoded(name) != matcher.name.encode():
            continue
        # Only the first one counts: servers differ in what they do with more.
        match matcher.kind:
            case TextMatch.PRESENT:
                return True
            case TextMatch.EXACT:
                return _decoded(value) == matcher.text.encode()
            case _:
                return _found(matcher.text, _decoded(value))
    return False


def _found(regex: str, value: bytes) -> bool:
    # As translated: Python reads some of RE2's syntax in another way, and some not at all.
    return re.fullmatch(value_expression(regex), value.decode(errors="surrogateescape"), re.DOTALL) is not None


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _upstream(group: HostGroup, target: bytes) -> Upstream:
    path = target.partition(b"?")[0]
    return next((route.upstream for route in group.routes if _path(route.prefix, path)), group.upstream)
