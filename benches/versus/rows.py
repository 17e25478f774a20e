"""The loads: each puts one proxy under one load and says what it cost. {row: (instances, function)}"""
import json, re, subprocess, time

import processes
from peers.base import running

CONNECTIONS, HELD = 64, 2000
MIB = 1 << 20


def load(bench, command, proxy, seconds, *more):
    """One command of the load generator; what it counted."""
    words = [bench.site.load, command, "--port", proxy.port, "--certificate", bench.site.folder / "chain.pem", "--seconds", seconds, *more]
    said = subprocess.run([str(word) for word in words], cwd=bench.site.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"{command} against {proxy.name}: {said.stderr.strip()}")
    counted = json.loads(said.stdout)
    if counted.get("failed"):
        processes.complain(f"{command} against {proxy.name}: {counted['failed']} failed {counted.get('reasons', '')}")
    return counted


def cost(proxy, work):
    """CPU microseconds of the proxy while the work went on, and what the work returned."""
    before = proxy.cpu_ns()
    counted = work()
    return (proxy.cpu_ns() - before) / 1e3, counted


def wrk(bench, proxy, seconds, script, path):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", script, f"https://localhost:{proxy.port}{path}"]
    said = subprocess.run(command, cwd=bench.site.folder, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        processes.complain(f"wrk against {proxy.name}: " + " ".join(line.strip() for line in said.splitlines() if "Non-2xx" in line or "errors" in line))
    span = {name: float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]
            for name, number, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", said)}
    return int(re.search(r"(\d+) requests in", said)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), span


def h1(bench, proxy, seconds):
    wrk(bench, proxy, 1, "post.lua", "/api/messages")
    us, (count, rate, span) = cost(proxy, lambda: wrk(bench, proxy, seconds, "post.lua", "/api/messages"))
    return {"h1 cpu": us / count, "h1 rate": rate, "h1 p50": span["50"], "h1 p99": span["99"]}


def tokens(bench, proxy, seconds):
    wrk(bench, proxy, 1, "differ.lua", "/bot")
    us, (count, _, _) = cost(proxy, lambda: wrk(bench, proxy, seconds, "differ.lua", "/bot"))
    return {"tokens cpu": us / count}


def h2load(bench, proxy, seconds):
    authorization = (bench.site.folder / "headers").read_text().strip()
    command = ["h2load", "-t1", "-c16", "-m32", f"-D{seconds}", "-d", "activity-1", "-H", authorization, "-H", "content-type: application/json",
               f"https://localhost:{proxy.port}/api/messages"]
    said = subprocess.run(command, cwd=bench.site.folder, capture_output=True, text=True, check=True).stdout
    good, bad = int(re.search(r"status codes: (\d+) 2xx", said)[1]), re.search(r"(\d+) 4xx, (\d+) 5xx", said)
    if bad and bad.groups() != ("0", "0"):
        processes.complain(f"h2load against {proxy.name}: {bad[0]}")
    return good, good / seconds


def h2(bench, proxy, seconds):
    h2load(bench, proxy, 1)
    us, (count, rate) = cost(proxy, lambda: h2load(bench, proxy, seconds))
    return {"h2 cpu": us / count, "h2 rate": rate}


def steady(bench, proxy, seconds):
    counted = load(bench, "open", proxy, seconds, "--rate", bench.rate(), "--connections", CONNECTIONS,
                   "--body-file", "activity-1", "--headers-file", "headers")
    return {"steady p50": counted["p50_us"] / 1e3, "steady p99": counted["p99_us"] / 1e3}


def handshakes(name, resume):
    def row(bench, proxy, seconds):
        load(bench, "handshakes", proxy, 0.5, "--resume", resume)
        us, counted = cost(proxy, lambda: load(bench, "handshakes", proxy, seconds, "--resume", resume))
        wanted, other = (counted["resumed"], counted["full"]) if resume == "true" else (counted["full"], counted["resumed"])
        # The first of each client has nothing to resume; more than that would be another figure.
        if other > max(16, wanted / 100):
            processes.complain(f"{proxy.name}: {other} handshakes of {wanted + other} were not {name}")
        return {f"{name} cpu": us / max(wanted, 1)}
    return row


def bodies(name, words):
    def row(bench, proxy, seconds):
        words_ = ["--clients", 8, *words]
        load(bench, "closed", proxy, 0.5, *words_)
        us, counted = cost(proxy, lambda: load(bench, "closed", proxy, seconds, *words_))
        return {f"{name} cpu": us / counted["answered"]}
    return row


def echo(bench, proxy, seconds):
    load(bench, "echo", proxy, 0.5)
    us, counted = cost(proxy, lambda: load(bench, "echo", proxy, seconds))
    return {"echo cpu": us / counted["answered"]}


def memory(bench, kind, _):
    """Of an instance of its own: what other loads left in its memory would count."""
    with running(kind, bench.site, bench.backends.ports) as proxy:
        start = proxy.resident()
        load(bench, "closed", proxy, 1, "--body-file", "activity-1", "--headers-file", "headers", "--clients", CONNECTIONS)
        time.sleep(0.5)
        before = proxy.resident()
        with held(bench, proxy, HELD) as count:
            time.sleep(1.5)
            return {"start": start / MIB, "idle": (proxy.resident() - before) / 1024 / count}


class held:
    """Connections that stay open until the end of the block; how many there are."""

    def __init__(self, bench, proxy, connections, source=1):
        words = [bench.site.load, "idle", "--port", proxy.port, "--certificate", bench.site.folder / "chain.pem", "--connections", connections, "--source", source]
        self.process = processes.Process(words, bench.site.folder, f"idle-{proxy.port}", pipes=True)

    def __enter__(self):
        said = json.loads(self.process.child.stdout.readline())
        if said["failed"]:
            processes.complain(f"{said['failed']} connections could not be opened")
        return said["held"]

    def __exit__(self, *_):
        self.process.stop()


ROWS = {
    "h1": h1, "tokens": tokens, "h2": h2, "steady": steady, "full": handshakes("full", "false"), "resumed": handshakes("resumed", "true"),
    "down": bodies("down", ["--method", "GET", "--path", "/down"]), "up": bodies("up", ["--path", "/up", "--body-bytes", MIB]),
    "echo": echo, "memory": memory,
}
