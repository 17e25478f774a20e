"""What clients feel when the active backend fails, when the proxy is reloaded, and when it is replaced.

Every time with fresh backends and a fresh proxy: what an earlier fault left behind must not count. 500 POSTs per second over TLS, each
another activity, each from its intended moment; a client opens as many connections as it needs. A request has failed when
its status is not 2xx, when its connection breaks, or when nothing comes within 20 s.
"""
import json, time

import figures, processes, scene
from peers.base import running

RATE = 500
# Seconds of load after the fault: longer than the proxies' timeouts of 5 s, where those decide.
AFTER = {"kill": 3, "hang": 8, "reset": 3, "503": 3, "slow": 6, "reload": 4, "restart": 5}


def fault(name):
    def row(bench, kind, _):
        backends = scene.Backends(bench.site)
        try:
            with running(kind, bench.site, backends.ports) as proxy:
                return under_load(bench, proxy, name, lambda: backends.fault(name))
        finally:
            backends.stop()
    return row


def reload(bench, kind, _):
    def thrice(proxy):
        for _ in range(3):
            proxy.reload()
            time.sleep(0.7)
    with running(kind, bench.site, bench.backends.ports) as proxy:
        return under_load(bench, proxy, "reload", lambda: thrice(proxy), resend=True)


def restart(bench, kind, _):
    with running(kind, bench.site, bench.backends.ports) as proxy:
        return under_load(bench, proxy, "restart", proxy.replace, resend=True)


def under_load(bench, proxy, name, happens, resend=False):
    """Has it happen a second after the load began; what failed, the longest wait, and until when requests failed or took more than half a second."""
    site = bench.site
    command = [site.load, "open", "--port", proxy.port, "--certificate", site.folder / "chain.pem", "--rate", RATE, "--connections", 4096,
               "--warm", 64, "--seconds", 1 + AFTER[name], "--body-file", "activity", "--headers-file", "headers", "--resend", str(resend).lower()]
    load = processes.Process(command, site.folder, "failover", pipes=True)
    try:
        time.sleep(1)
        load.child.stdin.write("now\n")
        load.child.stdin.flush()
        happens()
        counted = json.loads(load.child.stdout.readline() or "{}")
    finally:
        load.stop()
    if "after" not in counted:
        raise RuntimeError(f"the load against {proxy.name} ended early: {(site.folder / 'failover.log').read_text()[-300:]}")
    after = counted["after"]
    found = {f"{name} failed": counted["failed"], f"{name} longest": after["longest_ms"], f"{name} until": max(after["until_all_succeed_ms"], after["until_none_slow_ms"])}
    if name in figures.CHANGES:
        found[f"{name} resent"] = counted["resent"]
    if counted["reasons"]:
        bench.note(f"{name}, {proxy.title}: " + ", ".join(f"{count} {why}" for why, count in counted["reasons"].items()))
    return found


ROWS = {**{name: fault(name) for name in figures.FAULTS}, "reload": reload, "restart": restart}
