"""The JSON of Envoy's own messages that every part of the configuration is made of."""

from __future__ import annotations

from ...compiler.plan import Socket

Json = dict[str, object]

TYPE = "type.googleapis.com/"
TLS_VERSIONS = {"1.0": "TLSv1_0", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
NAMESPACE = "policyc"
"""Of our metadata."""


def extension(extension: str, message: str, /, **fields: object) -> Json:
    """An extension by name, with its configuration."""
    return {"name": extension, "typed_config": {"@type": TYPE + message, **fields}}


def metadata(source: str, **more: str) -> Json:
    """Where in the policy a part is from, and what the access log shows of it."""
    return {"filter_metadata": {NAMESPACE: {"source": source, **more}}}


def milliseconds(value: int) -> str:
    """A duration."""
    return f"{value // 1000}s" if value % 1000 == 0 else f"{value / 1000:.3f}s"


def address(socket: Socket) -> Json:
    """A socket's address."""
    fields: Json = {"address": str(socket.address), "port_value": socket.port}
    if socket.address.version == 6:
        fields["ipv4_compat"] = False
    return {"socket_address": fields}


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Json:
    """A header to set. `value` is a format: see `literal`."""
    return {"header": {"key": name, "value": value}, "append_action": action}


def literal(text: str) -> str:
    """A text as a format that gives that text."""
    return text.replace("%", "%%")


def regex(expression: str) -> Json:
    """A matcher for a whole text."""
    return {"safe_regex": {"google_re2": {}, "regex": expression}}
