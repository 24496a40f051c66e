"""The files that a policy names: certificates, keys and revocation lists."""

from __future__ import annotations

from ...schemas import policy as written
from ..certificates import BadCertificate, read_certificates, read_crl, read_public_half
from ..diagnostics import Location, Path, Severity, declare
from ..document import UNREADABLE
from ..plan import Certificate, PublicCertificate, TrustAnchors
from ..validate import UNKNOWN_NAME
from .part import Part, Shared

BAD_CERTIFICATE = declare(
    "unusable-certificate",
    """
    ## What it does
    A file that should hold a certificate, a key or a revocation list does not, or not one that can be read.

    ## Why it is bad
    A site without its certificate, or a backend without its trust anchor, gets no output at all, never a weaker one.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.key, key: certs/shop.key}
    ```

    ## Use instead
    PEM files: the leaf first, then its intermediates; the key in clear, in a file of its own.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc7468
    """,
)
KEY_MISMATCH = declare(
    "key-does-not-match",
    """
    ## What it does
    A private key does not belong to the certificate that it is given with. Mostly it is the wrong key file, or only one
    of the two was renewed.

    ## Why it is bad
    The proxies refuse to start with such a pair, some of them for all sites.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/www.key}
    ```

    ## Use instead
    Name the key that the certificate was made for; where both names are right, check which of the two files was
    renewed, and that the leaf stands first in the certificate's file. `openssl pkey -in KEY -pubout` and
    `openssl x509 -in CERT -noout -pubkey` print the same where they belong together.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://github.com/haproxy/haproxy/issues/2117
    """,
)
KEY_ABSENT = declare(
    "private-key-absent",
    """
    ## What it does
    A private key that the policy names is not on this machine, so it was not compared with its certificate.

    ## Why it is bad
    A pair that does not match is found by the proxy only, when it starts.

    ## Example
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/absent.key}
    ```

    ## Use instead
    Nothing, where keys are kept on the edge alone; else mend the path.
    ```yaml
    public_certificates:
      shop: {cert: certs/shop.pem, key: certs/shop.key}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc7468#section-10
    """,
    Severity.INFO,
    acceptable=True,
)

SYSTEM_CA = "system"


class Certificates(Part):
    """Reads them, and compares keys with their certificates."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._files: dict[str, tuple[Certificate, ...] | BadCertificate] = {}

    def read(self, file: str, path: Path) -> tuple[Certificate, ...] | None:
        """The certificates of a file, which is read once."""
        absolute = self.document.resolve_path(path, file)
        if absolute not in self._files:
            try:
                self._files[absolute] = read_certificates(absolute)
            except BadCertificate as error:
                self._files[absolute] = error
        found = self._files[absolute]
        if isinstance(found, BadCertificate):
            self._unusable(file, found, path)
            return None
        return found

    def _unusable(self, file: str, error: BadCertificate, path: Path) -> None:
        if "no such file" not in str(error):
            self.findings.append(BAD_CERTIFICATE.found(f"`{file}`: {error}", path))
            return
        absolute = self.document.resolve_path(path, file)
        tried = [f"looked for as `{absolute}`: a path is relative to the file that names it"]
        self.findings.append(UNREADABLE.found(f"`{file}`: {error}", path, help=tried if absolute != file else []))

    def key_pair(self, pair: written.KeyPair, path: Path) -> tuple[tuple[Certificate, ...], str] | None:
        """The chain and the key's absolute path, once the two were compared."""
        chain = self.read(pair.cert, (*path, "cert"))
        key = self.document.resolve_path((*path, "key"), pair.key)
        at = (*path, "key")
        try:
            public_half = read_public_half(key)
        except BadCertificate as error:
            if "no such file" not in str(error):
                self._unusable(pair.key, error, at)
                return None
            self.findings.append(
                KEY_ABSENT.found(f"the private key `{pair.key}` is not on this machine: the match was not checked", at)
            )
            return (chain, key) if chain else None
        if not chain:
            return None
        if public_half != chain[0].public_key:
            self.findings.append(
                KEY_MISMATCH.found(
                    f"the private key `{pair.key}` does not belong to the first certificate of `{pair.cert}`",
                    at,
                    related=[Location((*path, "cert"), f"the leaf is {chain[0].subject}")],
                    help=[
                        "name the key that this certificate was made for: mostly it is another file",
                        f"the leaf must stand first in `{pair.cert}`, which holds {len(chain)} certificates"
                        if len(chain) > 1
                        else "see that not only one of the two was renewed",
                    ],
                )
            )
            return None
        return chain, key

    def public(self, name: str, pair: written.KeyPair) -> PublicCertificate | None:
        """A certificate for visitors."""
        path: Path = ("public_certificates", name)
        found = self.key_pair(pair, path)
        return PublicCertificate(name, path, found[0], found[1], pair.key) if found else None

    def anchors(self, name: str, ca: written.BackendCa) -> TrustAnchors | None:
        """Whom the proxy trusts."""
        path: Path = ("backend_cas", name)
        if name == SYSTEM_CA:
            self.findings.append(
                UNKNOWN_NAME.found(
                    "`system` is the name of the target machine's own store",
                    Location(path, of="key"),
                    help=["rename this one"],
                )
            )
            return None
        certificates = self.read(ca.ca, (*path, "ca"))
        crl = None
        if ca.crl:
            try:
                crl = read_crl(self.document.resolve_path((*path, "crl"), ca.crl))
            except BadCertificate as error:
                self._unusable(ca.crl, error, (*path, "crl"))
                return None
        return TrustAnchors(name, path, certificates, crl) if certificates else None
