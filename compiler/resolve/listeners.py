"""Listeners: sockets, TLS towards visitors, and the sites that are reached there."""

from __future__ import annotations

from collections.abc import Mapping

from ...schemas import policy as written
from ...schemas.values import SocketAddress
from ..diagnostics import Location, Path, declare
from ..features import Feature
from ..plan import Listener, Site, TlsSettings
from ..tls_profiles import ciphers_for, profile
from .part import Part, socket_of

HOSTNAME_TWICE = declare(
    "hostname-claimed-twice",
    """
    ## What it does
    Two sites that are reached on one listener claim the same hostname.

    ## Why it is bad
    Only one of them can answer, and which one would differ from target to target.

    ## Example
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      sale: {hostnames: [www.example.com, shop.example.com], public_certificate: shop, backend: app}
    ```

    ## Use instead
    Remove one, or give the sites different `listeners`.
    ```yaml
    sites:
      shop: {hostnames: [shop.example.com], public_certificate: shop, backend: app, inspect: [web]}
      sale: {hostnames: [www.example.com], public_certificate: shop, backend: app}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://www.rfc-editor.org/rfc/rfc6066#section-3
    """,
)
SOCKET_TWICE = declare(
    "socket-bound-twice",
    """
    ## What it does
    Two listeners, or two entries of one, bind the same address and port.

    ## Why it is bad
    Only one can have it: the proxy does not start, or the second never gets a connection.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], redirect_http: ["0.0.0.0:443"]}
    ```

    ## Use instead
    Remove one, or use another port.
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], redirect_http: ["0.0.0.0:80"]}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS
    """,
)
EMPTY_TLS_RANGE = declare(
    "no-tls-version",
    """
    ## What it does
    `min_version`, `max_version` and the profile together leave no TLS version.

    ## Why it is bad
    Every handshake would be refused.

    ## Example
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], tls: {profile: modern, max_version: "1.2"}}
    ```

    ## Use instead
    Set both, or choose another profile.
    ```yaml
    listeners:
      public: {bind: ["0.0.0.0:443"], tls: {profile: intermediate, max_version: "1.2"}}
    ```

    ## Targets
    All: it is found before any target is looked at.

    ## References
    https://wiki.mozilla.org/Security/Server_Side_TLS
    """,
)


class Listeners(Part):
    """Resolves them, once the sites are."""

    def sockets_once(self) -> None:
        """That no two bind the same socket."""
        bound: dict[SocketAddress, Path] = {}
        for name, listener in self.policy.listeners.items():
            for key, sockets in (("bind", listener.bind), ("redirect_http", listener.redirect_http)):
                for index, socket in enumerate(sockets):
                    path: Path = ("listeners", name, key, index)
                    first = bound.setdefault(socket, path)
                    if first != path:
                        self.findings.append(
                            SOCKET_TWICE.found(
                                f"`{socket_of(socket)}` is bound twice",
                                Location(path, "again here"),
                                related=[Location(first, "first here")],
                                help=["remove one, or use another port"],
                            )
                        )

    def listener(self, name: str, listener: written.Listener, sites: Mapping[str, Site]) -> Listener:
        """One listener."""
        path: Path = ("listeners", name)
        tls = self._tls(listener.tls, (*path, "tls"))
        for feature, key, used in (
            (Feature.HTTP2, "protocols", "h2" in listener.protocols),
            (Feature.HTTP_REDIRECT, "redirect_http", bool(listener.redirect_http)),
            (Feature.TRUSTED_PROXIES, "trusted_proxies", bool(listener.trusted_proxies)),
            (Feature.PROXY_PROTOCOL, "proxy_protocol", listener.proxy_protocol),
        ):
            if used:
                self.use(feature, (*path, key))
        return Listener(
            name=name,
            path=path,
            binds=tuple(socket_of(socket) for socket in listener.bind),
            redirect_http=tuple(socket_of(socket) for socket in listener.redirect_http),
            tls=tls,
            protocols=tuple(dict.fromkeys(listener.protocols)),
            trusted_proxies=tuple(listener.trusted_proxies),
            proxy_protocol=listener.proxy_protocol,
            sites=tuple(site for key, site in sites.items() if name in self._listeners_of(self.policy.sites[key])),
        )

    def _tls(self, tls: written.ListenerTls, path: Path) -> TlsSettings:
        base = profile(tls.profile)
        feature = {
            "modern": Feature.TLS_MODERN,
            "intermediate": Feature.TLS_INTERMEDIATE,
            "old": Feature.TLS_OLD,
        }
        self.use(feature[tls.profile], (*path, "profile"))
        low, high = tls.min_version or base.min_version, tls.max_version or base.max_version
        if (low, high) != (base.min_version, base.max_version):
            self.use(Feature.TLS_VERSIONS, path)
        if low > high:
            self.findings.append(
                EMPTY_TLS_RANGE.found(
                    f"no TLS version is left: at least {low}, at most {high}",
                    path,
                    help=[f"the profile `{tls.profile}` has {base.min_version} to {base.max_version}"],
                )
            )
        return TlsSettings(base.profile, base.guideline, low, high, ciphers_for(base, low), base.curves)

    def _listeners_of(self, site: written.Site) -> list[str]:
        return site.listeners if site.listeners is not None else list(self.policy.listeners)

    def hostnames_once(self) -> None:
        """That on each listener no two sites claim the same hostname."""
        claimed: dict[tuple[str, str], Path] = {}
        for name, site in self.policy.sites.items():
            for index, text in enumerate(site.hostnames):
                path: Path = ("sites", name, "hostnames", index)
                for listener in self._listeners_of(site):
                    first = claimed.setdefault((listener, text), path)
                    if first == path:
                        continue
                    same = first[1] == name
                    self.findings.append(
                        HOSTNAME_TWICE.found(
                            f"`{text}` stands twice in this site"
                            if same
                            else f"`{text}` is claimed by the sites `{first[1]}` and `{name}`",
                            Location(path, "again here"),
                            related=[Location(first, "first here")],
                            help=[
                                "remove one of the two" + ("" if same else ", or give the sites different `listeners`")
                            ],
                        )
                    )
                    break
