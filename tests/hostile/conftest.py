"""The files of all generated policies, and templates that are compiled once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from policyc.backends.haproxy import render as haproxy
from policyc.backends.nginx import render as nginx

from .files import Files, make


class _Compiled(BytecodeCache):
    """A process builds once; these tests build thousands of times, and nine tenths of it was Jinja2's compiler."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """What was compiled of this template."""
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._known[bucket.key] = bucket.bytecode_to_string()


_COMPILED = {module: _Compiled() for module in (haproxy, nginx)}


@pytest.fixture(scope="module", autouse=True)
def compiled_once() -> Iterator[None]:
    """For these tests alone: the name of the policy is compiled in, and only here it is always the same."""
    with pytest.MonkeyPatch.context() as patch:
        for module, known in _COMPILED.items():
            patch.setattr(module, "Environment", partial(module.__dict__["Environment"], bytecode_cache=known))
        yield


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates, keys and lists."""
    return make(tmp_path_factory.mktemp("hostile"))
