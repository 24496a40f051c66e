"""nginx by hand."""

from __future__ import annotations

from pathlib import Path

from ..load.job import Job, Site
from . import CIPHERS, METHODS, PCRE_TARGET

_CONFIG = """\
worker_processes auto;
pid nginx.pid;
error_log stderr warn;
pcre_jit on;  # what must match has no loop that needs its small stack, and where one overflows nothing matches: 400
events {{ worker_connections 4096; }}
http {{
    log_format json escape=json '{log}';
    access_log access.log json;
    default_type text/plain;
    server_tokens off;
    client_body_temp_path client_body_temp;
    proxy_temp_path proxy_temp;
    fastcgi_temp_path fastcgi_temp;
    uwsgi_temp_path uwsgi_temp;
    scgi_temp_path scgi_temp;
    server_names_hash_max_size {names};
    server_names_hash_bucket_size 128;
    map_hash_max_size {entries};
    map_hash_bucket_size 128;
    merge_slashes off;
    large_client_header_buffers 4 16k;
    client_max_body_size 0;
    client_header_timeout 10s;
    keepalive_timeout 60s;

    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers {ciphers};
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_prefer_server_ciphers off;
    ssl_session_cache off;
    ssl_session_tickets off;
    ssl_conf_command NumTickets 0;

    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_buffer_size 16k;
    proxy_buffers 8 16k;
    proxy_busy_buffers_size 32k;
    proxy_redirect off;
    proxy_connect_timeout 5s;
    proxy_pass_header Server;
    proxy_pass_header Date;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Client-Cert "";
    proxy_set_header Forwarded "";
    proxy_set_header Connection "";
    proxy_set_header Upgrade "";
    proxy_set_header Keep-Alive "";
    proxy_set_header Proxy-Connection "";
    proxy_set_header TE "";
    proxy_set_header Trailer "";
    proxy_set_header HTTP2-Settings "";
    proxy_set_header Expect "";
    proxy_ssl_server_name on;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 10;
    proxy_ssl_trusted_certificate {ca};

    map "$request $http_host" $bad_message {{
        default 1;
        "~^[^ ]+ /[^ ]* HTTP/(?:1[.]1|2[.]0) [A-Za-z0-9._-]*[A-Za-z0-9](?::[0-9]+)?\\z" "";
    }}
    map "$ssl_server_name|$host" $misdirected {{ default 1; "~*^([^|]+)[|]\\1\\z" ""; }}
    map "$http_upgrade|$http_connection" $bad_connection {{
        default 1;
        "|" "";
        "|close" "";
        "|keep-alive" "";
        "~*^[|](?:[ \\t,]|(?:close|keep-alive|te|upgrade)(?=[ \\t,]|\\z))*+\\z" "";
    }}
    map "$request_method $request_uri" $bad_form {{
        default 1;
        "~^(?:{methods}) {target}" $bad_connection;
    }}
{maps}
    server {{ listen 127.0.0.1:{port} ssl http2 default_server; ssl_reject_handshake on; return 421; }}
"""

_LOG = (
    '{"time":"$time_iso8601","listener":"public","site":"$server_name","source":"$remote_addr",'
    '"sni":"$ssl_server_name","tls_version":"$ssl_protocol","host":"$http_host","method":"$request_method",'
    '"target":"$request_uri","status":$status,"rule":"$rule","upstream":"$proxy_host",'
    '"upstream_address":"$upstream_addr","duration":"$request_time"}'
)

_USUAL = """
    geo $inside { default ""; 10.0.0.0/8 1; }
    map $request_uri $dump_rule { default ""; "~*^[^?]*(?:[.]bak|[.]sql|~|%7E)(?:[?]|\\z)" no-backups-and-dumps; }
    map $inside $admin_rule { default admin-from-inside-only; 1 $dump_rule; }
    map $request_uri $rule { default $dump_rule; "~^/(?:admin|manage)(?:[/?]|\\z)" $admin_rule; }
"""

# The first segments, the first two and the first three of a path are each looked up in a hash.
_LISTED = """
    map $request_uri $segments {{ default ""; "~^(?<one>/[^/?]*)(?<two>/[^/?]*)?(?<three>/[^/?]*)?" 1; }}
    map $one $rule_of_one {{
        default "";
{one}    }}
    map $one$two $rule_of_two {{
        default $rule_of_one;
{two}    }}
    map $one$two$three $rule_of_three {{
        default $rule_of_two;
{three}    }}
    map $segments $rule {{ default ""; 1 $rule_of_three; }}
"""

_SERVER = """
    upstream {name} {{ server {origin}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        server_name {host};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        if ($bad_message) {{ return 400; }}
        if ($misdirected) {{ return 421; }}
        if ($bad_form) {{ return 400; }}
{rules}        location / {{ proxy_pass https://{name}; proxy_ssl_name {server_name}; }}
    }}
"""
_DENY = """\
        if ($rule = no-backups-and-dumps) { return 404; }
        if ($rule) { return 403; }
"""


def write(job: Job, folder: Path, port: int) -> None:
    """Files for the job into a folder."""
    entries = sum(len(rule.prefixes) for rule in job.rules)
    text = _CONFIG.format(
        log=_LOG,
        ca=job.ca,
        port=port,
        ciphers=CIPHERS,
        methods=METHODS,
        target=PCRE_TARGET.replace("\\", "\\\\"),
        names=max(1024, 2 * len(job.sites)),
        entries=max(2048, 2 * entries),
        maps=(_USUAL if job.usual else "") + (_maps(job) if job.rules else ""),
    )
    text += "".join(_server(job, one, port) for one in job.sites) + "}\n"
    (folder / "nginx.conf").write_text(text)


def _maps(job: Job) -> str:
    deep: dict[int, list[str]] = {1: [], 2: [], 3: []}
    for rule in job.rules:
        for prefix in rule.prefixes:
            deep[prefix.count("/")].append(f"        {prefix} {rule.name};\n")
    return _LISTED.format(one="".join(deep[1]), two="".join(deep[2]), three="".join(deep[3]))


def _server(job: Job, one: Site, port: int) -> str:
    return _SERVER.format(
        name=one.name,
        origin=job.origin,
        port=port,
        host=one.host,
        certificate=one.certificate,
        key=one.key,
        server_name=one.server_name,
        rules=_DENY if job.usual or job.rules else "",
    )
