"""What sites and backends ask for and nginx does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ....compiler.diagnostics import Diagnostic, Severity, rule
from ....compiler.features import version_key
from ....compiler.plan import Balance, Plan, Verify
from ..forwarding import LOCATIONS_LIMIT, location_count
from ..support import Settings


@rule("nginx-method", acceptable=False)
def method(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site takes a method that nginx refuses before anything else: TRACE, CONNECT, and those with other characters than
    capital letters, `-` and `_`.

    ## Why it is bad
    Its requests get 405 or 400.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
        methods: [TRACE]
    ```

    ## Use instead
    The other methods: leave this one out, or build the site for another target.

    ## Targets
    nginx, all versions.

    ## References
    https://www.rfc-editor.org/rfc/rfc9110#section-9.1
    """
    for site in plan.sites:
        for one in site.methods:
            if one in ("TRACE", "CONNECT") or not re.fullmatch("[A-Z_-]+", one):
                yield method.found(
                    f"nginx refuses `{one}` before rules are looked at",
                    (*site.path, "methods"),
                    target="nginx",
                    help=["remove it"],
                    sites=[site.name],
                )


@rule("nginx-first-upgrade-line", Severity.INFO)
def first_upgrade_line(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A site lets WebSockets pass, and the version is below 1.23.

    ## Why it is bad
    nginx sees only the first of several `Upgrade` lines before 1.23. A request that asks for a WebSocket first and for
    something else then is taken for a WebSocket, where others answer 400. The backend is asked for a WebSocket only.

    ## Example
    ```yaml
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
        websocket: true
    targets:
      nginx: {version: "1.22"}
    ```

    ## Use instead
    nginx 1.23, where it matters.

    ## Targets
    nginx before 1.23.

    ## References
    https://nginx.org/en/CHANGES (1.23.0)
    """
    if version_key(settings.version) >= (1, 23):
        return
    for site in plan.sites:
        if site.websocket:
            yield first_upgrade_line.found(
                f"nginx {settings.version} looks at the first of several `Upgrade` lines only",
                (*site.path, "websocket"),
                target="nginx",
                help=["nothing, or nginx 1.23: the backend is asked for a WebSocket only"],
                sites=[site.name],
            )


@rule("nginx-chain-with-crl", acceptable=False)
def chain_with_crl(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend's chain is verified without its name, and against revocation lists.

    ## Why it is bad
    nginx looks at revocation lists only where it verifies the name as well.

    ## Example
    ```yaml
    backend_cas:
      internal: {ca: certs/internal-ca.pem, crl: certs/internal-ca.crl}
    backends:
      app:
        servers: [192.0.2.10:443]
        tls: {ca: internal, verify: chain}
    ```

    ## Use instead
    `verify: full` with a `server_name`.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ssl_crl
    """
    for backend in plan.backends:
        tls = backend.tls
        if tls and tls.verify is Verify.CHAIN and tls.anchors and tls.anchors.crl_pem:
            yield chain_with_crl.found(
                "nginx looks at revocation lists only where it verifies the backend's name",
                (*tls.path, "verify"),
                target="nginx",
                help=["use `verify: full`, with the `server_name` that the certificate carries"],
                backends=[backend.name],
            )


@rule("nginx-backup-with-source-hash", acceptable=False)
def backup_with_source_hash(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    A backend with `balance: source_hash` has a backup server.

    ## Why it is bad
    nginx refuses to start: its `hash` knows no backup servers.

    ## Example
    ```yaml
    backends:
      app:
        servers: ["192.0.2.10:443", {address: "192.0.2.11:443", backup: true}]
        tls: {ca: internal, server_name: app.example.internal}
        balance: source_hash
    ```

    ## Use instead
    Another way to balance, or a server that takes its share.
    ```yaml
    backends:
      app:
        servers: ["192.0.2.10:443", {address: "192.0.2.11:443", backup: true}]
        tls: {ca: internal, server_name: app.example.internal}
        balance: least_connections
    ```

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server
    """
    for backend in {id(one.backend): one.backend for one in plan.upstreams}.values():
        if backend.balance is Balance.SOURCE_HASH and any(server.backup for server in backend.servers):
            yield backup_with_source_hash.found(
                f"nginx has no backup servers where it balances by source, as for `{backend.name}`",
                (*backend.path, "balance"),
                target="nginx",
                help=["balance in another way, or let the backup server take its share"],
                backends=[backend.name],
            )


@rule("nginx-too-many-locations", acceptable=False)
def too_many_locations(plan: Plan, settings: Settings) -> Iterator[Diagnostic]:
    """
    ## What it does
    The requests of a site can differ behind its rules in more than 512 ways: by backend, by the sets of headers that
    rules remove or set under a condition, and by the limit of their bodies. Each set of headers doubles the number.

    ## Why it is bad
    nginx needs a location for each way, and looks for them one by one.

    ## Example
    ```yaml
    inspection_rules:
      web:
        - {when: {path: {prefix: /1}}, response_headers: {remove: [X-1]}}
        - {when: {path: {prefix: /2}}, response_headers: {remove: [X-2]}}
        - {when: {path: {prefix: /3}}, response_headers: {remove: [X-3]}}
        - {when: {path: {prefix: /4}}, response_headers: {remove: [X-4]}}
        - {when: {path: {prefix: /5}}, response_headers: {remove: [X-5]}}
        - {when: {path: {prefix: /6}}, response_headers: {remove: [X-6]}}
        - {when: {path: {prefix: /7}}, response_headers: {remove: [X-7]}}
        - {when: {path: {prefix: /8}}, response_headers: {remove: [X-8]}}
        - {when: {path: {prefix: /9}}, response_headers: {remove: [X-9]}}
        - {when: {path: {prefix: /10}}, response_headers: {remove: [X-10]}}
    sites:
      shop:
        hostnames: [shop.example.com]
        public_certificate: shop
        backend: app
        inspect: [web]
    ```

    ## Use instead
    Rules that set or remove the same headers, rules without conditions, fewer limits; or several sites.

    ## Targets
    nginx, all versions.

    ## References
    https://nginx.org/en/docs/http/ngx_http_core_module.html#location
    """
    for site in plan.sites:
        if not site.decrypt:
            continue
        found = location_count(site, settings)
        if found > LOCATIONS_LIMIT:
            yield too_many_locations.found(
                f"the requests of `{site.name}` can differ in {found} ways, and {LOCATIONS_LIMIT} is the most",
                (*site.path, "inspect"),
                target="nginx",
                help=["edit the same headers in fewer different rules, or make several sites of it"],
                sites=[site.name],
            )
