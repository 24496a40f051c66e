"""
## What it does
A backend has a setting for TLS or HTTP towards it, and is reached by sites with `decrypt: false` only.

## Why it is bad
What is passed through is the visitor's own connection: nobody but the server sees what is in it. The setting is in
no output, and above all `tls` looks as if the server were verified.

## Example
```yaml
backends:
  app:
    servers: [192.0.2.10:443]
    tls: {ca: internal, server_name: app.example.internal}
public_certificates: {}
inspection_rules: {}
sites:
  shop: {hostnames: [shop.example.com], decrypt: false, backend: app}
```

## Use instead
Remove the setting. With `health` only a connection is made: its times, `rise` and `fall` hold, `path` and `expect`
do not; `path` cannot be left out, so accept the finding there.
```yaml
backend_cas: {}
backends:
  app: {servers: [192.0.2.10:443]}
public_certificates: {}
inspection_rules: {}
sites:
  shop: {hostnames: [shop.example.com], decrypt: false, backend: app}
```

## Targets
All.

## References
https://www.rfc-editor.org/rfc/rfc6066#section-3
"""

from __future__ import annotations

from collections.abc import Iterator

from ...diagnostics import Diagnostic, Location, Path, Severity, rule
from .. import Context

_NEED_DECRYPTION = {
    ("tls",): "visitor and server make the TLS between them",
    ("protocol",): "visitor and server agree on the protocol",
    ("host_header",): "the Host header is the visitor's own",
    ("timeouts", "response"): "where a response begins cannot be seen; `idle` holds",
    ("health", "path"): "a check is a connection only",
    ("health", "expect"): "a check is a connection only",
}


@rule("setting-without-decryption", Severity.WARNING)
def setting_without_decryption(context: Context) -> Iterator[Diagnostic]:
    policy = context.policy
    decrypted = {
        name
        for site in policy.sites.values()
        if site.decrypt
        for name in (site.backend, *(route.backend for route in site.routes))
    }
    passed = {site.backend: name for name, site in policy.sites.items() if not site.decrypt}
    for name, backend in policy.backends.items():
        if name not in passed or name in decrypted:
            continue
        for keys, why in _NEED_DECRYPTION.items():
            part = backend if len(keys) == 1 else getattr(backend, keys[0])
            if part is None or keys[-1] not in part.model_fields_set:
                continue
            path: Path = ("backends", name, *keys)
            yield setting_without_decryption.found(
                f"`{'.'.join(keys)}` does nothing, because TLS to `{name}` is passed through: {why}",
                Location(path, of="key"),
                related=[Location(("sites", passed[name], "decrypt"))],
                help=["remove it" if keys[0] != "health" else "accept the finding, or remove `health`"],
                sites=[site for site, one in policy.sites.items() if one.backend == name],
                backends=[name],
            )
