"""HAProxy, from Debian."""
import signal

import processes
from .base import Proxy


class Haproxy(Proxy):
    name, title = "haproxy", "HAProxy"
    told = ("`backup`, checks `/healthz` every 1 s, `fall 2 rise 2 fastinter 100ms`, `observe layer7 error-limit 5 on-error sudden-death`, "
            "`retries 3`, `option redispatch 1`, `retry-on all-retryable-errors` (POSTs too), `timeout server 5s`. Reload: SIGUSR2 to the "
            "master. Restart: a new one with `-x` and `-sf`")

    def configure(self):
        self.write("haproxy.cfg", CONFIG.format(
            place=self.place, site=self.site.folder, port=self.port, first=self.first, second=self.second, queue=self.generation % 2 + 5))

    def command(self):
        return [self.program, "-W", "-f", "haproxy.cfg"]

    def reload(self):
        before = set(processes.tree(self.pid))
        self.generation += 1
        self.configure()
        processes.send(self.pid, signal.SIGUSR2)
        processes.wait_until("HAProxy has a new worker", lambda: set(processes.tree(self.pid)) - before)

    def replace(self):
        old, pids = self.process, processes.tree(self.pid)
        self.process = self.spawn([*self.command(), "-x", self.place / "stats", "-sf", *pids])
        self.old = old
        processes.wait_until("the new HAProxy has a worker", lambda: len(processes.tree(self.pid)) >= 2)
        for pid in pids:    # A master passes nothing on by itself when another one asks its worker to leave.
            processes.send(pid, signal.SIGUSR1)

    def stop(self):
        super().stop()
        if hasattr(self, "old"):
            self.old.stop()


CONFIG = """global
  nbthread 2
  maxconn 9000
  hard-stop-after 5s
  stats socket {place}/stats mode 600 level admin expose-fd listeners
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 1s
  timeout client 300s
  timeout server 5s
  timeout check 1s
  timeout queue {queue}s
  timeout tunnel 300s
  timeout http-keep-alive 300s
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
frontend front
  bind 127.0.0.1:{port} ssl crt {site}/both.pem alpn h2,http/1.1 backlog 4096
  http-request set-header X-Forwarded-Proto https
  default_backend bot
backend bot
  option forwardfor
  option httpchk GET /healthz
  http-reuse always
  default-server check inter 1s fall 2 rise 2 fastinter 100ms observe layer7 error-limit 5 on-error sudden-death pool-max-conn 128
  server westeurope 127.0.0.1:{first}
  server northeurope 127.0.0.1:{second} backup
"""
