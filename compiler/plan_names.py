"""What a word in an output stands for: hostnames, addresses of backends, rules and certificates of a Plan."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from .diagnostics import Path
from .plan import Certificate, Hostname, Plan, TrustAnchors

# A name with or without a port, a path, or an IPv6 address in brackets or without.
_WORD = re.compile(r"\[[0-9A-Fa-f:.]+\](?::[0-9]+)?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|[\w*./@+-]+(?::[0-9]+)?")
_ESCAPED = re.compile(r"\[[.]\]|\\+[.]")
"""A dot as expressions have it."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n.*?-----END \1-----\n", re.DOTALL)


def words(line: str) -> Iterator[str]:
    """The words of a line that may be names: as they stand, and without what an expression or a port adds."""
    for word in _WORD.findall(_ESCAPED.sub(".", line)):
        yield word
        bare = word.strip(".-+/@")
        if bare != word:
            yield bare
        if "/" in bare:
            yield from bare.split("/")
        name, _, port = bare.rpartition(":")
        if name and port.isdigit() and ":" not in name:
            yield name


def blocks(pem: str) -> list[str]:
    """The blocks of a PEM text, each with its lines' ends."""
    return [match[0] for match in _BLOCK.finditer(pem)]


class Names:
    """The words that a Plan's parts are called by in outputs, and the places of these parts."""

    def __init__(self, plan: Plan) -> None:
        self._exact: dict[str, list[Path]] = {}
        self._loose: dict[str, list[Path]] = {}
        """Words that are looked at where no exact one is known: an address without its port, a wildcard's domain."""
        self._blocks: dict[str, list[Path]] = {}
        for site in plan.sites:
            for index, hostname in enumerate(site.hostnames):
                self._host(hostname, (*site.path, "hostnames", index))
        for backend in plan.backends:
            for server in backend.servers:
                _add(self._exact, str(server.socket), server.path)
                _add(self._loose, str(server.socket.address), server.path)
        for rules in plan.lists_as_written():
            for rule in rules.rules:
                _add(self._exact, rule.id, rule.path)
        for written, path in _keys(plan):
            _add(self._exact, written, path)
        for pem, path in _pem(plan):
            for block in blocks(pem):
                _add(self._blocks, block, path)

    def _host(self, hostname: Hostname, path: Path) -> None:
        _add(self._exact, str(hostname), path)
        if hostname.wildcard:
            _add(self._loose, hostname.name, path)

    def of(self, word: str) -> list[Path]:
        """The places that a word stands for; most words stand for none."""
        return self._exact.get(word) or self._loose.get(word) or self._loose.get(_address(word), [])

    def of_block(self, pem: str) -> list[Path]:
        """Who in the policy brings a certificate or a revocation list."""
        return self._blocks.get(pem, [])


def _address(word: str) -> str:
    """An IPv6 address in its usual form; other words are left alone."""
    if ":" not in word:
        return word
    try:
        return str(ip_address(word.strip("[]")))
    except ValueError:
        return word


def _add(to: dict[str, list[Path]], word: str, path: Path) -> None:
    places = to.setdefault(word, [])
    if path not in places:
        places.append(path)


def _keys(plan: Plan) -> Iterator[tuple[str, Path]]:
    """The files of private keys, as the policy calls them."""
    for certificate in plan.certificates:
        yield certificate.key_as_written, (*certificate.path, "key")
    for backend in plan.backends:
        if backend.tls and backend.tls.client_certificate:
            client = backend.tls.client_certificate
            yield client.key_as_written, (*client.path, "key")


def _pem(plan: Plan) -> Iterator[tuple[str, Path]]:
    """The certificates and revocation lists that outputs hold, and where each comes from."""
    for certificate in plan.certificates:
        yield _joined(certificate.chain), certificate.path
    for anchors in _anchors(plan):
        yield _joined(anchors.certificates) + (anchors.crl_pem or ""), anchors.path
    for backend in plan.backends:
        if backend.tls is None:
            continue
        if backend.tls.client_certificate:
            yield _joined(backend.tls.client_certificate.chain), backend.tls.client_certificate.path
        for chain in backend.tls.chains:
            yield _joined(chain), backend.tls.path


def _anchors(plan: Plan) -> Iterable[TrustAnchors]:
    """Those of backends and of visitors."""
    found = [*plan.anchors, *(site.client_auth.anchors for site in plan.sites if site.client_auth)]
    return {one.path: one for one in found}.values()


def _joined(certificates: Iterable[Certificate]) -> str:
    return "".join(one.pem for one in certificates)
