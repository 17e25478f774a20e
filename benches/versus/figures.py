"""The figures of a run: what they are called, in what unit, and what is asked of botgate."""
import dataclasses

FAULTS = {"kill": "SIGKILL", "hang": "SIGSTOP", "reset": "every connection reset", "503": "status 503", "slow": "answers after 2 s"}
CHANGES = {"reload": "reload, three times", "restart": "restart"}


@dataclasses.dataclass
class Figure:
    key: str
    title: str
    unit: str
    goal: float = None          # most that botgate's ratio to the best peer may be
    limit: float = None         # most that botgate's own figure may be
    more_is_better: bool = False
    own: str = "botgate"        # which instance of botgate
    peers_key: str = None       # the peers' figure that it is held against, where it is another


def fault_figures():
    limits = {"kill": (0, 50), "hang": (0, 2000)}
    for name, title in {**FAULTS, **CHANGES}.items():
        failed, longest = limits.get(name, (None, None))
        yield Figure(f"{name} failed", f"{title}: failed requests", "", limit=failed, own="botgate-kit")
        yield Figure(f"{name} longest", f"{title}: longest wait", "ms", limit=longest, own="botgate-kit")
        yield Figure(f"{name} until", f"{title}: until all succeed within 0.5 s", "ms", own="botgate-kit")
        if name in CHANGES:
            yield Figure(f"{name} resent", f"{title}: sent again by the client", "", own="botgate-kit")


FIGURES = [
    Figure("h1 cpu", "CPU per request, HTTP/1.1", "µs", goal=0.75),
    Figure("tokens cpu", 'the same with `kind = "bot"`, every token checked, every activity remembered', "µs", goal=1.0,
           own="botgate-tokens", peers_key="h1 cpu"),
    Figure("h2 cpu", "CPU per request, HTTP/2", "µs", goal=0.85),
    Figure("h1 rate", "requests per second, HTTP/1.1", "/s", more_is_better=True),
    Figure("h2 rate", "requests per second, HTTP/2", "/s", more_is_better=True),
    Figure("h1 p50", "p50 with 64 clients", "ms"),
    Figure("h1 p99", "p99 with 64 clients", "ms"),
    Figure("steady p50", "p50 at a fixed rate", "ms"),
    Figure("steady p99", "p99 at a fixed rate", "ms", goal=1.0),
    Figure("full cpu", "CPU per full handshake, and one GET", "µs", goal=0.50),
    Figure("resumed cpu", "CPU per resumed handshake, and one GET", "µs"),
    Figure("down cpu", "CPU per MiB, responses of 1 MiB", "µs", goal=0.70),
    Figure("up cpu", "CPU per MiB, requests of 1 MiB", "µs"),
    Figure("echo cpu", "CPU per WebSocket message, there and back", "µs"),
    Figure("idle", "memory per idle TLS connection", "KiB", goal=1.0),
    Figure("start", "resident memory at start", "MiB", goal=1.0),
    *fault_figures(),
]
BY_KEY = {figure.key: figure for figure in FIGURES}
