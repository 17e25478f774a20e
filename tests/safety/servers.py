"""The three servers, each with the same certificate and the same job, hardened as its own documentation recommends."""
import contextlib, pathlib, socket, subprocess, sys, time

NAMES = ("botgate", "nginx", "haproxy")
TITLES = {"botgate": "botgate", "nginx": "nginx", "haproxy": "HAProxy"}
# As many as each may hold, and how long a client may take for a head and between two parts of a body.
CONNECTIONS, SECONDS = 4096, 5


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def certificates(folder):
    """A CA, and certificates for the host that is tested and for another one."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new, "-days", "30", "-subj", "/CN=botgate safety CA", "-keyout", "ca.key", "-out", "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, hosts in {"bot": "DNS:bot.test,DNS:localhost,IP:127.0.0.1", "other": "DNS:other.test"}.items():
        openssl("req", *new, "-subj", f"/CN={name}.test", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (folder / "extensions").write_text(f"subjectAltName={hosts}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", "extensions", "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)
        (folder / f"{name}-both.pem").write_text((folder / f"{name}.pem").read_text() + (folder / f"{name}.key").read_text())
        (folder / f"{name}-both.pem").chmod(0o600)


class Process:
    """A child process whose output goes to a file; ended by its own id."""

    def __init__(self, command, folder, name):
        self.log = folder / f"{name}.log"
        with self.log.open("w") as log:
            self.child = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=log, stderr=log)

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


@contextlib.contextmanager
def running(botgate, folder, step, backend, names, strict=False):
    """The servers in front of a backend on this port of 127.0.0.1: {name: port}. `strict`: they serve the hosts bot.test and
    other.test and no others, each only to clients that asked for its certificate; else any host."""
    ports = {name: free_port() for name in names}
    admin, place = free_port(), folder / step
    place.mkdir()
    fill = {"admin": admin, "backend": backend, "folder": folder, "place": place, "cap": CONNECTIONS, "seconds": SECONDS,
            "host": "", "sni": "", "names": "server_name _;", "reject": "", "deny": ""}
    if strict:
        fill["host"], fill["sni"], fill["names"] = 'host = "bot.test"\n', "strict-sni", "server_name bot.test;"
        fill["reject"], fill["deny"] = NGINX_REJECT, HAPROXY_DENY
    commands = {
        "botgate": [botgate, "run", "--config", "botgate.toml"],
        "nginx": ["nginx", "-p", place, "-c", "nginx.conf"],
        "haproxy": ["haproxy", "-f", "haproxy.cfg"],
    }
    files = {"botgate": ("botgate.toml", GATE), "nginx": ("nginx.conf", NGINX), "haproxy": ("haproxy.cfg", HAPROXY)}
    processes = []
    try:
        for name, port in ports.items():
            file, text = files[name]
            reject = fill["reject"].replace("{port}", str(port))
            (place / file).write_text(text.format(port=port, **{**fill, "reject": reject}))
            processes.append(Process(commands[name], place, name))
        for port in ports.values():
            wait_for(port)
        # botgate serves at once, but is ready only after its first round of probes.
        time.sleep(0.5)
        yield ports
    finally:
        for process in reversed(processes):
            process.stop()


GATE = """workers = 2
shutdown_grace = "1s"
state_dir = "{place}/state"
[[listener]]
bind = "127.0.0.1:{port}"
certificates = [{{ chain = "{folder}/bot.pem", key = "{folder}/bot.key" }}, {{ chain = "{folder}/other.pem", key = "{folder}/other.key" }}]
max_connections = {cap}
header_timeout = "{seconds}s"
body_timeout = "{seconds}s"
[admin]
bind = "127.0.0.1:{admin}"
[[route]]
{host}pool = "all"
[[route]]
host = "other.test"
pool = "all"
[[pool]]
name = "all"
kind = "http"
probe = false
[[pool.backend]]
name = "one"
url = "http://127.0.0.1:{backend}"
"""

# TLS: Mozilla's intermediate settings. Time-outs: what nginx's own page on slow attacks recommends. A default server that
# refuses names that are not served; the check of Host against the name that TLS was made for.
NGINX = """worker_processes 2; daemon off; pid {place}/nginx.pid; error_log {place}/nginx-error.log;
events {{ worker_connections {cap}; }}
http {{
  access_log off; server_tokens off;
  client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  client_header_timeout {seconds}s; client_body_timeout {seconds}s; send_timeout {seconds}s; keepalive_timeout 75s;
  client_max_body_size 10m; reset_timedout_connection on;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers off; ssl_session_tickets off; ssl_session_cache shared:s:10m;
  ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  map $ssl_server_name $own {{ '' $host; default $ssl_server_name; }}
  upstream all {{ server 127.0.0.1:{backend}; keepalive 128; }}
  {reject}
  server {{
    listen 127.0.0.1:{port} ssl http2; {names}
    ssl_certificate {folder}/bot.pem; ssl_certificate_key {folder}/bot.key;
    if ($own != $host) {{ return 421; }}
    location / {{
      proxy_pass http://all; proxy_http_version 1.1; proxy_read_timeout 3600s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host 127.0.0.1:{backend}; proxy_set_header Forwarded ""; proxy_set_header Proxy "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-Port $server_port;
    }}
  }}
}}
"""

NGINX_REJECT = """server { listen 127.0.0.1:{port} ssl http2 default_server; ssl_reject_handshake on; return 421; }
  server {
    listen 127.0.0.1:{port} ssl http2; server_name other.test;
    ssl_certificate ../other.pem; ssl_certificate_key ../other.key;
    if ($own != $host) { return 421; }
    location / { proxy_pass http://all; }
  }"""

# TLS: Mozilla's intermediate settings. `timeout http-request` with buffered requests is what HAProxy's manual names against
# slow heads and bodies; strict-sni and the check of Host against SNI against other names.
HAPROXY = """global
  nbthread 2
  maxconn {cap}
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets prefer-client-ciphers
  ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
defaults
  mode http
  maxconn {cap}
  option http-buffer-request
  timeout http-request {seconds}s
  timeout connect 2s
  timeout client 30s
  timeout http-keep-alive 75s
  timeout server 30s
  timeout tunnel 1h
frontend front
  bind 127.0.0.1:{port} ssl crt {folder}/bot-both.pem crt {folder}/other-both.pem {sni} alpn h2,http/1.1
{deny}
  http-request del-header x-forwarded-for
  http-request del-header x_forwarded_for
  http-request del-header forwarded
  http-request del-header proxy
  http-request set-header x-forwarded-proto https
  http-request set-header x-forwarded-host %[req.hdr(host)]
  http-request set-header host 127.0.0.1:{backend}
  http-request set-header x-forwarded-port {port}
  default_backend all
backend all
  option forwardfor
  http-reuse safe
  server one 127.0.0.1:{backend}
"""

HAPROXY_DENY = """  http-request set-var(txn.host) req.hdr(host),host_only,lower
  http-request deny deny_status 421 unless { ssl_fc_sni,lower,strcmp(txn.host) eq 0 }
  http-request deny deny_status 405 if METH_CONNECT or METH_TRACE"""
