"""The order of a certificate's file: the leaf first, then the certificate that issued it, and so on."""

from __future__ import annotations

import os
import re
from itertools import pairwise

from .certificates import BadCertificate, issued_by, read_certificates, read_public_half
from .document import read_bytes
from .plan import Certificate

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----[ \t]*\r?\n?", re.DOTALL)


def in_order(file: str, key: str) -> str | None:
    """The text of a PEM file with its certificates in order, or None where it is so, or where there is no one order.

    The leaf is the one that the private key belongs to; without the key, the only one that issued no other. Text
    before a certificate stays before it. A link, or a file with more than certificates in it, is somebody else's.
    """
    if os.path.islink(file):
        return None
    try:
        text = read_bytes(file).decode()
        certificates = read_certificates(file)
    except (OSError, ValueError):
        return None
    if text.count("-----BEGIN ") != len(certificates):
        return None  # also because the expression would look for the end of each
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) != len(certificates) or any(block[1] != "CERTIFICATE" for block in blocks):
        return None
    order = _order(certificates, _leaf(certificates, key))
    if order is None or order == sorted(order):
        return None
    ends = [0, *(block.end() for block in blocks)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    newline = "\r\n" if "\r\n" in text else "\n"
    pieces = [piece if piece.endswith("\n") else piece + newline for piece in pieces]
    return "".join(pieces[index] for index in order) + text[ends[-1] :]


def _leaf(certificates: tuple[Certificate, ...], key: str) -> int | None:
    try:
        public_half = read_public_half(key)
    except BadCertificate:
        alone = [
            index
            for index, one in enumerate(certificates)
            if not any(issued_by(other, one) for other in certificates if other is not one)
        ]
        return alone[0] if len(alone) == 1 else None
    found = [index for index, one in enumerate(certificates) if one.public_key == public_half]
    return found[0] if len(found) == 1 else None


def _order(certificates: tuple[Certificate, ...], leaf: int | None) -> list[int] | None:
    """The one chain that begins with the leaf and has all of them."""
    if leaf is None:
        return None
    order = [leaf]
    while len(order) < len(certificates):
        last = certificates[order[-1]]
        issuers = [index for index, one in enumerate(certificates) if index not in order and issued_by(last, one)]
        if len(issuers) != 1:
            return None
        order += issuers
    return order
