"""botgate: everything at its defaults. Three instances, for three kinds of pool."""
import json, urllib.request

import processes, scene, tokens
from .base import Proxy


class Botgate(Proxy):
    """`kind = "http"`: the job that every proxy has."""

    name, title = "botgate", "botgate"
    told = ("everything at its defaults, probes too (2 s, timeout 1 s, 2 failures). Failover, reload and restart: `kind = \"bot\"`, "
            "with its guard and its ledger, which knows activities by their id. Reload: `POST /api/v1/reload`. Restart: `run --handover`, then SIGTERM to the first")
    pool = 'kind = "http"'

    def configure(self):
        self.write("botgate.toml", CONFIG.format(
            site=self.site.folder, port=self.port, admin=self.admin, first=self.first, second=self.second, pool=self.pool,
            hold=self.generation % 2 + 60, route=self.route(), caps=self.more.get("caps", "")))

    def route(self):
        return ""

    def command(self):
        return [self.program, "run", "--config", "botgate.toml"]

    def reload(self):
        self.generation += 1
        self.configure()
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin}/api/v1/reload", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def replace(self):
        old, log = self.process, self.place / f"{self.name}.log"
        seen = len(log.read_text())
        self.admin = self.site.port()
        self.configure()
        self.process = self.spawn([*self.command(), "--handover"])
        scene.wait_for_port(self.admin)
        processes.wait_until("the new botgate listens", lambda: "listening" in log.read_text()[seen:].lower())
        old.stop()


class BotgateKit(Botgate):
    """`kind = "bot"`, as the kit has it: the guard reads activities, the ledger remembers them; no tokens."""

    name, title = "botgate-kit", 'botgate, `kind = "bot"`'
    pool = 'kind = "bot"'

    def route(self):
        # The requests that are no activities are those of this run itself: when it asks whether all is well.
        return 'path = "/api/messages"\npool = "bot"\n[[route]]\nguard = false\n'


class BotgateTokens(Botgate):
    """`kind = "bot"` with tokens checked; the ledger has room for every activity of a run, so that each is remembered."""

    name, title = "botgate-tokens", "botgate with token check"
    pool = 'kind = "bot"\nledger = { entries = 2000000 }'

    def route(self):
        guard = f'[route.guard]\napp_ids = ["{tokens.APP}"]\nissuer = "{tokens.ISSUER}"\nmetadata = "{self.site.issuer.url}/metadata"\n'
        return f'path = "/bot"\npool = "bot"\n{guard}[[route]]\nguard = false\n'


CONFIG = """workers = 2
shutdown_grace = "5s"
[[listener]]
bind = "127.0.0.1:{port}"
certificates = [{{ chain = "{site}/chain.pem", key = "{site}/key.pem" }}]
{caps}
[admin]
bind = "127.0.0.1:{admin}"
[[route]]
{route}pool = "bot"
[[pool]]
name = "bot"
{pool}
failback = {{ hold = "{hold}s" }}
[[pool.backend]]
name = "westeurope"
url = "http://127.0.0.1:{first}"
[[pool.backend]]
name = "northeurope"
url = "http://127.0.0.1:{second}"
"""
