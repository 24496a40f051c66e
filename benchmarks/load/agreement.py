"""That a configuration does the whole job: nothing is measured of one that does less."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from policyc.compiler.loopback.visitor import Answer, Refused, Visitor, request

from .edge import Edge
from .job import Site


class Disagrees(Exception):
    """A configuration answers otherwise than the job says."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A request to a site, and the status that it must get."""

    status: int
    raw: bytes


def _cases(edge: Edge, site: Site) -> list[_Case]:
    host, job = site.host, edge.job
    other = next((one.host for one in job.sites if one != site), "elsewhere.example.com")
    deny = [
        request(prefix + tail, host)
        for rule in (job.rules[:1] + job.rules[-1:])
        for prefix in (rule.prefixes[0], rule.prefixes[-1])
        for tail in ("", "/", "/below", "?query")
    ]
    passes = [request(job.rules[0].prefixes[0] + "x", host)] if job.rules else []
    if job.usual:
        deny += [request(path, host) for path in ("/admin", "/admin/x", "/manage?y", "/admin/x.bak")]
        passes += [request(path, host) for path in ("/administrator", "/a/admin", "/bak", "/x?file=a.bak")]
    long = "/a%C3%A4" * 800
    gone = (
        [request(path, host) for path in ("/x.bak", "/x/y.SQL?z", "/x~", "/x%7e", f"{long}.bak")] if job.usual else []
    )
    bad = [
        *(request(path, host) for path in ("//x", "/x//y", "/./x", "/x/..", "/x/../y", "/%2e%2e/x", "/x%2Fy", "/x;y")),
        *(request(path, host) for path in ("/x\\y", "/%41", "/%", "/%4", "/%00", "/%C0%AF", "/%E4", "/%25", "/x?a b")),
        request("/", host, "FOO"),
        request("/", host, "GET", "Connection: X-Forwarded-For"),
        request("/", host, "GET", "Upgrade: websocket"),
        request("/", host + "."),
        request("/", "a..b."),
        request("/", host + ":"),
    ]
    usual = (
        "/",
        "/x/",
        "/.well-known/x",
        "/...",
        "/x/a.b..c/~d",
        "/x%20y?q=%2F//../;",
        "/%C3%A4/%E2%82%ac",
        "/a%7Cb|c",
    )
    passes += [request(path, host) for path in (*usual[:4], *usual[5:])] + [request("/x/a.b..c/d", host)]
    # Long enough to overflow the stack of a matcher that is compiled.
    passes.append(request(long, host))
    bad.append(request(f"{long}/..", host))
    passes += [request("/", host.upper()), request("/", f"{host}:443"), request("/x", host, "POST", body=b"abc")]
    return [
        *(_Case(200, raw) for raw in passes),
        *(_Case(400, raw) for raw in bad),
        *(_Case(403, raw) for raw in deny),
        *(_Case(404, raw) for raw in gone),
        _Case(421, request("/", other)),
    ]


def check(edge: Edge) -> None:
    """Ask for everything that the job names. Raises Disagrees."""
    for site in edge.job.measured:
        _handshakes(edge, site)
        _told(edge, site)
    site = edge.job.measured[-1]
    for case in _cases(edge, site):
        status = _ask(edge, site, case.raw)
        if status != case.status:
            asked = case.raw.split(b"\r\n\r\n")[0].decode("latin-1")
            raise Disagrees(f"{edge}: {status} and not {case.status} for\n{asked}")


def check_untrusted(edge: Edge) -> None:
    """While the origin shows a certificate that the backends' CA did not sign. Raises Disagrees."""
    site = edge.job.measured[0]
    answer = _visit(edge, site, request("/", site.host))
    if answer.status not in (502, 503):
        raise Disagrees(f"{edge}: {answer.status} from a backend that nobody vouches for")


def _handshakes(edge: Edge, site: Site) -> None:
    with Visitor(edge.door(site)) as visitor:
        if visitor.certificate != ssl.PEM_cert_to_DER_cert(
            site.certificate.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
        ):
            raise Disagrees(f"{edge}: {site.host} has another site's certificate")
    try:
        edge.door(site, "unknown.example.com").connect().close()
    except ssl.SSLCertVerificationError as error:
        raise Disagrees(f"{edge}: a certificate for an unknown SNI") from error
    except (Refused, OSError):
        return
    raise Disagrees(f"{edge}: an unknown SNI is served")


def _told(edge: Edge, site: Site) -> None:
    """What the backend is told of a request that lies."""
    lies = (
        *("X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil", "X-Forwarded-Port: 1"),
        *("X-Forwarded-Client-Cert: x", "Forwarded: for=1", "X_Test: 1"),
    )
    answer = _visit(edge, site, request("/admins?a=%20", f"{site.host.upper()}:443", "GET", *lies))
    told = (line.partition(": ") for line in answer.body.decode().splitlines())
    found = {what: value for what, _, value in told if value}
    wanted = {
        "sni": site.server_name,
        "target": "/admins?a=%20",
        "host": site.host,
        "for": "127.0.0.1",
        "proto": "https",
        "forwarded host": site.host,
    }
    if found != wanted:
        raise Disagrees(f"{edge}: the backend is told {found}")


def _visit(edge: Edge, site: Site, raw: bytes) -> Answer:
    with Visitor(edge.door(site)) as visitor:
        return visitor.ask(raw)


def _ask(edge: Edge, site: Site, raw: bytes) -> int | str:
    try:
        return _visit(edge, site, raw).status
    except Refused as refused:
        return str(refused)
