"""What both sides must do: the sites, the rules, and requests that know their answer."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from policyc.compiler.loopback.pki import authority, leaf, write

from ..policies import certificates, site

_WORDS = ("api", "app", "assets", "cart", "docs", "files", "help", "img", "items", "login", "news", "shop", "v1")
_REQUESTS = 2000
_HITS = 0.1


@dataclass(frozen=True, slots=True)
class Site:
    """A site with a certificate and a backend of its own. `server_name`: whom the backend's certificate is for."""

    name: str
    host: str
    certificate: Path
    key: Path
    server_name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """403 for paths that are one of these or below it. The prefixes of all rules are apart from one another."""

    name: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be configured.

    `rules` are in force on every site; with `usual` also the two of `benchmarks.policies`: 403 for `/admin` and
    `/manage` except from 10.0.0.0/8, 404 for backups and dumps. `origin` is the address of every backend, `ca` what
    signs its certificate, and `root` what visitors trust.
    """

    title: str
    sites: tuple[Site, ...]
    rules: tuple[Rule, ...]
    usual: bool
    origin: str
    ca: Path
    root: Path

    @property
    def measured(self) -> tuple[Site, ...]:
        """The sites that visitors come to: at most four, from all over the list."""
        count = min(4, len(self.sites))
        return tuple(self.sites[(len(self.sites) - 1) * number // max(1, count - 1)] for number in range(count))

    @property
    def denied(self) -> str:
        """A path that the last rule refuses."""
        return (self.rules[-1].prefixes[-1] if self.rules else "/admin") + "/users"

    def targets(self) -> list[str]:
        """Request targets with random tails, a tenth of them refused by a rule."""
        chance = random.Random(6)  # the same ones in every run
        prefixes = [prefix for rule in self.rules for prefix in rule.prefixes] or ["/admin", "/manage"]
        return [
            chance.choice(prefixes) + f"/{chance.getrandbits(40):x}"
            if chance.random() < _HITS
            else f"/{chance.choice(_WORDS)}/{chance.choice(_WORDS)}/{chance.getrandbits(40):x}.html?page={number}"
            for number in range(_REQUESTS)
        ]


@dataclass(frozen=True, slots=True)
class Ground:
    """What all jobs of a run share: the certificates, and the origin's address and CA."""

    folder: Path
    origin: str
    ca: Path

    def sites(self, count: int) -> Job:
        """So many sites, with the usual rules."""
        return self._job(f"{count:,} site{'s' if count > 1 else ''}", count, (), usual=True)

    def rules(self, count: int, *, together: bool) -> Job:
        """One site with so many prefixes: a rule for each, or one rule for all of them."""
        prefixes = _prefixes(count)
        if together:
            return self._job(f"one rule of {count:,} prefixes", 1, (Rule("list", prefixes),), usual=False)
        rules = tuple(Rule(f"entry-{number:05}", (prefix,)) for number, prefix in enumerate(prefixes))
        return self._job(f"{count:,} rules", 1, rules, usual=False)

    def _job(self, title: str, count: int, rules: tuple[Rule, ...], *, usual: bool) -> Job:
        certificates(self.folder, count)
        certs = self.folder / "certs"
        sites = tuple(
            Site(
                name,
                f"{name}.example.com",
                certs / f"{name}.pem",
                certs / f"{name}.key",
                f"{name}.example.internal",
            )
            for name in map(site, range(count))
        )
        return Job(title, sites, rules, usual, self.origin, self.ca, certs / "public.pem")


def origin_certificates(folder: Path) -> tuple[Path, tuple[Path, Path], tuple[Path, Path]]:
    """A CA, a certificate of it for all backends with its key, and one for the same names that nobody trusts."""
    internal, names = authority("Load Internal CA"), ["*.example.internal"]
    good = write(folder, "origin", leaf(names, internal), chain=False)
    bad = write(folder, "untrusted", leaf(names, authority("Nobody's CA")), chain=False)
    ca = folder / "internal.pem"
    ca.write_bytes(internal.pem)
    return ca, good, bad


def _prefixes(count: int) -> tuple[str, ...]:
    """Like a list of paths that scanners ask for: of one to three segments, none below another."""
    chance = random.Random(count)  # the same ones in every run
    above = ["".join(f"/{chance.choice(_WORDS)}" for _ in range(chance.randrange(3))) for _ in range(count)]
    return tuple(f"{folder}/old-{number:05x}" for number, folder in enumerate(above))


def policy(job: Job, folder: Path, port: int) -> Path:
    """The job as a policy for all three proxies, listening on a port of loopback."""
    values = {
        "version": 1,
        "name": "load",
        "listeners": {"public": {"bind": [f"127.0.0.1:{port}"]}},
        "backend_cas": {"internal": {"ca": str(job.ca)}},
        "inspection_rules": {"shared": _rules(job)},
        "targets": {
            "haproxy": {"version": "2.6"},
            "nginx": {"version": "1.22"},
            "envoy": {"version": "1.40", "shared_chains": True},
        },
        "public_certificates": {one.name: {"cert": str(one.certificate), "key": str(one.key)} for one in job.sites},
        "backends": {
            one.name: {"servers": [job.origin], "tls": {"ca": "internal", "server_name": one.server_name}}
            for one in job.sites
        },
        "sites": {
            one.name: {
                "hostnames": [one.host],
                "public_certificate": one.name,
                "backend": one.name,
                "inspect": ["shared"],
            }
            for one in job.sites
        },
    }
    path = folder / "policy.yaml"
    path.write_text(json.dumps(values))
    return path


def _rules(job: Job) -> Sequence[object]:
    usual = [
        {
            "name": "admin-from-inside-only",
            "when": {"path": {"prefix": ["/admin", "/manage"]}},
            "unless": {"source": ["10.0.0.0/8"]},
            "deny": 403,
        },
        {
            "name": "no-backups-and-dumps",
            "when": {"path": {"suffix": [".bak", ".sql", "~"], "ignore_case": True}},
            "deny": 404,
        },
    ]
    listed = [{"name": rule.name, "when": {"path": {"prefix": list(rule.prefixes)}}, "deny": 403} for rule in job.rules]
    return [*(usual if job.usual else []), *listed]
