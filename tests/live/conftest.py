"""Certificates for all live tests, and the edges of a module's policy, started once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from policyc.compiler.loopback import pki
from policyc.compiler.loopback.origin import Origin
from policyc.compiler.loopback.proxy import Missing

from .edges import Edge, Edges, Policy, every_origin, start_everywhere
from .supported import TARGETS


@dataclass(frozen=True)
class Certificates:
    """A folder with two PKIs: the one that visitors trust, and the one inside."""

    folder: Path
    public: pki.Issued
    """The intermediate that signs public certificates."""
    internal: pki.Issued
    """The inner root; its certificate is ``internal-ca.pem``."""

    @property
    def public_root(self) -> Path:
        """What visitors trust."""
        return self.folder / "public-root.pem"

    def public_pair(self, name: str, *hosts: str) -> Mapping[str, str]:
        """An entry of `public_certificates`, made here and now."""
        certificate, key = pki.write(self.folder, name, pki.leaf(hosts, self.public))
        return {"cert": str(certificate), "key": str(key)}

    def serve(self, name: str, issued: pki.Issued, *, chain: bool = True) -> tuple[Path, Path]:
        """The files of a certificate for an origin."""
        return pki.write(self.folder, name, issued, chain=chain)

    def inside(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """The files of a good inner certificate."""
        return self.serve(name, pki.leaf(hosts, self.internal))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The two PKIs."""
    folder = tmp_path_factory.mktemp("pki")
    root, internal = pki.authority("Public Root"), pki.authority("Internal CA")
    (folder / "public-root.pem").write_bytes(root.pem)
    (folder / "internal-ca.pem").write_bytes(internal.pem)
    return Certificates(folder, pki.authority("Public CA R11", root), internal)


@dataclass(frozen=True)
class Scene:
    """What a module's tests play in."""

    policy: Policy
    origins: Mapping[str, Sequence[Origin]]
    """Backend → one for each of its servers."""
    down: Sequence[Origin] = ()
    """Those of them that are not started."""
    base: Path = Path()
    """What the policy's names of files are relative to."""
    trusts: Path | None = None
    """What visitors trust; default: the public root of these tests."""
    lacking: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Target → backends that it cannot have, each with the site of its name."""


@pytest.fixture(scope="module")
def edges(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edges]:
    """The module's scene (its function `scene`) on every target."""
    make = cast("Callable[[Certificates], Scene]", cast("Any", request.module).scene)
    scene = make(certificates)
    folder = tmp_path_factory.mktemp("edges")
    with ExitStack() as stack:
        for origin in every_origin(scene.origins):
            if origin not in scene.down:
                stack.enter_context(origin)
        trusts = scene.trusts or certificates.public_root
        yield start_everywhere(stack, folder, scene.policy, scene.base, scene.origins, trusts, scene.lacking)


@pytest.fixture(scope="module", params=TARGETS)
def edge(request: pytest.FixtureRequest, edges: Edges, proxy_program: Callable[[str], str]) -> Edge:
    """The module's scene on one target."""
    return edge_of(edges, str(request.param), proxy_program)


def edge_of(edges: Edges, target: str, proxy_program: Callable[[str], str]) -> Edge:
    """A running edge; where there is none, the test is skipped for a missing proxy and fails for anything else."""
    error = edges.failed.get(target)
    if isinstance(error, Missing):
        proxy_program(target)
    if error is not None:
        raise error
    return edges.running[target]
