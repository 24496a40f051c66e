"""Names of the files beside `nginx.conf`."""

from __future__ import annotations

from ...compiler.plan import Backend, TrustAnchors
from .support import Settings


def ca_file(anchors: TrustAnchors, settings: Settings) -> str:
    """Whom to trust."""
    return settings.system_ca if anchors.system else f"ca/{anchors.name}.pem"


def crl_file(anchors: TrustAnchors) -> str:
    """Revocation lists; empty for none."""
    return f"ca/{anchors.name}.crl" if anchors.crl_pem else ""


def client_certificate_name(backend: Backend) -> str:
    """The certificate and the key that a backend is shown, without their ending."""
    return f"client-certs/{backend.name}"
