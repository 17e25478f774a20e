"""What all proxies of a run share: folder, certificate, ports, backends, and the requests that are sent."""
import http.client, json, pathlib, shutil, signal, socket, ssl, subprocess, tempfile, time

import processes, tokens

NAMES = ("westeurope", "northeurope")
# A 1 KiB activity: "##########" becomes a number of its own where requests must differ.
ACTIVITY = {"type": "message", "id": "##########", "channelId": "load", "conversation": {"id": "c"}, "serviceUrl": tokens.SERVICE,
            "from": {"id": "u"}, "recipient": {"id": "b"}, "text": ""}


class Site:
    """A folder that is gone when the run ends."""

    def __init__(self, load):
        self.folder, self.load = pathlib.Path(tempfile.mkdtemp(prefix="versus-")), load
        self.ports = set()
        self.certificate()
        self.issuer = tokens.Issuer(self.folder)
        body = json.dumps(ACTIVITY)
        body = json.dumps({**ACTIVITY, "text": "x" * (1024 - len(body))})
        # 800 bytes of Authorization, as a channel's token has them; where tokens are checked, a real one.
        opaque, real = "Bearer " + "a" * 793, "Bearer " + self.issuer.token()
        self.write("activity", body)
        self.write("activity-1", body.replace("#" * 10, "0000000001"))
        self.write("headers", f"authorization: {opaque}\n")
        self.write("headers-real", f"authorization: {real}\n")
        self.write("post.lua", lua(body.replace("#" * 10, "0000000001"), opaque))
        self.write("differ.lua", lua(body, real) + DIFFER)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def place(self, name):
        """A folder of its own for one instance."""
        count = len(list(self.folder.glob(f"{name}-[0-9]*")))
        place = self.folder / f"{name}-{count}"
        place.mkdir()
        return place

    def port(self):
        """A port that is free now and that nobody else of this run was given."""
        while True:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                port = taken.getsockname()[1]
            if port not in self.ports:
                self.ports.add(port)
                return port

    def certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", "key.pem", "-out", "chain.pem"], cwd=self.folder, check=True, capture_output=True)
        self.write("both.pem", (self.folder / "chain.pem").read_text() + (self.folder / "key.pem").read_text())
        for name in ("key.pem", "both.pem"):
            (self.folder / name).chmod(0o600)

    def close(self):
        self.issuer.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Backends:
    """Two regions, each a process of its own that can be killed, stopped, and told to misbehave."""

    def __init__(self, site):
        self.site, self.ports = site, [site.port() for _ in NAMES]
        self.processes = [self.start(at) for at in range(len(NAMES))]
        for port in self.ports:
            wait_for_port(port)

    def start(self, at):
        return processes.Process([self.site.load, "backend", "--port", self.ports[at]], self.site.folder, f"backend-{self.ports[at]}")

    def fault(self, what):
        """To the first: `kill`, `hang`, or a word that the backend knows."""
        if what == "kill":
            self.processes[0].kill()
        elif what == "hang":
            processes.send(self.processes[0].pid, signal.SIGSTOP)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=5)
            connection.request("POST", f"/fault/{what}")
            connection.getresponse().read()
            connection.close()

    def stop(self):
        for process in self.processes:
            process.stop()


def wait_for_port(port):
    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    processes.wait_until(f"something listens on port {port}", listens)


def wait_for_answer(port):
    """Until a request gets through the proxy, and its checks have had the time to find both backends well."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def answers():
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
        try:
            connection.request("GET", "/small")
            return connection.getresponse().status == 200
        except OSError:
            return False
        except http.client.HTTPException:
            return False
        finally:
            connection.close()
    processes.wait_until(f"the proxy on port {port} answers", answers)
    time.sleep(1.2)


def lua(body, authorization):
    """A script of wrk."""
    headers = {"authorization": authorization, "content-type": "application/json"}
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
    return "\n".join(lines + [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]) + "\n"


# Each request is another activity. Runs of different seconds begin at different numbers.
DIFFER = """
local first, last = wrk.body:match("^(.-)##########(.*)$")
local number
function init(args)
  number = os.time() % 9000 * 1000000
  local made = wrk.format(nil, "/bot", nil, first .. "0000000001" .. last)
  head, tail = made:match("^(.-)0000000001(.*)$")
end
function request()
  number = number + 1
  return head .. string.format("%010d", number) .. tail
end
"""
