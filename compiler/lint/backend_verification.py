"""Whether backends are verified, and whether their certificates can pass."""

from __future__ import annotations

from collections.abc import Iterator

from ..certificates import issued_by
from ..diagnostics import Diagnostic, Location, Severity, rule
from ..plan import Hostname, Verify
from . import Context
from .certificates import carries, described


@rule("backend-not-verified", per_backend=True)
def not_verified(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    `verify: none`: the proxy takes whatever certificate the backend presents.

    ## Why it is bad
    Whoever can answer at the backend's address reads and changes all traffic, with TLS or without.

    ## Use instead
    `verify: full` with a `ca`. A self-signed certificate can be its own `ca`.
    """
    for backend in context.plan.backends:
        if backend.tls and backend.tls.verify is Verify.NONE:
            yield not_verified.found(
                f"nothing about the certificate of the backend `{backend.name}` is verified",
                (*backend.tls.path, "verify"),
                help=["use `verify: full` with a `ca`; a self-signed certificate can be its own `ca`"],
                backends=[backend.name],
            )


@rule("backend-name-not-verified", per_backend=True)
def name_not_verified(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    `verify: chain`: the backend's certificate must come from the CA, but may carry any name.

    ## Why it is bad
    Every holder of any certificate from that CA can play the backend.

    ## Use instead
    `verify: full` and the name that the certificate carries as `server_name`.
    """
    for backend in context.plan.backends:
        if backend.tls and backend.tls.verify is Verify.CHAIN:
            yield name_not_verified.found(
                f"the name in the certificate of the backend `{backend.name}` is not verified",
                (*backend.tls.path, "verify"),
                help=["use `verify: full`, with the name that the certificate carries as `server_name`"],
                backends=[backend.name],
            )


@rule("plaintext-backend", Severity.WARNING, per_backend=True)
def plaintext(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    `tls: false`: decrypted requests travel to the backend in clear.

    ## Why it is bad
    Whoever can listen between the edge and the backend reads them. On one machine that may be fine.

    ## Use instead
    TLS with the internal CA; or accept the finding for this backend, with the reason.
    """
    reached = {
        upstream.backend.name
        for site in context.plan.sites
        if site.decrypt
        for group in site.groups
        for upstream in (group.upstream, *(route.upstream for route in group.routes))
    }
    for backend in context.plan.backends:
        if backend.tls is None and backend.name in reached:
            if all(server.socket.address.is_loopback for server in backend.servers):
                continue
            yield plaintext.found(
                f"requests travel to the backend `{backend.name}` in clear",
                (*backend.path, "tls"),
                help=[f"use TLS, or accept this for `backends: [{backend.name}]` with the reason"],
                backends=[backend.name],
            )


@rule("anchor-is-not-a-ca")
def anchor_is_not_a_ca(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A trust anchor is neither a CA nor self-issued.

    ## Why it is bad
    Proxies on OpenSSL do not end a chain at such a certificate and refuse every backend; those on BoringSSL accept
    it.

    ## Use instead
    The root of the internal PKI. A backend's certificate can be an anchor only if it is self-signed.
    """
    for anchors in context.plan.anchors:
        for certificate in anchors.certificates:
            if not certificate.is_ca and not certificate.self_issued:
                yield anchor_is_not_a_ca.found(
                    f"the trust anchor `{anchors.name}` holds a certificate that is no CA",
                    (*anchors.path, "ca"),
                    notes=[described(certificate)],
                    help=["give the root that issued it"],
                )


@rule("anchor-without-root")
def anchor_without_root(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    A trust anchor's file holds an intermediate CA, but not the root above it.

    ## Why it is bad
    Proxies on OpenSSL need the whole chain up to a self-issued certificate and refuse every backend; those on
    BoringSSL stop at the intermediate and accept. The same policy would work on one target and be down on the others.

    ## Use instead
    Add the root to the file, or use the root alone.
    """
    for anchors in context.plan.anchors:
        subjects = {one.subject for one in anchors.certificates}
        for certificate in anchors.certificates:
            if certificate.is_ca and not certificate.self_issued and certificate.issuer not in subjects:
                yield anchor_without_root.found(
                    f"the trust anchor `{anchors.name}` holds an intermediate without its root",
                    (*anchors.path, "ca"),
                    notes=[f"{certificate.subject}, issued by {certificate.issuer}"],
                    help=["add the root to the file"],
                )


@rule("backend-certificate-untrusted")
def untrusted(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    The certificate that a backend is known to present is not issued by the CA that the policy trusts for it.

    ## Why it is bad
    Every proxy refuses the backend: visitors get 502 or 503. Only a leaf whose issuer is known not to be the anchor is
    found; one below an intermediate that the server sends is not judged here.

    ## Use instead
    Give the CA that issued it. A self-signed certificate can be its own `ca`.
    """
    for backend in context.plan.backends:
        tls = backend.tls
        if tls is None or tls.anchors is None or tls.anchors.system:
            continue
        trusted = tls.anchors.certificates
        for index, leaf in enumerate(tls.leaves):
            if any(leaf.sha256 == anchor.sha256 for anchor in trusted):
                continue
            named = [anchor for anchor in trusted if anchor.subject == leaf.issuer]
            if any(issued_by(leaf, anchor) for anchor in named) or not (named or leaf.self_issued):
                continue
            yield untrusted.found(
                f"the certificate of the backend `{backend.name}` is not issued by `{tls.anchors.name}`",
                (*tls.path, "certificate", index),
                related=[
                    Location((*tls.path, "ca"), f"trusts {', '.join(described(anchor) for anchor in trusted[:2])}")
                ],
                notes=[described(leaf)],
                help=["give the CA that issued it"],
                backends=[backend.name],
            )


@rule("backend-certificate-without-name")
def without_name(context: Context) -> Iterator[Diagnostic]:
    """
    ## What it does
    The certificate that a backend is known to present does not carry the name that is verified, as a DNS name in its
    SAN.

    ## Why it is bad
    Proxies refuse it and visitors get 502 or 503. Some still look at the common name, so that the same policy would
    behave differently. A wildcard directly below a top-level name (`*.internal`) is refused by some, too.

    ## Use instead
    Set `server_name` to a name that the certificate carries, or issue one with that name in the SAN.

    ## References
    https://github.com/haproxy/haproxy/issues/3486
    """
    for upstream in context.plan.upstreams:
        tls = upstream.backend.tls
        if tls is None or tls.verify is not Verify.FULL or upstream.server_name is None:
            continue
        host = Hostname(upstream.server_name)
        for index, leaf in enumerate(tls.leaves):
            if carries(leaf, host) and (str(host) in leaf.dns_names or host.name.count(".") > 1):
                continue
            names = ", ".join(leaf.dns_names[:6]) or "no DNS name at all"
            yield without_name.found(
                f"the certificate of the backend `{upstream.backend.name}` does not carry `{host}`",
                (*tls.path, "certificate", index),
                notes=[
                    f"it carries {names}"
                    + (f"; the common name {leaf.common_name} does not count" if leaf.common_name else "")
                ],
                help=["set `server_name` to a name that it carries, or issue one with this name"],
                backends=[upstream.backend.name],
            )
