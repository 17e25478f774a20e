"""The steps: each takes the run and gives {server: figures}; what a tool says in full stays in its folder."""
import contextlib, http.server, json, os, pathlib, re, resource, shutil, socketserver, ssl, statistics, subprocess, sys, threading, time
import xml.etree.ElementTree

import servers

LARGE = b"x" * (1024 * 1024)


class Echo(http.server.BaseHTTPRequestHandler):
    """A backend for the tools: reads a body, answers; /large is 1 MiB."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        length = self.headers.get("content-length")
        if length:
            self.rfile.read(int(length))
        elif "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        body = LARGE if self.path.startswith("/large") else b"well\n"
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(OSError):
                self.wfile.write(body)

    do_POST = do_HEAD = do_OPTIONS = do_PUT = do_GET

    def log_message(self, *_):
        pass


class Backend(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1024

    def handle_error(self, *_):
        pass


@contextlib.contextmanager
def echo_backend():
    with Backend(("127.0.0.1", 0), Echo) as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        yield backend.server_address[1]
        backend.shutdown()


def program(variable, *names):
    """A tool by its variable, or from PATH; None when there is none."""
    told = os.environ.get(variable)
    return told if told else next((found for found in map(shutil.which, names) if found), None)


def corpus(run):
    """The corpus of tests/support/corpus, by the test that runs it against servers that run already."""
    port, out = servers.free_port(), run.folder / "corpus.json"
    with run.servers("corpus", port, strict=True) as ports:
        told = {"backend": f"127.0.0.1:{port}", "ca": str(run.folder / "ca.pem"), "out": str(out),
                "servers": {name: f"127.0.0.1:{port}" for name, port in ports.items()}}
        command = ["cargo", "test", "--locked", "--quiet", "--test", "it", "--", "--ignored", "--exact", "--nocapture",
                   "corpus::the_corpus_against_servers_that_run_already"]
        log = (run.folder / "corpus.log").open("w")
        subprocess.run(command, cwd=run.root, check=True, stdout=log, stderr=log, env={**os.environ, "BOTGATE_CORPUS": json.dumps(told)})
    rows = json.loads(out.read_text())
    figures = {}
    for name in ports:
        own = [row for row in rows if row["server"] == name]
        count = {verdict: sum(row["verdict"] == verdict for row in own) for verdict in ("strict", "too-strict", "tolerated", "harmful")}
        keep = ("class", "case", "reason", "verdict", "because", "client", "backend")
        figures[name] = {"cases": len(own), **count,
                         "differs": [{key: row[key] for key in keep} for row in own if row["verdict"] != "strict"]}
    return figures


def h2spec(run):
    tool = program("BOTGATE_H2SPEC", "h2spec")
    if not tool:
        return run.skipped("h2spec: no such program; put it on PATH or name it in BOTGATE_H2SPEC (github.com/summerwind/h2spec)")
    run.versions["h2spec"] = said([tool, "--version"])
    figures = {}
    with echo_backend() as backend, run.servers("h2spec", backend) as ports:
        for name, port in ports.items():
            report = run.folder / f"h2spec-{name}.xml"
            with (run.folder / f"h2spec-{name}.txt").open("w") as log:
                subprocess.run([tool, "-t", "-k", "-h", "localhost", "-p", str(port), "-o", "3", "-j", report],
                               stdout=log, stderr=log, timeout=1200)
            cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
            failed = [f"{case.get('package')}: {case.get('classname')}" for case in cases
                      if case.find("failure") is not None or case.find("error") is not None]
            skipped = sum(case.find("skipped") is not None for case in cases)
            figures[name] = {"cases": len(cases), "passed": len(cases) - len(failed) - skipped, "skipped": skipped, "failed": failed}
            run.progress(name, f"{figures[name]['passed']} of {len(cases)}")
    return figures


def testssl(run):
    tool = program("BOTGATE_TESTSSL", "testssl", "testssl.sh")
    if not tool:
        return run.skipped("testssl.sh: no such program; put it on PATH or name it in BOTGATE_TESTSSL")
    version = re.search(r"testssl(?:\.sh)?(?: version)? +(\S+)", re.sub(r"\x1b\[[0-9;]*m", "", said([tool, "--version"], whole=True)))
    run.versions["testssl.sh"] = version[1] if version else "?"
    figures = {}
    with echo_backend() as backend, run.servers("testssl", backend) as ports:
        for name, port in ports.items():
            report = run.folder / f"testssl-{name}.json"
            command = [tool, "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1",
                       "--add-ca", run.folder / "ca.pem", "--jsonfile", report, f"localhost:{port}"]
            if run.short:
                command[1:1] = ["-p", "-f", "-U"]
            with (run.folder / f"testssl-{name}.txt").open("w") as log:
                subprocess.run([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=1200)
            findings = json.loads(report.read_text())
            bad = [f"{each['severity']} {each['id']}: {each['finding']}" for each in findings
                   if each["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL") and each["id"] not in LOCAL]
            grade = next((each["finding"] for each in findings if each["id"] == "overall_grade"), None)
            score = next((each["finding"] for each in findings if each["id"] == "final_score"), None)
            caps = [each["finding"] for each in findings if each["id"].startswith("grade_cap_reason")]
            figures[name] = {"checks": len(findings), "grade": grade, "score": score, "grade_caps": caps, "findings": bad}
            run.progress(name, f"grade {grade}, {len(bad)} findings")
    return figures


# What every server on this machine is told: its certificate is of a CA made for the run, it has no DNS record.
LOCAL = {"cert_chain_of_trust", "cert_revocation", "DNS_CAArecord", "cert_crlDistributionPoints", "cert_ocspURL", "cert_expirationStatus",
         "cert_validityPeriod", "cert_extlifeSpan", "cert_notAfter", "OCSP_stapling", "HSTS", "security_headers", "scanProblem", "certificate_transparency"}


class GoodClient(threading.Thread):
    """Asks again and again, each time on a new connection; how long each answer took, None for none within 5 s."""

    def __init__(self, port, ca):
        super().__init__(daemon=True)
        self.port, self.took, self.done = port, [], threading.Event()
        self.context = ssl.create_default_context(cafile=ca)

    def run(self):
        import http.client
        while not self.done.wait(0.2):
            start = time.monotonic()
            try:
                connection = http.client.HTTPSConnection("localhost", self.port, timeout=5, context=self.context)
                connection.request("GET", "/")
                good = connection.getresponse().read() == b"well\n"
                connection.close()
            except (OSError, http.client.HTTPException):
                good = False
            self.took.append(time.monotonic() - start if good else None)

    def figures(self):
        self.done.set()
        self.join()
        good = sorted(took for took in self.took if took is not None)
        at = lambda share: round(good[min(len(good) - 1, int(share * len(good)))] * 1000, 1) if good else None
        return {"asked": len(self.took), "served": len(good), "median_ms": at(0.5), "p99_ms": at(0.99)}


ATTACKS = {
    "slow header": ["-H", "-i", "3", "-x", "24", "-u", "https://localhost:{port}/"],
    "slow body": ["-B", "-i", "3", "-x", "10", "-s", "8192", "-u", "https://localhost:{port}/"],
    "slow read": ["-X", "-n", "3", "-z", "32", "-w", "64", "-y", "128", "-k", "1", "-u", "https://localhost:{port}/large"],
}


def slowhttptest(run):
    tool = program("BOTGATE_SLOWHTTPTEST", "slowhttptest")
    if not tool:
        return run.skipped("slowhttptest: no such program")
    run.versions["slowhttptest"] = (re.search(r"version ([\d.]+)", said([tool, "-h"], whole=True)) or [None, "?"])[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    # Longer than the 20 s for which botgate bears with slow bodies and readers.
    connections, seconds = (200, 10) if run.short else (1000, 40)
    figures = {}
    with echo_backend() as backend:
        for attack, words in ATTACKS.items():
            # Servers of its own for each attack: what one leaves behind does not count for the next.
            with run.servers(f"slow-{attack.split()[1]}", backend) as ports:
                for name, port in ports.items():
                    client = GoodClient(port, run.folder / "ca.pem")
                    client.start()
                    prefix = run.folder / f"{attack.replace(' ', '-')}-{name}"
                    command = [tool, "-c", str(connections), "-r", str(connections // 5), "-l", str(seconds), "-p", "5", "-g", "-o", str(prefix)]
                    with prefix.with_suffix(".txt").open("w") as log:
                        subprocess.run(command + [word.format(port=port) for word in words], stdout=log, stderr=log, timeout=seconds + 120)
                    figure = client.figures()
                    rows = [row.split(",") for row in prefix.with_suffix(".csv").read_text().splitlines()[1:] if row]
                    held = [int(row[3]) for row in rows if len(row) > 3 and row[3].strip().isdigit()]
                    figure["attackers"], figure["held_at_most"], figure["held_at_the_end"] = connections, max(held, default=0), held[-1] if held else 0
                    figures.setdefault(name, {})[attack] = figure
                    run.progress(name, f"{attack}: {figure['served']} of {figure['asked']} served, p99 {figure['p99_ms']} ms, "
                                       f"held {figure['held_at_most']}, at the end {figure['held_at_the_end']}")
    return figures


def websocket(run):
    """Autobahn's fuzzing client through each server, and straight to the same echo: what a tunnel changes is the difference."""
    tool = program("BOTGATE_WSTEST", "wstest")
    if not tool:
        return run.skipped("wstest: no such program; it is in the package autobahntestsuite; put it on PATH or name it in BOTGATE_WSTEST")
    run.versions["autobahntestsuite"] = (re.search(r"AutobahnTestSuite (\S+)", said([tool, "-a"], whole=True)) or [None, "?"])[1]
    port = servers.free_port()
    echo = servers.Process([tool, "-m", "testeeserver", "-w", f"ws://127.0.0.1:{port}", "-u", "0"], run.folder, "testee")
    try:
        servers.wait_for(port)
        with run.servers("websocket", port) as ports:
            agents = [{"agent": "direct", "url": f"ws://127.0.0.1:{port}"}]
            agents += [{"agent": name, "url": f"wss://localhost:{port}/"} for name, port in ports.items()]
            # 9 is about speed, 12 and 13 about compression, which a tunnel passes on as it is: hours, with --long.
            cases = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)] + (["9.*", "12.*", "13.*"] if run.long else [])
            spec = {"servers": agents, "outdir": str(run.folder / "autobahn"), "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}
            (run.folder / "autobahn.json").write_text(json.dumps(spec))
            with (run.folder / "autobahn.log").open("w") as log:
                subprocess.run([tool, "-m", "fuzzingclient", "-s", run.folder / "autobahn.json"], stdout=log, stderr=log, timeout=86400 if run.long else 1800)
    finally:
        echo.stop()
    index = json.loads((run.folder / "autobahn/index.json").read_text())
    figures = {}
    for name in ("direct", *ports):
        own, direct = index[name], index["direct"]
        count = {}
        for case in own.values():
            count[case["behavior"]] = count.get(case["behavior"], 0) + 1
        differs = [f"{case}: {own[case]['behavior']}, close {own[case]['behaviorClose']} (direct {direct[case]['behavior']}, {direct[case]['behaviorClose']})"
                   for case in own if (own[case]["behavior"], own[case]["behaviorClose"]) != (direct[case]["behavior"], direct[case]["behaviorClose"])]
        figures[name] = {"cases": len(own), "count": count, "failed": sorted(case for case in own if own[case]["behavior"] == "FAILED"),
                         "differs": differs}
        run.progress(name, f"{count}")
    return figures


def said(command, whole=False):
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    lines = (told.stdout + told.stderr).strip()
    return lines if whole else lines.splitlines()[0].strip()


STEPS = {"corpus": corpus, "h2spec": h2spec, "testssl": testssl, "slowhttptest": slowhttptest, "websocket": websocket}
