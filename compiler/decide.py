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

from .normal_form import PathOptions
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
    Plan,
    QueryMatcher,
    RateLimit,
    Redirect,
    Rule,
    Site,
    TextMatch,
    Upstream,
)

# --- what comes in ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VisitorCertificate:
    """What a visitor shows who is asked for a certificate.

    `subject` is RFC 4514 text. `good_for`: the names of the `backend_cas` by which it is a valid client certificate.
    """

    subject: str
    good_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class Connection:
    """A TLS connection: the listener's name, the SNI as sent (None: none), and the peer's address.

    Behind a PROXY header the peer is the address in it. `certificate` is what the visitor shows where it is asked for.
    """

    listener: str
    sni: str | None
    peer: Address
    certificate: VisitorCertificate | None = None


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
Working = tuple[tuple[Rule, RateLimit | LimitBody | EditHeaders | LogLabel], ...]


@dataclass(frozen=True, slots=True)
class HandshakeRefused:
    """The visitor gets no answer to any request. `asked`: over the visitor's certificate, where 400 will do as well."""

    why: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """The connection goes on to an upstream, its TLS untouched."""

    site: Site
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Refused:
    """The visitor gets this status. `rule` is None where no rule was needed.

    `walk`, here and below: every rule that was looked at, and whether it applied. `working` are the rules that applied
    and let the walk go on; of these only edits of the response and labels count for what is refused.
    """

    status: int
    why: str
    rule: Rule | None = None
    walk: Walk = ()
    working: Working = ()


@dataclass(frozen=True, slots=True)
class Redirected:
    """The visitor gets a redirect by a rule, with `to` as it is for its Location."""

    status: int
    to: str
    rule: Rule
    walk: Walk
    working: Working


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The request goes to an upstream, byte for byte, with `host` as its Host.

    `added` are the headers about the visitor; whatever was sent under these names, or under `removed`, is gone.
    `working` are the rules that hit and let the walk go on: limits, edits and labels, in order. Limits are for requests
    that no rule refuses: first the rates (429), then the bodies (413). One that is refused is not counted.
    `source` is whose rate it is. `websocket`: the connection is upgraded where the backend agrees.
    """

    site: Site
    upstream: Upstream
    host: str
    added: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    working: Working
    allowed_by: Rule | None
    walk: Walk
    source: Address
    websocket: bool = False


Decision = HandshakeRefused | PassedThrough | Refused | Redirected | Forwarded

_NOT_FORWARDED = ("forwarded", "x-forwarded-port", "x-forwarded-client-cert")
_OPTIONS_OF_CONNECTION = frozenset({b"", b"close", b"keep-alive", b"te", b"upgrade"})
_MOST_FORWARDED = 10


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
    unknown = _certificate_refused(site, connection.certificate)
    if unknown:
        return HandshakeRefused(unknown, asked=True)
    # Servers read `X_Forwarded_For` as `X-Forwarded-For`: a name of other characters is taken off first of all.
    request = replace(request, headers=tuple(line for line in request.headers if _NAME.match(line[0])))
    refused = _first_checks(request)
    if refused:
        return refused
    host = request.host[0].decode("ascii").partition(":")[0].lower()
    asked = _site(listener, host)
    if asked is None or asked[0] is not site:
        return Refused(421, f"`{host}` is not a host of the site `{site.name}`, whose certificate was shown")
    refused = _form_checks(site, request) or _forwarded_for_check(listener, connection.peer, request)
    if refused:
        return refused
    source = visitor(listener, connection.peer, request.headers)
    added = [
        ("X-Forwarded-For", _forwarded_for(listener, connection.peer, request.headers)),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", host),
    ]
    subject = site.client_auth.forward_subject if site.client_auth else None
    if subject and connection.certificate:
        added.append((subject, connection.certificate.subject))
    return _walk(site, asked[1], host, source, tuple(added), request)


def site_of(listener: Listener, connection: Connection) -> Site | None:
    """The site whose certificate is shown, or that the connection is passed through to; None: it is refused."""
    found = _site(listener, (connection.sni or "").lower())
    return found[0] if found else None


def visitor(listener: Listener, peer: Address, headers: Iterable[tuple[bytes, bytes]]) -> Address:
    """Whose request it is: the peer, or, where that is a trusted proxy, the right-most untrusted X-Forwarded-For.

    Of a request that was not refused: each element is an address.
    """
    found = peer
    for text in reversed(_elements(b"x-forwarded-for", headers)):
        if not _within(found, listener.trusted_proxies):
            break
        found = ip_address(text.decode("ascii"))
    return found


def _forwarded_for(listener: Listener, peer: Address, headers: Iterable[tuple[bytes, bytes]]) -> str:
    before = _elements(b"x-forwarded-for", headers) if _within(peer, listener.trusted_proxies) else []
    return ", ".join([*(text.decode("latin-1") for text in before), str(peer)])


def _forwarded_for_check(listener: Listener, peer: Address, request: Request) -> Refused | None:
    """What a trusted proxy says of the visitor must be plain: proxies differ in what they make of anything else."""
    lines = [value for name, value in request.headers if name.lower() == b"x-forwarded-for"]
    if not _within(peer, listener.trusted_proxies) or not lines:
        return None
    elements = _split(b",".join(lines))
    if not any(elements):
        return None
    plain = len(elements) <= _MOST_FORWARDED and all(_is_plain_address(element) for element in elements)
    return None if plain else Refused(400, "an X-Forwarded-For of a trusted proxy that is no list of plain addresses")


def _is_plain_address(text: bytes) -> bool:
    try:
        address = ip_address(text.decode("ascii"))
    except ValueError:
        return False
    return address.version == 4 or not (b"." in text or b"%" in text)


def _certificate_refused(site: Site, certificate: VisitorCertificate | None) -> str | None:
    auth = site.client_auth
    if auth is None:
        return None
    if certificate is None:
        return "the visitor shows no certificate" if auth.required else None
    if auth.anchors.name in certificate.good_for:
        return None
    return f"the visitor's certificate is none that `{auth.anchors.name}` vouches for"


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
    if _values(b"upgrade", request) and not _is_websocket(site, request):
        return Refused(400, "an Upgrade that the site does not ask for")
    if not _options_of_connection(request) <= _OPTIONS_OF_CONNECTION:
        return Refused(400, "a Connection header that names another header")
    if request.method.decode("latin-1") not in site.methods or not _TOKEN.match(request.method):
        return Refused(400, "a method that the site does not take")
    why = not_normal(request.target, site.path_options)
    return Refused(400, why) if why else None


def _values(name: bytes, request: Request) -> list[bytes]:
    return [value for key, value in request.headers if key.lower() == name]


def _options_of_connection(request: Request) -> set[bytes]:
    return {option.lower() for value in _values(b"connection", request) for option in _split(value)}


def _is_websocket(site: Site, request: Request) -> bool:
    """Whether a request asks to be upgraded in the one way that sites may let through (RFC 6455)."""
    asked = [value.strip().lower() for value in _values(b"upgrade", request)]
    plain = request.version == "1.1" and request.method == b"GET" and asked == [b"websocket"]
    return site.websocket and plain and b"upgrade" in _options_of_connection(request)


def not_normal(target: bytes, options: PathOptions) -> str | None:
    """Why a request target is not in the one unambiguous form; None where it is."""
    path, question, query = target.partition(b"?")
    if not path.startswith(b"/"):
        return "the target is not a path"
    if question and any(not 0x21 <= byte <= 0x7E or byte == 0x23 for byte in query):
        return "the query holds a byte that must be encoded"
    if options.plain_query and re.search(rb"%(?:2[DEde]|3\d|[46][1-9A-Fa-f]|5[\dAaFf]|7[\dAaEe])", query):
        return "the query encodes a character that needs no encoding, and a rule looks into it"
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
        name, *parameters = segment.split(b";") if options.path_params else [segment]
        if name in (b".", b".."):
            return "a `.` or `..` segment"
        if not name and (segment or index < len(segments) - 1) and not options.empty_segments:
            return "an empty segment"
        if options.strict_segment_end and any(part.endswith((b".", b"%20")) for part in (name, *parameters)):
            return "a segment that ends in `.` or a blank"
    return None


# --- rules ------------------------------------------------------------------------------------------------------


def _walk(
    site: Site,
    group: HostGroup,
    host: str,
    source: Address,
    added: tuple[tuple[str, str], ...],
    request: Request,
) -> Refused | Redirected | Forwarded:
    working: list[tuple[Rule, RateLimit | LimitBody | EditHeaders | LogLabel]] = []
    walk: list[tuple[Rule, bool]] = []
    allowed_by: Rule | None = None
    for rule in (rule for rule_list in site.rule_lists for rule in rule_list.rules):
        hit = holds(rule.when, host, source, request, site.path_options) and not (
            rule.unless is not None and holds(rule.unless, host, source, request, site.path_options)
        )
        walk.append((rule, hit))
        if not hit:
            continue
        for action in rule.actions:
            match action:
                case Allow():
                    allowed_by = rule
                case Deny(status):
                    return Refused(status, "a rule denies it", rule, tuple(walk), tuple(working))
                case Redirect(to, status):
                    return Redirected(status, to, rule, tuple(walk), tuple(working))
                case RateLimit() | LimitBody() | EditHeaders() | LogLabel():
                    working.append((rule, action))
        if allowed_by is not None:
            break
    upstream = _upstream(group, request.target, site.path_options)
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
        source,
        _is_websocket(site, request),
    )


def holds(condition: Condition, host: str, source: Address, request: Request, options: PathOptions) -> bool:
    """Whether a condition holds for a request in normal form: every key that is there must; within one, any."""
    path = request.target.partition(b"?")[0]
    keys: list[tuple[Sequence[object], Callable[[], bool]]] = [
        (condition.paths, lambda: any(_path(one, path, options) for one in condition.paths)),
        (condition.methods, lambda: request.method.decode("latin-1") in condition.methods),
        (condition.headers, lambda: any(_header(one, request) for one in condition.headers)),
        (condition.queries, lambda: any(_query(one, request.target) for one in condition.queries)),
        (condition.sources, lambda: _within(source, condition.sources)),
        (condition.hosts, lambda: any(one.covers(host) for one in condition.hosts)),
    ]
    return all(holds() for members, holds in keys if members)


_PARAMETERS = "\0"
"""Stands for a raw ``;`` that begins a segment's parameters: no path holds this character."""


def _path(matcher: PathMatcher, path: bytes, options: PathOptions) -> bool:
    if matcher.kind is TextMatch.REGEX:
        return re.fullmatch(matcher.expression.encode(), path, re.DOTALL) is not None
    if options.path_params:
        path = path.replace(b";", _PARAMETERS.encode())
    # The path is in normal form by now, the literal was when the policy was read: both decode to text.
    asked, wanted = unquote_to_bytes(path).decode(), unquote_to_bytes(matcher.text).decode()
    match matcher.kind:
        case TextMatch.EXACT:
            return any(end == len(asked) for end in _ends(asked, 0, wanted, matcher.ignore_case, options))
        case TextMatch.SUFFIX:
            starts = range(len(asked) + 1)
            return any(
                end == len(asked)
                for start in starts
                for end in _ends(asked, start, wanted, matcher.ignore_case, options)
            )
        case _:
            return any(
                end == len(asked) or wanted.endswith("/") or asked[end] == "/"
                for end in _ends(asked, 0, wanted, matcher.ignore_case, options)
            )


def _ends(asked: str, start: int, wanted: str, ignore_case: bool, options: PathOptions) -> set[int]:
    """Where in `asked` a literal can end that begins at `start`, read in every way that a server may.

    With `empty_segments` a slash stands for any number of them; with `path_params` a segment that ends may have some.
    """
    ends = {start}
    for index, character in enumerate(wanted):
        if character == "/" and index:
            ends |= {_behind_parameters(asked, end) for end in ends}
        behind = {end + 1 for end in ends if end < len(asked) and _same(asked[end], character, ignore_case)}
        while character == "/" and options.empty_segments:
            more = {end + 1 for end in behind if asked[end : end + 1] == "/"} - behind
            if not more:
                break
            behind |= more
        ends = behind
    return ends if wanted.endswith("/") else ends | {_behind_parameters(asked, end) for end in ends}


def _behind_parameters(asked: str, at: int) -> int:
    if asked[at : at + 1] != _PARAMETERS:
        return at
    end = asked.find("/", at)
    return len(asked) if end < 0 else end


def _same(one: str, other: str, ignore_case: bool) -> bool:
    """Whether two characters are equal, or equal but for case, ASCII and others apart."""
    return one == other or (ignore_case and one in (other.lower(), other.upper()) and one.isascii() is other.isascii())


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
            # In the whole line: blanks around an element of a list may count or not.
            lines = [value for key, value in headers if key.lower() == matcher.name.encode()]
            return any(re.search(_latin(matcher.expression), line, re.DOTALL) for line in lines)


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
                return re.fullmatch(matcher.value.encode(), value, re.DOTALL) is not None
    return False


def _latin(expression: str) -> bytes:
    # Python spells the end of the text in another way than RE2 and PCRE.
    return expression.replace(r"\z", r"\Z").encode()


def _decoded(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _upstream(group: HostGroup, target: bytes, options: PathOptions) -> Upstream:
    path = target.partition(b"?")[0]
    return next((route.upstream for route in group.routes if _path(route.prefix, path, options)), group.upstream)
