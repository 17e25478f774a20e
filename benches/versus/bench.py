"""One run: the instances, the rounds, and what was measured."""
import os, statistics, subprocess, sys, time

import failover, peers, rows, scene

# A peer whose CPU per request is more than this many times that of the best is none that sets the pace for all.
GOOD = 3
# Rows that have an instance of their own each time; the others share one that stays.
FRESH = {"memory", *failover.ROWS}
ROWS = {**rows.ROWS, **failover.ROWS}


class Bench:
    def __init__(self, site, names, seconds):
        self.site, self.names, self.seconds = site, names, seconds
        self.samples, self.yardstick, self.notes = {}, [], []
        self.began, self.steady_rate = time.monotonic(), None
        self.backends = scene.Backends(site)
        self.proxies = {}

    def kinds(self, row):
        """Which instances a row measures: each peer, and the botgate that is set up for it."""
        own = {"tokens": "botgate-tokens"}.get(row, "botgate-kit" if row in failover.ROWS else "botgate")
        others = [] if row == "tokens" else [name for name in self.names if name != "botgate"]
        return ([own] if "botgate" in self.names else []) + others

    def proxy(self, name):
        if name not in self.proxies:
            self.proxies[name] = peers.ALL[name](self.site, self.backends.ports)
            scene.wait_for_answer(self.proxies[name].port)
        return self.proxies[name]

    def close(self):
        for proxy in self.proxies.values():
            proxy.stop()

    def round(self, number, wanted):
        for row in wanted:
            self.measure_yardstick()
            kinds = self.kinds(row)
            turn = number % len(kinds) if kinds else 0
            for name in kinds[turn:] + kinds[:turn]:
                self.measure(number, row, name)

    def measure(self, number, row, name):
        subject = peers.ALL[name] if row in FRESH else self.proxy(name)
        try:
            found = ROWS[row](self, subject, self.seconds)
        except (RuntimeError, TimeoutError, OSError, subprocess.SubprocessError) as error:
            self.note(f"{row}, {name}: could not be measured: {error}")
            return
        for key, value in found.items():
            self.samples.setdefault(key, {}).setdefault(name, []).append(value)
        said = "  ".join(f"{key.partition(' ')[2] or key} {value:.4g}" for key, value in found.items())
        self.say(f"round {number + 1}  {row:8} {name:15} {said}")

    def measure_yardstick(self):
        """CPU milliseconds of a fixed piece of work."""
        child = subprocess.Popen([self.site.load, "yardstick"], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
        self.yardstick.append((usage.ru_utime + usage.ru_stime) * 1e3)

    def rate(self):
        """Requests per second of the row `steady`: half of what the slowest good peer answers at most; the same all through a run."""
        if self.steady_rate is None:
            costs = {name: statistics.median(values) for name, values in self.samples.get("h1 cpu", {}).items() if name in peers.PEERS}
            costs = costs or {name: statistics.median(values) for name, values in self.samples["h1 cpu"].items()}
            good = [name for name, cost in costs.items() if cost <= GOOD * min(costs.values())]
            self.steady_rate = int(min(statistics.median(self.samples["h1 rate"][name]) for name in good) / 2)
            self.say(f"the fixed rate is {self.steady_rate} requests/s: half of the slowest of {', '.join(good)}")
        return self.steady_rate

    def note(self, text):
        self.notes.append(text)
        self.say(text)

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)

    def result(self):
        return {"samples": self.samples, "yardstick_ms": self.yardstick, "notes": self.notes, "steady_rate": self.steady_rate,
                "seconds_taken": round(time.monotonic() - self.began)}
