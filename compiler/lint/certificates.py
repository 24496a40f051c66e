"""Certificates that visitors are shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ..certificates import issued_by
from ..diagnostics import Diagnostic, Location, Severity, rule
from ..plan import Certificate, Hostname
from . import Context

_SOON = timedelta(days=30)


def described(certificate: Certificate) -> str:
    """A certificate in a few words: who, from whom, and the beginning of its fingerprint."""
    name = f"CN={certificate.common_name}" if certificate.common_name else certificate.subject or "no subject"
    origin = "self-signed" if certificate.self_issued else f"from {certificate.issuer_name}"
    return f"{name}, {origin} (SHA-256 {certificate.sha256[:8]}…)"


def carries(certificate: Certificate, host: Hostname) -> bool:
    """Whether the SAN covers a hostname as browsers see it (RFC 9525): exactly, or by a wildcard for one label."""
    if str(host) in certificate.dns_names:
        return True
    return not host.wildcard and f"*.{host.name.partition('.')[2]}" in certificate.dns_names


@rule("certificate-does-not-cover-hostname")
def does_not_cover(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site's hostname is not among the DNS names of the certificate that its visitors are shown.

    ## Why it is bad
    Browsers refuse the connection. The common name does not count (RFC 9525), and a wildcard covers one label.

    ## Use instead
    A certificate with that name, or remove the hostname from the site.

    ## References
    https://www.rfc-editor.org/rfc/rfc9525
    """
    for site in context.plan.sites:
        if site.certificate is None:
            continue
        leaf = site.certificate.leaf
        written = context.policy.sites[site.name].hostnames
        for host in site.hostnames:
            if not carries(leaf, host):
                names = ", ".join(leaf.dns_names[:6]) + (", …" if len(leaf.dns_names) > 6 else "")
                yield does_not_cover.found(
                    f"the certificate `{site.certificate.name}` does not cover `{host}`",
                    (*site.path, "hostnames", written.index(str(host))),
                    related=[Location((*site.certificate.path, "cert"), f"covers {names or 'no DNS name at all'}")],
                    help=["use a certificate with this name, or remove the hostname"],
                    sites=[site.name],
                )


def _judged(context: Context) -> Iterator[tuple[Certificate, Location, str, list[str], list[str]]]:
    """Every certificate that a visitor or the proxy will judge by its dates: what, where, and whom it concerns."""
    for certificate in context.plan.certificates:
        sites = [site.name for site in context.plan.sites if site.certificate is certificate]
        for position, one in enumerate(certificate.chain):
            what = "the public certificate" if position == 0 else f"certificate {position + 1} of the chain"
            yield one, Location((*certificate.path, "cert")), f"{what} `{certificate.name}`", sites, []
    for anchors in context.plan.anchors:
        users = [backend.name for backend in context.plan.backends if backend.tls and backend.tls.anchors is anchors]
        for one in anchors.certificates:
            yield one, Location((*anchors.path, "ca")), f"the trust anchor `{anchors.name}`", [], users
    for backend in context.plan.backends:
        if backend.tls is None:
            continue
        for index, one in enumerate(backend.tls.leaves):
            at = Location((*backend.tls.path, "certificate", index))
            yield one, at, f"the certificate of the backend `{backend.name}`", [], [backend.name]


@rule("certificate-expired")
def expired(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate's last day is over. This finding depends on today's date (or on `--at`).

    ## Why it is bad
    Visitors are shown an error, or the proxy refuses the backend and answers 502 or 503.

    ## Use instead
    Renew it.
    """
    for certificate, at, what, sites, backends in _judged(context):
        if certificate.not_after < context.at:
            yield expired.found(
                f"{what} expired on {certificate.not_after:%Y-%m-%d}",
                at,
                notes=[described(certificate)],
                help=["renew it"],
                sites=sites,
                backends=backends,
            )


@rule("certificate-not-yet-valid")
def not_yet_valid(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate's first day is still to come. This finding depends on today's date (or on `--at`).

    ## Why it is bad
    Until then visitors are shown an error, or the proxy refuses the backend.

    ## Use instead
    Use it from that day on, and check this machine's clock.
    """
    for certificate, at, what, sites, backends in _judged(context):
        if certificate.not_before > context.at:
            yield not_yet_valid.found(
                f"{what} is valid only from {certificate.not_before:%Y-%m-%d %H:%M} UTC",
                at,
                notes=[described(certificate)],
                help=["use it from that day on"],
                sites=sites,
                backends=backends,
            )


@rule("certificate-expires-soon", Severity.WARNING)
def expires_soon(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A certificate expires within 30 days. This finding depends on today's date (or on `--at`).

    ## Why it is bad
    It is time to renew it; where certificates live for less than 30 days, accept the finding.

    ## Use instead
    Renew it.
    """
    for certificate, at, what, sites, backends in _judged(context):
        left = certificate.not_after - context.at
        if timedelta(0) <= left < _SOON:
            days = f"in {left.days} days" if left.days != 1 else "tomorrow"
            yield expires_soon.found(
                f"{what} expires {days if left.days else 'today'}, on {certificate.not_after:%Y-%m-%d}",
                at,
                help=["renew it"],
                sites=sites,
                backends=backends,
            )


@rule("chain-out-of-order")
def chain_out_of_order(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    In a public certificate's file, a certificate is not followed by the one that issued it.

    ## Why it is bad
    Some clients build the chain only in the order in which it is sent.

    ## Use instead
    The leaf first, then the certificate that issued it, and so on; the root need not be there.
    """
    for certificate in context.plan.certificates:
        for position, (child, parent) in enumerate(zip(certificate.chain, certificate.chain[1:], strict=False)):
            if not issued_by(child, parent):
                yield chain_out_of_order.found(
                    f"certificate {position + 1} of `{certificate.name}` is not issued by certificate {position + 2}",
                    (*certificate.path, "cert"),
                    notes=[
                        f"{position + 1}: {child.subject}, issued by {child.issuer}",
                        f"{position + 2}: {parent.subject}",
                    ],
                    help=["put the leaf first, then the certificate that issued it, and so on"],
                )
                break


@rule("root-in-chain", Severity.INFO)
def root_in_chain(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A public certificate's file ends in a self-issued root.

    ## Why it is bad
    Clients trust their own copy of a root and ignore the one that is sent: bytes for nothing in each handshake.

    ## Use instead
    Remove it from the file.
    """
    for certificate in context.plan.certificates:
        if len(certificate.chain) > 1 and certificate.chain[-1].self_issued:
            yield root_in_chain.found(
                f"the chain `{certificate.name}` includes its root",
                (*certificate.path, "cert"),
                help=["remove it from the file"],
            )
