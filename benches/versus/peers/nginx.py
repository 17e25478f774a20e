"""nginx, from Debian."""
import signal, subprocess, time

import processes
from .base import Proxy


class Nginx(Proxy):
    name, title = "nginx", "nginx"
    told = ("`backup`, `max_fails=2 fail_timeout=5s` (it has no active checks), `proxy_next_upstream error timeout http_502 http_503 "
            "http_504 non_idempotent`, `proxy_read_timeout 5s`; bodies stream (`proxy_request_buffering off`) on the path of the "
            "uploads. Reload: SIGHUP. Restart: SIGUSR2, then SIGQUIT to the old one")

    def configure(self):
        self.write("nginx.conf", CONFIG.format(
            place=self.place, site=self.site.folder, port=self.port, first=self.first, second=self.second, retry=self.generation % 2 + 5))

    def command(self):
        return [self.program, "-p", self.place, "-c", "nginx.conf"]

    def spawn(self, command):
        # In the foreground it refuses to be replaced: it becomes a daemon, and is known by its pid from then on.
        subprocess.run([str(word) for word in command], cwd=self.place, check=True)
        file = self.place / "nginx.pid"
        processes.wait_until("nginx has written its pid", lambda: file.exists() and file.read_text().strip())
        return processes.Adopted(int(file.read_text()), self.name)

    def workers(self):
        return set(processes.tree(self.pid)) - {self.pid}

    def reload(self):
        before = self.workers()
        self.generation += 1
        self.configure()
        processes.send(self.pid, signal.SIGHUP)
        processes.wait_until("nginx has new workers", lambda: len(self.workers() - before) >= 2)

    def replace(self):
        old = self.pid
        processes.send(old, signal.SIGUSR2)
        file = self.place / "nginx.pid"
        processes.wait_until("the new nginx has written its pid",
                             lambda: file.exists() and file.read_text().strip() not in ("", str(old)))
        new = processes.Adopted(int(file.read_text()), self.name)
        processes.wait_until("the new nginx has workers", lambda: len(processes.tree(new.pid)) >= 3)
        time.sleep(0.2)
        processes.send(old, signal.SIGQUIT)
        self.old, self.process = self.process, new

    def stop(self):
        super().stop()
        if hasattr(self, "old"):
            self.old.stop()


CONFIG = """worker_processes 2; pid {place}/nginx.pid; error_log {place}/error.log;
worker_shutdown_timeout 5s;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p;
  fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  client_max_body_size 10m;
  upstream bot {{
    server 127.0.0.1:{first} max_fails=2 fail_timeout={retry}s; server 127.0.0.1:{second} backup;
    keepalive 128; keepalive_requests 1000000000;
  }}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 reuseport backlog=4096; keepalive_requests 1000000000; keepalive_timeout 300s;
    ssl_certificate {site}/chain.pem; ssl_certificate_key {site}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:versus:10m;
    proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_connect_timeout 1s; proxy_read_timeout 5s; proxy_send_timeout 5s;
    proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent; proxy_next_upstream_tries 2;
    proxy_buffer_size 16k; proxy_buffers 8 16k; proxy_max_temp_file_size 0;
    location / {{ proxy_pass http://bot; }}
    location /up {{ proxy_pass http://bot; proxy_request_buffering off; }}
    location /echo {{ proxy_pass http://bot; proxy_read_timeout 300s; }}
  }}
}}
"""
