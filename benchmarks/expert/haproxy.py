"""HAProxy by hand."""

from __future__ import annotations

from pathlib import Path

from ..load.job import Job, Site
from . import CIPHERS, METHODS, PCRE_TARGET

_CONFIG = """\
global
    log stdout len 65535 format raw local0
    ssl-load-extra-del-ext
    ssl-load-extra-files key
    tune.ssl.cachesize 0
    h2-workaround-bogus-websocket-clients

defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-request 10s
    timeout http-keep-alive 60s
    retries 0
    option dontlognull
    option http-restrict-req-hdr-names delete
    default-server ssl verify required ca-file {ca} ssl-min-ver TLSv1.2 alpn http/1.1 pool-purge-delay 60s

frontend public
    bind 127.0.0.1:{port} ssl crt-list sites.list strict-sni no-tls-tickets ssl-min-ver TLSv1.2 ciphers {ciphers} \
curves X25519:prime256v1:secp384r1 alpn h2,http/1.1
    log global
    log-format '{log}'
    http-request set-var(txn.target) pathq,bytes(0,2048),json(ascii)
    http-request set-var(txn.asked) req.fhdr(host),bytes(0,300),json(ascii)

    # the message, and whose it is
    acl http2 fc_http_major 2
    http-request deny status 400 unless http2 or {{ req.ver 1.1 }}
    http-request deny status 400 unless {{ req.fhdr(host) -m reg '^[A-Za-z0-9._-]*[A-Za-z0-9](?::[0-9]+)?\\z' }}
    http-request set-var(txn.host) req.fhdr(host),host_only,lower
    http-request deny status 421 unless {{ ssl_fc_sni,lower,strcmp(txn.host) eq 0 }}
    http-request deny status 400 if {{ req.fhdr(upgrade) -m found }}
    http-request deny status 400 if {{ req.hdr(connection) -m reg '^(?!(?i:close|keep-alive|te|upgrade|)\\z)' }}
    http-request deny status 400 unless {{ method {methods} }}
    http-request deny status 400 unless http2 or {{ url_beg / }}
    http-request deny status 400 unless {{ pathq -m reg '^{target}' }}

    # the rules
{rules}
    # what the backend is told
    http-request del-header forwarded
    http-request del-header x-forwarded-port
    http-request del-header x-forwarded-client-cert
    http-request del-header connection
    http-request del-header keep-alive
    http-request del-header proxy-connection
    http-request del-header te
    http-request del-header trailer
    http-request del-header http2-settings
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[var(txn.host)]
    http-request set-header Host %[var(txn.host)]
    use_backend %[var(txn.host)]
"""

_LOG = (
    '{"time":"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]","listener":"public","site":"%[ssl_fc_sni,json(ascii)]",'
    '"source":"%[src]","tls_version":"%sslv","host":"%[var(txn.asked)]","method":"%HM","target":"%[var(txn.target)]",'
    '"status":%ST,"rule":"%[var(txn.rule)]","upstream":"%b","upstream_address":"%si:%sp","duration_ms":%Ta}'
)

_USUAL = """\
    http-request set-var(txn.rule) str(admin-from-inside-only) if { path -m reg '^/(?:admin|manage)(?:/|\\z)' } \
!{ src 10.0.0.0/8 }
    http-request deny status 403 if { var(txn.rule) -m found }
    http-request set-var(txn.rule) str(no-backups-and-dumps) if { path -m reg '(?i)(?:[.]bak|[.]sql|~|%7E)\\z' }
    http-request deny status 404 if { var(txn.rule) -m found }
"""

# A prefix ends at a slash or with the path: with a slash behind both, one look-up in a tree of prefixes finds it.
_LISTED = """\
    http-request set-var(txn.rule) path,concat(/),map_beg(rules.map)
    http-request deny status 403 if { var(txn.rule) -m found }
"""


def write(job: Job, folder: Path, port: int) -> None:
    """Files for the job into a folder."""
    rules = (_USUAL if job.usual else "") + (_LISTED if job.rules else "")
    config = _CONFIG.format(
        ca=job.ca,
        port=port,
        ciphers=CIPHERS,
        log=_LOG,
        methods=METHODS.replace("|", " "),
        target=PCRE_TARGET,
        rules=rules,
    )
    text = config + "".join(_backend(job, one) for one in job.sites)
    (folder / "haproxy.cfg").write_text(text)
    (folder / "sites.list").write_text("".join(f"{one.name}.crt {one.host}\n" for one in job.sites))
    for one in job.sites:
        (folder / f"{one.name}.crt").symlink_to(one.certificate)
        (folder / f"{one.name}.key").symlink_to(one.key)
    entries = [f"{prefix}/ {rule.name}\n" for rule in job.rules for prefix in rule.prefixes]
    (folder / "rules.map").write_text("".join(entries))


def _backend(job: Job, one: Site) -> str:
    name = one.server_name
    return (
        f"\nbackend {one.host}\n    server {one.name} {job.origin} sni str({name}) check-sni {name} verifyhost {name}\n"
    )
