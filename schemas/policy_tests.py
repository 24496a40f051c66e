"""The language of a policy's own tests: requests, and what the policy must make of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .policy import Part
from .values import AddressText, ExactHostname, HeaderName, Method, Name, Printable, Some, Text, wrong

_HANDSHAKE_REFUSED = "handshake refused"


class VisitorCertificate(Part):
    """What a visitor shows who is asked for a certificate."""

    subject: Printable
    """Its subject, RFC 4514: `CN=alice,O=Example`."""
    ca: Name | None = None
    """The one of `backend_cas` that vouches for it. Default: none does."""


class TestRequest(Part):
    """A request of a visitor."""

    __test__ = False  # for pytest, which looks for classes of this name

    url: Printable
    """`https://HOST[:PORT]/PATH[?QUERY]`, sent as it is written."""
    method: Method = "GET"
    """The method."""
    headers: dict[HeaderName, Printable | list[Printable]] = Field(default={})
    """Header lines; a list sends several of one name."""
    source: AddressText = "203.0.113.1"
    """The address that the visitor comes from."""
    sni: ExactHostname | Literal[False] | None = None
    """The SNI; `false` sends none. Default: the URL's host."""
    listener: Name | None = None
    """The listener. Default: the first on the URL's port."""
    certificate: VisitorCertificate | None = None
    """What the visitor shows where the site asks for a certificate. Default: none."""


class Expected(Part):
    """What must become of the request. Only what is named is compared."""

    handshake: Literal["refused"] | None = None
    """No certificate is shown, or the visitor's is refused."""
    passed_through: Name | None = None
    """The connection goes on to this backend, its TLS untouched."""
    backend: Name | None = None
    """The request is forwarded to this backend."""
    status: Annotated[int, Field(ge=300, le=599)] | None = None
    """The edge itself answers with this status."""
    rule: Text | None = None
    """The rule that decided (its `name`, else its list and number, `web-1`): it denied, redirected or allowed."""
    location: Printable | None = None
    """Where a redirect leads."""
    host: Printable | None = None
    """The Host that the backend gets."""
    request_headers: dict[HeaderName, Printable | None] = Field(default={})
    """What the backend gets under these names, several values joined by `, `; `null`: nothing."""
    response_headers: dict[HeaderName, Printable | None] = Field(default={})
    """What the rules set in the answer under these names; `null`: it is taken away."""
    labels: list[Printable] | None = None
    """The labels in the access log."""
    limited_by: list[Text] | None = None
    """The rules whose `rate_limit` or `limit_body` the request counts for."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Expected:
        named = [key for key in ("handshake", "passed_through", "backend", "status") if getattr(self, key) is not None]
        if len(named) > 1:
            raise wrong(f"`{named[0]}` and `{named[1]}` cannot both be: leave one of them out")
        if not self.model_fields_set:
            raise wrong("nothing is expected: name a status, a backend, or another key")
        return self


def _request(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    method, blank, url = value.partition(" ")
    return {"method": method, "url": url} if blank else {"url": value}


def _expected(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"status": value}
    if isinstance(value, str):
        return {"handshake": "refused"} if value == _HANDSHAKE_REFUSED else {"backend": value}
    return value


class PolicyTest(Part):
    """One request and what is expected of it."""

    name: Text | None = None
    """For people. Default: the request."""
    request: Annotated[TestRequest, BeforeValidator(_request, json_schema_input_type=Printable | TestRequest)]
    """A mapping, or in short `POST https://www.example.com/login`."""
    expect: Annotated[Expected, BeforeValidator(_expected, json_schema_input_type=int | Printable | Expected)]
    """A mapping, or in short a status, a backend's name, or `handshake refused`."""


class PolicyTests(Part):
    """A file of tests for a policy."""

    version: Literal[1]
    """The language's version: 1."""
    tests: Some[PolicyTest]
    """The tests, each by itself."""
