"""The policy that `policyc init` writes: small, complete, every line explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..schemas.target import TargetSettings
from .features import Feature
from .target import Target, UnusableTarget
from .validate import default_settings

FEATURES = frozenset(
    {
        Feature.SNI_REFUSAL,
        Feature.HOST_CHECK,
        Feature.NORMAL_FORM,
        Feature.FORWARDING_HEADERS,
        Feature.TLS_INTERMEDIATE,
        Feature.HTTP2,
        Feature.HTTP_REDIRECT,
        Feature.VERIFY_FULL,
        Feature.MATCH_PATH,
        Feature.MATCH_SOURCE,
        Feature.DENY,
        Feature.ACCESS_LOG,
    }
)
"""What it asks of a target. A test compares this with what the resolved policy uses."""

_TEXT = """\
# yaml-language-server: $schema={schema}
#
# A policy for a TLS edge: what visitors see, what stands behind, and what is refused on the way. Names such as `shop`
# are yours. The line above makes editors explain and complete every key.
#
#   policyc lint {file}     what is wrong with it, and what to do about that
#   policyc explain RULE{gap}     more about a finding
#   policyc build {file}    writes build/TARGET/, with a README on how to install it

version: 1
name: edge                                # prefix of generated names

listeners:                                # where visitors connect
  public:
    bind: ["0.0.0.0:443", "[::]:443"]
    redirect_http: ["0.0.0.0:80", "[::]:80"]   # answers 308 to https
    tls: {{profile: intermediate}}          # Mozilla's guideline; `modern` takes TLS 1.3 only

public_certificates:                      # what visitors are shown
  shop:
    cert: certs/shop-fullchain.pem        # PEM, relative to this file: the leaf first, then its intermediates
    key: certs/shop.key                   # is compared with the leaf, and copied only by `build --keys copy`

backend_cas:                              # whom the edge trusts behind it; `system` needs no entry here
  internal-pki:
    ca: certs/internal-ca.pem

backends:                                 # the servers behind the edge
  shop:
    servers: ["192.0.2.10:443"]
    tls:                                  # `tls: false` for plaintext: that is a finding until somebody accepts it
      ca: internal-pki
      server_name: shop.internal          # SNI, and the name that the server's certificate must carry
      # certificate: certs/shop-internal.pem   # its certificate, where you have it: lint then checks it against the CA

inspection_rules:                         # first to last; a request that no rule ends passes
  public-web:
    - name: admin-from-inside-only
      when: {{path: {{prefix: /admin}}}}      # covers /admin and /admin/x, not /administrator
      unless: {{source: [10.0.0.0/8, "2001:db8::/32"]}}
      deny: 403
    - name: no-backups
      when: {{path: {{suffix: [.bak, .sql, "~"], ignore_case: true}}}}
      deny: 404

sites:                                    # the hostnames that visitors reach; all others are refused
  shop:
    hostnames: [shop.example.com]         # `*.example.com` covers exactly one label
    public_certificate: shop
    backend: shop
    inspect: [public-web]

targets:                                  # for what, in which version; `policyc targets` shows what each can do
{targets}
# accept:                                 # findings that you decided to live with, and why
#   - {{finding: certificate-expires-soon, sites: [shop], reason: "renewed every week"}}
"""


def starter(
    targets: Mapping[str, Target[TargetSettings]], chosen: Sequence[str], schema: str, file: str = "policy.yaml"
) -> str:
    """The policy's text for the chosen targets; by default, for all that can do what it asks.

    `schema` is where an editor finds the JSON Schema, seen from the policy's folder.
    """
    lines: list[str] = []
    for name in targets:
        try:
            target = targets[name]
        except UnusableTarget:
            if name in chosen:
                raise
            continue  # a broken plug-in is in nobody's way who does not use it
        settings = default_settings(target)
        able = all(target.support(settings)[feature].honoured_by(settings.version) for feature in FEATURES)
        line = f'{name}: {{version: "{settings.version}"}}'
        if name in chosen or (not chosen and able):
            lines.append(f"  {line}")
        else:
            why = "" if able else f"   # cannot do all of the above: policyc lint --target {name} says what"
            lines.append(f"  # {line}{why}")
    active = any(not line.startswith("  #") for line in lines)
    listed = "".join(f"{line}\n" for line in lines)
    gap = " " * (len(file) - len("RULE") - len("explain") + len("lint"))
    return _TEXT.format(schema=schema, file=file, gap=gap, targets=listed if active else "  {}\n" + listed)
